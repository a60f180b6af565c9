"""How far do the groups of an attribute differ in a score, and is that more than chance?

The largest difference between groups is positive for a model that treats all alike, and grows with the number of
small groups. So it stands with what dealing the groups out at random over people gives, with a permutation test,
and with bounds of the true largest difference that hold although the groups were picked after the fact:

- Lower bound: the largest lower limit over all pairs of groups and over every group against the others, the
  critical values taken from the permutations, so that all limits hold together.
- Upper bound: the largest upper limit over pairs, each at its ordinary level. "No pair differs by more than d" is a
  claim about every pair (intersection-union; Berger 1982, Technometrics 24:295), so nothing is to be adjusted.

A gap is asked (:func:`ask`) and answered (:func:`answer`) in two steps, since p-values and the bounds that gates test
have to hold over all the questions of one probe. How often they hold in simulations: ``docs/gap-study.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from ..results import Direction
from .deals import Deals
from .detectable import detectable
from .faces_needed import Question as Asks
from .faces_needed import faces_to_pass
from .gap_data import GapData, Range, SummedData
from .gap_limits import GapLimits
from .group_tests import Kind, Statistics, combined_p_value, critical_values, p_value, statistics_of
from .joint import (
    Tail,
    adjusted,
    critical_largest,
    critical_worst,
    log_scale_largest,
    log_scale_worst,
    smallest_at,
)
from .permutations import ScoredFaces
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


def gap_of(
    faces: ScoredFaces,
    names: Sequence[str],
    left_out: Mapping[int, str],
    rules: StatisticsRules,
    random: np.random.Generator,
    *,
    kind: Kind,
    bounds: Range | None = None,
    direction: Direction = "none",
    permutations: int = PERMUTATIONS,
) -> Gap | NoGap:
    """Return the answer to one question about a rate or a mean, asked alone.

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
    none = too_few(names, left_out)
    if none is not None:
        return none
    chosen = np.asarray([group for group in range(len(names)) if group not in left_out], dtype=np.int64)
    asked = ask(
        SummedData(faces.only(chosen), kind, bounds),
        [names[group] for group in chosen],
        {names[group]: reason for group, reason in sorted(left_out.items())},
        rules,
        random,
        direction=direction,
        permutations=permutations,
    )
    return answer([asked])[0]


def answer(asked: Sequence[Asked]) -> list[Gap]:
    """Return the answers to questions that are judged together, in the order given."""
    largest = _guarded(asked, _Largest)
    directed = [question for question in asked if question.direction != "none"]
    worst = iter(_guarded(directed, _Worst))
    return [
        _gap(question, found, next(worst) if question.direction != "none" else None)
        for question, found in zip(asked, largest, strict=True)
    ]


class _Question(Protocol):
    """One kind of difference of one question: how it is judged alone and together with others."""

    asks: Asks
    asked: Asked
    limits: GapLimits
    alpha: float
    value: float
    null: Floats
    p: float
    placebo_value: float
    placebo_p: float
    log_s: float
    log_s_dealt: Floats
    log_s_placebo: float
    cross_fitted: float | None

    def alone(self, alpha: float) -> tuple[float, ...]: ...

    def together(self, log_s: float) -> tuple[float, ...]: ...

    def low(self, critical: tuple[float, ...]) -> float: ...

    def high(self, alpha: float) -> float: ...

    def detectable(self, critical: tuple[float, ...], tolerance: float) -> float | None: ...


class _Largest:
    """The largest difference of two groups: bounds as the module says, p-value of both families."""

    asks: Asks = "gap"

    def __init__(self, asked: Asked) -> None:
        self.asked, self.limits, self.alpha = asked, asked.limits, 1 - asked.level
        seen, dealt, self.groups = asked.seen, asked.dealt, len(asked.names)
        self.value, self.null = float(seen.gap[0]), dealt.gap
        self.placebo_value = float(asked.placebo.gap[0])
        self.p = combined_p_value((float(seen.pair[0]), float(seen.rest[0])), (dealt.pair, dealt.rest))
        drawn = (float(asked.placebo.pair[0]), float(asked.placebo.rest[0]))
        self.placebo_p = combined_p_value(drawn, (dealt.pair, dealt.rest))
        self.log_s = float(log_scale_largest(seen.pair, seen.rest, self.groups)[0])
        self.log_s_dealt = log_scale_largest(dealt.pair, dealt.rest, self.groups)
        self.log_s_placebo = float(log_scale_largest(asked.placebo.pair, asked.placebo.rest, self.groups)[0])
        self.cross_fitted = None if asked.cross_fitted is None else asked.cross_fitted[0]

    def alone(self, alpha: float) -> tuple[float, ...]:
        """Return the critical values of this question by itself (Beran: both families with equal error)."""
        return critical_values((self.asked.dealt.pair, self.asked.dealt.rest), alpha)

    def together(self, log_s: float) -> tuple[float, ...]:
        """Return the critical values that the common scale stands for."""
        return critical_largest(log_s, self.groups)

    def low(self, critical: tuple[float, ...]) -> float:
        """Return the lower bound at critical values."""
        return self.limits.lowest_largest(critical[0], critical[1])

    def high(self, alpha: float) -> float:
        """Return the upper bound, one-sided at ``alpha``."""
        return self.limits.highest_largest(alpha)

    def detectable(self, critical: tuple[float, ...], tolerance: float) -> float | None:
        """Return the smallest true difference of any one group that would be shown to exceed the tolerance."""
        data, (of_pair, of_rest) = self.limits.data, critical
        own, bounds = self.limits.own, data.bounds
        return detectable(own, data.kind, of_rest, of_pair, tolerance=tolerance, sign=0, bounds=bounds).any_group


class _Worst:
    """The group that does worst against all others together.

    The critical value is that of the one-sided statistic: rates near 1 are skewed, and the two-sided one at twice the
    level would promise too much.
    """

    asks: Asks = "worst_vs_rest"

    def __init__(self, asked: Asked) -> None:
        self.asked, self.limits, self.alpha = asked, asked.limits, 1 - asked.level
        self.groups = len(asked.names)
        up = asked.sign > 0
        self._behind = asked.dealt.below if up else asked.dealt.above
        seen = float((asked.seen.below if up else asked.seen.above)[0])
        placebo = float((asked.placebo.below if up else asked.placebo.above)[0])
        self.value = float((asked.seen.lag if up else asked.seen.lead)[0])
        self.null = asked.dealt.lag if up else asked.dealt.lead
        self.placebo_value = float((asked.placebo.lag if up else asked.placebo.lead)[0])
        self.p, self.placebo_p = p_value(seen, self._behind), p_value(placebo, self._behind)
        self.log_s = float(log_scale_worst(np.asarray([seen]), self.groups)[0])
        self.log_s_dealt = log_scale_worst(self._behind, self.groups)
        self.log_s_placebo = float(log_scale_worst(np.asarray([placebo]), self.groups)[0])
        self.cross_fitted = None if asked.cross_fitted is None else asked.cross_fitted[1]

    def alone(self, alpha: float) -> tuple[float, ...]:
        """Return the critical value of this question by itself."""
        return critical_values((self._behind,), alpha)

    def together(self, log_s: float) -> tuple[float, ...]:
        """Return the critical value that the common scale stands for."""
        return (critical_worst(log_s, self.groups),)

    def low(self, critical: tuple[float, ...]) -> float:
        """Return the lower bound at the critical value."""
        return self.limits.lowest_worst(critical[0], self.asked.sign)

    def high(self, alpha: float) -> float:
        """Return the upper bound, one-sided at ``alpha``."""
        return self.limits.highest_worst(alpha, self.asked.sign)

    def detectable(self, critical: tuple[float, ...], tolerance: float) -> float | None:
        """Return how far any one group would have to be behind for it to be shown to exceed the tolerance."""
        data, sign = self.limits.data, self.asked.sign
        size = detectable(self.limits.own, data.kind, critical[0], tolerance=tolerance, sign=sign, bounds=data.bounds)
        return size.any_group


def _guarded(asked: Sequence[Asked], kind: Callable[[Asked], _Question]) -> list[Difference]:
    """Judge questions, and the guards of those that have one among themselves; keep the more cautious answer."""
    found = _judge([kind(question) for question in asked])
    guards = iter(_judge([kind(question.guard) for question in asked if question.guard is not None]))
    return [
        each if question.guard is None else _more_cautious(each, next(guards))
        for question, each in zip(asked, found, strict=True)
    ]


def _more_cautious(one: Difference, guard: Difference) -> Difference:
    """Return the first answer with the larger p-values and the wider bounds of both."""

    def lower(name: str) -> float | None:
        first, second = getattr(one, name), getattr(guard, name)
        return None if first is None or second is None else min(first, second)

    def upper(name: str) -> float | None:
        first, second = getattr(one, name), getattr(guard, name)
        return None if first is None or second is None else max(first, second)

    return replace(
        one,
        low=lower("low"),
        high=upper("high"),
        p=max(one.p, guard.p),
        p_adjusted=upper("p_adjusted"),
        bound_low=lower("bound_low"),
        bound_high=upper("bound_high"),
        detectable=upper("detectable"),
    )


def _judge(questions: Sequence[_Question]) -> list[Difference]:
    """Return the differences of questions that are judged together."""
    if not questions:
        return []
    joint, tails, dealt = _adjusted(questions, [question.log_s for question in questions])
    placebo, _, _ = _adjusted(questions, [question.log_s_placebo for question in questions])
    together = smallest_at(dealt, questions[0].alpha) if len(questions) > 1 else None
    found = []
    for question, tail, p_adjusted, placebo_adjusted in zip(questions, tails, joint, placebo, strict=True):
        alpha = question.alpha
        p = question.p if together is None else max(question.p, float(p_adjusted))
        placebo_p = question.placebo_p if together is None else max(question.placebo_p, float(placebo_adjusted))
        low = high = bound_low = bound_high = size = None
        if question.limits.data.known:
            critical = question.alone(alpha) if together is None else question.together(tail.log_s(together))
            low = max(0.0, question.low(question.alone(alpha / 2)))
            high = question.high(alpha / 2)
            bound_low = max(0.0, question.low(critical)) if p <= alpha else 0.0
            bound_high = question.high(alpha)
            if question.asked.tolerance is not None:
                size = question.detectable(critical, question.asked.tolerance)
        null_low, null_high = np.quantile(question.null, [alpha / 2, 1 - alpha / 2])
        found.append(
            Difference(
                value=question.value,
                low=low,
                high=None if high is None or low is None else max(high, low),
                p=question.p,
                null_mean=float(question.null.mean()),
                null_low=float(null_low),
                null_high=float(null_high),
                p_adjusted=p,
                bound_low=bound_low,
                bound_high=bound_high,
                cross_fitted=question.cross_fitted,
                detectable=size,
                faces_to_pass=_faces_to_pass(question),
                placebo=question.placebo_value,
                placebo_p=question.placebo_p,
                placebo_p_adjusted=placebo_p,
            )
        )
    return found


def _adjusted(questions: Sequence[_Question], judged: Sequence[float]) -> tuple[Floats, list[Tail], list[Floats]]:
    """Return the adjusted p-values of one labelling, and each question's tail and ``log p`` of the permutations."""
    tails = [Tail(np.append(question.log_s_dealt, one)) for question, one in zip(questions, judged, strict=True)]
    dealt = [tail.log_p(question.log_s_dealt) for tail, question in zip(tails, questions, strict=True)]
    log_p = [float(tail.log_p(np.asarray(one))) for tail, one in zip(tails, judged, strict=True)]
    return adjusted(log_p, dealt), tails, dealt


def _faces_to_pass(question: _Question) -> float | None:
    """Return the faces per group that it takes, for a rate that is neither 0 nor 1 and a tolerance above 0."""
    asked, own = question.asked, question.limits.own
    if question.limits.data.kind != "rate" or not asked.tolerance:
        return None
    rate = float((own.value[0] * own.weight[0]).sum() / own.weight[0].sum())
    return faces_to_pass(question.asks, len(asked.names), rate, asked.tolerance) if 0 < rate < 1 else None


def _gap(asked: Asked, largest: Difference, worst: Difference | None) -> Gap:
    shown = asked.limits.own.value[0]
    least, most = int(shown.argmin()), int(shown.argmax())
    behind = int((asked.sign * (asked.limits.rest.value[0] - shown)).argmax())
    data = asked.limits.data
    return Gap(
        groups=asked.names,
        left_out=asked.left_out,
        lowest=asked.names[least],
        highest=asked.names[most],
        lowest_value=float(shown[least]),
        highest_value=float(shown[most]),
        largest=largest,
        worst=None if worst is None else asked.names[behind],
        worst_vs_rest=worst,
        faces=data.faces,
        people=data.people,
        people_in_several=data.people_in_several,
        permutations=len(asked.dealt.gap),
        out_of_scope=asked.out_of_scope,
        tolerance=asked.tolerance,
    )
