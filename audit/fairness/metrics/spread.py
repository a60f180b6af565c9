"""Indices over groups of pairs: how unequal accuracies and error rates are, beside what equal groups would show.

Every such number is above its best value for groups that are all alike, so each stands with its mean and range for
groups of the same sizes that have one rate in common, drawn from binomial distributions of the effective number of
pairs. Formulas and bounds: :mod:`countenance.core.statistics.index_bounds`, with the groups' own limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from ....core.results import Direction, Estimate
from ....core.statistics.correlated_values import CorrelatedLimits, correlated_values
from ....core.statistics.gap_data import SummedData
from ....core.statistics.group_tests import GroupValues
from ....core.statistics.index_bounds import (
    Index,
    fairness_discrepancy_index,
    inequity_index,
    max_to_geometric_mean_index,
    max_to_min_index,
    spread_index,
    spreads_index,
)
from ....core.statistics.index_rates import Rate
from ....core.statistics.sums import Floats, Integers

METHOD_NULL = "drawn_at_common_rate"
METHOD_P = "draws_at_common_rate"
DRAWS = 2000
HALF = 0.5


@dataclass(frozen=True, eq=False)
class GroupRate:
    """A rate of several groups that are large enough, arrays of shape (groups,).

    Attributes:
        values: the rates.
        covariance: of the rates, shape (groups, groups).
        n_effective: independent pairs behind each.
        pairs: pairs behind each.
        people: people behind each.
    """

    values: Floats
    covariance: Floats
    n_effective: Floats
    pairs: Integers
    people: Integers

    def as_rate(self, random: np.random.Generator) -> Rate:
        """Return the rate as the indices take it, with draws of groups that have one rate in common."""
        weights = self.pairs.astype(np.float64)
        known = correlated_values(
            self.values,
            self.covariance,
            weights,
            people=int(self.people.sum()),
            faces=int(self.pairs.sum()),
            group_people=self.people,
        )
        common = float(np.average(self.values, weights=weights))
        whole = np.maximum(np.round(self.n_effective), 1).astype(np.int64)
        drawn = _drawn(whole, common, random)
        alike = np.broadcast_to(self.n_effective, drawn.shape)
        unit = np.full((DRAWS, 1), common * (1 - common))
        dealt = GroupValues(drawn, np.broadcast_to(weights, drawn.shape), alike, unit)
        # Indices ask of the data for quantiles only, which these have; pairs cannot be dealt out anew.
        return Rate(cast(SummedData, known), known.observed(), dealt, CorrelatedLimits(known))


def _drawn(n: Integers, rate: float, random: np.random.Generator) -> Floats:
    """Return rates of groups that have one rate in common, shape (draws, groups), at least one of them above 0.

    What is observed has an event too; an index of rates that are all 0 is 0 over 0.
    """
    kept: list[Floats] = []
    while sum(map(len, kept)) < DRAWS:
        drawn = random.binomial(n, max(rate, 1 / float(n.sum())), (DRAWS, len(n))) / n
        kept.append(drawn[drawn.any(axis=1)])
    return np.concatenate(kept)[:DRAWS]


@dataclass(frozen=True)
class IndexOfPairs:
    """An index of rates of pairs: of which rates, which way is better, and its formula."""

    rates: tuple[str, ...]
    direction: Direction
    make: Callable[[Sequence[Rate], float], Index]


INDICES: Mapping[str, IndexOfPairs] = {
    "skewed_error_ratio": IndexOfPairs(("accuracy",), "lower", lambda r, a: max_to_min_index(r[0].complement(), a)),
    "accuracy_std": IndexOfPairs(("accuracy",), "lower", lambda r, a: spread_index(r[0], "standard_deviation", a)),
    "fmr_to_geometric_mean": IndexOfPairs(("fmr",), "lower", lambda r, a: max_to_geometric_mean_index(r[0], a)),
    "inequity_ratio": IndexOfPairs(("fmr", "fnmr"), "lower", lambda r, a: inequity_index(r, HALF, a)),
    "garbe": IndexOfPairs(("fmr", "fnmr"), "lower", lambda r, a: spreads_index(r, "gini", (HALF, HALF), a)),
    "fairness_discrepancy_rate": IndexOfPairs(
        ("fmr", "fnmr"), "higher", lambda r, a: fairness_discrepancy_index(r, HALF, a)
    ),
}


def index_estimates(
    name: str, rates: Sequence[GroupRate], random: np.random.Generator, level: float
) -> Iterator[tuple[str, Estimate]]:
    """Yield suffix and estimate of an index, of its null and of the p-value against it.

    Args:
        name: one of :data:`INDICES`.
        rates: the rates it is made of, of the same groups.
        random: source of the draws.
        level: confidence level.
    """
    n = int(sum(rate.pairs.sum() for rate in rates))
    groups = len(rates[0].values)
    if groups < 2:
        have = f"{groups} {'group is' if groups == 1 else 'groups are'} large enough; two are needed"
        yield "", Estimate.not_measured(have, n=n)
        return
    if any(len(set(rate.values.tolist())) == 1 and rate.values[0] in (0.0, 1.0) for rate in rates):
        yield "", Estimate.not_measured("no pair of any group is wrong, so nothing can be compared", n=n)
        return
    found = INDICES[name].make([rate.as_rate(random) for rate in rates], (1 - level) / 2)
    yield (
        "",
        Estimate(
            value=found.value, low=found.low, high=found.high, level=level, method=found.method, n=n, groups=groups
        ),
    )
    null = Estimate(
        value=found.null_mean, low=found.null_low, high=found.null_high, level=level, method=METHOD_NULL, n=n
    )
    yield ".null_drawn", null
    yield ".p", Estimate(value=found.p, method=METHOD_P, n=n)
