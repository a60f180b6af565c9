"""What of an audit a person has to look at, as scanners and code-quality reports list it: one issue for each.

An issue has a rule that is the same for its kind in every audit, and a fingerprint that is the same for this issue in
every run of the audit, whatever its numbers are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ...core.errors import UsageError
from ...core.files import sha256_of_bytes
from ...core.keys import parse_key
from ...core.results import SEVERITIES, AuditResults, Finding, ProbeResult, Severity
from .cases import Case, gate_cases, planned_probes, probe_cases

Kind = Literal["gate", "finding", "policy", "probe"]
GATE_SEVERITY: dict[str, Severity] = {"fail": "high", "not measured": "high", "inconclusive": "medium"}


@dataclass(frozen=True)
class Issue:
    """One thing to look at.

    Attributes:
        kind: what it comes from.
        rule: of its kind, the same in every audit: ``gate/PROBE/METRIC``, ``finding/PROBE/KIND``, ``AIA-5-1-f``.
        rule_text: what the rule is about, in a sentence.
        rule_help: more about it; empty where there is none.
        severity: a gate that stops a release is high, one that is inconclusive medium.
        title: a few words.
        message: in a sentence or more, without what single faces, people or paths are called.
        fingerprint: hexadecimal, the same in every run.
        case: where it stands in the plan.
        properties: numbers and words beside it.
        waiver: who answers for a gate, why and until when.
    """

    kind: Kind
    rule: str
    rule_text: str
    severity: Severity
    title: str
    message: str
    fingerprint: str
    case: Case
    properties: Mapping[str, Any] = field(default_factory=dict)
    waiver: Mapping[str, Any] | None = None
    rule_help: str = ""


def issues_of(results: AuditResults, *, strict: bool = False) -> list[Issue]:
    """Return every issue, the gravest first; of gates those that did not pass, of probes those that failed.

    Args:
        results: with the outcomes of the gates to tell.
        strict: an inconclusive gate is as grave as a failed one.
    """
    found = [*_policy(results), *_gates(results, strict), *_probes(results), *_findings(results)]
    different: list[Issue] = []
    taken: dict[str, int] = {}
    for issue in found:
        taken[issue.fingerprint] = number = taken.get(issue.fingerprint, 0) + 1
        own = issue.fingerprint if number == 1 else _fingerprint(issue.fingerprint, str(number))
        different.append(replace(issue, fingerprint=own))
    return sorted(different, key=lambda issue: SEVERITIES.index(issue.severity))


def _fingerprint(*parts: str) -> str:
    return sha256_of_bytes("\0".join(parts).encode("utf-8", "backslashreplace"))[:32]


def _gates(results: AuditResults, strict: bool) -> Iterator[Issue]:
    for case, outcome in zip(gate_cases(results, strict=strict), results.gates, strict=True):
        if case.state == "passed":
            continue
        probe, metric = _measured(str(outcome.gate.get("measure", "")), results)
        severity = "high" if case.state in {"failed", "error"} else GATE_SEVERITY[outcome.verdict]
        yield Issue(
            kind="gate",
            rule=f"gate/{probe}/{metric}",
            rule_text=f"A limit on {metric} of the probe {probe}.",
            severity=severity,
            title=f"Gate {case.kind}: {case.title}",
            message=case.detail,
            fingerprint=_fingerprint("gate", case.name),
            case=case,
            properties={"gate": case.name, **case.properties},
            waiver=outcome.waiver,
        )


def _measured(measure: str, results: AuditResults) -> tuple[str, str]:
    """Return the name of the probe, not of its use in this plan, and the metric; as written where it is no key."""
    try:
        key = parse_key(measure)
    except UsageError:
        return "unknown", measure
    probe = results.probe(key.probe)
    return probe.probe if probe is not None else key.probe, key.metric


def _policy(results: AuditResults) -> Iterator[Issue]:
    for finding in results.policy:
        case = Case("policy", "policy", finding.id, "failed", finding.severity, finding.claim)
        yield Issue(
            kind="policy",
            rule=finding.id,
            rule_text="What the stated use of the model is held against; nothing measured changes it.",
            severity=finding.severity,
            title=f"Policy: {finding.id}",
            message=_with_caveats(finding),
            fingerprint=_fingerprint("policy", finding.id),
            case=case,
            properties={"severity": finding.severity},
        )


def _probes(results: AuditResults) -> Iterator[Issue]:
    for case in probe_cases(results):
        if case.state == "error":
            yield Issue(
                kind="probe",
                rule="probe/failed",
                rule_text="A probe of the plan did not come to its end, so that the audit is incomplete.",
                severity="high",
                title=f"Probe {case.name} {'did not run' if case.kind == 'did not run' else 'failed'}",
                message=f"{case.title or case.name} could not be completed: {case.message}",
                fingerprint=_fingerprint("probe", case.name),
                case=case,
                properties=case.properties,
            )


def _findings(results: AuditResults) -> Iterator[Issue]:
    planned = planned_probes(results)
    for probe in results.probes:
        place = planned.index(probe.id) if probe.id in planned else None
        for finding in probe.findings:
            case = Case("probes", probe.pillar, probe.id, "failed", finding.severity, finding.claim, position=place)
            yield Issue(
                kind="finding",
                rule=f"finding/{probe.probe}/{finding_kind(finding, probe)}",
                rule_text=f"{probe.title or probe.probe}: {finding_kind(finding, probe).replace('_', ' ')}.",
                rule_help=" ".join(text for text in (probe.shows, probe.hides and f"It hides: {probe.hides}") if text),
                severity=finding.severity,
                title=f"{probe.title or probe.id}: {finding.severity}",
                message=_with_caveats(finding),
                fingerprint=_fingerprint("finding", probe.id, finding.id, *sorted(finding.evidence)),
                case=case,
                properties=_finding_properties(finding, probe, results),
            )


def finding_kind(finding: Finding, probe: ProbeResult) -> str:
    """Return the kind of a finding out of its id, ``not_measured`` of ``group_metrics.not_measured.ethnicity``.

    What stands behind it names data, such as an attribute or a class, and is no part of a rule.
    """
    own = finding.id.removeprefix(f"{probe.id}.").removeprefix(f"{probe.probe}.")
    return own.partition(".")[0] or "finding"


def _finding_properties(finding: Finding, probe: ProbeResult, results: AuditResults) -> dict[str, Any]:
    numbers = {}
    for key in finding.evidence[:10]:
        measurement = results.get(key)
        if measurement is not None:
            names = ("value", "low", "high", "level", "n", "subjects", "reason")
            told = {name: getattr(measurement.estimate, name) for name in names}
            numbers[key] = {name: value for name, value in told.items() if value is not None}
    found = {"severity": finding.severity, "finding": finding.id, "probe": probe.id, "evidence": numbers}
    return found if finding.p_adjusted is None else {**found, "p_adjusted": finding.p_adjusted}


def _with_caveats(finding: Finding) -> str:
    return "\n".join([finding.claim, *finding.caveats])
