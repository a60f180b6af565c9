"""Answers to questions about gaps: differences with their bounds and p-values, judged together with all others.

Each question has two kinds of difference, the largest between two groups and that of the worst group against all
others; the questions of one kind are judged together (:mod:`.joint`), so that the p-values and the bounds that gates
test hold over all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from ..results import Direction
from .detectable import detectable
from .faces_needed import Question as Asks
from .faces_needed import faces_to_pass
from .gap_data import Range, SummedData
from .gap_limits import GapLimits
from .gaps import PERMUTATIONS, Asked, Difference, Gap, NoGap, ask, too_few
from .group_tests import Kind, combined_p_value, critical_values, p_value
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
