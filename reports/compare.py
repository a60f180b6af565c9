"""Two or more runs side by side, as one self-contained HTML page: what got worse stands first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..cards.tree import MeasurementRef, Part, TableBlock
from ..cards.wording import measurement_title, number, plural
from ..core.compare import ComparedRow, Comparison, RunChange
from ..core.compare_headline import regressions, would_have_shown
from ..core.files import write_atomically
from ..core.keys import parse_key
from ..core.results import Estimate, Measurement
from .figures.dendrogram import heatmap_comparison_figures
from .figures.forest import ForestRow, forest
from .figures.panel import FigureGroup
from .html import render
from .page import Anchors

MOST_ROWS = 500
LINES = 5
HEADINGS = {
    "worse": "Worse",
    "apart-worse": "Apart, on the worse side",
    "changed": "Changed",
    "apart": "Apart",
    "better": "Better",
    "removed": "Removed",
    "added": "Added",
    "no difference shown": "No difference shown",
    "overlapping": "Overlapping",
    "no interval": "Without an interval",
    "not measured": "Not measured in every run",
    "same": "The same on every face",
}
MEANINGS = {
    "worse": "Face by face, a run is worse than the first: the adjusted p-value is 0.05 or less.",
    "apart-worse": "As two samples, a run is on the worse side of the first: the adjusted p-value of the change is "
    "0.05 or less.",
    "changed": "Face by face, the adjusted p-value is 0.05 or less; which way is better is not defined.",
    "apart": "As two samples, the adjusted p-value of the change is 0.05 or less, and not on the worse side.",
    "better": "Face by face, better than the first run: the adjusted p-value is 0.05 or less.",
    "removed": "The first run has it and another has not.",
    "added": "The first run has no such measurement.",
    "no difference shown": "Compared face by face. A true change as large as the one in the last column would have "
    "been shown with a chance of 80 %; a smaller one may be there.",
    "overlapping": "As two samples, no change is shown. That is no proof of equality; the last column says how large a "
    "change would have been shown with a chance of 80 %.",
    "no interval": "At least one run gives no interval, so nothing is said of the sampling error.",
    "not measured": "At least one run says why it could not measure it.",
    "same": "Each face counts as it did in the first run.",
}
CHIPS = {"worse": "fail", "apart-worse": "fail", "better": "pass"}
FOLDED = frozenset({"no difference shown", "overlapping", "no interval", "not measured", "same"})
DRAWN = ("worse", "apart-worse", "changed", "apart", "better")


@dataclass(frozen=True)
class CompareSection:
    """The rows of one kind."""

    kind: str
    anchor: str
    title: str
    meaning: str
    count: int
    chip: str
    folded: bool
    table: TableBlock


@dataclass(frozen=True)
class WorseLine:
    """A line of the first screen: what got worse, from which value to which."""

    title: str
    where: str
    before: MeasurementRef
    after: MeasurementRef
    change: str
    how: str
    more: str
    anchor: str


@dataclass(frozen=True)
class ComparePage:
    """What the template is given."""

    comparison: Comparison
    lines: tuple[WorseLine, ...]
    left: int
    nothing: str
    sections: tuple[CompareSection, ...]
    figures: tuple[FigureGroup, ...]
    anchors: Anchors


def render_comparison(comparison: Comparison) -> str:
    """Return the comparison as HTML; the same comparison gives the same text."""
    figures = (*_figures(comparison), *heatmap_comparison_figures(comparison.names, comparison.heatmaps))
    found = regressions(comparison)
    page = ComparePage(
        comparison,
        tuple(_lines(comparison)),
        max(len(found) - LINES, 0),
        "" if found else _nothing(comparison),
        tuple(_sections(comparison)),
        figures,
        Anchors(),
    )
    return render("compare.html.j2", page=page)


def write_comparison(comparison: Comparison, path: str | Path) -> Path:
    """Write the comparison as an HTML page and return its path."""
    written = Path(path)
    write_atomically(written, render_comparison(comparison))
    return written


def kind_of(row: ComparedRow) -> str:
    """Return the verdict, ``apart`` on the worse side by itself."""
    return "apart-worse" if row.verdict == "apart" and row.worse else row.verdict


def change_text(change: RunChange, count: bool = False) -> str:
    """Return a change with its interval and adjusted p-value; with ``count`` how many faces count otherwise."""
    if change.value is None:
        return change.verdict
    if change.verdict == "same":
        return "the same on every face"
    text = _signed(change.value)
    if change.low is not None and change.high is not None:
        text += f" [{_signed(change.low)}, {_signed(change.high)}]"
    if change.p_adjusted is not None:
        text += f", p {_p(change.p_adjusted)}"
    if count and change.changed is not None and change.faces is not None:
        text += f"; {change.changed:,} of {change.faces:,} faces differ"
    return text


def _lines(comparison: Comparison) -> Iterator[WorseLine]:
    several = len(comparison.names) > 2
    for found in regressions(comparison)[:LINES]:
        row, change = found.row, found.row.leading
        place = 1 + row.changes.index(change)
        before, after = row.estimates[0], row.estimates[place]
        assert before is not None
        assert after is not None
        measured = _measurement(row.key, before)
        assert measured is not None
        how = f"face by face on {plural(change.faces or 0, 'face')}" if change.paired else "as two samples"
        yield WorseLine(
            title=measurement_title(measured),
            where=f"{parse_key(row.key).probe}, {found.run}" if several else parse_key(row.key).probe,
            before=MeasurementRef(row.key, before),
            after=MeasurementRef(row.key, after),
            change=f"{_signed(change.value or 0.0)}"
            + ("" if change.low is None else f" [{_signed(change.low)}, {_signed(change.high or 0.0)}]"),
            how=how,
            more=f"and {found.more:,} more of this metric" if found.more else "",
            anchor=kind_of(row),
        )


def _nothing(comparison: Comparison) -> str:
    """Say that nothing is shown to be worse, and how large a change would have been shown."""
    best = would_have_shown(comparison)
    if best is None or best.leading.detectable is None:
        return "No measurement is shown to be worse, and none says how large a change would have been."
    found = best.estimates[0]
    measured = _measurement(best.key, found) if found is not None else None
    named = measurement_title(measured) if measured is not None else best.key
    return (
        f"No measurement is shown to be worse. That is no proof of equality: a change of {named} by "
        f"{number(best.leading.detectable)} or more would have been shown in 4 of 5 such comparisons."
    )


def _sections(comparison: Comparison) -> Iterator[CompareSection]:
    counts = Counter(map(kind_of, comparison.rows))
    others = comparison.names[1:]
    for kind, title in HEADINGS.items():
        rows = [row for row in comparison.rows if kind_of(row) == kind]
        if not rows:
            continue
        last = kind in {"no difference shown", "overlapping"}
        body = tuple(_cells(row, last) for row in rows[:MOST_ROWS])
        caption = f"{title}: {plural(len(rows), 'measurement')}"
        if len(rows) > MOST_ROWS:
            caption += f", the first {MOST_ROWS} shown"
        changes = ("change",) if len(others) == 1 else tuple(f"change of {name}" for name in others)
        columns = ("measurement", *comparison.names, *changes, *(("would have been shown",) if last else ()))
        folded = kind in FOLDED or (counts[kind] > 40 and kind not in {"worse", "apart-worse"})
        yield CompareSection(
            kind,
            kind.replace(" ", "-"),
            title,
            MEANINGS[kind],
            counts[kind],
            CHIPS.get(kind, ""),
            folded,
            TableBlock(columns, body, caption),
        )


def _cells(row: ComparedRow, last: bool) -> tuple[Part, ...]:
    shown: tuple[Part, ...] = ()
    if last:
        size = row.leading.detectable
        shown = ("not told" if size is None else number(size),)
    estimates = (MeasurementRef(row.key, e) if e is not None else "–" for e in row.estimates)
    whole = not parse_key(row.key).slice  # of a small group the count would tell of single faces
    return (row.key, *estimates, *(change_text(change, whole) for change in row.changes), *shown)


def _signed(value: float) -> str:
    return f"{value:+.3f}" if abs(value) < 100 else f"{value:+,.0f}"


def _p(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.3f}"


def _figures(comparison: Comparison) -> Iterator[FigureGroup]:
    """Draw what differs, one drawing for each probe."""
    by_probe: dict[str, list[ForestRow]] = {}
    for row in comparison.rows:
        if kind_of(row) in DRAWN:
            by_probe.setdefault(parse_key(row.key).probe, []).append(_forest_row(row))
    panels = tuple(
        forest(probe, rows, comparison.names, f"Measurements of {probe} that differ, one series for each run.")
        for probe, rows in by_probe.items()
    )
    if panels:
        yield FigureGroup(
            "What differs",
            panels,
            "Points with the interval of each run by itself; of the same faces these may touch though the runs differ.",
        )


def _forest_row(row: ComparedRow) -> ForestRow:
    cells = tuple(_measurement(row.key, estimate) for estimate in row.estimates)
    first = next(cell for cell in cells if cell is not None)
    return ForestRow(measurement_title(first), "measurement", cells)


def _measurement(key: str, estimate: Estimate | None) -> Measurement | None:
    if estimate is None:
        return None
    parts = parse_key(key)
    return Measurement(key=key, metric=parts.metric, slice=parts.slice, condition=parts.condition, estimate=estimate)
