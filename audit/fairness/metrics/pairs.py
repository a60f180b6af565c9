"""Pairs of faces (verification): error rates at one global threshold for each group, and how far groups differ.

A pair belongs to a group when both its people do; pairs across groups are a group of their own, which takes no part in
gaps. Rates, intervals and the variance of pairs that share people: :mod:`countenance.audit.verification`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ....core.probes import Note, Output, ProbeContext, TableOutput
from ....core.results import Direction
from ....core.statistics.gap_questions import ATTRIBUTE
from ....core.statistics.groups import Groups
from ...pair_gaps import PairQuestion, answered, is_across, pair_question
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
    yield from answered(context, asked, comparisons.people, choice.tolerance)


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
            kept = [code for code in sorted(set.intersection(*measured)) if not is_across(groups, code)]
            small = [code for code in range(len(groups)) if code not in kept and not is_across(groups, code)]
            blocking = len(set(small) - groups.out_of_scope) if len(small) + len(kept) > 1 else 0
            parts = [_group_rate(found[metric], np.asarray(kept, dtype=np.int64)) for metric in index.rates]
            random = self.context.random("index", groups.name, name)
            for suffix, estimate in index_estimates(name, parts, random, self.context.rules.level):
                place = {ATTRIBUTE: groups.name}
                direction: Direction = "none" if suffix else index.direction
                if not suffix and blocking:
                    estimate = estimate.model_copy(update={"groups_left_out": blocking})
                yield self.context.measurement(f"{name}{suffix}", estimate, slice=place, direction=direction)

    def questions(self, within: Rows, level: Mapping[str, str]) -> Iterator[PairQuestion]:
        """Yield how far the groups of each attribute differ in each tested metric."""
        for groups in self.context.faces.groupings:
            for metric in self.choice.gaps:
                found = self.rates(metric, within, groups)
                yield pair_question(groups, found, metric, _RATES[metric].direction, slice=level)

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
