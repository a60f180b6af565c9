"""Results as they may be published: what tells of small groups is held back, with the reason.

The run's own results stay whole, and gates are judged on those. Card, report and comparison are made from this view.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ..results import (
    AttributeSummary,
    AuditResults,
    DataSummary,
    Estimate,
    Finding,
    GateOutcome,
    Measurement,
    ProbeResult,
)
from .cells import ACROSS, LABEL, WHOLE, Cell
from .pattern import Pattern, held_back
from .telling import groups_of
from .words import Redaction, held_text, reason_text

DEFAULT_MIN_PUBLISHED = 5


def min_published(results: AuditResults) -> int:
    """Return how many people a group needs for its numbers to be published, as the plan of a run says."""
    return int(dict(results.plan.get("report") or {}).get("min_published", DEFAULT_MIN_PUBLISHED))


def published(results: AuditResults, pattern: Pattern | None = None) -> AuditResults:
    """Return the results as they may be published.

    Args:
        results: as measured.
        pattern: what is held back, if the caller knows; by what the plan says else.

    Returns:
        The same results, without numbers of groups of fewer people and without those from which such numbers could be
        worked out; what is held back says so. Published results are published unchanged.
    """
    return _view(results, held_back(results, min_published(results)) if pattern is None else pattern)


def published_all(runs: Sequence[AuditResults]) -> list[AuditResults]:
    """Return several runs as they may be published side by side: what is held back of one is held back of all."""
    threshold = max(map(min_published, runs), default=DEFAULT_MIN_PUBLISHED)
    held: frozenset[Cell] = frozenset()
    while True:
        patterns = [held_back(run, threshold, also=held) for run in runs]
        together = held.union(*(pattern.cells for pattern in patterns))
        if together == held:
            return [_view(run, pattern) for run, pattern in zip(runs, patterns, strict=True)]
        held = together


def _view(results: AuditResults, pattern: Pattern) -> AuditResults:
    if not pattern.everywhere and not pattern.measurements:
        return _counts_only(results, pattern)
    groups = {name: told.groups for name, told in results.data.attributes.items()}
    words = Redaction(pattern.everywhere, pattern.threshold, groups)
    return results.model_copy(
        update={
            "data": _data(results.data, pattern, words),
            "probes": [_probe(probe, pattern, words) for probe in results.probes],
            "gates": [_gate(gate, pattern, words) for gate in results.gates],
            "policy": [_finding(finding, pattern, words) for finding in results.policy],
        }
    )


def _counts_only(results: AuditResults, pattern: Pattern) -> AuditResults:
    """Take numbers of very few people out of the words of results that hold no small group."""
    if pattern.threshold <= 1:
        return results
    words = Redaction((), pattern.threshold, {})
    return results.model_copy(update={"probes": [_probe(probe, pattern, words) for probe in results.probes]})


def _data(data: DataSummary, pattern: Pattern, words: Redaction) -> DataSummary:
    labels = {name: count for name, count in data.labels.items() if frozenset({(LABEL, name)}) not in pattern.cells}
    notes = [words.text(note) for note in data.notes]
    silent = [name for name in data.labels if name not in labels]
    if silent:
        notes.append(f"Faces with the label {', '.join(silent)}: {reason_text(pattern.threshold)}.")
    return data.model_copy(
        update={
            "labels": labels,
            "attributes": {name: _attribute(name, told, pattern.cells) for name, told in data.attributes.items()},
            "notes": list(dict.fromkeys(notes)),
            "not_measured": list(dict.fromkeys(map(words.text, data.not_measured))),
        }
    )


def _attribute(name: str, attribute: AttributeSummary, held: Collection[Cell]) -> AttributeSummary:
    out = [group for group in attribute.groups if frozenset({(name, group)}) in held or WHOLE in held]
    if not out:
        return attribute
    groups = {group: count for group, count in attribute.groups.items() if group not in out}
    return attribute.model_copy(update={"groups": groups, "held_back": out, "missing": None})


def _probe(probe: ProbeResult, pattern: Pattern, words: Redaction) -> ProbeResult:
    return probe.model_copy(
        update={
            "reason": None if probe.reason is None else words.text(probe.reason),
            "notes": list(dict.fromkeys(map(words.text, probe.notes))),
            "measurements": [_measurement(item, probe, pattern, words) for item in probe.measurements],
            "findings": [_finding(finding, pattern, words) for finding in probe.findings],
        }
    )


def _measurement(item: Measurement, probe: ProbeResult, pattern: Pattern, words: Redaction) -> Measurement:
    estimate = item.estimate
    if item.key in pattern.measurements:
        return item.model_copy(update={"estimate": Estimate.not_measured(reason_text(pattern.threshold))})
    changed: dict[str, object] = {}
    if estimate.reason is not None and words.text(estimate.reason) != estimate.reason:
        changed["reason"] = words.text(estimate.reason)
    held = pattern.of_probe.get(probe.id, pattern.cells)
    if ACROSS in item.slice and groups_of(held, item.slice[ACROSS], item.slice):
        # the people who took part, taken from all, are those who did not
        changed |= dict.fromkeys(("n", "subjects", "n_effective", "count", "groups_left_out"))
    return item.model_copy(update={"estimate": estimate.model_copy(update=changed)}) if changed else item


def _finding(finding: Finding, pattern: Pattern, words: Redaction) -> Finding:
    if pattern.numbers.isdisjoint(finding.evidence) and not words.tells(finding.claim):
        caveats = [words.text(caveat) for caveat in finding.caveats if not words.tells(caveat)]
        return finding.model_copy(update={"claim": words.text(finding.claim), "caveats": caveats})
    return finding.model_copy(update={"claim": held_text(pattern.threshold), "caveats": [], "p_adjusted": None})


def _gate(gate: GateOutcome, pattern: Pattern, words: Redaction) -> GateOutcome:
    if pattern.numbers.isdisjoint(gate.evidence):
        return gate.model_copy(update={"why": words.text(gate.why)})
    why = f"judged on all results; its numbers are {reason_text(pattern.threshold)}"
    return gate.model_copy(update={"why": why})
