"""Colours, fonts and the common layout of figures, and text that cannot become markup in them.

Figures are drawn in the light colours; the page exchanges each for its dark counterpart where the reader
prefers dark.
The colours of series keep apart for colour-blind readers and have a contrast of at least 4.5:1 on either
background.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
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
    # Between dollar signs plotly looks for mathematics; it reads %{name} in templates only, which hold no data here.
    return kept.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")


def scale() -> list[list[float | str]]:
    """Return the colour scale of heatmaps: from the background to the strongest colour."""
    return [[position / (len(HEAT) - 1), colour] for position, colour in enumerate(HEAT)]


class Drawing:
    """A plotly figure as the plain data that plotly.js reads; :meth:`figure` gives the checked graph object.

    A report holds a hundred drawings; graph objects check every property on the way and take some 50 ms each.
    """

    def __init__(self, height: int, **layout: Any) -> None:
        """Start an empty drawing with the common layout, ``height`` in pixels; the width follows the page."""
        self.data: list[dict[str, Any]] = []
        self.layout = _merged(_base(), {"height": height, **layout})

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.layout["height"])

    def update(self, **layout: Any) -> None:
        """Change the layout."""
        self.layout = _merged(self.layout, layout)

    def scatter(self, **trace: Any) -> None:
        """Add points, lines or text."""
        self.data.append({"type": "scatter", **trace})

    def heatmap(self, **trace: Any) -> None:
        """Add a heatmap; ``z`` may be an array of uint8, which takes a byte a pixel."""
        z = trace["z"]
        if isinstance(z, np.ndarray):
            coded = base64.b64encode(np.ascontiguousarray(z, dtype=np.uint8).tobytes()).decode()
            trace["z"] = {"dtype": "u1", "bdata": coded, "shape": ", ".join(map(str, z.shape))}
        self.data.append({"type": "heatmap", **trace})

    def note(self, **annotation: Any) -> None:
        """Add a text without an arrow."""
        self.layout.setdefault("annotations", []).append({"showarrow": False, **annotation})

    def vertical(self, x: float, colour: str) -> None:
        """Add a dotted vertical line over the whole height."""
        line = {"color": colour, "width": 1.5, "dash": "dot"}
        shape = {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "y domain", "layer": "below", "line": line}
        self.layout.setdefault("shapes", []).append(shape)

    def as_json(self) -> dict[str, Any]:
        """Return what plotly.js is given."""
        return {"data": self.data, "layout": self.layout}

    def figure(self) -> go.Figure:
        """Return the plotly graph object, every property checked."""
        import plotly.graph_objects as go

        return go.Figure(data=self.data, layout=self.layout)


def _base() -> dict[str, Any]:
    axis = {
        "gridcolor": GRID,
        "linecolor": GRID,
        "zerolinecolor": GRID,
        "tickfont": {"color": MUTED, "size": 12},
        "title": {"font": {"color": MUTED, "size": 12}, "standoff": 8},
        "fixedrange": True,
        "automargin": True,
    }
    text = {"family": FONT, "size": 13, "color": INK}
    return {
        "autosize": True,
        "font": text,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "dragmode": False,
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": SURFACE, "bordercolor": MUTED, "font": text},
        "legend": {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 12, "color": INK}},
        "xaxis": dict(axis),
        "yaxis": dict(axis),
    }


def _merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Merge two trees; ``change`` wins."""
    merged = dict(base)
    for name, value in change.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
