"""The worst slices a search found, measured on people who took no part in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ...cards.tree import TableBlock
from .panel import FigureGroup, Panel
from .theme import BLUE, INK, MUTED, ROSE, Drawing, plain

MOST_ROWS = 20
ROW = 34
SIGNIFICANT = 0.05
NEEDED = (
    "slice", "label", "faces", "people", "error_rate", "error_rate_low", "error_rate_high", "error_rate_others",
    "error_excess", "error_excess_low", "error_excess_high", "p_adjusted", "share_of_faces", "share_of_errors",
)  # fmt: skip
_ALT = "Error rate of each slice with its interval, beside that of all other faces."
_CAPTION = (
    "Slices were picked on one half of the people and measured on the other. Point and line: error rate and 95 % "
    "interval; grey ring: all other faces. Red: surely more errors than the labels of its faces, and the confidence of "
    "the model where slices come from its embedding, let expect, after adjustment for all slices tested."
)


def slice_figures(table: Sequence[Sequence[str]]) -> Iterator[FigureGroup]:
    """Draw a table with a row for each slice, whose first row names the columns of ``NEEDED``."""
    names = list(table[0])
    if not set(NEEDED) <= set(names) or len(table) < 2:
        return
    rows = [dict(zip(names, row, strict=True)) for row in table[1:]]
    measured = [row for row in rows if _number(row, "error_rate_low") is not None]
    if measured:
        yield FigureGroup("Worst slices", (_panel(measured[:MOST_ROWS], rows),), _CAPTION)


def _panel(shown: Sequence[Mapping[str, str]], rows: Sequence[Mapping[str, str]]) -> Panel:
    most = max(float(row["error_rate_high"]) for row in shown)
    drawn = Drawing(
        height=80 + ROW * max(3, len(shown)),
        showlegend=False,
        xaxis={"range": [0, min(1.0, 1.08 * most)], "title": {"text": "error rate"}, "tickformat": ".0%"},
        yaxis={
            "range": [len(shown), 0],
            "tickvals": [place + 0.5 for place in range(len(shown))],
            "ticktext": [plain(_name(row), 52) for row in shown],
            "showgrid": False,
            "zeroline": False,
            "tickfont": {"color": INK, "size": 12.5},
        },
    )
    for found, colour in ((True, ROSE), (False, BLUE)):
        here = [(place + 0.5, row) for place, row in enumerate(shown) if _beyond(row) == found]
        value = [float(row["error_rate"]) for _, row in here]
        drawn.scatter(
            x=value,
            y=[place for place, _ in here],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [float(row["error_rate_high"]) - float(row["error_rate"]) for _, row in here],
                "arrayminus": [float(row["error_rate"]) - float(row["error_rate_low"]) for _, row in here],
                "color": colour,
                "thickness": 1.8,
                "width": 4,
            },
            mode="markers",
            marker={"size": 9, "color": colour},
            hoverinfo="text",
            hovertext=[
                f"{plain(_name(row))}<br>{_percent(row, 'error_rate')} of {int(float(row['faces'])):,} faces of "
                f"{int(float(row['people'])):,} people; others {_percent(row, 'error_rate_others')}"
                for _, row in here
            ],
            cliponaxis=False,
        )
    others = [(place + 0.5, _number(row, "error_rate_others")) for place, row in enumerate(shown)]
    drawn.scatter(
        x=[value for _, value in others],
        y=[place for place, _ in others],
        mode="markers",
        marker={"size": 10, "color": "rgba(0,0,0,0)", "line": {"color": MUTED, "width": 1.6}},
        hoverinfo="skip",
    )
    columns = (
        "slice",
        "faces",
        "people",
        "error rate",
        "95 %",
        "others",
        "beyond what is expected",
        "adjusted p",
        "of the faces",
        "of the errors",
    )
    body = tuple(
        (
            _name(row),
            _count(row, "faces"),
            _count(row, "people"),
            _percent(row, "error_rate"),
            f"{_percent(row, 'error_rate_low')} to {_percent(row, 'error_rate_high')}",
            _percent(row, "error_rate_others"),
            _excess(row),
            row["p_adjusted"] or "–",
            _percent(row, "share_of_faces"),
            _percent(row, "share_of_errors"),
        )
        for row in rows
    )
    caption = (
        "" if len(rows) == len(shown) else f"Drawn are {len(shown)} of {len(rows)} slices; all stand in the table."
    )
    return Panel("worst slices", drawn, TableBlock(columns, body, "Worst slices"), _ALT, caption)


def _name(row: Mapping[str, str]) -> str:
    return f"{row['slice']} (labelled {row['label']})" if row["label"] else row["slice"]


def _beyond(row: Mapping[str, str]) -> bool:
    """Whether a slice is found, as the probe's finding has it: by its p-value and by the interval of its excess."""
    p, low = _number(row, "p_adjusted"), _number(row, "error_excess_low")
    return p is not None and p <= SIGNIFICANT and low is not None and low > 0


def _excess(row: Mapping[str, str]) -> str:
    if _number(row, "error_excess") is None:
        return "–"
    ends = " to ".join(_percent(row, f"error_excess_{end}") for end in ("low", "high"))
    return f"{_percent(row, 'error_excess')} ({ends})"


def _number(row: Mapping[str, str], name: str) -> float | None:
    return float(row[name]) if row[name] not in ("", "nan") else None


def _count(row: Mapping[str, str], name: str) -> str:
    value = _number(row, name)
    return "–" if value is None else f"{value:,.0f}"


def _percent(row: Mapping[str, str], name: str) -> str:
    value = _number(row, name)
    return "–" if value is None else f"{100 * value:.1f} %"
