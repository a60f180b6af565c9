"""A detector method by method: how well it tells each kind of forgery from genuine faces, beside chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...cards.tree import Part, TableBlock
from ...cards.wording import metric_title
from ...core.results import Estimate, Measurement, ProbeResult
from .cells import Row, count_of, drawn_as, estimate_of, quoted, rows_of
from .forest import ForestRow, forest
from .panel import FigureGroup

NEEDED = ("method", "faces", "auroc", "low", "high")
ALL = "all"
CHANCE = 0.5
_FURTHER = {"eer": ("eer_low", "eer_high"), "ap": ("ap_low", "ap_high"), "apcer": ("apcer_low", "apcer_high")}
_CAPTION = (
    "AUROC of each method's forgeries against all genuine faces. At the dotted line scores are no better than a coin; "
    "an interval that crosses it leaves that open. Well below it the sign of the scores may be turned."
)


def forgery_method_figures(probe: ProbeResult, table: Sequence[Sequence[str]]) -> Iterator[FigureGroup]:
    """Draw a table with a row for each method of forgery, whose first row names the columns of ``NEEDED``."""
    rows = sorted(rows_of(table, NEEDED), key=lambda row: row["method"] != ALL)
    if not rows:
        return
    title = metric_title("auroc", probe.probe)
    drawn = [ForestRow(_name(row), "method", (drawn_as(estimate_of(row, "auroc"), "auroc"),)) for row in rows]
    alt = f"{title} of each method of forgery with its interval; the line is chance, one half."
    chance: Measurement = drawn_as(Estimate(value=CHANCE), "auroc")
    panel = forest(title, drawn, (title,), alt, chance, reference_name="chance")
    yield FigureGroup("Method by method", (replace(panel, table=_table(probe, rows)),), _CAPTION)


def _name(row: Row) -> str:
    return "all methods" if row["method"] == ALL else row["method"]


def _table(probe: ProbeResult, rows: Sequence[Row]) -> TableBlock:
    further = [name for name in _FURTHER if any(name in row for row in rows)]
    body: list[tuple[Part, ...]] = []
    for row in rows:
        place = {} if row["method"] == ALL else {"method": row["method"]}
        cells = [quoted(probe, "auroc", place, estimate_of(row, "auroc"))]
        cells += [quoted(probe, name, place, estimate_of(row, name, *_FURTHER[name])) for name in further]
        sizes = [count_of(row, "faces"), count_of(row, "people")]
        body.append((_name(row), *("–" if size is None else f"{size:,}" for size in sizes), *cells))
    heads = [metric_title(name, probe.probe) for name in ("auroc", *further)]
    return TableBlock(("method", "faces", "people", *heads), tuple(body), "Method by method")
