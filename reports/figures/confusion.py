"""The confusion matrix: counts, coloured by the share of each label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...cards.tree import TableBlock
from .panel import FigureGroup, Panel
from .theme import INK, Drawing, plain, scale

SIDE = 44


def confusion_figure(classes: Sequence[str], labels: Sequence[str], counts: Sequence[Sequence[int]]) -> FigureGroup:
    """Draw counts of label (rows) against prediction (columns).

    Args:
        classes: names of the columns.
        labels: names of the rows.
        counts: faces, ``len(labels)`` rows of ``len(classes)``.
    """
    totals = [sum(row) for row in counts]
    rows = [row for row in zip(labels, counts, totals, strict=True) if row[2]]
    drawn = Drawing(
        height=110 + SIDE * max(3, len(rows)),
        xaxis={**_axis("predicted", classes), "side": "top"},
        yaxis={**_axis("label", [label for label, _, _ in rows]), "autorange": "reversed"},
    )
    drawn.heatmap(
        x=list(range(len(classes))),
        y=list(range(len(rows))),
        z=[[cell / total for cell in row] for _, row, total in rows],
        zmin=0,
        zmax=1,
        colorscale=scale(),
        text=[[f"{cell:,}" for cell in row] for _, row, _ in rows],
        texttemplate="%{text}",
        textfont={"size": 13},
        hoverinfo="text",
        hovertext=[
            [_hover(label, name, cell, total) for name, cell in zip(classes, row, strict=True)]
            for label, row, total in rows
        ],
        xgap=2,
        ygap=2,
        colorbar={
            "title": {"text": "share of the label", "side": "right", "font": {"size": 11}},
            "thickness": 10,
            "outlinewidth": 0,
            "tickformat": ".0%",
            "len": 0.9,
        },
    )
    table = TableBlock(
        ("label \\ predicted", *classes),
        tuple((label, *(f"{cell:,}" for cell in row)) for label, row in zip(labels, counts, strict=True)),
        "Faces by label and predicted class",
    )
    caption = "Each cell holds a number of faces; its colour is the share of the label's faces."
    empty = [label for label, total in zip(labels, totals, strict=True) if not total]
    if empty:
        caption += f" No face has the label {', '.join(empty)}."
    alt = "Confusion matrix: number of faces for each label and predicted class."
    return FigureGroup("Confusion matrix", (Panel("confusion", drawn, table, alt),), caption)


def _axis(title: str, names: Sequence[str]) -> dict[str, Any]:
    return {
        "title": {"text": title},
        "tickvals": list(range(len(names))),
        "ticktext": [plain(name, 18) for name in names],
        "tickfont": {"color": INK},
        "showgrid": False,
        "zeroline": False,
    }


def _hover(label: str, name: str, cell: int, total: int) -> str:
    return f"{plain(label)} predicted as {plain(name)}: {cell:,} of {total:,}"
