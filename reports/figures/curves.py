"""Curves of a measure against the strength of an attack, with bands, over all faces and by group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from ...cards.slices import Grouped, by_grouping, group_name
from ...cards.tables import ref
from ...cards.tree import Part, TableBlock
from ...cards.wording import estimate_text, metric_title
from ...core.results import AuditResults, Measurement, ProbeResult
from .panel import FigureGroup, Panel
from .theme import DASHES, MUTED, SERIES, SYMBOLS, Drawing, plain

STRENGTH = "eps"
CONTROL = "noise"


@dataclass(frozen=True)
class _Line:
    name: str
    points: tuple[tuple[float, str, Measurement], ...]
    control: bool = False


def curve_figures(probe: ProbeResult, results: AuditResults) -> Iterator[FigureGroup]:
    """Yield curves for a probe whose measurements stand under conditions with ``attack`` and ``eps``."""
    panels: list[Panel] = []
    for table in by_grouping(probe, results.data.attributes):
        metrics = dict.fromkeys(c.metric for c in table.columns if STRENGTH in dict(c.condition) and not c.rest)
        for metric in metrics:
            lines = _lines(table, metric)
            if any(len([p for p in line.points if p[2].estimate.value is not None]) > 1 for line in lines):
                name = "all faces" if not table.attributes else f"by {table.title}"
                panels.append(_draw(name, metric, lines))
    if panels:
        yield FigureGroup(
            "Against the size of the perturbation",
            tuple(panels),
            "Lines join what was measured; bands are intervals. Noise of the same size is the control. An "
            "attack gives an "
            "upper bound: the true curve lies on it or below.",
        )


def _lines(table: Grouped, metric: str) -> list[_Line]:
    found: dict[tuple[tuple[str, ...], str], list[tuple[float, str, Measurement]]] = {}
    clean: dict[tuple[str, ...], tuple[float, str, Measurement]] = {}
    for (group, column), cell in table.cells.items():
        condition = dict(column.condition)
        if column.metric != metric or column.rest or STRENGTH not in condition:
            continue
        size = _size(condition[STRENGTH])
        if size is None:
            continue
        point = (size, condition[STRENGTH], cell)
        if size == 0:
            clean[group] = point
        else:
            found.setdefault((group, condition.get("attack", "")), []).append(point)
    grouped = bool(table.attributes)
    lines = []
    for (group, attack), points in found.items():
        if grouped and attack == CONTROL:
            continue
        whole = sorted([*([clean[group]] if group in clean else []), *points], key=lambda point: point[0])
        name = group_name(group) if grouped else ("noise of the same size" if attack == CONTROL else attack or metric)
        lines.append(_Line(name, tuple(whole), attack == CONTROL))
    return lines


def _size(text: str) -> float | None:
    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError):
        return None


def _draw(name: str, metric: str, lines: list[_Line]) -> Panel:
    ticks = dict(sorted({size: text for line in lines for size, text, _ in line.points}.items()))
    drawn = Drawing(
        height=360,
        showlegend=True,
        xaxis={
            "title": {"text": "eps, L-infinity, pixels from 0 to 1"},
            "tickvals": list(ticks),
            "ticktext": [plain(text, 12) for text in ticks.values()],
        },
        yaxis={"range": [-0.02, 1.02], "title": {"text": plain(metric_title(metric))}},
        margin={"t": 36, "b": 48},
    )
    measured = [line for line in lines if any(cell.estimate.value is not None for _, _, cell in line.points)]
    for position, line in enumerate(measured):
        _draw_line(drawn, line, position, MUTED if line.control else SERIES[position % len(SERIES)])
    alt = (
        f"{metric_title(metric)} against eps, {name}: one line for each of {', '.join(line.name for line in measured)}."
    )
    silent = [line.name for line in lines if line not in measured]
    caption = f"Not measured: {', '.join(silent)}; the table says why." if silent else ""
    return Panel(name, drawn, _table(lines, ticks, metric), alt, caption)


def _draw_line(drawn: Drawing, line: _Line, position: int, colour: str) -> None:
    known = [(size, cell.estimate) for size, _, cell in line.points if cell.estimate.value is not None]
    banded = [(size, e.low, e.high) for size, e in known if e.low is not None and e.high is not None]
    if banded:
        x = [size for size, _, _ in banded]
        drawn.scatter(
            x=[*x, *reversed(x)],
            y=[*(high for _, _, high in banded), *reversed([low for _, low, _ in banded])],
            mode="lines",
            fill="toself",
            fillcolor=colour,
            opacity=0.16,
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
    drawn.scatter(
        x=[size for size, _ in known],
        y=[estimate.value for _, estimate in known],
        mode="lines+markers",
        name=plain(line.name),
        line={"color": colour, "width": 2, "dash": "dot" if line.control else DASHES[position % len(DASHES)]},
        marker={
            "size": 8,
            "color": colour,
            "symbol": "circle-open" if line.control else SYMBOLS[position % len(SYMBOLS)],
        },
        hoverinfo="text",
        hovertext=[f"{plain(line.name)}<br>{estimate_text(estimate)}" for _, estimate in known],
        cliponaxis=False,
    )


def _table(lines: list[_Line], ticks: dict[float, str], metric: str) -> TableBlock:
    rows = []
    for line in lines:
        cells = {size: cell for size, _, cell in line.points}
        row: list[Part] = [line.name]
        row += [ref(cells[size]) if size in cells else "–" for size in ticks]
        rows.append(tuple(row))
    return TableBlock(("line", *(f"eps {text}" for text in ticks.values())), tuple(rows), metric_title(metric))
