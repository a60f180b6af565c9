"""Sets an audit beside provisions: which evidence it holds for each, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from ...core.policy import UNKNOWN, policy_of
from ...core.results import AuditResults, Finding, Measurement, ProbeResult
from ..statements import Statements
from ..unfinished import reason_told
from ..wording import measured_by, plural
from .provisions import Fact, Provision, provisions, tasks_of_probes


@dataclass(frozen=True)
class Held:
    """A piece of evidence: in words, and the keys of the measurements or the places in ``card.yaml`` it lies in."""

    text: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class CrosswalkRow:
    """A provision, the evidence this audit holds for it, and what is missing here."""

    provision: Provision
    held: tuple[Held, ...]
    missing: tuple[str, ...]


def crosswalk(
    results: AuditResults, statements: Statements, rows: Sequence[Provision] | None = None
) -> list[CrosswalkRow]:
    """Return a row for each provision that has to do with the audited task.

    Evidence that is held says nothing of whether the provision is met: a model that does badly under attack holds
    evidence for the provision on attacks all the same.

    Args:
        results: of the audit.
        statements: of the author.
        rows: provisions to set it beside; all of this package unless given.

    Raises:
        ResultsError: when the deployment in the results cannot be read.
    """
    known = provisions() if rows is None else rows
    policy = policy_of(results, statements.intended_use.deployment_context)
    task = results.target.task
    return [_row(provision, results, statements, policy) for provision in known if provision.concerns(task)]


def _row(
    provision: Provision, results: AuditResults, statements: Statements, policy: Sequence[Finding]
) -> CrosswalkRow:
    held: list[Held] = []
    missing: list[str] = []
    evidence = provision.evidence
    if evidence.policy is not None:
        _policy(evidence.policy, policy, held, missing)
    _probes(evidence.probes, results, held, missing)
    for fact in evidence.facts:
        text, found = _FACTS[fact](results, statements)
        if found:
            held.append(Held(text))
        else:
            missing.append(text)
    told = [name for name in evidence.card if statements.text(name)]
    if told:
        held.append(Held(f"stated by the author: {', '.join(told)}", tuple(told)))
    untold = [name for name in evidence.card if name not in told]
    if untold:
        missing.append(f"not stated in card.yaml: {', '.join(untold)}")
    return CrosswalkRow(provision, tuple(held), tuple(missing))


def _policy(wanted: str, policy: Sequence[Finding], held: list[Held], missing: list[str]) -> None:
    found = next((finding for finding in policy if finding.id == wanted), None)
    if found is not None:
        held.append(Held(f"finding of policy {found.id}, severity {found.severity}"))
    elif any(finding.id == UNKNOWN for finding in policy):
        missing.append("no use is stated to judge by")
    else:
        held.append(Held("no finding of policy for the stated use and the names of the outputs"))


def _probes(wanted: dict[str, list[str]], results: AuditResults, held: list[Held], missing: list[str]) -> None:
    absent = []
    for name, patterns in wanted.items():
        if results.target.task not in tasks_of_probes().get(name, (results.target.task,)):
            continue
        used = measured_by(name, results)
        absent += [] if used else [name]
        for probe in used:
            if probe.status == "ok":
                _measured(probe, patterns, held, missing)
            else:
                missing.append(f"{probe.id} {probe.status}: {reason_told(probe)}")
    if absent:
        missing.append(f"not in the plan: {', '.join(absent)}")


def _measured(probe: ProbeResult, patterns: Sequence[str], held: list[Held], missing: list[str]) -> None:
    """Tell how much of what a probe was to measure it did measure."""
    meant = [item for item in probe.measurements if _matches(item, patterns)]
    keys = tuple(item.key for item in meant if item.estimate.value is not None)
    which = f"{probe.id} ({', '.join(patterns)})" if patterns else probe.id
    if not keys:
        missing.append(f"{which} ran and measured nothing of it")
        return
    of = f" of {len(meant):,}" if len(keys) < len(meant) else ""
    found = [finding for finding in probe.findings if finding.severity != "note"]
    findings = f", {plural(len(found), 'finding')}" if found else ""
    held.append(Held(f"{which}: {len(keys):,}{of} measured{findings}", keys))


def _matches(item: Measurement, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(item.metric, pattern) for pattern in patterns)


# Facts ----------------------------------------------------------------------------------------------------------------

Told = tuple[str, bool]


def _dated(results: AuditResults, statements: Statements) -> Told:
    day = results.started[:10]
    return (f"audited on {day}", True) if day else ("the day of the audit", False)


def _checkpoint_hash(results: AuditResults, statements: Statements) -> Told:
    return ("SHA-256 of the checkpoint", True) if results.target.sha256 else ("no hash of the checkpoint", False)


def _data_hash(results: AuditResults, statements: Statements) -> Told:
    return ("SHA-256 of the data", True) if results.data.sha256 else ("no hash of the data", False)


def _versions(results: AuditResults, statements: Statements) -> Told:
    return ("versions of the tools", True) if results.tool else ("no versions of the tools", False)


def _people(results: AuditResults, statements: Statements) -> Told:
    people = results.data.subjects
    if people is None:
        return "the data do not say who is one person", False
    return f"{plural(people, 'person', 'people')} counted", True


def _attributes(results: AuditResults, statements: Statements) -> Told:
    known = results.data.attributes
    if not known:
        return "the data name no attribute of people", False
    told = ", ".join(f"{name} ({attribute.assigned_by})" for name, attribute in known.items())
    return f"attributes and who assigned them: {told}", True


def _deployment(results: AuditResults, statements: Statements) -> Told:
    use = results.plan.get("deployment") or {}
    contexts = dict.fromkeys((*use.get("context", ()), *statements.intended_use.deployment_context))
    if not contexts:
        return "neither plan nor card states where the model is to run", False
    ground = f", ground {use['ground']}" if use.get("ground") else ""
    regions = f", in {', '.join(use['regions'])}" if use.get("regions") else ""
    return f"stated use: {', '.join(contexts)}{ground}{regions}", True


def _gates(results: AuditResults, statements: Statements) -> Told:
    if not results.gates:
        return "no gate was judged", False
    verdicts = [gate.verdict for gate in results.gates]
    told = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
    return f"{plural(len(verdicts), 'gate')} judged: {told}", True


def _reviews(results: AuditResults, statements: Statements) -> Told:
    due = [str(gate.gate["review_by"]) for gate in results.gates if gate.gate.get("review_by")]
    return (f"reviews by {', '.join(sorted(set(due)))}", True) if due else ("no gate has a day of review", False)


def _intervals(results: AuditResults, statements: Statements) -> Told:
    valued = [item.estimate for item in results.measurements() if item.estimate.value is not None]
    count = sum(estimate.low is not None and estimate.high is not None for estimate in valued)
    return f"{count:,} of {plural(len(valued), 'measurement')} with an interval", count > 0


def _nulls(results: AuditResults, statements: Statements) -> Told:
    count = sum(".null" in item.metric and item.estimate.value is not None for item in results.measurements())
    return f"{plural(count, 'measurement')} of what chance gives", count > 0


def _not_measured(results: AuditResults, statements: Statements) -> Told:
    count = sum(item.estimate.value is None for item in results.measurements())
    return f"what was not measured, with reasons ({plural(count, 'measurement')})", True


def _disclosure(results: AuditResults, statements: Statements) -> Told:
    return "a text to start from, below", True


_FACTS: dict[Fact, Callable[[AuditResults, Statements], Told]] = {
    "attributes": _attributes,
    "checkpoint_hash": _checkpoint_hash,
    "data_hash": _data_hash,
    "dated": _dated,
    "deployment": _deployment,
    "disclosure": _disclosure,
    "gates": _gates,
    "intervals": _intervals,
    "not_measured": _not_measured,
    "nulls": _nulls,
    "people": _people,
    "reviews": _reviews,
    "versions": _versions,
}
