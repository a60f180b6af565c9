"""Mean heatmaps on the canonical face, with the outline of the mask they are scored against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cards.absent import short_reason
from ...cards.sentences import nulls_of
from ...cards.tables import ref
from ...cards.tree import Part, TableBlock
from ...cards.wording import estimate_text, metric_title
from ...core.results import Measurement, ProbeResult
from .panel import FigureGroup, Panel
from .theme import BLUE, HALO, INK, Drawing, scale

Polylines = Sequence[Sequence[Sequence[float]]]


def heatmap_figures(
    probe: ProbeResult, arrays: Mapping[str, NDArray[Any]], drawing: Mapping[str, Any], warning: str = ""
) -> Iterator[FigureGroup]:
    """Yield one drawing for each expression whose heatmap the run folder holds.

    Args:
        probe: its measurements ``iou``, their nulls, and what they say of classes without a heatmap.
        arrays: ``LABEL.heatmap`` of shape (height, width), larger where the model looks more.
        drawing: ``face``: polylines of the canonical face; ``masks``: polylines of each label's mask;
        ``layer``.
        warning: what is to be said of the method that made them; may be empty.
    """
    panels = []
    for name in arrays:
        label, dot, kind = name.rpartition(".")
        if dot and kind == "heatmap":
            panels.append(_panel(probe, label, arrays[name], drawing))
    if panels:
        layer = f" Explained layer: {drawing['layer']}." if drawing.get("layer") else ""
        yield FigureGroup(
            "Mean heatmaps on the canonical face",
            tuple(panels),
            "Darker (brighter on a dark page): the model's answer hangs more on this region, averaged over "
            "faces after each was "
            "warped to one drawn face. The blue outline is the Ekman mask of the expression, one contested "
            "account of where it "
            f"shows.{layer}{' ' if warning else ''}{warning}",
            "grid",
        )


def _panel(probe: ProbeResult, label: str, heat: NDArray[Any], drawing: Mapping[str, Any]) -> Panel:
    drawn = Drawing(
        height=330,
        showlegend=False,
        margin={"l": 4, "r": 4, "t": 4, "b": 4},
        xaxis={"visible": False, "range": [-2, heat.shape[1] + 1], "constrain": "domain"},
        yaxis={"visible": False, "range": [heat.shape[0] + 1, -2], "scaleanchor": "x", "constrain": "domain"},
    )
    largest = float(heat.max()) or 1.0
    small = heat.astype(np.uint8) if heat.dtype == np.uint8 else np.round(255 * heat / largest).astype(np.uint8)
    drawn.heatmap(z=small, zmin=0, zmax=255, colorscale=scale(), showscale=False, hoverinfo="skip", zsmooth=False)
    _outline(drawn, drawing.get("face", ()), INK, 1.1)
    _outline(drawn, drawing.get("masks", {}).get(label, ()), HALO, 4.0)
    _outline(drawn, drawing.get("masks", {}).get(label, ()), BLUE, 2.2)
    iou = next(
        (
            item
            for item in probe.measurements  # a condition names a further method, whose map is another
            if item.metric == "iou" and item.slice == {"label": label} and not item.condition
        ),
        None,
    )
    caption = _caption(probe, iou)
    rows: tuple[tuple[Part, ...], ...] = ()
    if iou is not None:
        rows = tuple((metric_title(item.metric), ref(item)) for item in (iou, *nulls_of(iou, probe)))
    table = TableBlock(("measure", "estimate"), rows, f"Overlap of the heatmap of {label} with its mask")
    alt = f"Mean heatmap of {label} on the canonical face with the outline of its mask. {caption}"
    return Panel(label, drawn, table, alt, caption)


def _outline(drawn: Any, lines: Polylines, colour: str, width: float) -> None:
    """Draw polylines as one trace, with a gap after each."""
    x: list[float | None] = []
    y: list[float | None] = []
    for line in lines:
        x += [float(point[0]) for point in line] + [None]
        y += [float(point[1]) for point in line] + [None]
    if x:
        drawn.scatter(
            x=x, y=y, mode="lines", line={"color": colour, "width": width}, hoverinfo="skip", cliponaxis=False
        )  # fmt: skip


def _caption(probe: ProbeResult, iou: Measurement | None) -> str:
    if iou is None:
        return "No mask of this expression to score against."
    text = f"IoU {short_reason(estimate_text(iou.estimate))}"
    nulls = [f"{metric_title(null.metric)} {estimate_text(null.estimate)}" for null in nulls_of(iou, probe)]
    return f"{text}. Beside it: {'; '.join(nulls)}." if nulls else f"{text}."
