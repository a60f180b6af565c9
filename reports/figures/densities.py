"""How a detector's scores of genuine faces lie beside those of forged ones, method by method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ...cards.tree import TableBlock
from .cells import Row, count_of, rows_of, value_of
from .panel import FigureGroup, Panel
from .theme import BLUE, BLUE_BAND, DASHES, MUTED, SERIES, Drawing, plain

NEEDED = ("kind", "edge_low", "edge_high", "share", "faces")
GENUINE = "genuine"
MOST_METHODS = 5
EVERY = "every method"
_CAPTION = (
    "Share of the faces whose score lies in each bin. Where the filled hill of genuine faces and a line lie over each "
    "other, no threshold parts them."
)


def density_figures(table: Sequence[Sequence[str]], threshold: float | None = None) -> Iterator[FigureGroup]:
    """Draw a table with a row for each kind of face and bin of the score.

    Args:
        table: its first row names the columns of ``NEEDED``; ``kind`` is ``genuine`` or a method of forgery.
        threshold: from which a face is called forged, if one was stated.
    """
    rows = [row for row in rows_of(table, NEEDED) if value_of(row, "share") is not None]
    kinds = {name: [row for row in rows if row["kind"] == name] for name in dict.fromkeys(r["kind"] for r in rows)}
    genuine = kinds.pop(GENUINE, [])
    if not genuine or not kinds:
        return
    panels = [_panel(method, genuine, {method: bins}, threshold) for method, bins in kinds.items()]
    if len(kinds) > 1:
        panels.insert(0, _panel(EVERY, genuine, {**kinds}, threshold))
    yield FigureGroup("Scores of genuine and of forged faces", tuple(panels), _CAPTION)


def _panel(name: str, genuine: Sequence[Row], methods: dict[str, Sequence[Row]], threshold: float | None) -> Panel:
    shown = dict(list(methods.items())[:MOST_METHODS])
    ends = [value for row in genuine for value in (value_of(row, "edge_low"), value_of(row, "edge_high"))]
    low, high = min(end for end in ends if end is not None), max(end for end in ends if end is not None)
    drawn = Drawing(
        height=330,
        showlegend=True,
        xaxis={"range": [low, high], "title": {"text": "score: p(forged)"}, "zeroline": False},
        yaxis={"rangemode": "tozero", "title": {"text": "share of the faces"}, "tickformat": ".0%", "zeroline": False},
        margin={"t": 40, "b": 48},
    )
    _steps(drawn, GENUINE, genuine, BLUE, "solid", filled=True)
    for place, (method, bins) in enumerate(shown.items(), start=1):
        _steps(drawn, method, bins, SERIES[place % len(SERIES)], DASHES[(place - 1) % len(DASHES)])
    if threshold is not None and low <= threshold <= high:
        drawn.vertical(threshold, MUTED)
        font = {"size": 11, "color": MUTED}
        drawn.note(x=threshold, y=1, yref="paper", yanchor="top", xanchor="left", xshift=3, text="threshold", font=font)
    sizes = "; ".join(f"{kind} {_size(bins):,}" for kind, bins in {GENUINE: genuine, **shown}.items())
    caption = f"Faces: {sizes}."
    if len(shown) < len(methods):
        caption += f" Drawn are the first {len(shown)} of {len(methods)} methods; all stand in the table."
    alt = f"Distribution of the score of genuine faces beside that of faces forged by {', '.join(shown)}."
    return Panel(name, drawn, _table(name, {GENUINE: genuine, **methods}), alt, caption)


def _size(bins: Sequence[Row]) -> int:
    return max((count_of(row, "faces") or 0 for row in bins), default=0)


def _steps(drawn: Drawing, name: str, bins: Sequence[Row], colour: str, dash: str, filled: bool = False) -> None:
    ordered = sorted(bins, key=lambda row: value_of(row, "edge_low") or 0.0)
    x = [value_of(row, "edge_low") for row in ordered] + [value_of(ordered[-1], "edge_high")]
    y = [value_of(row, "share") for row in ordered]
    fill = {"fill": "tozeroy", "fillcolor": BLUE_BAND} if filled else {}
    drawn.scatter(
        x=x,
        y=[*y, y[-1]],
        mode="lines",
        name=plain(name),
        line={"color": colour, "width": 2, "dash": dash, "shape": "hv"},
        hoverinfo="text",
        **fill,
        hovertext=[
            f"{plain(name)}<br>score {a:.3g} to {b:.3g}: {share or 0.0:.1%}"
            for (a, b), share in zip(pairwise(place or 0.0 for place in x), y, strict=True)
        ],
    )


def _table(name: str, kinds: dict[str, Sequence[Row]]) -> TableBlock:
    edges = sorted({(value_of(row, "edge_low") or 0.0, value_of(row, "edge_high") or 0.0) for row in kinds[GENUINE]})
    shares = {
        (kind, value_of(row, "edge_low") or 0.0): value_of(row, "share") or 0.0
        for kind, bins in kinds.items()
        for row in bins
    }
    rows = tuple(
        (f"{low:.3g} to {high:.3g}", *(_percent(shares.get((kind, low))) for kind in kinds)) for low, high in edges
    )
    return TableBlock(("score", *kinds), rows, f"Share of the faces by score: {name}")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
