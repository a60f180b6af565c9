"""What an index over groups says: its bounds, what chance gives, and an estimate without chance's share.

Three kinds of index, three ways to bound the true one:

- Largest differences (of one rate, or of several: equalised odds, demographic parity) as gaps are bounded: lower
  limits of all pairs and all groups against the others that hold together over all rates, critical values from the
  permutations; upper limits of pairs at their ordinary level, the largest one (intersection-union).
- Largest ratios in the same way on logarithms, the rates moved off 0 by half an event.
- Spreads ``f`` (mean absolute deviation, standard deviation, Gini coefficient with its mean taken as known) are the
  largest of a family of contrasts and obey the triangle inequality, ``f(seen) <= f(true) + f(noise)``: the lower bound
  is what is seen less the quantile of the index when groups are dealt out at random; the upper bound adds the normal
  quantile times the largest error of a contrast.

Indices of two error rates put bounds of both together, each at half the error. How often the bounds hold in
simulations: ``docs/group-indices.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import log_ndtr

from .cross_fit import cross_fitted_largest
from .index_rates import (
    SPREADS,
    Bounds,
    Rate,
    above_mean_bounds,
    difference_bounds,
    log_scale_of_differences,
    log_scale_of_ratios,
    ratio_bounds,
    spread_bounds,
    without_zeros,
)
from .indices import (
    fairness_discrepancy_rate,
    inequity_ratio,
    largest_difference,
    max_to_geometric_mean,
    max_to_min,
    smallest_ratio,
)
from .sums import Floats

DIFFERENCES = "largest_difference_permutation"
RATIOS = "largest_ratio_permutation"
CONTRASTS = "chance_and_contrasts"


@dataclass(frozen=True, eq=False)
class Index:
    """An index and what is known about it.

    Attributes:
        value: as observed.
        low: lower bound of the true one.
        high: upper bound.
        null_mean: mean when groups are dealt out at random over people.
        null_low: lower quantile of that, 2.5 % at a level of 95 %.
        null_high: its upper quantile.
        p: share of labellings, the observed one included, that are as unequal as the observed one.
        corrected: estimate without the share of chance; ``None`` where there is none that holds.
        method: how the bounds were made: :data:`DIFFERENCES`, :data:`RATIOS` or :data:`CONTRASTS`.
        log_scale: logarithm of a p-value of what is observed, for an adjustment over many indices.
        log_scale_dealt: the same of every labelling, shape (labellings,).
    """

    value: float
    low: float
    high: float
    null_mean: float
    null_low: float
    null_high: float
    p: float
    corrected: float | None
    method: str
    log_scale: float
    log_scale_dealt: Floats

    @property
    def excess(self) -> float:
        """How much more unequal than chance on average: above it, or below it where 1 is equality from above."""
        return self.value - self.null_mean


def difference_index(rates: Sequence[Rate], alpha: float, random: np.random.Generator) -> Index:
    """Return the largest difference between two groups in any of several rates.

    Args:
        rates: one for the difference of a rate; the selection rates of all classes for demographic parity; the true
            and false positive rates of all classes for equalised odds. All dealt out by the same permutations.
        alpha: error of each bound.
        random: source of the folds of the corrected estimate.
    """
    seen, dealt = (log_scale_of_differences(rates, part) for part in ("observed", "dealt"))
    corrected = cross_fitted_largest([rate.lines() for rate in rates], random)
    return _index(
        float(largest_difference([rate.observed.value for rate in rates])[0]),
        largest_difference([rate.dealt.value for rate in rates]),
        difference_bounds(rates, dealt, alpha),
        alpha,
        DIFFERENCES,
        scale=(float(np.min(seen)), np.asarray(np.min(dealt, axis=0))),
        corrected=None if np.isnan(corrected) else corrected,
    )


def ratio_index(rates: Sequence[Rate], alpha: float) -> Index:
    """Return the smallest of the ratios, smallest over largest value, of several rates: at most 1."""
    scale = log_scale_of_ratios(rates)
    low, high = ratio_bounds(rates, scale[1], alpha)
    value = float(smallest_ratio([without_zeros(rate.observed) for rate in rates])[0])
    null = smallest_ratio([without_zeros(rate.dealt) for rate in rates])
    return _index(value, null, (1 / high, 1 / low), alpha, RATIOS, scale=scale)


def max_to_min_index(rate: Rate, alpha: float) -> Index:
    """Return the largest over the smallest value of a rate: at least 1."""
    scale = log_scale_of_ratios([rate])
    value = float(max_to_min(without_zeros(rate.observed, largest=True))[0])
    null = max_to_min(without_zeros(rate.dealt, largest=True))
    return _index(value, null, ratio_bounds([rate], scale[1], alpha), alpha, RATIOS, scale=scale)


def max_to_geometric_mean_index(rate: Rate, alpha: float) -> Index:
    """Return the largest value of a rate over its geometric mean: at least 1."""
    bounds, seen, dealt = above_mean_bounds(rate, alpha)
    value = float(max_to_geometric_mean(without_zeros(rate.observed, largest=True))[0])
    null = max_to_geometric_mean(without_zeros(rate.dealt, largest=True))
    return _index(value, null, bounds, alpha, RATIOS, scale=(seen, dealt))


def spread_index(rate: Rate, name: str, alpha: float) -> Index:
    """Return a spread of the groups' values: ``gini``, ``mean_absolute_deviation`` or ``standard_deviation``.

    Raises:
        ZeroDivisionError: for the Gini coefficient of a rate that is 0 in every group, which is 0 over 0.
    """
    return spreads_index([rate], name, (1.0,), alpha)


def spreads_index(rates: Sequence[Rate], name: str, weights: Sequence[float], alpha: float) -> Index:
    """Return a weighted sum of the same spread of several error rates: GARBE, sum of group error differences.

    Raises:
        ZeroDivisionError: for the Gini coefficient of a rate that is 0 in every group, which is 0 over 0.
    """
    function = SPREADS[name][0]
    if name == "gini" and any(rate.observed.value.max() == 0 for rate in rates):
        raise ZeroDivisionError("the Gini coefficient of a rate that is 0 in every group is not defined")
    each = [spread_bounds(rate, name, alpha / len(rates)) for rate in rates]
    low, high = (sum(weight * part[side] for weight, part in zip(weights, each, strict=True)) for side in (0, 1))
    seen = sum(weight * float(function(rate.observed.value)[0]) for weight, rate in zip(weights, rates, strict=True))
    dealt = [weight * function(rate.dealt.value) for weight, rate in zip(weights, rates, strict=True)]
    null = np.asarray(np.sum(dealt, axis=0))
    return _index(seen, null, (low, high), alpha, CONTRASTS, corrected=without_chance(seen, null))


def fairness_discrepancy_index(rates: Sequence[Rate], weight: float, alpha: float) -> Index:
    """Return the fairness discrepancy rate of two error rates: 1 when all groups are equal."""
    first, second = rates
    parts = [difference_bounds([rate], log_scale_of_differences([rate], "dealt"), alpha / 2) for rate in rates]
    low, high = (weight * parts[0][side] + (1 - weight) * parts[1][side] for side in (0, 1))
    seen = fairness_discrepancy_rate(first.observed.value, second.observed.value, weight)
    null = fairness_discrepancy_rate(first.dealt.value, second.dealt.value, weight)
    return _index(float(seen[0]), null, (1 - high, 1 - low), alpha, DIFFERENCES, downwards=True)


def inequity_index(rates: Sequence[Rate], weight: float, alpha: float) -> Index:
    """Return the inequity ratio of two error rates: 1 when all groups are equal, larger otherwise."""
    parts = [ratio_bounds([rate], log_scale_of_ratios([rate])[1], alpha / 2) for rate in rates]
    low, high = (parts[0][side] ** weight * parts[1][side] ** (1 - weight) for side in (0, 1))
    seen, null = (
        inequity_ratio(without_zeros(first, largest=True), without_zeros(second, largest=True), weight)
        for first, second in ([rate.observed for rate in rates], [rate.dealt for rate in rates])
    )
    scale = _in_spreads(float(np.log(seen[0])), np.log(null))
    return _index(float(seen[0]), null, (low, high), alpha, RATIOS, scale=scale)


def without_chance(seen: float, null: Floats) -> float:
    """Return ``sqrt(seen^2 - mean null^2)``, 0 where chance alone gives as much: spreads add up in squares."""
    return float(np.sqrt(max(0.0, seen**2 - float(np.mean(null)) ** 2)))


def _index(
    value: float,
    null: Floats,
    bounds: Bounds,
    alpha: float,
    method: str,
    *,
    scale: tuple[float, Floats] | None = None,
    corrected: float | None = None,
    downwards: bool = False,
) -> Index:
    """Put an index together; without a scale, that of its distance from the null in standard deviations."""
    if scale is None:
        scale = _in_spreads(-value, -null) if downwards else _in_spreads(value, null)
    seen, dealt = scale
    reached = int(np.count_nonzero(dealt <= seen + 1e-9))
    null_low, null_high = np.quantile(null, [alpha, 1 - alpha])
    return Index(
        value=value,
        low=min(bounds[0], value),
        high=max(bounds[1], value),
        null_mean=float(null.mean()),
        null_low=float(null_low),
        null_high=float(null_high),
        p=(1 + reached) / (len(dealt) + 1),
        corrected=corrected,
        method=method,
        log_scale=seen,
        log_scale_dealt=dealt,
    )


def _in_spreads(value: float, null: Floats) -> tuple[float, Floats]:
    """Return the logarithm of the normal tail beyond an index, by mean and spread of the labellings."""
    mean, spread = float(null.mean()), max(float(null.std()), 1e-12)
    return float(log_ndtr((mean - value) / spread)), np.asarray(log_ndtr((mean - null) / spread))
