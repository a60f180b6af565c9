"""Forest plots: one row for each group or class, with the interval, n, and why a row was not measured."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from ...cards.absent import short_reason
from ...cards.tables import ref
from ...cards.tree import Part, TableBlock
from ...cards.wording import estimate_text, number, plural
from ...core.results import Estimate, Measurement
from .panel import Panel
from .theme import INK, MUTED, SERIES, SYMBOLS, Drawing, plain

ROW = 30
SPREAD = 0.56
NAME = 34
MOST_ROWS = 60
MOST_SILENT = 6


@dataclass(frozen=True)
class ForestRow:
    """A row: its name, the block it stands in (an attribute), and one measurement for each series or none."""

    name: str
    block: str
    cells: tuple[Measurement | None, ...]

    @property
    def measured(self) -> bool:
        """Whether at least one series has a number here."""
        return any(cell is not None and cell.estimate.value is not None for cell in self.cells)


def forest(
    name: str,
    rows: Sequence[ForestRow],
    series: Sequence[str],
    alt: str,
    reference: Measurement | None = None,
    caption: str = "",
    reference_name: str = "all faces",
) -> Panel:
    """Draw rows of estimates with their intervals.

    Args:
        name: of the panel.
        rows: in drawing order; rows of one block stand together under its name.
        series: name of each measurement of a row; several are told apart by colour and symbol.
        alt: one sentence for those who cannot see the drawing.
        reference: the same measure over all faces, drawn as a vertical line.
        caption: what to read from it.
        reference_name: what the line is.
    """
    shown, left_out = _drawn_rows(rows)
    places, ticks, lines = _places(shown, len(series))
    low, high = _range(shown, reference)
    several = len(series) > 1
    drawn = Drawing(
        height=max(170, round(ROW * lines) + (95 if several else 70)),
        showlegend=several,
        xaxis={"range": [low, high], "showgrid": True, "zeroline": False, "nticks": 6, "tickangle": 0},
        yaxis={
            "range": [lines, 0],
            "tickvals": [place for place, _ in ticks],
            "ticktext": [text for _, text in ticks],
            "showgrid": False,
            "zeroline": False,
            "tickfont": {"color": INK, "size": 13},
        },
    )
    for position, label in enumerate(series):
        offset = (position - (len(series) - 1) / 2) * (SPREAD - 0.1)
        _draw_series(drawn, shown, places, position, label, offset)
    _draw_unmeasured(drawn, shown, places, low + 0.012 * (high - low))
    _write_sizes(drawn, shown, places, high)
    if reference is not None and reference.estimate.value is not None:
        value = reference.estimate.value
        drawn.vertical(value, MUTED)
        side = "right" if value > low + 0.6 * (high - low) else "left"  # towards the middle, clear of the heading of n
        font = {"size": 11, "color": MUTED}
        text = f"{plain(reference_name)} {number(value)}"
        drawn.note(x=value, y=1, yref="paper", xanchor=side, yanchor="bottom", text=text, font=font)
        drawn.update(margin={"t": 24})
    if left_out:
        caption = f"{caption} Not drawn: {plural(left_out, 'row')}; all stand in the table.".strip()
    return Panel(name, drawn, forest_table(rows, series, name), alt, caption)


def _drawn_rows(rows: Sequence[ForestRow]) -> tuple[list[ForestRow], int]:
    """Put the measured rows of each block first and keep a few of the others; return them and how many are left out."""
    kept: list[ForestRow] = []
    for block in dict.fromkeys(row.block for row in rows):
        here = [row for row in rows if row.block == block]
        measured = [row for row in here if row.measured]
        silent = [row for row in here if not row.measured]
        few = len(silent) <= MOST_SILENT + 2  # a line that says "2 more" takes as much room as showing them
        kept += [*measured, *(silent if few else silent[:MOST_SILENT])]
    return kept[:MOST_ROWS], len(rows) - len(kept[:MOST_ROWS])


def _places(rows: Sequence[ForestRow], series: int) -> tuple[list[float], list[tuple[float, str]], float]:
    """Give each row a place, in lines: more room for several series or a long name, a line for each block's name.

    Returns:
        The middle of each row, the labels with their places, and the number of lines.
    """
    several = len({row.block for row in rows}) > 1
    places: list[float] = []
    ticks: list[tuple[float, str]] = []
    top, block = 0.0, None
    for row in rows:
        if several and row.block != block:
            block = row.block
            ticks.append((top + 0.5, f"<b>{plain(row.block, NAME)}</b>"))
            top += 1
        lines = max(1.0, series * SPREAD if row.measured else 1.0, 1.4 if len(row.name) > NAME else 1.0)
        places.append(top + lines / 2)
        ticks.append((places[-1], _in_two_lines(row.name)))
        top += lines
    return places, ticks, top


def _in_two_lines(name: str) -> str:
    lines = textwrap.wrap(name, NAME, max_lines=2, placeholder="…") or [name]
    return "<br>".join(plain(line, NAME) for line in lines)


def _range(rows: Sequence[ForestRow], reference: Measurement | None) -> tuple[float, float]:
    cells = [cell.estimate for row in rows for cell in row.cells if cell is not None]
    cells += [reference.estimate] if reference is not None else []
    known = [value for cell in cells for value in (cell.value, cell.low, cell.high) if value is not None]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    if low >= 0 and high <= 1:
        if high - low > 0.4:
            return -0.02, 1.02
        margin = max(0.03, 0.15 * (high - low))
        return max(-0.01, low - margin), min(1.01, high + margin)
    margin = 0.08 * ((high - low) or abs(high) or 1.0)
    return low - margin, high + margin


def _draw_series(
    drawn: Drawing, rows: Sequence[ForestRow], places: Sequence[float], position: int, label: str, offset: float
) -> None:
    cells = [(row, place, row.cells[position]) for row, place in zip(rows, places, strict=True)]
    known = [
        (row, place, cell.estimate)
        for row, place, cell in cells
        if cell is not None and cell.estimate.value is not None
    ]
    colour = SERIES[position % len(SERIES)]
    drawn.scatter(
        x=[estimate.value for _, _, estimate in known],
        y=[place + offset for _, place, _ in known],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [_arm(estimate, estimate.high) for _, _, estimate in known],
            "arrayminus": [_arm(estimate, estimate.low) for _, _, estimate in known],
            "color": colour,
            "thickness": 1.8,
            "width": 4,
        },
        mode="markers",
        name=plain(label),
        marker={"size": 9, "color": colour, "symbol": SYMBOLS[position % len(SYMBOLS)]},
        hoverinfo="text",
        hovertext=[f"{plain(row.name)}<br>{plain(label)} {estimate_text(estimate)}" for row, _, estimate in known],
        cliponaxis=False,
    )


def _arm(estimate: Estimate, end: float | None) -> float:
    return 0.0 if end is None or estimate.value is None else abs(end - estimate.value)


def _draw_unmeasured(drawn: Drawing, rows: Sequence[ForestRow], places: Sequence[float], left: float) -> None:
    """Write the reason into rows without any number, beside a hollow marker."""
    silent = [
        (place, next((short_reason(cell.estimate.reason or "") for cell in row.cells if cell is not None), ""))
        for row, place in zip(rows, places, strict=True)
        if not row.measured
    ]
    if silent:
        drawn.scatter(
            x=[left] * len(silent),
            y=[place for place, _ in silent],
            mode="markers+text",
            marker={"size": 8, "color": "rgba(0,0,0,0)", "line": {"color": MUTED, "width": 1.3}},
            text=[f" {plain(reason, 52)}" for _, reason in silent],
            textposition="middle right",
            textfont={"size": 11.5, "color": MUTED},
            hoverinfo="text",
            hovertext=[f"not measured: {plain(reason, 200)}" for _, reason in silent],
            showlegend=False,
            cliponaxis=False,
        )


def _write_sizes(drawn: Drawing, rows: Sequence[ForestRow], places: Sequence[float], right: float) -> None:
    """Write n at the right of rows that have a number; where series differ in n, the first one's."""
    sizes = [(place, _size(row)) for row, place in zip(rows, places, strict=True) if row.measured]
    known = [(place, size) for place, size in sizes if size is not None]
    if known:
        drawn.scatter(
            x=[right] * len(known),
            y=[place for place, _ in known],
            mode="text",
            text=[f" {size:,}" for _, size in known],
            textposition="middle right",
            textfont={"size": 11.5, "color": MUTED},
            hoverinfo="skip",
            showlegend=False,
            cliponaxis=False,
        )
        small = {"size": 11.5, "color": MUTED}
        drawn.note(
            x=1, xref="paper", xanchor="left", xshift=4, y=1, yref="paper", yanchor="bottom", text="n", font=small
        )
        drawn.update(margin={"r": 60 if max(size for _, size in known) > 99_999 else 48, "t": 24})


def _size(row: ForestRow) -> int | None:
    return next((cell.estimate.n for cell in row.cells if cell is not None and cell.estimate.value is not None), None)


def forest_table(rows: Sequence[ForestRow], series: Sequence[str], name: str) -> TableBlock:
    """Return the numbers of a forest plot as a table."""
    blocks = {row.block for row in rows}
    body: list[tuple[Part, ...]] = []
    for row in rows:
        place = (row.block,) if len(blocks) > 1 else ()
        body.append((*place, row.name, *(ref(cell) if cell is not None else "–" for cell in row.cells)))
    head = ("attribute", "group") if len(blocks) > 1 else (next(iter(blocks), "group") or "group",)
    return TableBlock((*head, *series), tuple(body), name)
