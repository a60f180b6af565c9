"""How unusual a size is beside those that clean nets of the same recipe need.

Natural sizes differ more between classes than a backdoor moves them, so a comparison within one net (the median
absolute deviation of Neural Cleanse) flags clean nets and misses triggers; each class is compared with itself on clean
reference nets instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

Floats = NDArray[np.float64]
OWN_SHARE = 0.7
"""Share of a class's own variance; the rest is the mean over classes."""
LARGEST_DEVIATION = 5.0
"""With so few reference nets that only what deviates more is flagged, a scan is not worth its time."""
FEWEST = 3


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Sizes of one net beside those of reference nets; all (classes, families).

    Attributes:
        mean: mean of the references' log sizes.
        sd: standard deviation of the references' log sizes, after shrinking.
        references: how many references had a size here.
        z: how many standard deviations of a prediction the log size lies below the mean; NaN where not judged.
        p: one-sided, by Student's t; 1 where the net itself reached no size; NaN where not judged.
        p_adjusted: times the number of classes and families, at most 1 (Bonferroni).
        flagged_below: log of the size below which ``p_adjusted`` would be under ``alpha``.
    """

    mean: Floats
    sd: Floats
    references: NDArray[np.int64]
    z: Floats
    p: Floats
    p_adjusted: Floats
    flagged_below: Floats

    @property
    def smallest(self) -> tuple[int, int] | None:
        """Class and family of the smallest p, ties broken by z; ``None`` where nothing was judged."""
        if not np.isfinite(self.p).any():
            return None
        order = np.lexsort((-np.nan_to_num(self.z, nan=-np.inf).ravel(), np.nan_to_num(self.p, nan=2.0).ravel()))
        place = np.unravel_index(int(order[0]), self.p.shape)
        return int(place[0]), int(place[1])


def calibrated(log_sizes: Floats, reference_log_sizes: Floats, alpha: float = 0.05) -> Calibrated:
    """Compare a net's log sizes (classes, families) with those of clean references (nets, classes, families).

    ``z = (mean - log size) / (s sqrt(1 + 1/r))`` and p from Student's t with ``r - 1`` degrees of freedom, as for a
    new observation beside ``r`` others. ``s^2`` is 0.7 times the class's own variance plus 0.3 times the mean over
    classes of the family, and never below the class's own: with normal log sizes p is then never too small, whatever
    the variances of the classes are. NaN stands for a size that was not reached; references without one are left out
    (they would need more, so the mean is at most too small), and a class and family of fewer than three are not judged.
    """
    sizes = np.asarray(log_sizes, dtype=np.float64)
    others = np.asarray(reference_log_sizes, dtype=np.float64)
    if others.ndim != 3 or others.shape[1:] != sizes.shape:
        raise ValueError(f"expected reference sizes of shape (nets, {sizes.shape}), but got {others.shape}")
    given = np.isfinite(others)
    count = given.sum(0)
    judged = count >= FEWEST
    filled = np.where(given, others, 0.0)
    mean = np.where(judged, filled.sum(0) / np.maximum(count, 1), np.nan)
    squares = np.where(given, (filled - np.nan_to_num(mean)) ** 2, 0.0).sum(0)
    own = np.where(judged, squares / np.maximum(count - 1, 1), np.nan)
    sd = np.sqrt(np.maximum(own, OWN_SHARE * own + (1 - OWN_SHARE) * _over_classes(own)))
    spread = sd * np.sqrt(1 + 1 / np.maximum(count, 1))
    reached = np.isfinite(sizes)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(judged & reached, (mean - np.where(reached, sizes, 0.0)) / spread, np.nan)
    p = np.where(judged, np.where(reached, student.sf(z, np.maximum(count - 1, 1)), 1.0), np.nan)
    critical = student.isf(alpha / sizes.size, np.maximum(count - 1, 1))
    return Calibrated(
        mean=mean,
        sd=sd,
        references=count.astype(np.int64),
        z=z,
        p=p,
        p_adjusted=np.minimum(p * sizes.size, 1.0),
        flagged_below=np.where(judged, mean - critical * spread, np.nan),
    )


def _over_classes(variance: Floats) -> Floats:
    """Return the mean over classes, repeated for each class; of families that no class has, NaN."""
    there = np.isfinite(variance)
    total = np.where(there, variance, 0.0).sum(0) / np.maximum(there.sum(0), 1)
    return np.broadcast_to(total, variance.shape)


def each_left_out(reference_log_sizes: Floats, alpha: float = 0.05) -> list[Calibrated]:
    """Judge each reference net (nets, classes, families) by the others."""
    return [
        calibrated(reference_log_sizes[place], np.delete(reference_log_sizes, place, axis=0), alpha)
        for place in range(len(reference_log_sizes))
    ]


def critical_deviation(references: int, tests: int, alpha: float = 0.05) -> float:
    """Return how many standard deviations of the references a log size must lie below their mean to be flagged.

    ``t sqrt(1 + 1/r)``: 3.97 for 12 references and 35 tests, 3.22 for 40.
    """
    return float(student.isf(alpha / tests, references - 1) * np.sqrt(1 + 1 / references))


def references_needed(tests: int, alpha: float = 0.05) -> int:
    """Return the smallest number of reference nets that a scan is made with: 8 for 35 tests.

    Those at which :func:`critical_deviation` is 5 at most. Triggers that this scan found in trials lay 3.2 to 10.5
    standard deviations below the references, half of them more than 5: with fewer nets most of what it can find would
    be missed, and "not flagged" would say little.
    """
    count = FEWEST + 1  # each net is judged by the others, which are three at least
    while critical_deviation(count, tests, alpha) > LARGEST_DEVIATION:
        count += 1
    return count
