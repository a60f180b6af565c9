"""What should I worry about? At most five lines, the gravest first, each with a place in the report to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..cards.unfinished import breaking_off, reason_told
from ..cards.wording import plural
from ..core.results import AuditResults, Finding, ProbeResult
from .run_files import RunFiles
from .scenarios import Scenario, scenarios

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
    rows = scenarios(results)
    yield from _policy(results, ("high",))
    incomplete = breaking_off(results)
    if incomplete:
        yield Worry("high", "broken off", incomplete, "card-absent")
    if run.changed:
        text = f"{plural(len(run.changed), 'file')} of the run folder changed since the audit and were not drawn."
        yield Worry("high", "evidence", text, "provenance")
    yield from (_failed(row) for row in rows if row.verdict == "fail" and row.told == "fail")
    yield from _findings(results, ("high",))
    for probe in results.probes:
        if probe.status == "failed":
            text = f"{probe.title or probe.id} could not be completed: {reason_told(probe)}"
            yield Worry("high", "probe failed", text, f"probe-{probe.id}")
    yield from (_waived(row) for row in rows if row.told != row.verdict)
    yield from _policy(results, ("medium",))
    yield from _findings(results, ("medium",))
    for row in rows:
        if row.verdict in ("not measured", "inconclusive") and row.told == row.verdict:
            unmeasured = row.verdict == "not measured"
            text = f"{row.measure}: {row.threshold}. {_capital(row.why)}" if unmeasured else row.why
            yield Worry("medium", f"gate {row.verdict}", _capital(text), row.anchor)
    yield from _small_groups(results)
    yield from _policy(results, ("low",))
    yield from _findings(results, ("low",))
    yield from (_due(row) for row in rows if row.overdue)
    for probe in results.probes:
        if probe.status == "skipped":
            yield Worry("low", "probe skipped", f"{probe.title or probe.id}: {probe.reason}", f"probe-{probe.id}")


def _failed(row: Scenario) -> Worry:
    text = _capital(row.why).rstrip(".") + (f". Hazard: {row.hazard}" if row.hazard else "")
    return Worry("high", "gate failed", text, row.anchor)


def _waived(row: Scenario) -> Worry:
    """Tell a gate that somebody answers for: it failed all the same."""
    return Worry("medium", "gate waived", f"{_capital(row.told)}. {_capital(row.why)}.", row.anchor)


def _due(row: Scenario) -> Worry:
    """Tell a review that was due before the audit; the day of the audit counts, so that a report never changes."""
    text = f"A review was due by {row.review}, before this audit: {row.measure}: {row.threshold}."
    return Worry("low", "review due", text, row.anchor)


def _policy(results: AuditResults, severities: tuple[str, ...]) -> Iterator[Worry]:
    """Yield what no threshold decides: the use that the model is meant for."""
    for position, finding in enumerate(results.findings(), start=1):
        if finding.severity in severities and finding in results.policy:
            yield Worry(finding.severity, "policy", finding.claim, f"finding-{position}")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _findings(results: AuditResults, severities: tuple[str, ...]) -> Iterator[Worry]:
    """Yield findings of alike severity: the first of each probe, then the second of each, so that each is heard."""
    found = []
    for position, finding in enumerate(results.findings(), start=1):
        probe = _probe_of(finding, results)
        if probe is not None and finding.severity in severities:
            alike = [one for one in probe.findings if one.severity == finding.severity]
            place = next(n for n, one in enumerate(alike) if one is finding)
            found.append((place, position, finding, _use_of(probe, results)))
    for _, position, finding, use in sorted(found, key=lambda entry: entry[:2]):
        yield Worry(finding.severity, "finding", finding.claim + use, f"finding-{position}")


def _probe_of(finding: Finding, results: AuditResults) -> ProbeResult | None:
    """Return the probe that a finding is of; a finding of policy is of none."""
    return next((probe for probe in results.probes if any(one is finding for one in probe.findings)), None)


def _use_of(probe: ProbeResult, results: AuditResults) -> str:
    """Name the use of a probe that a finding is of, where the plan uses the probe more than once."""
    return f" ({probe.id})" if sum(other.probe == probe.probe for other in results.probes) > 1 else ""


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
