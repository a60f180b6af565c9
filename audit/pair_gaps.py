"""How far groups differ in rates of pairs of faces: the questions of a probe, asked and answered together.

People stand in several pairs, and pairs may count towards several groups, so nulls and bounds come from normal draws
with the covariance of the groups' rates (:mod:`countenance.core.statistics.correlated_gaps`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..core.pair_tables import ACROSS
from ..core.probes import Note, Output, ProbeContext
from ..core.results import Direction
from ..core.statistics.correlated_gaps import answer_correlated, ask_correlated, joint_normal
from ..core.statistics.gap_findings import gap_findings, gap_notes
from ..core.statistics.gap_questions import GroupQuestion
from ..core.statistics.gaps import Asked, NoGap
from ..core.statistics.groups import Groups
from ..core.statistics.sums import Floats, Integers
from .verification import GroupRates, covariance_of

DRAWS = 4000


@dataclass(frozen=True)
class PairQuestion:
    """A gap that is asked and not answered yet; see :func:`pair_question`."""

    metric: str
    attribute: str
    slice: Mapping[str, str]
    direction: Direction
    rates: GroupRates
    names: Sequence[str]
    chosen: Integers
    left_out: Mapping[str, str]
    out_of_scope: Sequence[str]
    condition: Mapping[str, str] = field(default_factory=dict)
    title: str = ""


def pair_question(
    groups: Groups,
    found: GroupRates,
    metric: str,
    direction: Direction,
    *,
    slice: Mapping[str, str] | None = None,
    condition: Mapping[str, str] | None = None,
    title: str = "",
) -> PairQuestion:
    """Ask how far the groups differ in a rate; pairs across groups take no part.

    Args:
        groups: what the codes of ``found.pairs`` stand for.
        found: the rate of each group.
        metric: name of the rate.
        direction: which way is better.
        slice: what all pairs share.
        condition: e.g. ``{"eps": "8/255"}``.
        title: what a sentence calls the rate.
    """
    names = [", ".join(value.values()) for value in groups.values]
    left_out = {
        names[code]: found.estimates[code].reason or ""
        for code in range(len(groups))
        if found.estimates[code].value is None and not is_across(groups, code)
    }
    chosen = [code for code in found.measured if not is_across(groups, int(code))]
    return PairQuestion(
        metric=metric,
        attribute=groups.name,
        slice=slice or {},
        direction=direction,
        rates=found,
        names=names,
        chosen=np.asarray(chosen, dtype=np.int64),
        left_out=left_out,
        out_of_scope=[names[code] for code in groups.out_of_scope],
        condition=condition or {},
        title=title,
    )


def answered(
    context: ProbeContext, questions: Sequence[PairQuestion], people: int, tolerance: float | None
) -> Iterator[Output]:
    """Yield the answers to all questions together: measurements, findings, notes.

    Args:
        context: the probe's.
        questions: all that the probe asks.
        people: how many people the codes of all pairs count.
        tolerance: largest gap that is accepted; ``None`` when nobody said.
    """
    can = [question for question in questions if not _why_not(question)]
    parts = [question.rates.pairs.influence(question.rates.values, people) for question in can]
    influences = [part[:, question.chosen] for part, question in zip(parts, can, strict=True)]
    random = context.random("gaps")
    drawn = joint_normal(influences, DRAWS, random) if can else []
    asked = [_asked(context, question, tolerance, random, normal) for question, normal in zip(can, drawn, strict=True)]
    answers = dict(zip(map(id, can), answer_correlated(asked), strict=True))
    closed = [
        GroupQuestion(
            probe_id=context.probe_id,
            metric=question.metric,
            attribute=question.attribute,
            gap=answers.get(id(question)) or _no_gap(question),
            slice=question.slice,
            condition=question.condition,
            direction=question.direction,
            title=question.title or question.metric.upper(),
            level=context.rules.level,
        )
        for question in questions
    ]
    for question in closed:
        yield from question.measurements()
    yield from gap_findings(closed, drawn=True)
    for text in gap_notes(closed):
        yield Note(text)


def is_across(groups: Groups, code: int) -> bool:
    """Tell whether a group is that of the pairs whose people belong to different ones."""
    return ACROSS in groups.values[code].values()


def _asked(
    context: ProbeContext,
    question: PairQuestion,
    tolerance: float | None,
    random: np.random.Generator,
    normal: Floats,
) -> Asked:
    found, chosen = question.rates, question.chosen
    values = np.asarray([found.estimates[code].value for code in chosen], dtype=np.float64)
    weights = np.asarray([found.estimates[code].n for code in chosen], dtype=np.float64)
    people = np.asarray([found.estimates[code].subjects for code in chosen], dtype=np.int64)
    in_group = found.pairs.only(np.flatnonzero(np.isin(found.pairs.group, chosen)).astype(np.int64))
    return ask_correlated(
        values,
        covariance_of(found, chosen),
        weights,
        [question.names[code] for code in chosen],
        context.rules,
        random,
        people=len(np.unique(np.concatenate([in_group.first, in_group.second]))),
        faces=len(in_group),
        group_people=people,
        left_out=question.left_out,
        out_of_scope=question.out_of_scope,
        direction=question.direction,
        tolerance=tolerance,
        draws=DRAWS,
        normal=normal,
    )


def _no_gap(question: PairQuestion) -> NoGap:
    several = sum(ACROSS not in name for name in question.names) > 1
    blocking = len(set(question.left_out) - set(question.out_of_scope)) if several else 0
    return NoGap(_why_not(question), dict(question.left_out), blocking)


def _why_not(question: PairQuestion) -> str:
    """Say why the gap is not measured; an empty text where it is."""
    if len(question.chosen) > 1:
        values = question.rates.values[np.isin(question.rates.pairs.group, question.chosen)]
        if len(set(values)) > 1:
            return ""
        none_wrong = question.direction == "lower" and not values.any()
        right = "no pair of any group is wrong" if none_wrong else "every pair of every group is alike"
        return f"{right}, so nothing can be compared; read the limits of the groups"
    inside = [name for name in question.names if ACROSS not in name]
    if len(inside) < 2:
        return f"there is one group only, {inside[0]}" if inside else "there is no group"
    if len(question.chosen) == 0:
        return f"none of {len(inside)} groups has enough pairs; two are needed"
    return f"only one of {len(inside)} groups, {question.names[question.chosen[0]]}, has enough pairs"
