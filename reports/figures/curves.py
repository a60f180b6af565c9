"""Curves of a measure against the strength of what was done to the faces, with bands, over all faces and by group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...cards.slices import Grouped, by_grouping, group_name
from ...cards.tables import ref
from ...cards.tree import Part, TableBlock
from ...cards.wording import estimate_text, metric_title, plural
from ...core.results import AuditResults, ProbeResult
from .curve_lines import VALUES, Axis, Line, alike, lines_of, metrics_of
from .panel import FigureGroup, Panel
from .theme import DASHES, GRID, MUTED, SERIES, SYMBOLS, Drawing, plain

MOST_LINES = 6
MOST_PANELS = 20
MOST_BANDS = 3
MOST_BY_GROUP = 2
_TITLES = {
    "eps": "Against the size of the perturbation",
    "severity": "Against the severity",
    "share": "Against the share that is covered",
    "amount": "Against the amount of the change",
}
_NORMS = {"linf": "L-infinity, pixels from 0 to 1", "l2": "Euclidean length, pixels from 0 to 1"}
_ATTACKED = (
    " An attack bounds accuracy from above and what is lost from below: a stronger one may find more. Noise of the "
    "same size, where it is drawn, is the control."
)


@dataclass(frozen=True)
class _Source:
    probe: ProbeResult
    several: bool

    @property
    def norm(self) -> str:
        return _NORMS.get(str(self.probe.params.get("norm") or ""), "pixels from 0 to 1")


def curve_figures(probe: ProbeResult, results: AuditResults) -> Iterator[FigureGroup]:
    """Yield curves for a probe that measured the same at several strengths of what it did to the faces."""
    tables = by_grouping(probe, results.data.attributes)
    metrics = metrics_of(tables)
    source = _Source(probe, len(metrics) > 1)
    panels: list[tuple[str, Panel]] = []
    for metric in metrics:
        leading = _leading(tables, metric)
        panels += [panel for table in tables for panel in _panels(table, metric, source, leading)]
    if not panels:
        return
    strengths = dict.fromkeys(strength for strength, _ in panels)
    caption = "Lines join what was measured; bands are intervals, and bands that overlap are no test of a difference."
    if any(strength == "eps" for strength in strengths):
        caption += _ATTACKED
    if len(panels) > MOST_PANELS:
        caption += f" Shown are the first {MOST_PANELS} of {len(panels)}; the others stand in results.json."
    title = _TITLES.get(next(iter(strengths)), "Against the strength")
    yield FigureGroup(title, tuple(panel for _, panel in panels[:MOST_PANELS]), caption)


def _leading(tables: Sequence[Grouped], metric: str) -> list[str]:
    """Name what is drawn by group: the mean over all that was done, else the few things that cost most."""
    lines = [line for table in tables for line in lines_of(table, metric) if table.attributes and not line.done.control]
    whole = dict.fromkeys(line.done.named for line in lines if line.done.whole)
    deepest: dict[str, float] = {}
    for line in lines:
        deepest[line.done.named] = min(line.harm, deepest.get(line.done.named, line.harm))
    return list(whole) or sorted(deepest, key=lambda name: deepest[name])[:MOST_BY_GROUP]


def _panels(table: Grouped, metric: str, source: _Source, leading: Sequence[str]) -> Iterator[tuple[str, Panel]]:
    """Draw one table: over all faces what was done stands together, by group each leading thing stands alone."""
    lines = [line for line in lines_of(table, metric) if not (table.attributes and line.done.control)]
    parts = [part for part in alike(lines) if any(len(line.known) > 1 for line in part)]
    for part in parts:
        axis = Axis.of(part)
        if not table.attributes:
            ends = list(axis.ticks.values())
            first, last = ends[0 if ends[0] != "0" else 1], ends[-1]
            span = first if first == last else f"{first} to {last}"
            apart = f", {axis.strength} {span}" if len(parts) > 1 else ""
            yield axis.strength, _over_all(f"all faces{apart}", metric, part, axis, source)
            continue
        for name in leading if len(table.attributes) == 1 else leading[:1]:
            here = [line for line in part if line.done.named == name]
            if any(len(line.known) > 1 for line in here):
                told = f", {name}" if len(leading) > 1 else ""
                yield axis.strength, _by_group(f"by {table.title}{told}", metric, here, axis, source)


def _over_all(name: str, metric: str, lines: Sequence[Line], axis: Axis, source: _Source) -> Panel:
    """Draw the mean over all that was done, the few things that cost most, and the controls."""
    whole = [line for line in lines if line.done.whole]
    controls = [line for line in lines if line.done.control]
    others = sorted((line for line in lines if line not in [*whole, *controls]), key=lambda line: line.harm)
    kept = others[: MOST_LINES - len(whole)]
    caption = ""
    if len(kept) < len(others):
        caption = f"Drawn are the {len(kept)} that cost most of {len(others)}; all stand in the table."
    shown = [*whole, *kept, *controls]
    banded = shown if len(shown) <= MOST_BANDS else [*whole, *kept][:1]
    if len(banded) < len(shown):
        caption += f" The band is that of {banded[0].done.named}; the other intervals stand in the table."
    named = [(line.done.named, line) for line in lines]
    return _draw(name, metric, named, shown, axis, source, caption.strip(), banded)


def _by_group(name: str, metric: str, lines: Sequence[Line], axis: Axis, source: _Source) -> Panel:
    known = [line for line in lines if line.known]
    largest = sorted(known, key=lambda line: -(line.known[0].cell.estimate.n or 0))[:MOST_LINES]
    shown = [line for line in known if line in largest]
    silent = [group_name(line.group) for line in lines if line not in known]
    told = [f"Drawn are the largest {len(shown)} of {plural(len(known), 'group')}."] if len(shown) < len(known) else []
    told += [f"Not measured: {', '.join(silent)}; the table says why."] if silent else []
    named = [(group_name(line.group), line) for line in lines]
    return _draw(name, metric, named, shown, axis, source, " ".join(told))


def _draw(
    name: str,
    metric: str,
    lines: Sequence[tuple[str, Line]],
    shown: Sequence[Line],
    axis: Axis,
    source: _Source,
    caption: str,
    banded: Sequence[Line] | None = None,
) -> Panel:
    names = {id(line): text for text, line in lines}
    drawn = Drawing(
        height=360,
        showlegend=True,
        xaxis={
            "title": {"text": _axis_title(axis, source)},
            "tickvals": list(axis.places.values()),
            "ticktext": [plain(text, 12) for text in axis.ticks.values()],
        },
        yaxis={"range": _range(metric, shown), "title": {"text": plain(metric_title(metric, source.probe.probe))}},
        margin={"t": 36, "b": 48},
    )
    if axis.logarithmic and 0.0 in axis.places:
        drawn.vertical(0.5, GRID)
    coloured = controls = 0
    for line in shown:
        if banded is None or any(line is each for each in banded):
            _draw_band(drawn, line, axis, _colour(line, coloured))
        _draw_line(drawn, names[id(line)], line, axis, controls if line.done.control else coloured)
        coloured, controls = coloured + (not line.done.control), controls + line.done.control
    title = metric_title(metric, source.probe.probe)
    told = ", ".join(names[id(line)] for line in shown)
    alt = f"{title} against {axis.strength}, {name}: one line for each of {told}."
    return Panel(name, drawn, _table(lines, axis, title), alt, caption, title if source.several else "")


def _axis_title(axis: Axis, source: _Source) -> str:
    title = f"eps, {source.norm}" if axis.strength == "eps" else axis.strength
    return f"{title}; logarithmic, 0 stands apart" if axis.logarithmic and 0.0 in axis.places else title


def _range(metric: str, lines: Sequence[Line]) -> list[float]:
    if metric == VALUES[0]:
        return [-0.02, 1.02]
    cells = [point.cell.estimate for line in lines for point in line.known]
    ends = [value for cell in cells for value in (cell.value, cell.low, cell.high) if value is not None]
    low, high = min(0.0, *ends), max(0.2, *ends)
    return [low - 0.02 * (high - low), high + 0.04 * (high - low)]


def _colour(line: Line, position: int) -> str:
    return MUTED if line.done.control else SERIES[position % len(SERIES)]


def _draw_band(drawn: Drawing, line: Line, axis: Axis, colour: str) -> None:
    known = [(axis.places[point.amount], point.cell.estimate) for point in line.known]
    banded = [(place, e.low, e.high) for place, e in known if e.low is not None and e.high is not None]
    if banded:
        x = [place for place, _, _ in banded]
        drawn.scatter(
            x=[*x, *reversed(x)],
            y=[*(high for _, _, high in banded), *reversed([low for _, low, _ in banded])],
            mode="lines",
            fill="toself",
            fillcolor=colour,
            opacity=0.14,
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )


def _draw_line(drawn: Drawing, name: str, line: Line, axis: Axis, position: int) -> None:
    control, colour = line.done.control, _colour(line, position)
    known = [(axis.places[point.amount], point.cell.estimate) for point in line.known]
    drawn.scatter(
        x=[place for place, _ in known],
        y=[estimate.value for _, estimate in known],
        mode="lines+markers",
        name=plain(name),
        line={
            "color": colour,
            "width": 3 if line.done.whole and not line.group else 2,
            "dash": ("dot", "dashdot", "longdash")[position % 3] if control else DASHES[position % len(DASHES)],
        },
        marker={"size": 8, "color": colour, "symbol": SYMBOLS[position % len(SYMBOLS)] + ("-open" if control else "")},
        hoverinfo="text",
        hovertext=[f"{plain(name)}<br>{estimate_text(estimate)}" for _, estimate in known],
        cliponaxis=False,
    )


def _table(lines: Sequence[tuple[str, Line]], axis: Axis, title: str) -> TableBlock:
    rows = []
    for name, line in lines:
        cells = {point.amount: point.cell for point in line.points}
        row: list[Part] = [name]
        row += [ref(cells[amount]) if amount in cells else "–" for amount in axis.ticks]
        rows.append(tuple(row))
    heads = (f"{axis.strength} {text}" for text in axis.ticks.values())
    return TableBlock(("line", *heads), tuple(rows), title)
