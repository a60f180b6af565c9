"""Two or more runs side by side, as one self-contained HTML page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..cards.tree import MeasurementRef, Part, TableBlock
from ..cards.wording import measurement_title, number, plural
from ..core.compare import ComparedRow, Comparison
from ..core.files import write_atomically
from ..core.keys import parse_key
from ..core.results import Estimate, Measurement
from .figures.dendrogram import heatmap_comparison_figures
from .figures.forest import ForestRow, forest
from .figures.panel import FigureGroup
from .html import render
from .page import Anchors

MOST_ROWS = 500
HEADINGS = {
    "worse": "Worse",
    "better": "Better",
    "apart": "Apart",
    "added": "Added",
    "removed": "Removed",
    "no interval": "Without an interval",
    "overlapping": "Overlapping",
    "not measured": "Not measured in every run",
}
MEANINGS = {
    "worse": "The intervals of some two runs do not touch, and the last run is on the worse side of the first.",
    "better": "The intervals of some two runs do not touch, and the last run is on the better side of the first.",
    "apart": "The intervals of some two runs do not touch; which way is better is not defined.",
    "added": "The first run has no such measurement.",
    "removed": "The first run has it and another has not.",
    "no interval": "At least one run gives no interval, so nothing is said of the sampling error.",
    "overlapping": "All intervals touch. That is no proof of equality.",
    "not measured": "At least one run says why it could not measure it.",
}


@dataclass(frozen=True)
class CompareSection:
    """The rows of one kind."""

    kind: str
    title: str
    meaning: str
    count: int
    table: TableBlock


@dataclass(frozen=True)
class ComparePage:
    """What the template is given."""

    comparison: Comparison
    sections: tuple[CompareSection, ...]
    figures: tuple[FigureGroup, ...]
    anchors: Anchors


def render_comparison(comparison: Comparison) -> str:
    """Return the comparison as HTML; the same comparison gives the same text."""
    figures = (*_figures(comparison), *heatmap_comparison_figures(comparison.names, comparison.heatmaps))
    page = ComparePage(comparison, tuple(_sections(comparison)), figures, Anchors())
    return render("compare.html.j2", page=page)


def write_comparison(comparison: Comparison, path: str | Path) -> Path:
    """Write the comparison as an HTML page and return its path."""
    written = Path(path)
    write_atomically(written, render_comparison(comparison))
    return written


def kind_of(row: ComparedRow) -> str:
    """Return the verdict, with ``apart`` split into worse and better where a direction says which is which."""
    if row.verdict != "apart" or row.direction == "none" or not row.change:
        return row.verdict
    return "worse" if row.worse else "better"


def _sections(comparison: Comparison) -> Iterator[CompareSection]:
    counts = Counter(map(kind_of, comparison.rows))
    for kind, title in HEADINGS.items():
        rows = [row for row in comparison.rows if kind_of(row) == kind]
        if rows:
            body = tuple(_cells(row) for row in rows[:MOST_ROWS])
            caption = f"{title}: {plural(len(rows), 'measurement')}"
            if len(rows) > MOST_ROWS:
                caption += f", the first {MOST_ROWS} shown"
            table = TableBlock(("measurement", *comparison.names, "change"), body, caption)
            yield CompareSection(kind, title, MEANINGS[kind], counts[kind], table)


def _cells(row: ComparedRow) -> tuple[Part, ...]:
    change = "" if row.change is None else f"{row.change:+.3f}" if abs(row.change) < 100 else number(row.change)
    return (row.key, *(MeasurementRef(row.key, e) if e is not None else "–" for e in row.estimates), change)


def _figures(comparison: Comparison) -> Iterator[FigureGroup]:
    """Draw what is apart, one drawing for each probe."""
    by_probe: dict[str, list[ForestRow]] = {}
    for row in comparison.rows:
        if row.verdict == "apart":
            by_probe.setdefault(parse_key(row.key).probe, []).append(_forest_row(row))
    panels = tuple(
        forest(probe, rows, comparison.names, f"Measurements of {probe} that are apart, one series for each run.")
        for probe, rows in by_probe.items()
    )
    if panels:
        yield FigureGroup("What is apart", panels, "Points with the interval of each run by itself.")


def _forest_row(row: ComparedRow) -> ForestRow:
    cells = tuple(_measurement(row.key, estimate) for estimate in row.estimates)
    first = next(cell for cell in cells if cell is not None)
    return ForestRow(measurement_title(first), "measurement", cells)


def _measurement(key: str, estimate: Estimate | None) -> Measurement | None:
    if estimate is None:
        return None
    parts = parse_key(key)
    return Measurement(key=key, metric=parts.metric, slice=parts.slice, condition=parts.condition, estimate=estimate)
