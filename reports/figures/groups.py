"""Forest plots by group: one drawing for each metric, label and condition of a probe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...cards.conditions import perturbs, under
from ...cards.slices import Column, Grouped, by_grouping, group_name
from ...cards.wording import measured_by, metric_meaning
from ...core.results import AuditResults, Measurement, ProbeResult
from .forest import ForestRow, forest
from .panel import FigureGroup, Panel

MOST_PANELS = 48
MOST_UNDER_CONDITIONS = 8
_CAPTION = (
    "Points with intervals; n counts faces. Rows with a hollow ring were not measured, with the reason. Intervals are "
    "not "
    "tests of a difference."
)


@dataclass(frozen=True)
class _Source:
    probe: ProbeResult
    results: AuditResults
    whole: Grouped | None


def group_figures(probe: ProbeResult, results: AuditResults) -> Iterator[FigureGroup]:
    """Yield one figure for all single attributes together and one for the intersections."""
    tables = by_grouping(probe, results.data.attributes)
    source = _Source(probe, results, next((table for table in tables if not table.attributes), None))
    single = [table for table in tables if len(table.attributes) == 1]
    combined = [table for table in tables if len(table.attributes) > 1]
    most = MOST_UNDER_CONDITIONS if perturbs(probe) else MOST_PANELS
    panels, caption = _panels(single, source, most)
    if panels:
        yield FigureGroup("By group", tuple(panels), caption)
    share = max(1, most // max(1, len(combined)))
    found = [(table.title, *_panels([table], source, share)) for table in combined]
    joined = tuple(replace(panel, family=title) for title, panels, _ in found for panel in panels)
    if joined:
        yield FigureGroup("By combination of groups", joined, _CAPTION)


def _panels(tables: list[Grouped], source: _Source, most: int) -> tuple[list[Panel], str]:
    """Draw what was measured, the usual questions first, and say what was left out."""
    columns = list(dict.fromkeys(column for table in tables for column in table.columns))
    told = [column for column in columns if any(_measured(table, column) for table in tables)]
    told.sort(key=lambda column: _order(column, source.results))
    caption = _CAPTION
    if len(told) < len(columns):
        caption += f" Nothing was measured for {len(columns) - len(told)} of {len(columns)} choices."
    if len(told) > most:
        caption += f" Shown are the first {most} of {len(told)}; the others stand in results.json."
    return [_panel(column, tables, source) for column in told[:most]], caption


def _measured(table: Grouped, column: Column) -> bool:
    cells = (table.cells.get((group, column)) for group in table.groups)
    return any(cell is not None and cell.estimate.value is not None for cell in cells)


def _panel(column: Column, tables: list[Grouped], source: _Source) -> Panel:
    rows = [
        ForestRow(group_name(group), table.title, (table.cells[group, column],))
        for table in tables
        for group in table.groups
        if (group, column) in table.cells
    ]
    name = column.title(source.probe.probe)
    meaning = metric_meaning(column.metric, source.probe.probe)
    text = f"{meaning[:1].upper()}{meaning[1:]}." if meaning else ""
    alt = f"{name} for each group, with its interval; groups that were not measured say why."
    return forest(name, rows, (name,), alt, _over_all_faces(column, source), text)


def _order(column: Column, results: AuditResults) -> tuple[bool, bool, bool, bool]:
    """Sort what concerns a class without a labelled face, controls, and what curves show, after the rest."""
    label = dict(column.rest).get("label")
    unlabelled = label is not None and bool(results.data.labels) and not results.data.labels.get(label)
    done = under(dict(column.condition))
    if done is None:
        return unlabelled, False, False, False
    return unlabelled, done.control or done.clean, bool(done.size), not done.whole


def _over_all_faces(column: Column, source: _Source) -> Measurement | None:
    """Find the same measure over all faces, in this probe or among the performance measures."""
    found = source.whole.cells.get(((), column)) if source.whole is not None else None
    if found is not None:
        return found
    if column.condition:
        return None
    for performance in measured_by("performance", source.results):
        for item in performance.measurements:
            if item.metric == column.metric and tuple(sorted(item.slice.items())) == column.rest and not item.condition:
                return item
    return None
