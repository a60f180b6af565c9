"""What is told of corrected rates and gaps: measurements, a table, findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from ....core.keys import format_key
from ....core.probes import ProbeContext
from ....core.results import Estimate, Finding, Measurement, Severity
from ....core.statistics.corrected_gaps import METHOD_BOUNDS
from ....core.statistics.correlated_gaps import told_as_drawn
from ....core.statistics.gap_findings import SIGNIFICANT
from ....core.statistics.gap_questions import ATTRIBUTE, GAP, WORST, GroupQuestion
from ....core.statistics.gaps import Gap
from .scores import CORRECTED, UNCORRECTED, Score

ANY_ERROR = "any_error"


def question_of(context: ProbeContext, score: Score, way: str) -> GroupQuestion:
    """Return the gap of a score in one way as the question it answers."""
    return GroupQuestion(
        probe_id=context.probe_id,
        metric=f"{score.rate.metric}.{way}",
        attribute=score.assigned.name,
        gap=score.gaps[way],
        slice=score.rate.slice,
        direction="higher",
        title=f"{score.rate.metric} ({way})",
        level=context.rules.level,
    )


def measurements_of(context: ProbeContext, score: Score) -> Iterator[Measurement]:
    """Yield the rates of the true groups, and the gaps in every way.

    - ``METRIC.corrected`` and ``METRIC.any_error``: the rate of each true group; the second with limits that hold
      however errors depend on the outcome.
    - ``METRIC.corrected.gap`` and ``METRIC.corrected.worst_vs_rest`` with all that stands beside a gap.
    - ``METRIC.uncorrected.gap`` and the like: the gap alone, to compare.
    - ``METRIC.any_error.gap``: the corrected gap with limits that hold however errors depend on the outcome.
    """
    name, prepared = score.assigned.name, score.ways[CORRECTED]
    for way, estimates in ((CORRECTED, prepared.estimates), (ANY_ERROR, prepared.bounds)):
        for group, estimate in zip(score.assigned.groups, estimates, strict=False):
            yield context.measurement(
                f"{score.rate.metric}.{way}", estimate, slice={**score.rate.slice, name: group}, direction="higher"
            )
    for way in score.gaps:
        told = told_as_drawn(question_of(context, score, way).measurements())
        yield from told if way == CORRECTED else told[:1]
    limits = prepared.gap_by_any_dependence(context.rules.level)
    gap = score.gaps[CORRECTED]
    if limits is not None and isinstance(gap, Gap):
        low, high, bound_low, bound_high = limits
        value = gap.largest.value
        estimate = Estimate(
            value=value,
            low=min(low, value),
            high=max(high, value),
            level=context.rules.level,
            method=METHOD_BOUNDS,
            n=gap.faces,
            subjects=gap.people,
        ).model_copy(
            update={
                "bound_low": bound_low,
                "bound_high": bound_high,
                "groups": len(gap.groups),
                "groups_left_out": gap.blocking,
            }
        )
        yield context.measurement(
            f"{score.rate.metric}.{ANY_ERROR}.{GAP}",
            estimate,
            slice={**score.rate.slice, ATTRIBUTE: name},
            direction="lower",
        )


def table_of(scores: Sequence[Score]) -> pd.DataFrame:
    """Return one line per score and group: the rate as assigned, corrected, and between which limits."""
    lines = []
    for score in scores:
        corrected, before = score.ways[CORRECTED], score.ways[UNCORRECTED]
        assigned = before.sums.total
        for place, group in enumerate(score.assigned.groups):
            after = corrected.estimates[place]
            bounds = corrected.bounds[place] if corrected.bounds else None
            lines.append(
                {
                    "attribute": score.assigned.name,
                    "metric": score.rate.metric,
                    "label": score.rate.slice.get("label", ""),
                    "group": group,
                    "faces_assigned": int(assigned[place]),
                    "rate_assigned": before.estimates[place].value,
                    "faces_corrected": after.n,
                    "rate_corrected": after.value,
                    "low": after.low,
                    "high": after.high,
                    "low_any_error": None if bounds is None else bounds.low,
                    "high_any_error": None if bounds is None else bounds.high,
                    "not_measured": after.reason or "",
                }
            )
    return pd.DataFrame(lines)


def agreement_table(scores: Sequence[Score]) -> pd.DataFrame:
    """Return faces by the groups of both annotators, one line per pair of groups; empty without two annotators."""
    lines = []
    for assigned in {score.assigned.name: score.assigned for score in scores}.values():
        if assigned.agreement is not None:
            for one, first in enumerate(assigned.groups):
                for other, second in enumerate(assigned.groups):
                    faces = int(assigned.agreement.table[one, other])
                    lines.append({"attribute": assigned.name, "first": first, "second": second, "faces": faces})
    return pd.DataFrame(lines)


def findings_of(context: ProbeContext, scores: Sequence[Score], tolerance: float) -> Iterator[Finding]:
    """Yield a finding for each attribute whose corrected groups differ, and where the matrix cannot be right."""
    names = list(dict.fromkeys(score.assigned.name for score in scores))
    for name in names:
        of = [score for score in scores if score.assigned.name == name]
        held = [
            (score, gap) for score in of if isinstance(gap := score.gaps[CORRECTED], Gap) and _p(gap) <= SIGNIFICANT
        ]
        held.sort(key=lambda pair: (not _beyond(pair[1], tolerance), _p(pair[1]), -pair[1].largest.value))
        if held:
            yield _gap_finding(context, *held[0], [score for score, _ in held[1:]], tolerance)
        wrong = [score for score in of if _contradicted(score)]
        if wrong:
            yield _contradiction(context, wrong)


def _p(gap: Gap) -> float:
    return gap.largest.p if gap.largest.p_adjusted is None else gap.largest.p_adjusted


def _beyond(gap: Gap, tolerance: float) -> bool:
    both = (gap.largest, gap.worst_vs_rest)
    return any(found is not None and (found.bound_low or 0.0) > tolerance for found in both)


def _gap_finding(context: ProbeContext, score: Score, gap: Gap, others: Sequence[Score], tolerance: float) -> Finding:
    found, before = gap.largest, score.gaps[UNCORRECTED]
    bounds = "" if found.low is None or found.high is None else f" [{found.low:.3f}, {found.high:.3f}]"
    uncorrected = f"; as assigned they differ by {before.largest.value:.3f}" if isinstance(before, Gap) else ""
    question = question_of(context, score, CORRECTED)
    claim = (
        f"With the errors in {score.assigned.name} undone, by {score.assigned.source}, the {score.rate.metric}"
        f"{question.place} is lower for {gap.lowest} ({gap.lowest_value:.3f}) than for {gap.highest} "
        f"({gap.highest_value:.3f}): a difference of {found.value:.3f}{bounds}{uncorrected}. Equal groups known this "
        f"well would differ by {found.null_mean:.3f} on average; p = {_p(gap):.2g}, adjusted over all corrected gaps."
    )
    severity: Severity = "medium"
    if _beyond(gap, tolerance):
        severity = "high"
        claim += f" It exceeds the tolerance of {tolerance:g}."
    if others:
        claim += f" Groups differ in {len(others)} other score{'s' if len(others) > 1 else ''} too."
    caveats = []
    limits = score.ways[CORRECTED].gap_by_any_dependence(context.rules.level)
    if limits is not None:
        caveats.append(
            "This takes errors to have nothing to do with whether the model is right. If they may, all that can be "
            f"said is that the groups differ by {limits[0]:.3f} to {limits[1]:.3f}."
        )
    if gap.left_out:
        caveats.append(f"Not measured: {'; '.join(gap.left_out)}.")
    keys = [question_of(context, each, CORRECTED).measurements()[0].key for each in (score, *others)]
    worst = [item.key for item in question.measurements() if item.metric.endswith(f".{CORRECTED}.{WORST}")]
    return context.finding(
        f"corrected.{score.assigned.name}",
        severity,
        claim,
        evidence=[*keys, *worst],
        caveats=caveats,
        p_adjusted=_p(gap),
    )


def _contradicted(score: Score) -> list[str]:
    """Return the groups whose faces or rate the matrix makes impossible."""
    rates = score.ways[CORRECTED].rates
    return [] if rates is None else [score.assigned.groups[place] for place in rates.contradicted]


def _contradiction(context: ProbeContext, scores: Sequence[Score]) -> Finding:
    assigned = scores[0].assigned
    groups = sorted({name for score in scores for name in _contradicted(score)})
    evidence = [
        format_key(context.probe_id, f"{score.rate.metric}.{CORRECTED}", {**score.rate.slice, assigned.name: group})
        for score in scores
        for group in _contradicted(score)
    ]
    return context.finding(
        f"contradicted.{assigned.name}",
        "low",
        f"The errors in {assigned.name} as {assigned.source} gives them cannot be those of these faces: undone, they "
        f"would leave {', '.join(groups)} with fewer faces than none or a rate beyond 0 or 1, by more than chance.",
        evidence=evidence,
        caveats=["What is corrected by it should not be relied on."],
    )
