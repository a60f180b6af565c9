"""Many questions at once: which hold when all are judged together, and bounds that hold together.

Each question is first put on one scale, the Bonferroni p-value ``s`` of its largest studentised difference. Every
labelling (the people's groups dealt out anew, the same for all questions) gives one ``s`` per question. Where rates are
near 0 or 1 and groups small, ``s`` is far smaller by chance than a p-value would be; unadjusted, such questions would
set the limits for all others. So each question's ``s`` is turned into a p-value by its own permutations
(:class:`Tail`). What chance alone does when so many questions are asked is the smallest p-value of each labelling:
Westfall and Young (1993), *Resampling-based multiple testing*, the step-down minimum of p-values. In contrast to Holm's
method on permutation p-values, which needs more permutations than ``questions / level`` to reject anything, the number
of permutations need not grow. The same rule is applied to every labelling, so the test keeps its level however well the
tails fit; how well they fit decides how evenly its power is shared among the questions.
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


class Tail:
    """From ``log s`` of one question to ``log p`` and back, by what its permutations gave.

    Down to the smallest few in a hundred the p-value is the rank among the permutations. Beyond, where ranks end,
    ``-log s`` is taken to fall off exponentially at the rate of these few (extreme values; Knijnenburg et al. 2009,
    Bioinformatics 25:i161, extend permutation p-values so).
    """

    share = 0.03
    fewest = 25
    least_rate = 0.25

    def __init__(self, dealt: Floats) -> None:
        """Fit to ``log s`` of every labelling, the one to be judged included, so that none is privileged."""
        ordered = np.sort(-np.where(np.isfinite(dealt), dealt, np.nanmin(np.where(np.isfinite(dealt), dealt, 0.0))))
        count = len(ordered)
        beyond = max(2, min(max(self.fewest, int(self.share * count)), count // 4))
        self.start = float(ordered[count - beyond - 1] if count > beyond else ordered[0])
        # The largest counts as "at least the second": an observed gap far out must not widen its own tail.
        few = ordered[count - beyond :] - self.start
        self.rate = max(float((few[:-1].sum() + few[-2]) / (beyond - 1)), self.least_rate)
        self.log_share = float(np.log((beyond + 1) / (count + 1)))
        below = ordered[: max(count - beyond, 1)]
        ranks = (count + 1 - np.arange(len(below))) / (count + 1)
        ranks[-1] = (beyond + 1) / (count + 1)
        self._s, self._p = below, np.log(ranks)

    def log_p(self, log_s: Floats) -> Floats:
        """Return ``log p`` of each ``log s``."""
        surprise = -np.asarray(log_s, dtype=np.float64)
        inside = np.interp(surprise, self._s, self._p)
        outside = self.log_share - (surprise - self.start) / self.rate
        return np.asarray(np.where(surprise > self.start, outside, inside), dtype=np.float64)

    def log_s(self, log_p: float) -> float:
        """Return the ``log s`` that has this ``log p``."""
        if log_p <= self.log_share:
            return -(self.start + (self.log_share - log_p) * self.rate)
        return -float(np.interp(-log_p, -self._p, self._s))


def adjusted(observed: Sequence[float], dealt: Sequence[Floats]) -> Floats:
    """Return the step-down adjusted p-value of every question, in the order given.

    Args:
        observed: ``log p`` of each question.
        dealt: ``log p`` of each question under every labelling, shape (labellings,) each.
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
    """Return the ``log p`` that the smallest over all questions undercuts with probability ``alpha`` by chance."""
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
