"""Forest plots by group: one drawing for each metric, label and condition of a probe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...cards.slices import Column, Grouped, by_grouping, group_name
from ...cards.wording import metric_meaning
from ...core.results import AuditResults, Measurement, ProbeResult
from .forest import ForestRow, forest
from .panel import FigureGroup, Panel

MOST_PANELS = 60


def group_figures(probe: ProbeResult, results: AuditResults) -> Iterator[FigureGroup]:
    """Yield one figure for all single attributes together and one for each intersection."""
    tables = by_grouping(probe, results.data.attributes)
    whole = next((table for table in tables if not table.attributes), None)
    single = [table for table in tables if len(table.attributes) == 1]
    yield from _figure("By group", single, whole, probe, results)
    for table in tables:
        if len(table.attributes) > 1:
            yield from _figure(f"By {table.title}", [table], whole, probe, results)


def _figure(
    title: str, tables: list[Grouped], whole: Grouped | None, probe: ProbeResult, results: AuditResults
) -> Iterator[FigureGroup]:
    columns: Mapping[Column, None] = dict.fromkeys(column for table in tables for column in table.columns)
    drawn: list[tuple[tuple[bool, bool], Panel]] = []
    silent = 0
    for column in columns:
        rows = [
            ForestRow(group_name(group), table.title, (table.cells[group, column],))
            for table in tables
            for group in table.groups
            if (group, column) in table.cells
        ]
        if all(cell is None or cell.estimate.value is None for row in rows for cell in row.cells):
            silent += 1
        elif len(drawn) < MOST_PANELS:
            reference = _over_all_faces(column, whole, results)
            name = column.title(probe.probe)
            alt = f"{name} for each group, with its interval; groups that were not measured say why."
            meaning = metric_meaning(column.metric, probe.probe)
            text = f"{meaning[:1].upper()}{meaning[1:]}." if meaning else ""
            drawn.append((_order(column, results), forest(name, rows, (name,), alt, reference, text)))
    if not drawn:
        return
    caption = (
        "Points with intervals; grey rows were not measured, with the reason. Intervals are not tests of a difference."
    )
    if silent:
        caption += f" Nothing was measured for {silent} of {len(columns)} choices."
    if len(columns) - silent > len(drawn):
        caption += f" Shown are the first {MOST_PANELS}; the others stand in results.json."
    yield FigureGroup(title, tuple(panel for _, panel in sorted(drawn, key=lambda entry: entry[0])), caption)


def _order(column: Column, results: AuditResults) -> tuple[bool, bool]:
    """Sort the controls of an attack, and what concerns a class without a labelled face, after the rest."""
    label = dict(column.rest).get("label")
    unlabelled = label is not None and bool(results.data.labels) and not results.data.labels.get(label)
    return unlabelled, dict(column.condition).get("attack") in ("none", "noise")


def _over_all_faces(column: Column, whole: Grouped | None, results: AuditResults) -> Measurement | None:
    """Find the same measure over all faces, in this probe or among the performance measures."""
    found = whole.cells.get(((), column)) if whole is not None else None
    if found is not None:
        return found
    performance = results.probe("performance")
    for item in performance.measurements if performance is not None and not column.condition else ():
        if item.metric == column.metric and tuple(sorted(item.slice.items())) == column.rest and not item.condition:
            return item
    return None
