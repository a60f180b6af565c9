"""Many questions at once: which hold when all are judged together, and bounds that hold together.

Each question is put on one scale, the Bonferroni p-value ``s`` of its largest studentised difference. Every labelling
(the people's groups dealt out anew, the same for all questions) gives one ``s`` per question; what chance alone does
when so many questions are asked is the smallest of them. Westfall and Young (1993), *Resampling-based multiple
testing*, the step-down minimum of p-values. In contrast to Holm's method on permutation p-values, which needs more
permutations than ``questions / level`` to reject anything, the number of permutations need not grow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from .sums import Floats


def log_scale_largest(pair: Floats, rest: Floats, groups: int) -> Floats:
    """Return the logarithm of the Bonferroni p-value of the two families of a largest difference.

    Args:
        pair: largest studentised difference of two groups, of each labelling.
        rest: largest studentised difference of a group and all others, either way.
        groups: how many groups there are.
    """
    both = np.minimum(
        np.log(groups * (groups - 1)) + log_ndtr(-np.asarray(pair)), np.log(2 * groups) + log_ndtr(-np.asarray(rest))
    )
    return np.asarray(both + np.log(2.0), dtype=np.float64)


def log_scale_worst(behind: Floats, groups: int) -> Floats:
    """Return the logarithm of the Bonferroni p-value of the group that is furthest behind all others."""
    return np.asarray(np.log(groups) + log_ndtr(-np.asarray(behind)), dtype=np.float64)


def adjusted(observed: Sequence[float], dealt: Sequence[Floats]) -> Floats:
    """Return the step-down adjusted p-value of every question, in the order given.

    Args:
        observed: ``log s`` of each question.
        dealt: ``log s`` of each question under every labelling, shape (labellings,) each.
    """
    order = np.argsort(np.asarray(observed), kind="stable")
    found = np.empty(len(order))
    smallest = np.full(len(dealt[0]), np.inf) if dealt else np.empty(0)
    for question in order[::-1]:
        smallest = np.minimum(smallest, dealt[question])
        reached = np.count_nonzero(smallest <= observed[question] + 1e-9)
        found[question] = (1 + reached) / (len(smallest) + 1)
    found[order] = np.maximum.accumulate(found[order])
    return found


def smallest_at(dealt: Sequence[Floats], alpha: float) -> float:
    """Return the ``log s`` that the smallest over all questions undercuts with probability ``alpha`` by chance."""
    smallest = np.min(np.stack(dealt), axis=0)
    wanted = int(np.floor(alpha * (len(smallest) + 1) + 1e-9))
    if wanted < 1:
        raise ValueError(f"{len(smallest)} permutations are too few for a level of {alpha}")
    return float(np.sort(smallest)[wanted - 1])


def critical_largest(log_s: float, groups: int) -> tuple[float, float]:
    """Return the critical values of pairs and of groups against all others that ``log s`` stands for."""
    of_pair = -ndtri_exp(min(log_s - np.log(2.0 * groups * (groups - 1)), -np.log(2.0)))
    of_rest = -ndtri_exp(min(log_s - np.log(4.0 * groups), -np.log(2.0)))
    return float(of_pair), float(of_rest)


def critical_worst(log_s: float, groups: int) -> float:
    """Return the critical value of a group against all others, one-sided, that ``log s`` stands for."""
    return float(-ndtri_exp(min(log_s - np.log(float(groups)), -np.log(2.0))))
