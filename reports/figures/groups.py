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
    tables = by_grouping(probe.measurements, results.data.attributes)
    whole = next((table for table in tables if not table.attributes), None)
    single = [table for table in tables if len(table.attributes) == 1]
    yield from _figure("By group", single, whole, results)
    for table in tables:
        if len(table.attributes) > 1:
            yield from _figure(f"By {table.title}", [table], whole, results)


def _figure(title: str, tables: list[Grouped], whole: Grouped | None, results: AuditResults) -> Iterator[FigureGroup]:
    columns: Mapping[Column, None] = dict.fromkeys(column for table in tables for column in table.columns)
    drawn: list[Panel] = []
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
            alt = f"{column.title} for each group, with its interval; groups that were not measured say why."
            meaning = metric_meaning(column.metric)
            text = f"{meaning[:1].upper()}{meaning[1:]}." if meaning else ""
            drawn.append(forest(column.title, rows, (column.title,), alt, reference, text))
    if not drawn:
        return
    caption = (
        "Points with intervals; grey rows were not measured, with the reason. Intervals are not tests of a difference."
    )
    if silent:
        caption += f" Nothing was measured for {silent} of {len(columns)} choices."
    if len(columns) - silent > len(drawn):
        caption += f" Shown are the first {MOST_PANELS}; the others stand in results.json."
    yield FigureGroup(title, tuple(sorted(drawn, key=lambda panel: _labelled_first(panel, results))), caption)


def _labelled_first(panel: Panel, results: AuditResults) -> bool:
    """Sort what concerns a class without a labelled face after the rest."""
    absent = [label for label in results.target.classes if results.data.labels and not results.data.labels.get(label)]
    return any(f" of {label}" in panel.name for label in absent)


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
