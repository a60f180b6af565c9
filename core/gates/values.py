"""Gates on the value of measurements: each slice against the limit."""

from __future__ import annotations

from collections.abc import Sequence

from ..plan import GateSpec
from ..results import AuditResults, Estimate, Measurement
from .bounds import at_tail, further_out, tail_of
from .gaps import gap_verdict, told_gap, too_small
from .judged import NO_INTERVAL, NOT_SETTLED, Judged, NotJudged, limit_of, margin_of, too_few, verdict_of


def judge_values(
    gate: GateSpec, matched: Sequence[Measurement], results: AuditResults
) -> tuple[list[Judged], list[NotJudged]]:
    """Judge each measurement against the limit; the bound that fails is widened for how many are judged."""
    measured, not_judged = [], []
    for item in matched:
        reason = item.estimate.reason or "" if item.estimate.value is None else _refused(gate, item)
        if reason is None:
            measured.append(item)
        else:
            not_judged.append(NotJudged(item.key, reason, blocks=bool(item.estimate.groups_left_out)))
    return [_judge(gate, item, len(measured), results) for item in measured], not_judged


def _refused(gate: GateSpec, item: Measurement) -> str | None:
    if gate.confidence is not None and _one_sided(gate, item.estimate):
        return (
            "the bounds of a difference between groups hold over all questions of its probe at once and cannot be "
            "taken to another confidence: leave confidence out"
        )
    return too_few(gate, item)


def _one_sided(gate: GateSpec, estimate: Estimate) -> bool:
    return gate.at_most is not None and estimate.bound_low is not None and estimate.bound_high is not None


def _judge(gate: GateSpec, item: Measurement, count: int, results: AuditResults) -> Judged:
    estimate, limit = item.estimate, limit_of(gate)
    assert estimate.value is not None
    told, margin = f"{item.key} is {estimate}", margin_of(gate, estimate.value)
    tail = tail_of(gate.confidence or estimate.level)
    passing = at_tail(estimate, tail)
    widened = count > 1 and gate.correction == "bonferroni"
    failing = further_out(estimate, tail / count) if widened else passing
    if passing is None or failing is None:
        why = told_gap(estimate, limit, None) if _one_sided(gate, estimate) else NO_INTERVAL
        return Judged(item.key, "inconclusive", margin, told, why)
    if _one_sided(gate, estimate):
        why = told_gap(estimate, limit, *_beside(item, results))
        return Judged(item.key, gap_verdict(estimate, limit), margin, told, why)
    if gate.confidence is not None:
        told += f", at {100 * gate.confidence:g} % [{passing.low:.3f}, {passing.high:.3f}]"
    verdict = verdict_of(gate, passing, failing)
    why = NOT_SETTLED if verdict == "inconclusive" else ""
    if verdict == "pass" and estimate.groups_left_out:  # an index of groups is about all of them
        verdict, why = "inconclusive", f"{too_small(estimate.groups_left_out)}, which blocks a pass"
    return Judged(item.key, verdict, margin, told, why)


def _beside(item: Measurement, results: AuditResults) -> tuple[Estimate | None, float | None, Estimate | None]:
    """Return the size of a difference that would have been shown, for which tolerance, and the faces that it takes."""
    probe = results.probe(item.key.partition("/")[0])
    if probe is None:
        return None, None, None
    here = {
        other.metric: other.estimate
        for other in probe.measurements
        if other.slice == item.slice and other.condition == item.condition
    }
    tolerance = probe.params.get("tolerance")
    limit = float(tolerance) if isinstance(tolerance, (int, float)) else None
    return here.get(f"{item.metric}.detectable"), limit, here.get(f"{item.metric}.faces_to_pass")
