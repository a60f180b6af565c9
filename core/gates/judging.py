"""Judging gates: the verdict pass, fail, inconclusive or not measured, and in words why.

A gate tests a bound and not a point. ``at_most`` fails when the lower bound is above the limit and passes when the
upper bound is not; ``at_least`` the other way round; between the two it is inconclusive. Where one gate judges
several slices, *every* slice has to pass, which needs no correction (an intersection-union test); *any* slice may
fail it, so the bound that fails a gate is widened for the number of slices (Bonferroni). The difference between groups
brings one-sided bounds of its own, which already hold over all questions of its probe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from ..plan import GateSpec, Plan, WaiverSpec
from ..results import AuditResults, GateOutcome, Measurement, Verdict
from .across import judge_across
from .change import PairedChange, about_baseline, judge_changes, why_unfit
from .judged import Judged, NotJudged, told_limit
from .matching import matching, why_nothing_matches
from .rules import gate_faults
from .values import judge_values
from .waivers import with_waivers

MOST_EVIDENCE = 20


def judge_all(
    gates: Iterable[GateSpec],
    results: AuditResults,
    *,
    baseline: AuditResults | None = None,
    waivers: Sequence[WaiverSpec] = (),
    today: date | None = None,
    paired: PairedChange | None = None,
) -> list[GateOutcome]:
    """Return the outcome of each gate.

    Args:
        gates: what to judge.
        results: the run.
        baseline: the run that gates on a change compare with.
        waivers: who answers for which gate until when.
        today: the day on which waivers are judged; this day unless given.
        paired: the change of a measurement from faces that both runs audited; two samples unless given.

    Raises:
        UsageError: for a measure that is no key.
        PlanError: for a waiver that names no gate.
    """
    listed = list(gates)
    outcomes = [judge(gate, results, baseline=baseline, paired=paired) for gate in listed]
    return with_waivers(outcomes, listed, waivers, today or date.today())


def judge_plan(
    plan: Plan, results: AuditResults, baseline: AuditResults | None, today: date, paired: PairedChange | None = None
) -> list[GateOutcome]:
    """Return the outcome of each gate of a plan with its waivers; see :func:`judge_all`."""
    return judge_all(plan.gates, results, baseline=baseline, waivers=plan.waivers, today=today, paired=paired)


def judge(
    gate: GateSpec,
    results: AuditResults,
    *,
    baseline: AuditResults | None = None,
    paired: PairedChange | None = None,
) -> GateOutcome:
    """Return the verdict on one gate and, in words, why; see :func:`judge_all`."""
    matched = matching(gate, results)
    before = matching(gate, baseline) if gate.change is not None and baseline is not None else []
    faults = gate_faults(gate)
    if faults:
        return _not_measured(gate, f"the gate is refused: {'; '.join(faults)}")
    if gate.change is not None:
        if baseline is None:
            return _not_measured(gate, "no baseline was given: name a run folder, baseline: in the plan or --baseline")
        unfit = why_unfit(results, baseline)
        if unfit:
            return _not_measured(gate, unfit)
    if not matched and not before:
        return _not_measured(gate, why_nothing_matches(gate, results))
    after = ""
    evidence: list[str] = []
    if gate.across is not None:
        judged, left, evidence = judge_across(gate, matched)
    elif gate.change is not None and baseline is not None:
        judged, left = judge_changes(gate, matched, before, results, baseline, paired)
        after = f"; {about_baseline(results, baseline)}"
    else:
        judged, left = judge_values(gate, matched, results)
    if not judged:
        return _none_judged(gate, matched, left, after)
    blocked = bool(left) if gate.require == "all" else any(each.blocks for each in left)
    verdict = _overall([one.verdict for one in judged], blocked)
    deciding = [one for one in judged if one.verdict == verdict] or judged
    worst = min(deciding, key=lambda one: one.margin)
    keys = evidence or [one.key for one in sorted(judged, key=lambda one: one.margin)]
    why = _tell(gate, verdict, worst, len(judged), left) + after
    return GateOutcome(gate=_written(gate), verdict=verdict, why=why, evidence=keys[:MOST_EVIDENCE])


def _written(gate: GateSpec) -> dict[str, object]:
    return gate.model_dump(mode="json", exclude_defaults=True)


def _not_measured(gate: GateSpec, why: str) -> GateOutcome:
    return GateOutcome(gate=_written(gate), verdict="not measured", why=why)


def _none_judged(gate: GateSpec, matched: Sequence[Measurement], left: Sequence[NotJudged], after: str) -> GateOutcome:
    reason = left[0].reason
    if not matched:
        why = f"{left[0].key}: {reason}"
    else:
        why = f"{_count(len(matched))} matched and none was measured: {reason}"
    keys = [each.key for each in left if each.key in {item.key for item in matched}]
    return GateOutcome(gate=_written(gate), verdict="not measured", why=why + after, evidence=keys[:MOST_EVIDENCE])


def _overall(verdicts: Sequence[Verdict], blocked: bool) -> Verdict:
    """Return one verdict; a pass is blocked by what had to be measured and could not, or by groups too small for it."""
    if "fail" in verdicts:
        return "fail"
    if "inconclusive" in verdicts or blocked:
        return "inconclusive"
    return "pass"


def _tell(gate: GateSpec, verdict: Verdict, worst: Judged, count: int, left: Sequence[NotJudged]) -> str:
    told = f"{worst.told}; the limit is {told_limit(gate)}"
    if worst.why:
        told += f"; {worst.why}"
    if verdict == "inconclusive" and worst.verdict == "pass":
        if gate.require == "all":
            told += "; the gate requires every group to be measured"
        else:
            told += "; a difference of which groups too small to be judged are part blocks a pass"
    if count > 1:
        told = f"of {count} judged, {'the worst' if verdict != 'pass' else 'the nearest to the limit'}: {told}"
    if left:
        told += f" ({_count(len(left))} not measured, e.g. {left[0].key}: {left[0].reason})"
    return told


def _count(number: int) -> str:
    return "1 measurement" if number == 1 else f"{number} measurements"
