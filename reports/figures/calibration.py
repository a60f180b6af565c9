"""Calibration by group: accuracy beside confidence, one line a group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...cards.tree import TableBlock
from .panel import FigureGroup, Panel
from .theme import DASHES, MUTED, SERIES, SYMBOLS, Drawing, plain

MOST_GROUPS = 6
COLUMNS = ("attribute", "group", "from", "to", "confidence", "accuracy", "low", "high", "faces", "people")
_ALT = "Accuracy against mean confidence in bins of confidence, one line for each group; the diagonal is equality."
_CAPTION = (
    "Below the dotted line the model is surer than it is right. Bins hold equally many of all faces; bins of a group "
    "with too few people are left out."
)


def calibration_figures(table: Sequence[Sequence[str]]) -> Iterator[FigureGroup]:
    """Draw a table whose first row names the columns ``attribute, group, confidence, accuracy`` and so on."""
    if tuple(table[0]) != COLUMNS or len(table) < 2:
        return
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in table[1:]]
    panels = []
    for attribute in dict.fromkeys(row["attribute"] for row in rows):
        here = [row for row in rows if row["attribute"] == attribute]
        faces: dict[str, int] = {}
        for row in here:
            faces[row["group"]] = faces.get(row["group"], 0) + int(row["faces"])
        largest = sorted(faces, key=lambda group: -faces[group])[:MOST_GROUPS]
        panels.append(_panel(attribute, [group for group in faces if group in largest], here, len(faces)))
    yield FigureGroup("Calibration by group", tuple(panels), _CAPTION)


def _panel(attribute: str, groups: Sequence[str], rows: Sequence[dict[str, str]], known: int) -> Panel:
    values = [float(row[name]) for row in rows for name in ("confidence", "accuracy", "low", "high")]
    low, high = min(values), max(values)
    margin = 0.04 * (high - low or 1.0)
    span = [max(0.0, low - margin), min(1.02, high + margin)]
    drawn = Drawing(
        height=380,
        showlegend=True,
        xaxis={"range": span, "title": {"text": "mean confidence"}, "showgrid": True, "zeroline": False},
        yaxis={"range": span, "title": {"text": "accuracy"}, "showgrid": True, "zeroline": False},
    )
    drawn.scatter(
        x=span, y=span, mode="lines", line={"color": MUTED, "width": 1.2, "dash": "dot"}, hoverinfo="skip",
        showlegend=False,
    )  # fmt: skip
    for place, group in enumerate(groups):
        here = [row for row in rows if row["group"] == group]
        colour = SERIES[place % len(SERIES)]
        value = [float(row["accuracy"]) for row in here]
        drawn.scatter(
            x=[float(row["confidence"]) for row in here],
            y=value,
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [float(row["high"]) - float(row["accuracy"]) for row in here],
                "arrayminus": [float(row["accuracy"]) - float(row["low"]) for row in here],
                "color": colour,
                "thickness": 1.3,
                "width": 3,
            },
            mode="lines+markers",
            name=plain(group),
            line={"color": colour, "width": 1.6, "dash": DASHES[place % len(DASHES)]},
            marker={"size": 8, "color": colour, "symbol": SYMBOLS[place % len(SYMBOLS)]},
            hoverinfo="text",
            hovertext=[
                f"{plain(group)}<br>confidence {row['confidence']}, accuracy {row['accuracy']} "
                f"[{row['low']}, {row['high']}], {int(row['faces']):,} faces"
                for row in here
            ],
        )
    body = tuple(tuple(row[name] for name in COLUMNS[1:]) for row in rows)
    caption = "" if known <= len(groups) else f"Drawn are the largest {len(groups)} of {known} groups."
    return Panel(attribute, drawn, TableBlock(COLUMNS[1:], body, f"Calibration by {attribute}"), _ALT, caption)
