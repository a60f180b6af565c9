"""ROC curves of a detector: forgeries found against false alarms, over all of them and method by method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...cards.tree import TableBlock
from ...cards.wording import number
from .cells import Row, rows_of, value_of
from .panel import FigureGroup, Panel
from .theme import DASHES, MUTED, SERIES, Drawing, plain

NEEDED = ("method", "false_alarms", "detected", "low", "high", "level")
ALL = "all"
MOST_LINES = 6
MOST_ROWS = 24
_CAPTION = (
    "Up and to the left is better; on the dotted line the detector tells forged from genuine no better than chance. "
    "Bands are intervals of what is found at each share of false alarms."
)


def roc_figures(table: Sequence[Sequence[str]]) -> Iterator[FigureGroup]:
    """Draw a table with a row for each point of each method's curve, whose first row names the columns of ``NEEDED``.

    ``false_alarms`` is the share of genuine faces called forged (BPCER), ``detected`` that of forged ones (1 - APCER).
    """
    points = [row for row in rows_of(table, NEEDED) if None not in (_x(row), _y(row))]
    methods = {name: [row for row in points if row["method"] == name] for name in dict.fromkeys(_names(points))}
    if not methods:
        return
    panels = [_panel(_title(name), {name: rows}) for name, rows in methods.items()]
    several = {name: rows for name, rows in methods.items() if name != ALL}
    if len(several) > 1:
        panels.insert(1 if ALL in methods else 0, _panel("methods side by side", several))
    yield FigureGroup("ROC curve", tuple(panels), _CAPTION)


def _names(points: Sequence[Row]) -> list[str]:
    return sorted((row["method"] for row in points), key=lambda name: name != ALL)


def _title(method: str) -> str:
    return "all methods" if method == ALL else method


def _x(row: Row) -> float | None:
    return value_of(row, "false_alarms")


def _y(row: Row) -> float | None:
    return value_of(row, "detected")


def _panel(name: str, methods: dict[str, list[Row]]) -> Panel:
    shown = dict(list(methods.items())[:MOST_LINES])
    axis = {"range": [-0.01, 1.01], "zeroline": False, "constrain": "domain", "nticks": 6, "showgrid": True}
    drawn = Drawing(
        height=420,
        showlegend=len(shown) > 1,
        xaxis={**axis, "title": {"text": "false alarms: genuine faces called forged"}},
        yaxis={**axis, "title": {"text": "forged faces found"}, "scaleanchor": "x"},
        margin={"t": 36 if len(shown) > 1 else 12, "b": 48},
    )
    chance = {"color": MUTED, "width": 1.2, "dash": "dot"}
    drawn.scatter(x=[0, 1], y=[0, 1], mode="lines", line=chance, hoverinfo="skip", showlegend=False)
    for place, (method, rows) in enumerate(shown.items()):
        ordered = sorted(rows, key=lambda row: (_x(row) or 0.0, _y(row) or 0.0))
        _curve(drawn, _title(method), ordered, place, len(shown) == 1)
    told = ", ".join(_title(method) for method in shown)
    alt = f"ROC curve: share of forged faces found against share of false alarms, one line for each of {told}."
    levels = dict.fromkeys(row["level"] for rows in shown.values() for row in rows if value_of(row, "low") is not None)
    caption = f"{100 * float(next(iter(levels))):g} % band." if len(shown) == 1 and any(levels) else ""
    if len(shown) < len(methods):
        caption = f"Drawn are the first {len(shown)} of {len(methods)} methods."
    return Panel(name, drawn, _table(name, shown), alt, caption)


def _curve(drawn: Drawing, name: str, rows: Sequence[Row], place: int, banded: bool) -> None:
    colour = SERIES[place % len(SERIES)]
    ends = [(_x(row), value_of(row, "low"), value_of(row, "high")) for row in rows]
    known = [(x, low, high) for x, low, high in ends if low is not None and high is not None]
    if banded and known:
        x = [x for x, _, _ in known]
        drawn.scatter(
            x=[*x, *reversed(x)],
            y=[*(high for _, _, high in known), *reversed([low for _, low, _ in known])],
            mode="lines",
            fill="toself",
            fillcolor=colour,
            opacity=0.16,
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
        )
    drawn.scatter(
        x=[_x(row) for row in rows],
        y=[_y(row) for row in rows],
        mode="lines",
        name=plain(name),
        line={"color": colour, "width": 2.4, "dash": DASHES[place % len(DASHES)]},
        hoverinfo="text",
        hovertext=[f"{plain(name)}<br>{_point(row)}" for row in rows],
        cliponaxis=False,
    )


def _point(row: Row) -> str:
    return f"{_y(row) or 0.0:.1%} found at {_x(row) or 0.0:.1%} false alarms"


def _table(name: str, methods: dict[str, list[Row]]) -> TableBlock:
    """Tabulate at most :data:`MOST_ROWS` points of each curve, evenly picked; the table of the run folder has all."""
    body = []
    for method, rows in methods.items():
        ordered = sorted(rows, key=lambda row: (_x(row) or 0.0, _y(row) or 0.0))
        step = max(1, -(-len(ordered) // MOST_ROWS))
        for row in [*ordered[:-1:step], ordered[-1]]:
            low, high = value_of(row, "low"), value_of(row, "high")
            band = "–" if low is None or high is None else f"[{number(low)}, {number(high)}]"
            body.append((_title(method), number(_x(row) or 0.0), number(_y(row) or 0.0), band))
    return TableBlock(("method", "false alarms", "found", "interval"), tuple(body), f"ROC curve: {name}")
