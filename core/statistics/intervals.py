"""Confidence intervals of rates and means when people, not faces, were sampled.

The formulas work on :class:`~.sums.GroupSums`, one entry per group, all groups at once. ``p`` is the value
of a group (sum of values over sum of weights), ``N`` its weight (faces), ``m`` its people. What each
interval covers in simulations stands in ``docs/intervals.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import beta, t

from .sums import Floats, GroupSums, Integers, divide, total_at

WILSON = "wilson"
WILSON_EFFECTIVE = "wilson_effective_n"
KORN_GRAUBARD = "korn_graubard"
CLOPPER_PEARSON = "clopper_pearson"
SANDWICH = "sandwich_t"
NO_VARIATION = "no_variation"
GROUPS_TO_POOL = 3
EXTRA_DEGREES = 10


@dataclass(frozen=True, eq=False)
class Intervals:
    """Value, limits, effective sample size and method of each group, shape (groups,); NaN where none."""

    value: Floats
    low: Floats
    high: Floats
    n_effective: Floats
    method: list[str]


def residual_variance(sums: GroupSums) -> Floats:
    """Return the variance of each group's sum of residuals, ``m/(m-1) sum over people of (x - p n)^2``.

    The standard error of ``p`` is its root over ``N`` (the sandwich estimator clustered by person). 0 where
    ``m < 2``.
    """
    p = np.nan_to_num(sums.value)
    squares = np.maximum(sums.xx - 2 * p * sums.xn + p**2 * sums.nn, 0)
    m = sums.subjects.astype(np.float64)
    return np.where(m > 1, squares * m / np.maximum(m - 1, 1), 0.0)


def pooled_icc(sums: GroupSums, variance: Floats) -> float:
    """Return the intraclass correlation of faces of one person, pooled over the groups, from 0 to 1.

    ``sum (v - s^2 N) / sum s^2 (Q - N)`` over the groups of two people or more, with ``v`` the residual
    variance, ``s^2`` the variance of one face and ``Q`` the sum of squared weights of people. When people
    have several faces but no group has any variation, the data do not say how alike faces of one person
    are, and the answer is 1: each person counts once.

    Args:
        sums: the groups.
        variance: ``s^2`` of each group, ``p (1 - p)`` for a rate.
    """
    use = sums.subjects > 1
    unit = variance[use]
    below = float((unit * (sums.nn[use] - sums.n[use])).sum())
    if below <= 0:
        return float((sums.nn > sums.n).any())
    above = float((residual_variance(sums)[use] - unit * sums.n[use]).sum())
    return min(max(above / below, 0.0), 1.0)


def effective_n(sums: GroupSums, variance: Floats) -> Floats:
    """Return how many independent faces the faces of each group are worth, at most ``N``.

    ``N / max(1, pooled, own)``: the pooled design effect is ``1 + icc (Q/N - 1)``, the group's own ``v /
    (s^2 N)``. The pooled one is stable, the own one protects a group whose faces are more alike than those
    of the others; the larger is taken. A group without variation, or of one person, has no own one.

    Args:
        sums: the groups.
        variance: variance ``s^2`` of one face in each group, ``p (1 - p)`` for a rate.
    """
    n = np.maximum(sums.n, np.finfo(float).tiny)
    pooled = 1 + pooled_icc(sums, variance) * (sums.nn / n - 1)
    independent = variance * sums.n
    own = divide(residual_variance(sums), independent, 0.0)
    return np.where(sums.one_face_each, sums.n, sums.n / np.maximum(1.0, np.maximum(pooled, own)))


def t_quantile(level: float, degrees: Floats) -> Floats:
    """Return the two-sided t quantile at confidence ``level``, the normal one for infinite ``degrees``."""
    finite = np.isfinite(degrees)
    quantile = t.ppf(0.5 + level / 2, np.where(finite, degrees, 1.0))
    return np.where(finite, quantile, ndtri(0.5 + level / 2))


def wilson(p: Floats, n: Floats, z: Floats | float) -> tuple[Floats, Floats]:
    """Return the Wilson score limits of a rate ``p`` of ``n`` independent faces at quantile ``z``.

    Wilson (1927), Journal of the American Statistical Association 22:209. Defined for rates of 0 and 1.
    """
    square = np.square(z)
    centre = p + square / (2 * n)
    half = z * np.sqrt(p * (1 - p) / n + square / (4 * n * n))
    scale = 1 + square / n
    return np.clip((centre - half) / scale, 0, p), np.clip((centre + half) / scale, p, 1)


def clopper_pearson(count: Floats, n: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the Clopper-Pearson limits of ``count`` out of ``n``, which need not be whole numbers.

    Clopper and Pearson (1934), Biometrika 26:404. Covers at least ``level`` at every rate.
    """
    tail = (1 - level) / 2
    count, n = np.broadcast_arrays(np.asarray(count, dtype=np.float64), np.asarray(n, dtype=np.float64))
    misses = np.maximum(n - count, 0)
    low, high = np.zeros(n.shape), np.ones(n.shape)
    some, short = count > 0, misses > 0
    low[some] = beta.ppf(tail, count[some], misses[some] + 1)
    high[short] = beta.ppf(1 - tail, count[short] + 1, misses[short])
    return low, high


def rate_intervals(sums: GroupSums, level: float, *, exact: bool = False) -> Intervals:
    """Return the interval of the rate of each group.

    - One face per person: Wilson with ``n = N``.
    - Several, and at least three groups of two people or more to pool the intraclass correlation over:
      Wilson with
      :func:`effective_n` and a t quantile of ``m - 1 + 10`` degrees.
    - Several, and fewer groups: Clopper-Pearson limits with the effective sample size times
      ``(t[N-1] / t[m-1])^2``. Korn and Graubard (1998), Survey Methodology 24:193.

    Args:
        sums: the groups.
        level: confidence level.
        exact: Clopper-Pearson limits for every group, with the effective sample size as above where people have
            several faces: they keep the level at every rate, also near 0, and are wider.
    """
    p = np.nan_to_num(sums.value)
    n = effective_n(sums, p * (1 - p))
    safe = np.where(n > 0, n, 1.0)
    m = np.maximum(sums.subjects, 1).astype(np.float64)
    alone = sums.one_face_each
    pooled = int(((sums.subjects > 1) & (sums.n > 0)).sum()) >= GROUPS_TO_POOL
    degrees = np.where(alone, np.inf, m - 1 + EXTRA_DEGREES)
    low, high = wilson(p, safe, t_quantile(level, degrees))
    ratio = t_quantile(level, np.maximum(sums.n - 1, 1)) / t_quantile(level, np.maximum(m - 1, 1))
    shrunk = np.where(alone, safe, safe * np.square(ratio))
    if not pooled and not alone.all():
        exact_low, exact_high = clopper_pearson(p * shrunk, shrunk, level)
        low = np.where(alone, low, np.minimum(exact_low, p))
        high = np.where(alone, high, np.maximum(exact_high, p))
    if exact:
        low, high = clopper_pearson(p * shrunk, shrunk, level)
        low, high = np.minimum(low, p), np.maximum(high, p)
        return Intervals(sums.value, low, high, n, [CLOPPER_PEARSON if one else KORN_GRAUBARD for one in alone])
    clustered = WILSON_EFFECTIVE if pooled else KORN_GRAUBARD
    return Intervals(sums.value, low, high, n, [WILSON if one else clustered for one in alone])


def mean_intervals(
    sums: GroupSums, variance: Floats, level: float, bounds: tuple[float, float] | None = None
) -> Intervals:
    """Return the interval of each group's mean (or ratio of sums): sandwich error, t of ``m - 1`` degrees.

    A group whose faces all have one value has no standard error. With ``bounds`` its limits are Wilson's
    for the place of the value within them, each person counted once, which holds because no variable within
    the bounds varies more than one that takes only their two ends. Without bounds it has no limits.

    Args:
        sums: the groups.
        variance: variance of one face in each group, for the effective sample size.
        level: confidence level.
        bounds: smallest and largest possible value.
    """
    value = np.nan_to_num(sums.value)
    m = np.maximum(sums.subjects, 1).astype(np.float64)
    total = np.maximum(sums.n, np.finfo(float).tiny)
    variance_of_sum = residual_variance(sums)
    error = np.sqrt(variance_of_sum) / total
    half = t_quantile(level, np.maximum(m - 1, 1)) * error
    low, high = value - half, value + half
    still = variance_of_sum <= 1e-12 * (sums.xx + value**2 * sums.nn)  # no more than rounding leaves
    method = [NO_VARIATION if flat else SANDWICH for flat in still]
    if bounds is None:
        low, high = np.where(still, np.nan, low), np.where(still, np.nan, high)
    else:
        least, width = bounds[0], bounds[1] - bounds[0]
        place = np.clip((value - least) / width, 0, 1)
        flat_low, flat_high = wilson(place, m, float(ndtri(0.5 + level / 2)))
        low = np.where(still, np.minimum(least + width * flat_low, value), np.clip(low, bounds[0], value))
        high = np.where(still, np.maximum(least + width * flat_high, value), np.clip(high, value, bounds[1]))
    return Intervals(sums.value, low, high, effective_n(sums, variance), method)


def influence_variance(influence: Floats) -> float:
    """Return the variance of a statistic, ``m/(m-1) sum psi^2``, from each person's influence, shape (m,).

    ``psi`` is how much the person moves the statistic; the values sum to 0.
    """
    m = len(influence)
    return float(np.square(influence).sum() * m / (m - 1)) if m > 1 else 0.0


def logit_limits(value: float, variance: float, subjects: int, level: float) -> tuple[float, float]:
    """Return limits, symmetric on the logit scale, of a number between 0 and 1; t of ``subjects - 1``."""
    if not 0 < value < 1:
        raise ValueError(f"expected a value between 0 and 1, but got {value}")
    centre = np.log(value / (1 - value))
    quantile = float(t_quantile(level, np.asarray([max(subjects - 1, 1)], dtype=np.float64))[0])
    half = quantile * np.sqrt(variance) / (value * (1 - value))
    low, high = 1 / (1 + np.exp(-(centre - half))), 1 / (1 + np.exp(-(centre + half)))
    return min(float(low), value), max(float(high), value)


def by_person(subjects: Integers, influence_of_face: Floats) -> Floats:
    """Add up influences of faces by person; people without a face are left out."""
    _, person = np.unique(subjects, return_inverse=True)
    return total_at(person.reshape(-1), influence_of_face, int(person.max(initial=-1)) + 1)
