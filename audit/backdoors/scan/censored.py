"""A normal distribution whose upper part was not seen, and how far below it a further value lies.

Not every clean net is brought to a class by every kind of change. One that is not would need more than those that are:
of ``r`` sizes the ``reached`` smallest are known (censoring of the second type). To leave the others out would make the
mean and, above all, the deviation too small, and a clean net that happens to be reached would be flagged: in
simulations of sizes that are known up to a fixed limit up to 3.3 times as often as wanted.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]
DRAWS = 20_000
FARTHEST = 1e6


def line_through_scores(smallest: Floats, of: int) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of the normal distribution that the smallest of some values come from.

    Intercept and slope of the least-squares line of the sorted values over the expected order statistics of ``of``
    standard normal values, ``Phi^-1((i - 3/8) / (of + 1/4))`` (Blom 1958, *Statistical Estimates and Transformed
    Beta-Variables*).

    Args:
        smallest: the known values, sorted upwards along the last axis, (..., reached), at least two.
        of: how many values there are with the unknown ones, which are larger.
    """
    scores = ndtri((np.arange(1, smallest.shape[-1] + 1) - 0.375) / (of + 0.25))
    about = scores - scores.mean()
    slope: Floats = (smallest * about).sum(-1) / (about * about).sum()
    return smallest.mean(-1) - slope * scores.mean(), slope


@lru_cache(maxsize=512)
def _fits(reached: int, of: int) -> tuple[Floats, Floats]:
    """Return mean and deviation as estimated from many sets of ``of`` standard normal values."""
    values = np.random.default_rng(0).standard_normal((DRAWS, of))
    return line_through_scores(np.sort(values, axis=1)[:, :reached], of)


def p_below(deviations: float, reached: int, of: int) -> float:
    """Return how often a further value of the same distribution lies so many estimated deviations below the mean.

    The estimates move with location and scale of the values, so that ``(mean - value) / deviation`` has one
    distribution for all normal ones. It is averaged over the estimates of 20,000 drawn sets, the further value being
    integrated: ``E[Phi(mean - deviations * sd)]``, which stays smooth far out.
    """
    mean, sd = _fits(reached, of)
    return float(ndtr(mean - deviations * sd).mean())


@lru_cache(maxsize=4096)
def deviations_at(p: float, reached: int, of: int) -> float:
    """Return the deviations at which :func:`p_below` is ``p``, below one half; at most a million."""
    if p_below(FARTHEST, reached, of) > p:
        return FARTHEST
    return float(brentq(lambda each: p_below(each, reached, of) - p, -FARTHEST, FARTHEST, xtol=1e-9))
