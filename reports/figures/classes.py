"""Measures by class, and measures beside their nulls."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ...cards.sentences import is_null, nulls_of
from ...cards.slices import Column, Grouped, Pairs, by_grouping
from ...cards.wording import metric_meaning, metric_title, pairs_text
from ...core.results import AuditResults, ProbeResult
from .forest import ForestRow, forest
from .panel import FigureGroup, Panel

_RATES = ("recall", "precision", "f1")


def class_figures(probe: ProbeResult, results: AuditResults) -> Iterator[FigureGroup]:
    """Yield recall, precision and F1 of each class in one drawing."""
    table = _over_all(probe, results)
    if table is None or probe.pillar != "performance":
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


def null_figures(probe: ProbeResult, results: AuditResults, without: Collection[str] = ()) -> Iterator[FigureGroup]:
    """Yield each measure that has nulls beside them, for each class or method; one drawing for each other condition.

    Args:
        probe: whose measures.
        results: of the run.
        without: metrics that another figure draws beside their nulls.
    """
    table = _over_all(probe, results)
    if table is None:
        return
    drawn = dict.fromkeys(
        (column.metric, () if _by_method(column) else column.condition)
        for column in table.columns
        if not is_null(column.metric) and column.metric not in without
    )
    found = [_beside_nulls(metric, condition, table, probe) for metric, condition in drawn]
    panels = tuple(panel for panel in found if panel is not None)
    if panels:
        yield FigureGroup("Beside what chance gives", panels, "A number says something only beside its nulls.")


def _beside_nulls(metric: str, condition: Pairs, table: Grouped, probe: ProbeResult) -> Panel | None:
    placed = [
        column
        for column in table.columns
        if column.metric == metric and (column.condition == condition or (not condition and _by_method(column)))
    ]
    names = list(dict.fromkeys(null.metric for c in placed for null in nulls_of(table.cells[(), c], probe)))
    if not names:
        return None
    rows = []
    for column in placed:
        place = {**dict(column.rest), **(dict(column.condition) if _by_method(column) else {})}
        name = place["label"] if list(place) == ["label"] else place.get("method") or pairs_text(place)
        cells = (table.cells.get(((), Column(null, column.rest, column.condition))) for null in names)
        block = "method" if _by_method(column) else "class"
        rows.append(ForestRow(name or "all faces", block, (table.cells[(), column], *cells)))
    titles = [metric_title(name, probe.probe) for name in (metric, *names)]
    alt = f"{titles[0]} for each {rows[0].block} beside {', '.join(titles[1:])}."
    meanings = [
        f"{title}: {metric_meaning(name, probe.probe)}."
        for title, name in zip(titles, (metric, *names), strict=True)
        if metric_meaning(name, probe.probe)
    ]
    under = pairs_text(dict(condition))
    name = f"{titles[0]} ({under})" if under else titles[0]
    return forest(name, rows, titles, alt, caption=" ".join(meanings))


def _by_method(column: Column) -> bool:
    """Whether a measure over all faces is of one of several methods, which stand as rows of one drawing."""
    return not column.rest and [name for name, _ in column.condition] == ["method"]


def _over_all(probe: ProbeResult, results: AuditResults) -> Grouped | None:
    tables = by_grouping(probe, results.data.attributes)
    return next((table for table in tables if not table.attributes), None)
