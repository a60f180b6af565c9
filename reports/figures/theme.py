"""Colours, fonts and the common layout of figures, and text that cannot become markup in them.

Figures are drawn in the light colours; the page exchanges each for its dark counterpart where the reader
prefers dark.
The colours of series keep apart for colour-blind readers and have a contrast of at least 4.5:1 on either
background.
"""

from __future__ import annotations

import re
from typing import Any

import plotly.graph_objects as go

INK = "#1d2329"
MUTED = "#5b6570"
GRID = "#e3e6ea"
SURFACE = "#ffffff"
BLUE = "#0b5fa5"
ORANGE = "#b04a06"
GREEN = "#0a7355"
PURPLE = "#86388c"
ROSE = "#b3265e"
SLATE = "#4d5b7a"
BLUE_BAND = "#cfe0f0"
ORANGE_BAND = "#f4dccb"

HALO = "rgba(255,255,255,0.75)"

SERIES = (BLUE, ORANGE, GREEN, PURPLE, ROSE, SLATE)
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
HEAT = ("#ffffff", "#fde3b0", "#f6a25b", "#cf4b3c", "#741a3c")

DARK: dict[str, str] = {
    INK: "#e7e9ec",
    MUTED: "#a3adb8",
    GRID: "#343b44",
    SURFACE: "#1a1f25",
    BLUE: "#6cb2f0",
    ORANGE: "#f0a05c",
    GREEN: "#4fc7a0",
    PURPLE: "#d596de",
    ROSE: "#f589ac",
    SLATE: "#a6b4d6",
    BLUE_BAND: "#24415c",
    ORANGE_BAND: "#54361f",
    HALO: "rgba(26,31,37,0.75)",
    HEAT[1]: "#4b2440",
    HEAT[2]: "#a03a45",
    HEAT[3]: "#ea8a4c",
    HEAT[4]: "#ffe9a8",
}

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def plain(text: str, limit: int = 60) -> str:
    """Return text for a plotly label: no tag, entity or control character of it can take effect; long text is cut."""
    kept = _CONTROL.sub(" ", text)
    kept = kept if len(kept) <= limit else kept[: limit - 1] + "…"
    # Plotly leaves a newline out and reads %{name} in templates; no figure here puts data into a template.
    return kept.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def scale() -> list[list[float | str]]:
    """Return the colour scale of heatmaps: from the background to the strongest colour."""
    return [[position / (len(HEAT) - 1), colour] for position, colour in enumerate(HEAT)]


def figure(height: int, **layout: Any) -> go.Figure:
    """Return an empty figure with the common layout, ``height`` in pixels; the width follows the page."""
    axis = {
        "gridcolor": GRID,
        "linecolor": GRID,
        "zerolinecolor": GRID,
        "tickfont": {"color": MUTED, "size": 12},
        "title": {"font": {"color": MUTED, "size": 12}, "standoff": 8},
        "fixedrange": True,
        "automargin": True,
    }
    base = go.Layout(
        height=height,
        autosize=True,
        template="none",
        font={"family": FONT, "size": 13, "color": INK},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        margin={"l": 8, "r": 12, "t": 12, "b": 8},
        dragmode=False,
        hovermode="closest",
        hoverlabel={"bgcolor": SURFACE, "bordercolor": MUTED, "font": {"family": FONT, "size": 13, "color": INK}},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 12, "color": INK}},
        xaxis=axis,
        yaxis=axis,
    )
    drawn = go.Figure(layout=base)
    drawn.update_layout(**layout)
    return drawn
