"""What should I worry about? At most five lines, the gravest first, each with a place in the report to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..cards.gate_words import gate_title
from ..cards.unfinished import breaking_off, gate_reason, reason_told
from ..cards.wording import plural
from ..core.results import AuditResults, Finding
from .run_files import RunFiles

MOST = 5
Grade = Literal["high", "medium", "low", "note"]


@dataclass(frozen=True)
class Worry:
    """One line: how grave, what kind of thing it is, what it says, and the anchor of its evidence."""

    grade: Grade
    kind: str
    text: str
    anchor: str


def worries(run: RunFiles) -> tuple[list[Worry], int]:
    """Return the gravest lines, at most five, and how many more there are."""
    found = list(_all(run))
    return found[:MOST], max(0, len(found) - MOST)


def _all(run: RunFiles) -> Iterator[Worry]:
    results = run.results
    incomplete = breaking_off(results)
    if incomplete:
        yield Worry("high", "broken off", incomplete, "card-absent")
    if run.changed:
        text = f"{plural(len(run.changed), 'file')} of the run folder changed since the audit and were not drawn."
        yield Worry("high", "evidence", text, "provenance")
    for position, gate in enumerate(results.gates, start=1):
        if gate.verdict == "fail":
            hazard = gate.gate.get("hazard")
            text = _capital(gate_reason(gate, results)) + (f". Hazard: {hazard}" if hazard else "")
            yield Worry("high", "gate failed", text, f"gate-{position}")
    yield from _findings(results, ("high",))
    for probe in results.probes:
        if probe.status == "failed":
            text = f"{probe.title or probe.id} could not be completed: {reason_told(probe)}"
            yield Worry("high", "probe failed", text, f"probe-{probe.id}")
    yield from _findings(results, ("medium",))
    for position, gate in enumerate(results.gates, start=1):
        if gate.verdict in ("not measured", "inconclusive"):
            reason = gate_reason(gate, results)
            if gate.verdict == "not measured":
                reason = f"{gate_title(gate, results)}. {_capital(reason)}"
            yield Worry("medium", f"gate {gate.verdict}", _capital(reason), f"gate-{position}")
    yield from _small_groups(results)
    yield from _findings(results, ("low",))
    yield from _due_reviews(results)
    for probe in results.probes:
        if probe.status == "skipped":
            yield Worry("low", "probe skipped", f"{probe.title or probe.id}: {probe.reason}", f"probe-{probe.id}")


def _due_reviews(results: AuditResults) -> Iterator[Worry]:
    """Tell gates whose review was due before the audit; the day of the audit counts, so that a report never changes."""
    for position, gate in enumerate(results.gates, start=1):
        due = str(gate.gate.get("review_by") or "")
        if due and due < results.started[:10]:
            text = f"A review was due by {due}, before this audit: {gate_title(gate, results)}."
            yield Worry("low", "review due", text, f"gate-{position}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _findings(results: AuditResults, severities: tuple[str, ...]) -> Iterator[Worry]:
    """Yield findings of alike severity: the first of each probe, then the second of each, so that each is heard."""
    found = []
    for position, finding in enumerate(results.findings(), start=1):
        if finding.severity in severities:
            found.append((_place_in_probe(finding, results), position, finding))
    for _, position, finding in sorted(found, key=lambda entry: entry[:2]):
        text = finding.claim + _use_of(finding, results)
        yield Worry(finding.severity, "finding", text, f"finding-{position}")


def _place_in_probe(finding: Finding, results: AuditResults) -> int:
    """Count the findings of the same probe, or of policy, and severity that stand before it."""
    sources = (results.policy, *(probe.findings for probe in results.probes))
    own = next(findings for findings in sources if any(one is finding for one in findings))
    alike = [one for one in own if one.severity == finding.severity]
    return next(place for place, one in enumerate(alike) if one is finding)


def _use_of(finding: Finding, results: AuditResults) -> str:
    """Name the use of a probe that a finding is of, where the plan uses the probe more than once."""
    own = next((probe for probe in results.probes if any(one is finding for one in probe.findings)), None)
    twice = own is not None and sum(probe.probe == own.probe for probe in results.probes) > 1
    return f" ({own.id})" if own is not None and twice else ""


def _small_groups(results: AuditResults) -> Iterator[Worry]:
    """Say once how much of the planned comparison by group the data could not carry."""
    by_group = [item for item in results.measurements() if set(item.slice) & set(results.data.attributes)]
    groups = {tuple(sorted(p for p in item.slice.items() if p[0] in results.data.attributes)) for item in by_group}
    seen = {
        tuple(sorted(p for p in item.slice.items() if p[0] in results.data.attributes))
        for item in by_group
        if item.estimate.value is not None
    }
    if len(seen) < len(groups):
        text = (
            f"{len(groups) - len(seen)} of {plural(len(groups), 'group')} had too few people for any measurement, in "
            "the data or among the faces that were used."
        )
        yield Worry("medium", "not measured", text, "card-absent")
