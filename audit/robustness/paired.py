"""Whether one condition flips more faces than another on the same faces, beyond chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest


@dataclass(frozen=True)
class PairedCount:
    """Faces that differ between two conditions, and how likely that is when neither is stronger.

    Attributes:
        only_first: faces flipped under the first condition only.
        only_second: faces flipped under the second condition only.
        p_value: one-sided, for "the second flips more than the first".
    """

    only_first: int
    only_second: int
    p_value: float


def compare_flips(first: NDArray[np.bool_], second: NDArray[np.bool_], subjects: NDArray[np.int64]) -> PairedCount:
    """Compare two conditions on the same faces: does the second flip more than the first?

    McNemar's exact test, carried from faces to people so that it holds when the faces of a person resemble
    each
    other: a person counts for the condition that flips more of their faces, ties are left out, and the count
    is binomial with one half when neither condition is stronger. With one face per person it is McNemar's
    test (McNemar 1947, Psychometrika 12).

    Args:
        first: flipped under the first condition, shape (n,).
        second: flipped under the second condition, shape (n,).
        subjects: subject code of each face, shape (n,).
    """
    balance = np.bincount(subjects, weights=second.astype(np.float64) - first.astype(np.float64))
    more, fewer = int((balance > 0).sum()), int((balance < 0).sum())
    p_value = float(binomtest(more, more + fewer, 0.5, alternative="greater").pvalue) if more + fewer else 1.0
    return PairedCount(int((first & ~second).sum()), int((second & ~first).sum()), p_value)
