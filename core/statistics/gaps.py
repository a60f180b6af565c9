"""How far do the groups of an attribute differ in a score, and is that more than chance?

The largest difference between groups is positive for a model that treats all alike, and grows with the number of
small groups. So it stands with what dealing the groups out at random over people gives, with a permutation test,
and with bounds of the true largest difference that hold although the groups were picked after the fact:

- Lower bound: the largest lower limit over all pairs of groups and over every group against the others, the
  critical values taken from the permutations, so that all limits hold together.
- Upper bound: the largest upper limit over pairs, each at its ordinary level. "No pair differs by more than d" is a
  claim about every pair (intersection-union; Berger 1982, Technometrics 24:295), so nothing is to be adjusted.

Limits of differences come from limits of the groups by MOVER (Zou and Donner 2008, Statistics in Medicine 27:1693):
Wilson limits with the effective n for rates, value -/+ quantile times clustered error for means. People in
several groups (an attribute of the picture) make the groups alike; the limits treat the groups as independent,
which is then too cautious. How often these bounds hold in simulations: ``docs/intervals.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri
from scipy.stats import t

from ..results import Direction
from .group_tests import (
    GroupValues,
    Kind,
    Statistics,
    combined_p_value,
    critical_values,
    group_values,
    one_face_each,
    p_value,
    statistics_of,
    the_others,
)
from .intervals import EXTRA_DEGREES, wilson
from .permutations import SUBJECTS, Dealer, ScoredFaces, observed_sums
from .rules import StatisticsRules
from .sums import Floats

PERMUTATIONS = 2000


@dataclass(frozen=True)
class Difference:
    """A largest difference, its bounds, and what groups dealt out at random give.

    Attributes:
        value: the difference as observed; ``low`` and ``high`` bound the true one, ``None`` where the data have no
            variation to judge by.
        p: p-value of the permutation test that all groups are alike.
        null_mean: mean of the difference over the permutations.
        null_low: its lower quantile, 2.5 % at a level of 95 %.
        null_high: its upper quantile.
    """

    value: float
    low: float | None
    high: float | None
    p: float
    null_mean: float
    null_low: float
    null_high: float


@dataclass(frozen=True)
class Gap:
    """The differences between the groups of one attribute or intersection.

    Attributes:
        groups: groups that took part.
        left_out: groups that did not, with the reason.
        lowest: group with the smallest value.
        highest: group with the largest value.
        lowest_value: its value.
        highest_value: its value.
        largest: largest difference between two groups; its ``p`` combines pairs and group against the others.
        worst: group that does worst against all others together; ``None`` where no direction is better.
        worst_vs_rest: how much worse it does.
        faces: faces that took part.
        people: people that took part.
        people_in_several: those of them with faces in several groups.
        permutations: how often the groups were dealt out.
    """

    groups: tuple[str, ...]
    left_out: Mapping[str, str]
    lowest: str
    highest: str
    lowest_value: float
    highest_value: float
    largest: Difference
    worst: str | None
    worst_vs_rest: Difference | None
    faces: int
    people: int
    people_in_several: int
    permutations: int


@dataclass(frozen=True)
class NoGap:
    """Why differences between groups were not measured."""

    reason: str
    left_out: Mapping[str, str]


def gap_of(
    faces: ScoredFaces,
    names: Sequence[str],
    left_out: Mapping[int, str],
    rules: StatisticsRules,
    random: np.random.Generator,
    *,
    kind: Kind,
    bounds: tuple[float, float] | None = None,
    direction: Direction = "none",
    permutations: int = PERMUTATIONS,
) -> Gap | NoGap:
    """Return the largest difference between groups, tested by dealing the groups out anew over people.

    Args:
        faces: the score of every face with its person and group.
        names: name of every group.
        left_out: groups that are too small to be measured, with the reason; they take no part.
        rules: level of the bounds.
        random: source of the permutations.
        kind: ``rate`` when values are counts out of the weights, ``mean`` otherwise.
        bounds: smallest and largest possible value of a mean.
        direction: which way is better.
        permutations: how often the groups are dealt out, at least ``2 / (1 - level)``.
    """
    absent = {names[group]: reason for group, reason in sorted(left_out.items())}
    chosen = np.asarray([group for group in range(len(names)) if group not in left_out], dtype=np.int64)
    if len(chosen) < 2:
        return NoGap(_too_few(names, chosen), absent)
    faces = faces.only(chosen)
    dealer = Dealer(faces)
    sums = observed_sums(faces)
    values = group_values(sums, kind)
    seen = statistics_of([sums], kind)
    dealt = statistics_of(dealer.deal(permutations, random), kind)
    limits = _Limits(sums, values, kind, bounds, rules.level)
    shown = values.value[0]
    least, most = int(shown.argmin()), int(shown.argmax())
    worst = None if direction == "none" else _worst(seen, dealt, limits, direction)
    return Gap(
        groups=tuple(names[group] for group in chosen),
        left_out=absent,
        lowest=names[chosen[least]],
        highest=names[chosen[most]],
        lowest_value=float(shown[least]),
        highest_value=float(shown[most]),
        largest=_largest(seen, dealt, limits),
        worst=None if worst is None else names[chosen[worst[0]]],
        worst_vs_rest=None if worst is None else worst[1],
        faces=len(faces.values),
        people=len(np.unique(faces.person)),
        people_in_several=dealer.people_of_several,
        permutations=permutations,
    )


def _too_few(names: Sequence[str], chosen: np.ndarray) -> str:
    if len(names) < 2:
        return f"there is one group only, {names[0]}" if len(names) else "there is no group"
    if len(chosen) == 0:
        return f"none of {len(names)} groups has enough of the faces that have this score; two are needed"
    return f"only one of {len(names)} groups, {names[chosen[0]]}, has enough of the faces that have this score"


class _Limits:
    """Limits of the groups, of the others of each group, and of differences between them."""

    def __init__(
        self, sums: Floats, values: GroupValues, kind: Kind, bounds: tuple[float, float] | None, level: float
    ) -> None:
        self.kind, self.bounds, self.alpha = kind, bounds, (1 - level) / 2
        self.own, self.rest = values, the_others(values)
        m = sums[..., SUBJECTS]
        others = m.sum(axis=1, keepdims=True) - m
        alone = one_face_each(sums) if kind == "rate" else np.zeros(m.shape, dtype=np.bool_)
        self.own_quantile = self._quantile(m, alone)
        self.rest_quantile = self._quantile(others, np.broadcast_to(alone.all(axis=1, keepdims=True), m.shape))
        self.known = kind == "rate" or float(values.unit[0, 0]) > 0

    def _quantile(self, people: Floats, alone: np.ndarray) -> Floats:
        """Return the one-sided quantile of each group: normal for independent faces of a rate, else t."""
        quantile = np.where(alone, ndtri(1 - self.alpha), t.ppf(1 - self.alpha, people - 1 + EXTRA_DEGREES))
        return np.asarray(quantile[0], dtype=np.float64)

    def distances(self, values: GroupValues, quantile: Floats | float) -> tuple[Floats, Floats]:
        """Return how far the limits at this quantile lie below and above each value, shape (groups,)."""
        value = values.value[0]
        if self.kind == "rate":
            low, high = wilson(value, values.n_effective[0], quantile)
        else:
            half = quantile * np.sqrt(values.variance[0])
            low, high = value - half, value + half
            if self.bounds is not None:
                low, high = np.clip(low, self.bounds[0], value), np.clip(high, value, self.bounds[1])
        return value - low, high - value

    def pairs(self, quantile: Floats | float, side: Literal["low", "high"]) -> Floats:
        """Return the limit of first less second group for every ordered pair, shape (groups, groups)."""
        value = self.own.value[0]
        below, above = self.distances(self.own, quantile)
        difference = value[:, None] - value[None, :]
        if side == "low":
            limit = difference - np.hypot(below[:, None], above[None, :])
        else:
            limit = difference + np.hypot(above[:, None], below[None, :])
        return np.asarray(limit[~np.eye(len(value), dtype=np.bool_)], dtype=np.float64)

    def against_rest(
        self, own: Floats | float, rest: Floats | float, side: Literal["low", "high"], sign: int
    ) -> Floats:
        """Return the limit of all others less the group (``sign`` 1) or the group less all others (-1)."""
        below, above = self.distances(self.own, own)
        rest_below, rest_above = self.distances(self.rest, rest)
        difference = sign * (self.rest.value[0] - self.own.value[0])
        outward = (rest_below, above) if (side == "low") == (sign > 0) else (rest_above, below)
        limit: Floats = difference + (-1 if side == "low" else 1) * np.hypot(*outward)
        return limit


def _largest(seen: Statistics, dealt: Statistics, limits: _Limits) -> Difference:
    """Return the largest difference of two groups: bounds as the module says, p-value of both families."""
    p = combined_p_value((float(seen.pair[0]), float(seen.rest[0])), (dealt.pair, dealt.rest))
    low = high = None
    if limits.known:
        of_pair, of_rest = critical_values((dealt.pair, dealt.rest), limits.alpha)
        families = [limits.pairs(of_pair, "low")]
        families += [limits.against_rest(of_rest, of_rest, "low", sign) for sign in (1, -1)]
        low = max(0.0, float(np.concatenate(families).max()))
        high = float(limits.pairs(limits.own_quantile, "high").max())
    return _difference(float(seen.gap[0]), low, high, p, dealt.gap, limits.alpha)


def _worst(seen: Statistics, dealt: Statistics, limits: _Limits, direction: Direction) -> tuple[int, Difference]:
    """Return the group that does worst against all others together and by how much.

    The critical value is that of the one-sided statistic: rates near 1 are skewed, and the two-sided one at twice
    the level would promise too much.
    """
    sign = 1 if direction == "higher" else -1
    one_sided, raw = (dealt.below, dealt.lag) if sign > 0 else (dealt.above, dealt.lead)
    reached, value = (seen.below, seen.lag) if sign > 0 else (seen.above, seen.lead)
    low = high = None
    if limits.known:
        critical = critical_values((one_sided,), limits.alpha)[0]
        low = float(limits.against_rest(critical, critical, "low", sign).max())
        high = float(limits.against_rest(limits.own_quantile, limits.rest_quantile, "high", sign).max())
    group = int((sign * (limits.rest.value[0] - limits.own.value[0])).argmax())
    p = p_value(float(reached[0]), one_sided)
    return group, _difference(float(value[0]), max(0.0, low) if low is not None else None, high, p, raw, limits.alpha)


def _difference(
    value: float, low: float | None, high: float | None, p: float, null: Floats, alpha: float
) -> Difference:
    null_low, null_high = np.quantile(null, [alpha, 1 - alpha])
    return Difference(value, low, high, p, float(null.mean()), float(null_low), float(null_high))
