"""The cases of an audit as test reports count them: passed, failed, error or skipped.

They agree with the exit code: there is an error where the code is 3 and only there; else there is a failure where it is
1, or 4 under strict, and only there. So a gate that was not measured is a failure, since it stops a release, and an
error where the probe behind it broke; a gate that is inconclusive is skipped, and a failure under strict; a waived one
is skipped with who answers for it and why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...cards.gate_words import gate_title
from ...cards.unfinished import gate_reason, not_run, reason_told
from ...core.gates import outcome_ids, told_limit, told_verdict
from ...core.plan import GateSpec
from ...core.results import AuditResults, Finding, GateOutcome, Measurement, ProbeResult

Suite = Literal["gates", "policy", "probes"]
State = Literal["passed", "failed", "error", "skipped"]
SUITES: tuple[Suite, ...] = ("gates", "policy", "probes")
_SCENARIO = ("group", "hazard", "mitigation", "review_by")


@dataclass(frozen=True)
class Case:
    """One thing that was judged.

    Attributes:
        suite: what it is: a gate, a finding of policy, or a probe.
        classname: pillar and probe, with dots between.
        name: stable over runs; of a gate its name.
        state: how it ended.
        kind: why in one or two words, e.g. ``not measured`` or ``waived``; ``pass`` of what passed.
        message: why in one line, without what single faces, people or paths are called.
        title: what it is in words.
        seconds: that it took; of a gate 0, since its probe has them.
        properties: numbers and words beside it, by name.
        position: of the gate or of the probe in the plan, from 0; ``None`` of policy.
    """

    suite: Suite
    classname: str
    name: str
    state: State
    kind: str
    message: str
    title: str = ""
    seconds: float = 0.0
    properties: Mapping[str, str | float] = field(default_factory=dict)
    position: int | None = None

    @property
    def detail(self) -> str:
        """The message with whom it is about, the harm and what is done about it, line by line."""
        lines = [self.title, self.message, *(f"{name}: {self.properties.get(name, '')}" for name in _SCENARIO)]
        return "\n".join(line for line in lines if line and not line.endswith(": "))


def cases_of(results: AuditResults, *, strict: bool = False) -> list[Case]:
    """Return every case of an audit: its gates, what policy has to say, and its probes.

    Args:
        results: with the outcomes of the gates to tell.
        strict: an inconclusive gate is a failure.
    """
    return [*gate_cases(results, strict=strict), *policy_cases(results), *probe_cases(results)]


def gate_cases(results: AuditResults, *, strict: bool = False) -> list[Case]:
    """Return one case for each gate, in the order of the plan."""
    names = outcome_ids(results.gates)
    return [
        _gate(outcome, name, place, results, strict)
        for place, (outcome, name) in enumerate(zip(results.gates, names, strict=True))
    ]


def policy_cases(results: AuditResults) -> list[Case]:
    """Return one case for each finding of policy: a grave one fails, and any other is left to a person."""
    return [_policy(finding) for finding in results.policy]


def probe_cases(results: AuditResults) -> list[Case]:
    """Return one case for each probe, also for those of the plan that left no result."""
    planned = planned_probes(results)
    return [*(_probe(probe, planned) for probe in results.probes), *_missing(results, planned)]


def planned_probes(results: AuditResults) -> list[str]:
    """Return the ids of the probes of the plan, in its order."""
    entries: Any = results.plan.get("probes") or ()
    return [
        str(entry.get("id") or entry.get("probe")) if isinstance(entry, Mapping) else str(entry) for entry in entries
    ]


def probe_of(outcome: GateOutcome) -> str:
    """Return the id of the probe that a gate is about."""
    return str(outcome.gate.get("measure", "")).partition("/")[0]


def decides(outcome: GateOutcome, results: AuditResults) -> Measurement | None:
    """Return the measurement that decides a gate on values, ``None`` for one on a change or across slices.

    The number of such a gate is of two measurements or more and stands in its why.
    """
    if outcome.gate.get("change") or outcome.gate.get("across") or not outcome.evidence:
        return None
    told = [key for key in outcome.evidence if f"{key} is " in outcome.why]
    return results.get(max(told, key=len) if told else outcome.evidence[0])


def broken_probe(outcome: GateOutcome, results: AuditResults) -> bool:
    """Tell whether a gate was not measured because its probe failed or did not run."""
    probe = results.probe(probe_of(outcome))
    return outcome.verdict == "not measured" and (
        probe.status == "failed" if probe is not None else probe_of(outcome) in not_run(results)
    )


def _gate(outcome: GateOutcome, name: str, position: int, results: AuditResults, strict: bool) -> Case:
    probe = results.probe(probe_of(outcome))
    reason = gate_reason(outcome, results)
    state: State = "passed"
    kind = str(outcome.verdict)
    if outcome.waiver is not None and outcome.verdict in {"fail", "not measured"}:
        state, kind = "skipped", "waived"
        reason = f"{told_verdict(outcome)}: {outcome.waiver.get('reason')}. {reason}"
    elif outcome.verdict == "inconclusive":
        state = "failed" if strict else "skipped"
    elif outcome.counts_against:
        state = "error" if broken_probe(outcome, results) else "failed"
    pillar = probe.pillar if probe is not None and probe.pillar else "gates"
    return Case(
        suite="gates",
        classname=f"{pillar}.{probe_of(outcome)}",
        name=name,
        state=state,
        kind=kind,
        message=reason,
        title=gate_title(outcome, results),
        properties=_gate_properties(outcome, results, probe),
        position=position,
    )


def _gate_properties(outcome: GateOutcome, results: AuditResults, probe: ProbeResult | None) -> dict[str, str | float]:
    spec = GateSpec.model_validate(outcome.gate)
    found: dict[str, Any] = {
        "verdict": outcome.verdict,
        "measure": spec.measure,
        "where": ", ".join(f"{name}={value}" for name, value in sorted(spec.where.items())),
        "threshold": told_limit(spec),
    }
    deciding = decides(outcome, results)
    if deciding is not None:
        estimate = deciding.estimate
        names = ("value", "low", "high", "bound_low", "bound_high", "level", "method", "n", "subjects")
        found |= {"key": deciding.key, **{name: getattr(estimate, name) for name in names}}
    if probe is not None:
        found |= {"probe": probe.probe, "probe_seconds": probe.seconds}
    found |= {name: str(getattr(spec, name) or "") for name in _SCENARIO}
    found |= {f"waiver_{name}": str(value) for name, value in (outcome.waiver or {}).items()}
    return {name: value for name, value in found.items() if value is not None and value != ""}


def _policy(finding: Finding) -> Case:
    grave = finding.severity == "high"
    return Case(
        suite="policy",
        classname="policy",
        name=finding.id,
        state="failed" if grave else "skipped",
        kind="prohibited use" if grave else f"policy, {finding.severity}",
        message=finding.claim,
        properties={"severity": finding.severity} | ({"caveats": " ".join(finding.caveats)} if finding.caveats else {}),
    )


def _probe(probe: ProbeResult, planned: list[str]) -> Case:
    states: dict[str, State] = {"ok": "passed", "skipped": "skipped", "failed": "error"}
    return Case(
        suite="probes",
        classname=f"{probe.pillar or 'probes'}.{probe.probe}",
        name=probe.id,
        state=states[probe.status],
        kind="pass" if probe.status == "ok" else f"probe {probe.status}",
        message=reason_told(probe),
        title=probe.title,
        seconds=probe.seconds,
        properties={"measurements": len(probe.measurements), "findings": len(probe.findings)},
        position=planned.index(probe.id) if probe.id in planned else None,
    )


def _missing(results: AuditResults, planned: list[str]) -> Iterator[Case]:
    for name in not_run(results):
        told = "the audit broke off before it: countenance run --resume goes on"
        place = planned.index(name) if name in planned else None
        yield Case("probes", f"probes.{name}", name, "error", "did not run", told, position=place)
