"""Pairs of faces (verification): error rates at one global threshold for each group, and how far groups differ.

A pair belongs to a group when both its people do; pairs across groups are a group of their own, which takes no part in
gaps. Rates, intervals and the variance of pairs that share people: :mod:`countenance.audit.verification`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ....core.pair_tables import ACROSS
from ....core.probes import Note, Output, ProbeContext, TableOutput
from ....core.results import Direction
from ....core.statistics.correlated_gaps import answer_correlated, ask_correlated, joint_normal
from ....core.statistics.gap_findings import gap_findings, gap_notes
from ....core.statistics.gap_questions import ATTRIBUTE, GroupQuestion
from ....core.statistics.gaps import Asked, NoGap
from ....core.statistics.groups import Groups
from ...verification import (
    ALL,
    GENUINE,
    IMPOSTOR,
    Comparisons,
    GroupRates,
    Threshold,
    covariance_of,
    find_threshold,
    rates,
    take,
    tpr_at_fpr,
)
from ..controls import control_levels
from .choice import Catalogue, Choice
from .rates import Floats, Rows
from .spread import INDICES, GroupRate, index_estimates

PAIRS = Catalogue(
    "verification",
    ("fmr", "fnmr", "accuracy", "base_rate", "tpr_at_fpr", *INDICES),
    ("tpr_at_fpr", *INDICES),
    ("fmr", "fnmr"),
    "",
)
DRAWS = 4000


@dataclass(frozen=True)
class _Rate:
    """Which pairs a rate is a share of, and which way is better."""

    kind: str
    direction: Direction


_RATES = {
    "fmr": _Rate(IMPOSTOR, "lower"),
    "fnmr": _Rate(GENUINE, "lower"),
    "accuracy": _Rate(ALL, "higher"),
    "base_rate": _Rate(ALL, "none"),
}


def measure(context: ProbeContext, choice: Choice, *, threshold: float | None, fmr: float) -> Iterator[Output]:
    """Yield all of the choice for each group, the gaps, and what the numbers leave out.

    Args:
        context: the probe's.
        choice: what is asked.
        threshold: least similarity of a match; where ``fmr`` of all impostor pairs match, unless given.
        fmr: see above; also the FPR at which each group's TPR is measured.
    """
    comparisons = Comparisons.of(context.faces, context.predictions)
    found = find_threshold(comparisons, fmr, threshold)
    if found is None:
        yield Note("There is no impostor pair to set the threshold by: nothing was measured. Give `threshold`.")
        return
    yield from threshold_notes(found, fmr, given=threshold is not None)
    overall = found.matched / max(found.impostors, 1)
    if "fmr" in choice.gaps and choice.tolerance > overall:
        yield Note(
            f"A tolerance of {choice.tolerance:g} says little of gaps in FMR, which is {overall:.2g} over all: use the "
            "probe once more with an id, `gaps: [fmr]` and a tolerance of that size."
        )
    probe = _PairMetrics(context, choice, comparisons, found, fmr)
    yield probe.coverage()
    for groups in context.faces.groupings:
        yield from probe.by_group(groups, choice.metrics, {})
    everything = np.arange(len(comparisons), dtype=np.int64)
    levels = list(control_levels(context.faces))
    asked = [*probe.questions(everything, {})]
    for level, rows in levels:
        for groups in context.faces.groupings:
            yield from probe.by_group(groups, choice.gaps, level, rows)
        yield from probe.over_all(choice.gaps, level, rows)
        asked += probe.questions(rows, level)
    yield from probe.answered(asked)


def threshold_notes(found: Threshold, fmr: float, *, given: bool) -> Iterator[Note]:
    """Say where the threshold lies and whether enough impostor pairs stand behind it."""
    said = f"A pair matches from a similarity of {found.value:.6g} on, for every group"
    if given:
        yield Note(f"{said}, as the plan says: {found.matched:,} of {found.impostors:,} impostor pairs do.")
    else:
        needed = int(np.ceil(10 / fmr - 1e-9))
        few = f" That is a threshold set by {found.matched} pairs: {needed:,} impostor pairs would be needed."
        yield Note(
            f"{said}, where {found.matched:,} of all {found.impostors:,} impostor pairs do (FMR {fmr:g} or less). The "
            "threshold is taken as given: intervals do not count that it came from these pairs."
            + (few if found.impostors < needed else "")
        )
    if found.matched == 0 and found.impostors:
        yield Note(
            f"No impostor pair reaches the threshold: an FMR of 0 of {found.impostors:,} is not an FMR of 0; read the "
            "upper limit."
        )


@dataclass(frozen=True)
class _OpenQuestion:
    """A gap that is asked and not answered yet."""

    metric: str
    attribute: str
    slice: Mapping[str, str]
    direction: Direction
    rates: GroupRates
    names: Sequence[str]
    chosen: Rows
    left_out: Mapping[str, str]
    out_of_scope: Sequence[str]


class _PairMetrics:
    """The metrics of the pairs of one audit at one threshold."""

    def __init__(
        self, context: ProbeContext, choice: Choice, comparisons: Comparisons, threshold: Threshold, fmr: float
    ) -> None:
        self.context = context
        self.choice = choice
        self.comparisons = comparisons
        self.fmr = fmr
        matches = comparisons.similarity >= threshold.value
        self.counted: dict[str, Floats] = {
            "fmr": matches.astype(np.float64),
            "fnmr": (~matches).astype(np.float64),
            "accuracy": (matches == comparisons.same).astype(np.float64),
            "base_rate": comparisons.same.astype(np.float64),
        }

    def rates(self, metric: str, within: Rows, groups: Groups | None = None) -> GroupRates:
        """Return a rate of the pairs at ``within``, of each group or of all."""
        rate = _RATES[metric]
        rows = np.intersect1d(self.comparisons.rows(rate.kind), within)
        codes, count = (None, 1) if groups is None else (groups.codes, len(groups))
        pairs = self.comparisons.grouped(rows, codes, count)
        nearest = self.comparisons.similarity[rows] * (-1 if rate.kind == GENUINE else 1)
        return rates(
            pairs,
            self.counted[metric][rows],
            self.context.rules,
            rate.kind,
            overall=groups is None,
            nearest=nearest if rate.kind != ALL else None,
        )

    def by_group(
        self, groups: Groups, metrics: Sequence[str], level: Mapping[str, str], within: Rows | None = None
    ) -> Iterator[Output]:
        """Yield these metrics of each group, of all pairs or of those at ``within``, which share ``level``."""
        rows = np.arange(len(self.comparisons), dtype=np.int64) if within is None else within
        for metric in metrics:
            if metric in _RATES:
                for value, estimate in zip(groups.values, self.rates(metric, rows, groups).estimates, strict=True):
                    place, direction = {**level, **value}, _RATES[metric].direction
                    yield self.context.measurement(metric, estimate, slice=place, direction=direction)
            elif metric == "tpr_at_fpr":
                for code, value in enumerate(groups.values):
                    here = take(self.comparisons, rows[groups.codes[rows] == code])
                    estimate = tpr_at_fpr(here, self.fmr, self.context.rules)
                    at = {"fpr": f"{self.fmr:g}"}
                    place = {**level, **value}
                    yield self.context.measurement(metric, estimate, slice=place, condition=at, direction="higher")
        indices = [metric for metric in metrics if metric in INDICES]
        if indices:
            yield from self._indices(groups, rows, indices)

    def over_all(self, metrics: Sequence[str], level: Mapping[str, str], within: Rows) -> Iterator[Output]:
        """Yield these rates of all pairs at ``within``."""
        for metric in metrics:
            estimate = self.rates(metric, within).estimates[0]
            yield self.context.measurement(metric, estimate, slice=dict(level), direction=_RATES[metric].direction)

    def _indices(self, groups: Groups, rows: Rows, names: Sequence[str]) -> Iterator[Output]:
        """Yield how unequal the groups are, beside what equal groups would show."""
        found = {metric: self.rates(metric, rows, groups) for metric in ("accuracy", "fmr", "fnmr")}
        for name in names:
            index = INDICES[name]
            measured = [set(found[metric].measured.tolist()) for metric in index.rates]
            kept = [code for code in sorted(set.intersection(*measured)) if not _is_across(groups, code)]
            small = [code for code in range(len(groups)) if code not in kept and not _is_across(groups, code)]
            blocking = len(set(small) - groups.out_of_scope) if len(small) + len(kept) > 1 else 0
            parts = [_group_rate(found[metric], np.asarray(kept, dtype=np.int64)) for metric in index.rates]
            random = self.context.random("index", groups.name, name)
            for suffix, estimate in index_estimates(name, parts, random, self.context.rules.level):
                place = {ATTRIBUTE: groups.name}
                direction: Direction = "none" if suffix else index.direction
                if not suffix and blocking:
                    estimate = estimate.model_copy(update={"groups_left_out": blocking})
                yield self.context.measurement(f"{name}{suffix}", estimate, slice=place, direction=direction)

    def questions(self, within: Rows, level: Mapping[str, str]) -> Iterator[_OpenQuestion]:
        """Yield how far the groups of each attribute differ in each tested metric."""
        for groups in self.context.faces.groupings:
            names = [", ".join(value.values()) for value in groups.values]
            for metric in self.choice.gaps:
                found = self.rates(metric, within, groups)
                left_out = {
                    names[code]: found.estimates[code].reason or ""
                    for code in range(len(groups))
                    if found.estimates[code].value is None and not _is_across(groups, code)
                }
                chosen = [code for code in found.measured if not _is_across(groups, int(code))]
                yield _OpenQuestion(
                    metric=metric,
                    attribute=groups.name,
                    slice=level,
                    direction=_RATES[metric].direction,
                    rates=found,
                    names=names,
                    chosen=np.asarray(chosen, dtype=np.int64),
                    left_out=left_out,
                    out_of_scope=[names[code] for code in groups.out_of_scope],
                )

    def answered(self, questions: Sequence[_OpenQuestion]) -> Iterator[Output]:
        """Yield the answers to all questions together: measurements, findings, notes."""
        can = [question for question in questions if not _why_not(question)]
        parts = [question.rates.pairs.influence(question.rates.values, self.comparisons.people) for question in can]
        influences = [part[:, question.chosen] for part, question in zip(parts, can, strict=True)]
        random = self.context.random("gaps")
        drawn = joint_normal(influences, DRAWS, random) if can else []
        asked = [self._asked(question, random, normal) for question, normal in zip(can, drawn, strict=True)]
        answers = dict(zip(map(id, can), answer_correlated(asked), strict=True))
        closed = [
            GroupQuestion(
                probe_id=self.context.probe_id,
                metric=question.metric,
                attribute=question.attribute,
                gap=answers.get(id(question)) or _no_gap(question),
                slice=question.slice,
                direction=question.direction,
                title=question.metric.upper(),
                level=self.context.rules.level,
            )
            for question in questions
        ]
        for question in closed:
            yield from question.measurements()
        yield from gap_findings(closed, drawn=True)
        for text in gap_notes(closed):
            yield Note(text)

    def _asked(self, question: _OpenQuestion, random: np.random.Generator, normal: Floats) -> Asked:
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
            self.context.rules,
            random,
            people=len(np.unique(np.concatenate([in_group.first, in_group.second]))),
            faces=len(in_group),
            group_people=people,
            left_out=question.left_out,
            out_of_scope=question.out_of_scope,
            direction=question.direction,
            tolerance=self.choice.tolerance,
            draws=DRAWS,
            normal=normal,
        )

    def coverage(self) -> TableOutput:
        """Count pairs of both kinds and people by group."""
        parts = []
        for groups in self.context.faces.groupings:
            for code, value in enumerate(groups.values):
                here = take(self.comparisons, np.flatnonzero(groups.codes == code).astype(np.int64))
                parts.append(
                    {
                        "attributes": groups.name,
                        "group": " & ".join(value.values()),
                        "pairs": len(here),
                        "genuine": int(here.same.sum()),
                        "impostor": int((~here.same).sum()),
                        "people": len(np.unique(np.concatenate([here.first, here.second]))),
                    }
                )
        return TableOutput("coverage", pd.DataFrame(parts), "Pairs and people by group")


def _group_rate(found: GroupRates, chosen: Rows) -> GroupRate:
    """Return a rate of these groups as the indices take it."""
    estimates = [found.estimates[code] for code in chosen]
    return GroupRate(
        values=np.asarray([estimate.value for estimate in estimates], dtype=np.float64),
        covariance=covariance_of(found, chosen) if len(chosen) > 1 else np.zeros((len(chosen),) * 2),
        n_effective=found.n_effective[chosen],
        pairs=np.asarray([estimate.n for estimate in estimates], dtype=np.int64),
        people=np.asarray([estimate.subjects for estimate in estimates], dtype=np.int64),
    )


def _no_gap(question: _OpenQuestion) -> NoGap:
    several = sum(ACROSS not in name for name in question.names) > 1
    blocking = len(set(question.left_out) - set(question.out_of_scope)) if several else 0
    return NoGap(_why_not(question), dict(question.left_out), blocking)


def _is_across(groups: Groups, code: int) -> bool:
    return ACROSS in groups.values[code].values()


def _why_not(question: _OpenQuestion) -> str:
    """Say why the gap is not measured; an empty text where it is."""
    if len(question.chosen) > 1:
        values = question.rates.values[np.isin(question.rates.pairs.group, question.chosen)]
        right = (
            "no pair of any group is wrong" if question.direction == "lower" else "every pair of every group is alike"
        )
        return f"{right}, so nothing can be compared; read the limits of the groups" if len(set(values)) < 2 else ""
    inside = [name for name in question.names if ACROSS not in name]
    if len(inside) < 2:
        return f"there is one group only, {inside[0]}" if inside else "there is no group"
    if len(question.chosen) == 0:
        return f"none of {len(inside)} groups has enough pairs; two are needed"
    return f"only one of {len(inside)} groups, {question.names[question.chosen[0]]}, has enough pairs"
