"""How far do the groups of an attribute differ in a score, and is that more than chance?

The largest difference between groups is positive for a model that treats all alike, and grows with the number of
small groups. So it stands with what dealing the groups out at random over people gives, with a permutation test,
and with bounds of the true largest difference that hold although the groups were picked after the fact:

- Lower bound: the largest lower limit over all pairs of groups and over every group against the others, the
  critical values taken from the permutations, so that all limits hold together.
- Upper bound: the largest upper limit over pairs, each at its ordinary level. "No pair differs by more than d" is a
  claim about every pair (intersection-union; Berger 1982, Technometrics 24:295), so nothing is to be adjusted.

A gap is asked here (:func:`ask`) and answered in :mod:`.gap_answers`, since p-values and the bounds that gates test
have to hold over all the questions of one probe. How often they hold in simulations: ``docs/gap-study.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..results import Direction
from .deals import Deals
from .gap_data import GapData
from .gap_limits import GapLimits
from .group_tests import Statistics, statistics_of
from .rules import StatisticsRules

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
        p_adjusted: p-value adjusted for all questions asked together.
        bound_low: one-sided lower bound at the level, simultaneous over all questions asked together; 0 at least.
        bound_high: one-sided upper bound at the level.
        cross_fitted: the difference between groups chosen on four fifths of the people and measured on the last,
            averaged; ``None`` where it was not worked out.
        detectable: smallest true difference that would be shown to exceed the tolerance in 8 of 10 samples like this;
            ``None`` where no difference would.
        faces_to_pass: independent faces in each group with which a model of this rate without any difference would
            pass at the tolerance in 8 of 10 samples; ``None`` for what is no rate.
        placebo: the difference between random groups of people of the same sizes.
        placebo_p: its p-value.
        placebo_p_adjusted: its p-value, adjusted as the real one is.
    """

    value: float
    low: float | None
    high: float | None
    p: float
    null_mean: float
    null_low: float
    null_high: float
    p_adjusted: float | None = None
    bound_low: float | None = None
    bound_high: float | None = None
    cross_fitted: float | None = None
    detectable: float | None = None
    faces_to_pass: float | None = None
    placebo: float | None = None
    placebo_p: float | None = None
    placebo_p_adjusted: float | None = None


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
        out_of_scope: those left out that the plan names as out of scope.
        tolerance: largest gap that is accepted; ``None`` when nobody said.
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
    out_of_scope: tuple[str, ...] = ()
    tolerance: float | None = None

    @property
    def blocking(self) -> int:
        """How many groups that count were too small to take part: they block a pass."""
        return len(set(self.left_out) - set(self.out_of_scope))


@dataclass(frozen=True)
class NoGap:
    """Why differences between groups were not measured.

    Attributes:
        reason: in words.
        left_out: groups that could not take part, with the reason.
        blocking: how many of them count and were too small: as with a gap that was measured, they block a pass.
    """

    reason: str
    left_out: Mapping[str, str]
    blocking: int = 0


@dataclass(frozen=True, eq=False)
class Asked:
    """A question about a gap whose labellings are dealt, to be answered together with others.

    Attributes:
        names: name of every group that takes part.
        left_out: groups that do not, with the reason.
        out_of_scope: those of them that the plan names as out of scope.
        limits: limits of differences between the groups.
        seen: the statistics as observed, one labelling.
        dealt: the statistics of the permutations.
        placebo: the statistics of one more permutation, which stands in for an attribute that means nothing.
        direction: which way is better.
        level: level of the bounds.
        tolerance: largest gap that is accepted, if somebody said.
        cross_fitted: the largest difference and that of the worst group against the rest, cross-fitted.
        guard: the same question with the errors of people in several groups worked out from these people; the more
            cautious of the two answers stands.
    """

    names: tuple[str, ...]
    left_out: Mapping[str, str]
    out_of_scope: tuple[str, ...]
    limits: GapLimits
    seen: Statistics
    dealt: Statistics
    placebo: Statistics
    direction: Direction
    level: float
    tolerance: float | None = None
    cross_fitted: tuple[float, float] | None = None
    guard: Asked | None = None

    @property
    def sign(self) -> Literal[-1, 1]:
        """1 when a group that lies lower does worse, -1 when one that lies higher does."""
        return 1 if self.direction == "higher" else -1


def too_few(
    names: Sequence[str], left_out: Mapping[int, str], out_of_scope: Collection[int] = frozenset()
) -> NoGap | None:
    """Return why there is nothing to compare, or ``None`` when two groups or more take part.

    Args:
        names: name of every group.
        left_out: groups that are too small to be measured, with the reason.
        out_of_scope: groups that block no verdict when they are too small.
    """
    chosen = [group for group in range(len(names)) if group not in left_out]
    if len(chosen) >= 2:
        return None
    absent = {names[group]: reason for group, reason in sorted(left_out.items())}
    if len(names) < 2:
        return NoGap(f"there is one group only, {names[0]}" if names else "there is no group", absent)
    blocking = len(set(left_out) - set(out_of_scope))
    if not chosen:
        told = f"none of {len(names)} groups has enough of the faces that have this score; two are needed"
    else:
        told = f"only one of {len(names)} groups, {names[chosen[0]]}, has enough of the faces that have this score"
    return NoGap(told, absent, blocking)


def ask(
    data: GapData,
    names: Sequence[str],
    left_out: Mapping[str, str],
    rules: StatisticsRules,
    random: np.random.Generator,
    *,
    direction: Direction = "none",
    permutations: int = PERMUTATIONS,
    deals: Deals | None = None,
    tolerance: float | None = None,
    cross_fitted: tuple[float, float] | None = None,
    out_of_scope: Sequence[str] = (),
) -> Asked:
    """Deal the groups out anew and keep what the answer needs.

    Args:
        data: the score of the groups that take part, two or more.
        names: name of each of them.
        left_out: the others, with the reason.
        rules: level of the bounds.
        random: source of permutations that are not shared.
        direction: which way is better.
        permutations: how often the groups are dealt out, at least ``2 / (1 - level)``; one more is the placebo.
        deals: ``permutations + 1`` permutations that questions share; ``None`` to deal this question alone.
        tolerance: largest gap that is accepted.
        cross_fitted: cross-fitted differences, largest and worst against the rest.
        out_of_scope: groups that block no verdict when they are too small.
    """
    dealt = statistics_of(data.dealt(permutations + 1, random, deals))
    return Asked(
        names=tuple(names),
        left_out=dict(left_out),
        out_of_scope=tuple(name for name in out_of_scope if name in left_out),
        limits=GapLimits(data),
        seen=statistics_of([data.observed()]),
        dealt=dealt.part(slice(0, permutations)),
        placebo=dealt.part(slice(permutations, None)),
        direction=direction,
        level=rules.level,
        tolerance=tolerance,
        cross_fitted=cross_fitted,
    )
