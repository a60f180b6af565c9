"""A detector against compression and size: the same measures of faces as they are and at each step down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...cards.conditions import size_of
from ...cards.tables import ref
from ...cards.tree import Part, TableBlock
from ...cards.wording import estimate_text, metric_title
from ...core.results import Measurement, ProbeResult
from .panel import FigureGroup, Panel
from .theme import DASHES, MUTED, SERIES, SYMBOLS, Drawing, plain

METRICS = ("auroc", "auroc_lost", "eer", "ap", "accuracy", "apcer", "bpcer")
CHANCE = {"auroc": 0.5, "eer": 0.5}
LOST = "auroc_lost"
MOST_LINES = 6
AS_THEY_ARE = "as they are"
_CAPTION = (
    "Each step is a smaller file or picture, genuine and forged faces alike. Bands are intervals, and bands that "
    "overlap are no test of a loss: what was lost on the same faces has intervals of its own."
)


@dataclass(frozen=True)
class _Step:
    """One step: its ladder, how far down it is (larger is further), and what its tick says."""

    ladder: str
    depth: float
    tick: str


def ladder_figures(probe: ProbeResult) -> Iterator[FigureGroup]:
    """Yield curves for what a probe measured at the conditions ``{compression, quality}`` and ``{size}``."""
    panels: list[Panel] = []
    steps = {id(item): found for item in probe.measurements if (found := _step(item.condition)) is not None}
    ladders = dict.fromkeys(step.ladder for step in steps.values())
    for metric in METRICS:
        for ladder in ladders:
            lines = _lines(probe, metric, ladder, steps)
            if lines:
                panels.append(_panel(probe, metric, ladder, lines, steps))
    if panels:
        yield FigureGroup("Against compression and size", tuple(panels), _CAPTION)


def _step(condition: Mapping[str, str]) -> _Step | None:
    if set(condition) == {"compression", "quality"}:
        quality = size_of(condition["quality"])
        name = condition["compression"]
        name = name.upper() if name == "jpeg" else name
        return None if quality is None else _Step(f"{name} quality", -quality, condition["quality"])
    if set(condition) == {"size"}:
        size = size_of(condition["size"])
        return None if size is None else _Step("size", -size, condition["size"])
    return None


def _lines(
    probe: ProbeResult, metric: str, ladder: str, steps: Mapping[int, _Step]
) -> dict[str, list[tuple[_Step | None, Measurement]]]:
    """Return what was measured of all faces and of each method, from faces as they are down."""
    clean: dict[str, Measurement] = {}
    found: dict[str, list[tuple[_Step | None, Measurement]]] = {}
    for item in probe.measurements:
        if item.metric != metric or not set(item.slice) <= {"method"}:
            continue
        name, step = item.slice.get("method", ""), steps.get(id(item))
        if not item.condition:
            clean[name] = item
        elif step is not None and step.ladder == ladder:
            found.setdefault(name, []).append((step, item))
    lines = {}
    for name, points in found.items():
        points.sort(key=lambda point: point[0].depth if point[0] is not None else 0.0)
        lines[name] = [*([(None, clean[name])] if name in clean else []), *points]
    return {name: points for name, points in lines.items() if _steps_measured(points) and len(points) > 1}


def _steps_measured(points: Sequence[tuple[_Step | None, Measurement]]) -> int:
    return sum(step is not None and item.estimate.value is not None for step, item in points)


def _panel(
    probe: ProbeResult,
    metric: str,
    ladder: str,
    lines: Mapping[str, Sequence[tuple[_Step | None, Measurement]]],
    steps: Mapping[int, _Step],
) -> Panel:
    here = sorted({step for step in steps.values() if step.ladder == ladder}, key=lambda step: step.depth)
    clean = any(step is None for points in lines.values() for step, _ in points)
    ticks = [*([AS_THEY_ARE] if clean else []), *dict.fromkeys(step.tick for step in here)]
    shown = dict(list(lines.items())[:MOST_LINES])
    title = metric_title(metric, probe.probe)
    drawn = Drawing(
        height=340,
        showlegend=len(shown) > 1,
        xaxis={
            "title": {"text": ladder},
            "tickvals": list(range(len(ticks))),
            "ticktext": [plain(tick, 14) for tick in ticks],
            "range": [-0.2, len(ticks) - 0.8],
        },
        yaxis={"range": _range(metric, shown), "title": {"text": plain(title)}, "zeroline": metric == LOST},
        margin={"t": 36 if len(shown) > 1 else 14, "b": 48},
    )
    if metric in CHANCE:
        line = {"color": MUTED, "width": 1.2, "dash": "dot"}
        ends = [-0.2, len(ticks) - 0.8]
        drawn.scatter(x=ends, y=[CHANCE[metric]] * 2, mode="lines", line=line, hoverinfo="skip", showlegend=False)
        font = {"size": 11, "color": MUTED}
        drawn.note(x=ends[1], y=CHANCE[metric], xanchor="right", yanchor="bottom", text="chance", font=font)
    for place, (name, points) in enumerate(shown.items()):
        _draw(drawn, _named(name), points, ticks, place, banded=len(shown) == 1 or not name)
    rows: list[tuple[Part, ...]] = []
    for name, points in lines.items():
        cells = {AS_THEY_ARE if step is None else step.tick: item for step, item in points}
        rows.append((_named(name), *(ref(cells[tick]) if tick in cells else "–" for tick in ticks)))
    heads = (tick if tick == AS_THEY_ARE else f"{ladder} {tick}" for tick in ticks)
    alt = f"{title} at each {ladder}, one line for each of {', '.join(map(_named, shown))}."
    told = [f"The band is that of {_named('')}; the other intervals stand in the table."] if len(shown) > 1 else []
    told += [f"Drawn are the first {len(shown)} of {len(lines)} lines."] if len(shown) < len(lines) else []
    table = TableBlock(("forgeries", *heads), tuple(rows), title)
    return Panel(f"by {ladder}", drawn, table, alt, " ".join(told), title)


def _range(metric: str, lines: Mapping[str, Sequence[tuple[_Step | None, Measurement]]]) -> list[float]:
    if metric != LOST:
        return [-0.02, 1.02]
    found = [item.estimate for points in lines.values() for _, item in points]
    ends = [value for each in found for value in (each.value, each.low, each.high) if value is not None]
    low, high = min(0.0, *ends), max(0.1, *ends)
    return [low - 0.04 * (high - low), high + 0.04 * (high - low)]


def _named(method: str) -> str:
    return method or "all methods"


def _draw(
    drawn: Drawing,
    name: str,
    points: Sequence[tuple[_Step | None, Measurement]],
    ticks: Sequence[str],
    place: int,
    banded: bool,
) -> None:
    colour = SERIES[place % len(SERIES)]
    placed = [(ticks.index(AS_THEY_ARE if step is None else step.tick), item.estimate) for step, item in points]
    known = [(x, each) for x, each in placed if each.value is not None]
    ends = [(x, each.low, each.high) for x, each in known if each.low is not None and each.high is not None]
    if banded and ends:
        x = [place for place, _, _ in ends]
        drawn.scatter(
            x=[*x, *reversed(x)],
            y=[*(high for _, _, high in ends), *reversed([low for _, low, _ in ends])],
            mode="lines",
            fill="toself",
            fillcolor=colour,
            opacity=0.14,
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
    drawn.scatter(
        x=[x for x, _ in known],
        y=[each.value for _, each in known],
        mode="lines+markers",
        name=plain(name),
        line={"color": colour, "width": 2.2, "dash": DASHES[place % len(DASHES)]},
        marker={"size": 8, "color": colour, "symbol": SYMBOLS[place % len(SYMBOLS)]},
        hoverinfo="text",
        hovertext=[f"{plain(name)}<br>{estimate_text(each)}" for _, each in known],
        cliponaxis=False,
    )
