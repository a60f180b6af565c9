"""A rate over groups, dealt out anew, and what bounds of its differences, ratios and spreads are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import log_ndtr, ndtri_exp

from .cross_fit import PeopleInGroups
from .deals import Deals
from .gap_data import SummedData
from .gap_limits import GapLimits
from .group_tests import GroupValues, in_errors, statistics_of
from .indices import gini, mean_absolute_deviation, standard_deviation
from .joint import critical_largest, log_scale_largest, smallest_at
from .sums import Floats

Bounds = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Rate:
    """A rate of the groups that take part, as observed and with the groups dealt out anew.

    Attributes:
        data: the faces.
        observed: what the groups show, one labelling.
        dealt: what they show under permutations of people, shape (labellings, groups).
        limits: limits of the differences observed.
    """

    data: SummedData
    observed: GroupValues
    dealt: GroupValues
    limits: GapLimits

    @classmethod
    def of(cls, data: SummedData, times: int, random: np.random.Generator, deals: Deals | None) -> Rate:
        """Deal the groups of a rate out ``times`` times, or as often as the shared permutations do."""
        parts = list(data.dealt(times, random, deals))
        columns = [(each.value, each.weight, each.n_effective, each.unit) for each in parts]
        dealt = GroupValues(*(np.concatenate(column) for column in zip(*columns, strict=True)))
        return cls(data, data.observed(), dealt, GapLimits(data))

    @property
    def groups(self) -> int:
        """How many groups take part."""
        return int(self.observed.value.shape[1])

    def upper_quantile(self, alpha: float) -> float:
        """Return the one-sided quantile of a single limit, that of the group with the fewest people."""
        return float(self.data.quantiles(alpha)[0].max())

    def complement(self) -> Rate:
        """Return one less the rate: misses from hits, errors from right answers; it has the same differences."""
        observed, dealt = (replace(values, value=1 - values.value) for values in (self.observed, self.dealt))
        return Rate(self.data, observed, dealt, self.limits)

    def lines(self) -> PeopleInGroups:
        """Return the sums of everyone in every group."""
        x, n, group, person = self.data.lines()
        return PeopleInGroups(x, n, group, self.groups, person)


def log_scale_of_differences(rates: Sequence[Rate], part: str) -> list[Floats]:
    """Return the scale of :mod:`.joint` of each rate's largest difference: ``part`` is ``observed`` or ``dealt``."""
    found = []
    for rate in rates:
        statistics = statistics_of([getattr(rate, part)])
        found.append(log_scale_largest(statistics.pair, statistics.rest, rate.groups))
    return found


def difference_bounds(rates: Sequence[Rate], dealt: Sequence[Floats], alpha: float) -> Bounds:
    """Return bounds of the largest difference of two groups in any of the rates.

    Args:
        rates: of the same people.
        dealt: what :func:`log_scale_of_differences` gives for the labellings.
        alpha: error of each bound.
    """
    at = smallest_at(dealt, alpha)
    low = max(rate.limits.lowest_largest(*critical_largest(at, rate.groups)) for rate in rates)
    return max(0.0, low), min(1.0, max(rate.limits.highest_largest(alpha) for rate in rates))


def moved(values: GroupValues) -> tuple[Floats, Floats]:
    """Return rates moved off 0 by half an event out of one face more, and the error variances of their logarithms."""
    n = values.n_effective
    rate = (values.value * n + 0.5) / (n + 1)
    return rate, (1 - rate) / (rate * (n + 1))


def without_zeros(values: GroupValues, *, largest: bool = False) -> Floats:
    """Return the rates, moved off 0 in labellings in which their ratio would be 0 over 0 or, if ``largest``, infinite.

    The rule looks at each labelling alone, so that what is observed and what is dealt out are treated alike.
    """
    value = values.value
    most, least = value.max(axis=1, keepdims=True), value.min(axis=1, keepdims=True)
    return np.where((least == 0) if largest else (most == 0), moved(values)[0], value)


def log_scale_of_ratios(rates: Sequence[Rate]) -> tuple[float, Floats]:
    """Return the logarithm of a Bonferroni p-value of the largest ratio, as observed and of each labelling."""
    seen, dealt = (
        [_log_pairs(rate.groups) + log_ndtr(-_largest_log_ratio(getattr(rate, part))) for rate in rates]
        for part in ("observed", "dealt")
    )
    return float(np.min(seen)), np.asarray(np.min(dealt, axis=0))


def ratio_bounds(rates: Sequence[Rate], dealt: Floats, alpha: float) -> Bounds:
    """Return bounds of the largest ratio, at least 1, of two groups in any of the rates.

    Args:
        rates: of the same people.
        dealt: what :func:`log_scale_of_ratios` gives for the labellings.
        alpha: error of each bound.
    """
    at = smallest_at([dealt], alpha)
    low = high = 0.0
    for rate in rates:
        value, variance = moved(rate.observed)
        logs, errors = np.log(value[0]), np.sqrt(variance[0][:, None] + variance[0][None, :])
        apart = logs[:, None] - logs[None, :]
        np.fill_diagonal(errors, 0.0)
        low = max(low, float((apart - _critical(at - _log_pairs(rate.groups)) * errors).max()))
        high = max(high, float((apart + rate.upper_quantile(alpha) * errors).max()))
    return float(np.exp(low)), float(np.exp(high))


def above_mean_bounds(rate: Rate, alpha: float) -> tuple[Bounds, float, Floats]:
    """Return bounds of the largest value over the geometric mean, and the log scale as observed and dealt."""
    seen, error = _above_mean(rate.observed)
    count = float(np.log(rate.groups))
    observed, dealt = (
        count + log_ndtr(-in_errors(*_above_mean(part)).max(axis=1)) for part in (rate.observed, rate.dealt)
    )
    critical = _critical(smallest_at([dealt], alpha) - count)
    low = float((seen - critical * np.sqrt(error)).max())
    high = float((seen + rate.upper_quantile(alpha) * np.sqrt(error)).max())
    return (float(np.exp(max(low, 0.0))), float(np.exp(max(high, 0.0)))), float(observed[0]), dealt


def spread_bounds(rate: Rate, name: str, alpha: float) -> Bounds:
    """Return bounds of a spread, one of :data:`SPREADS`: less the quantile of chance, plus the largest error."""
    function, contrast_error, most = SPREADS[name]
    values = rate.observed
    variance = moved(values)[0] * (1 - moved(values)[0]) / values.n_effective
    seen = float(function(values.value)[0])
    null = np.sort(function(rate.dealt.value))[::-1]
    noise = float(null[max(int(np.floor(alpha * (len(null) + 1) + 1e-9)), 1) - 1])
    reach = rate.upper_quantile(alpha) * contrast_error(values.value[0], variance[0])
    return max(0.0, seen - noise), min(most, seen + reach)


def gini_error(value: Floats, variance: Floats) -> float:
    """Return the largest error of a contrast that a Gini coefficient is the largest of, its mean taken as known."""
    k, mean = len(value), float(value.mean())
    weights = (2 * np.arange(k) - k + 1) / (k * (k - 1) * mean)
    return float(np.sqrt(np.sort(np.square(weights)) @ np.sort(variance)))


def mean_deviation_error(value: Floats, variance: Floats) -> float:
    """Return the largest error of a contrast that a mean absolute deviation is the largest of.

    With ``h`` of ``k`` groups above the mean these have the weight ``2 (k - h) / k^2`` and the others ``2 h / k^2``.
    """
    k, ordered = len(value), np.sort(variance)[::-1]
    h = np.arange(1, k)
    most = np.cumsum(ordered)[:-1]
    squared = most * np.square(2 * (k - h) / k**2) + (ordered.sum() - most) * np.square(2 * h / k**2)
    return float(np.sqrt(squared.max()))


def standard_deviation_error(value: Floats, variance: Floats) -> float:
    """Return the largest error of a contrast that the standard deviation of a sample of groups is the largest of.

    Its contrasts sum to 0 and have the length ``1 / sqrt(k - 1)``.
    """
    k = len(value)
    centred = np.eye(k) - 1 / k
    return float(np.sqrt(np.linalg.eigvalsh(centred @ np.diag(variance) @ centred)[-1] / (k - 1)))


def _of_a_sample(values: Floats) -> Floats:
    return standard_deviation(values, ddof=1)


SPREADS: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats, Floats], float], float]] = {
    "gini": (gini, gini_error, 1.0),
    "mean_absolute_deviation": (mean_absolute_deviation, mean_deviation_error, 0.5),
    "standard_deviation": (_of_a_sample, standard_deviation_error, 0.5**0.5),
}
"""Spreads of rates: the index, the largest error of its contrasts, and the largest value it can have."""


def _log_pairs(groups: int) -> float:
    return float(np.log(groups * (groups - 1)))


def _critical(log_p: float) -> float:
    """Return the quantile that one contrast exceeds with this logarithm of a probability, not below 0."""
    return float(-ndtri_exp(min(log_p, -np.log(2.0))))


def _largest_log_ratio(values: GroupValues) -> Floats:
    """Return the largest difference of two logarithms in errors, of each labelling."""
    rate, variance = moved(values)
    logs, largest = np.log(rate), np.zeros(len(rate))
    for group in range(rate.shape[1] - 1):
        apart = np.abs(logs[:, group + 1 :] - logs[:, group, None])
        largest = np.maximum(largest, in_errors(apart, variance[:, group + 1 :] + variance[:, group, None]).max(axis=1))
    return largest


def _above_mean(values: GroupValues) -> tuple[Floats, Floats]:
    """Return how far each logarithm lies above their mean, and the error variance of that."""
    rate, variance = moved(values)
    logs, k = np.log(rate), rate.shape[1]
    others = variance.sum(axis=1, keepdims=True) - variance
    return logs - logs.mean(axis=1, keepdims=True), variance * (1 - 1 / k) ** 2 + others / k**2
