"""An audit in a few lines: each probe with its pillar, its status and the one number to start from."""

from __future__ import annotations

from dataclasses import dataclass

from ..cards.conditions import under
from ..cards.sentences import nulls_of
from ..cards.slices import by_grouping, group_name
from ..cards.tables import ref
from ..cards.tree import MeasurementRef
from ..cards.unfinished import reason_told
from ..cards.wording import measurement_title, plural
from ..core.results import AuditResults, Measurement, ProbeResult, Status

PILLARS = {
    "performance": "Performance",
    "fairness": "Fairness",
    "explanation": "Explanation",
    "robustness": "Robustness",
    "integrity": "Integrity",
}


@dataclass(frozen=True)
class SummaryLine:
    """One probe.

    Attributes:
        pillar: in words.
        probe_id: in the plan.
        title: of the probe.
        status: ``ok``, ``skipped`` or ``failed``.
        headline: what the number is, or how much was measured, or why nothing was.
        estimate: the number, or ``None`` where the headline says it all.
    """

    pillar: str
    probe_id: str
    title: str
    status: Status
    headline: str
    estimate: MeasurementRef | None


def pillar_title(pillar: str) -> str:
    """Return a pillar in words."""
    return PILLARS.get(pillar, pillar.capitalize() or "Other")


def summary_lines(results: AuditResults) -> list[SummaryLine]:
    """Return one line for each probe, pillar by pillar."""
    order = {name: place for place, name in enumerate(PILLARS)}
    probes = sorted(results.probes, key=lambda probe: order.get(probe.pillar, len(order)))
    return [_line(probe, results) for probe in probes]


def _line(probe: ProbeResult, results: AuditResults) -> SummaryLine:
    head, estimate = reason_told(probe), None
    if probe.status == "ok":
        found = _headline(probe, results)
        if found is not None:
            head, estimate = measurement_title(found, probe.probe), ref(found)
        else:
            head = _groups_measured(probe, results)
    return SummaryLine(pillar_title(probe.pillar), probe.id, probe.title or probe.id, probe.status, head, estimate)


def _headline(probe: ProbeResult, results: AuditResults) -> Measurement | None:
    """Choose the first measure over all faces with a direction or nulls; of what is done to faces, see _hardest."""
    whole = next((table for table in by_grouping(probe, results.data.attributes) if not table.attributes), None)
    if whole is None:
        return None
    over_all = [
        cell
        for cell in (whole.cells[(), column] for column in whole.columns)
        if cell.estimate.value is not None
        and "." not in cell.metric
        and (cell.direction != "none" or nulls_of(cell, probe))
    ]
    plain = [item for item in over_all if not item.slice and not item.condition]
    placed = [item for item in over_all if item.slice and not item.condition]
    placed.sort(key=lambda item: -len(nulls_of(item, probe)))  # a number says most beside many nulls
    others = [item for item in over_all if nulls_of(item, probe)]
    return next(iter([*plain, *_hardest(over_all), *placed, *others, *_largest_harm(over_all)]), None)


def _largest_harm(items: list[Measurement]) -> list[Measurement]:
    """Return, of the first measure that should be low, the largest: what a poisoning did at most, say."""
    harms = [item for item in items if item.direction == "lower" and item.condition and not item.slice]
    first = [item for item in harms if item.metric == harms[0].metric]
    return sorted(first, key=_harm)[-1:]


def _hardest(items: list[Measurement]) -> list[Measurement]:
    """Return one measure of what is done to faces: over all of it where there is that, else at the largest strength."""
    done = [(found, item) for item in items if (found := under(item.condition)) is not None]
    told = [(found, item) for found, item in done if not found.clean and not found.control]
    first = [(found, item) for found, item in told if item.metric == told[0][1].metric]
    whole = [item for found, item in first if found.whole and not found.size]
    return (
        whole[:1] or [item for _, item in sorted(first, key=lambda pair: (pair[0].amount or 0.0, _harm(pair[1])))][-1:]
    )


def _harm(item: Measurement) -> float:
    value = item.estimate.value or 0.0
    return -value if item.direction == "higher" else value


def _groups_measured(probe: ProbeResult, results: AuditResults) -> str:
    groups: dict[str, bool] = {}
    for item in probe.measurements:
        pairs = sorted(pair for pair in item.slice.items() if pair[0] in results.data.attributes)
        if pairs:
            name = group_name(f"{key}={value}" for key, value in pairs)
            groups[name] = groups.get(name, False) or item.estimate.value is not None
    if not groups:
        return "nothing was measured" if not any(m.estimate.value is not None for m in probe.measurements) else ""
    return f"{sum(groups.values())} of {plural(len(groups), 'group')} large enough to measure"
