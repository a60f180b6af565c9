"""Measures by class, and measures beside their nulls."""

from __future__ import annotations

from collections.abc import Iterator

from ...cards.sentences import NULL, nulls_of
from ...cards.slices import Column, Grouped, by_grouping
from ...cards.wording import metric_meaning, metric_title, pairs_text
from ...core.results import AuditResults, ProbeResult
from .forest import ForestRow, forest
from .panel import FigureGroup

_RATES = ("recall", "precision", "f1")


def class_figures(probe: ProbeResult, results: AuditResults) -> Iterator[FigureGroup]:
    """Yield recall, precision and F1 of each class in one drawing."""
    table = _over_all(probe, results)
    if table is None:
        return
    metrics = [name for name in _RATES if any(column.metric == name and column.rest for column in table.columns)]
    rests = [rest for rest in table.rests() if [name for name, _ in rest] == ["label"]]
    rows = [
        ForestRow(
            dict(rest)["label"], "class", tuple(table.cells.get(((), Column(name, rest, ()))) for name in metrics)
        )
        for rest in rests
    ]
    if metrics and rows:
        titles = [metric_title(name) for name in metrics]
        panel = forest(", ".join(titles), rows, titles, f"{', '.join(titles)} of each class, with intervals.")
        meanings = (f"{metric_title(name).capitalize()}: {metric_meaning(name)}." for name in metrics)
        yield FigureGroup("By class", (panel,), " ".join(meanings))


def null_figures(probe: ProbeResult, results: AuditResults) -> Iterator[FigureGroup]:
    """Yield each measure that has nulls beside them, for each class."""
    table = _over_all(probe, results)
    if table is None:
        return
    for metric in dict.fromkeys(column.metric for column in table.columns if NULL not in column.metric):
        rows: list[ForestRow] = []
        names: dict[str, None] = {}
        placed = [column for column in table.columns if column.metric == metric]
        for column in placed:
            names |= dict.fromkeys(null.metric for null in nulls_of(table.cells[(), column], probe))
        if not names:
            continue
        for column in placed:
            place = dict(column.rest)
            name = place["label"] if list(place) == ["label"] else pairs_text({**place, **dict(column.condition)})
            cells = (table.cells.get(((), Column(null, column.rest, column.condition))) for null in names)
            rows.append(ForestRow(name or "all faces", "class", (table.cells[(), column], *cells)))
        titles = [metric_title(metric), *map(metric_title, names)]
        alt = f"{metric_title(metric)} for each class beside {', '.join(titles[1:])}."
        caption = f"A number says something only beside its nulls: {'; '.join(_meaning(name) for name in names)}."
        panel = forest(metric_title(metric), rows, titles, alt)
        yield FigureGroup(f"{metric_title(metric)} beside its nulls", (panel,), caption)


def _meaning(metric: str) -> str:
    return f"{metric_title(metric)}, {metric_meaning(metric) or 'see the notes'}"


def _over_all(probe: ProbeResult, results: AuditResults) -> Grouped | None:
    tables = by_grouping(probe.measurements, results.data.attributes)
    return next((table for table in tables if not table.attributes), None)
