"""Gaps between groups in one drawing: each with its interval, what chance alone gives, and the tolerance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...cards.gaps import GAP, VERDICTS, WORST, Question, questions_of
from ...cards.tree import TableBlock
from ...cards.wording import estimate_text
from ...core.results import Estimate, ProbeResult
from .panel import FigureGroup, Panel
from .theme import BLUE, GREEN, GRID, INK, MUTED, ROSE, SLATE, Drawing, plain

MOST_ROWS = 28
ROW = 30
NAME = 58
COLOURS = {"fail": ROSE, "inconclusive": BLUE, "pass": GREEN, "not measured": MUTED}
TITLES = {WORST: "Worst group against all others", GAP: "Largest gap between two groups"}
_ALT = "Differences between groups, one row each, with interval, the range that chance gives, and the tolerance."


def gap_figures(probe: ProbeResult) -> Iterator[FigureGroup]:
    """Yield one figure with a drawing for each kind of difference that was measured."""
    panels = [panel for kind in (WORST, GAP) if (panel := _panel(probe, kind)) is not None]
    if panels:
        caption = (
            "Point and line: the difference and its 95 % interval. Grey bar: where differences lie when groups of the "
            "same sizes are dealt out at random over people. A difference within its grey bar is what chance gives."
        )
        yield FigureGroup("Gaps between groups", tuple(panels), caption)


def _panel(probe: ProbeResult, kind: str) -> Panel | None:
    found = [one for one in questions_of(probe, kind) if one.item.estimate.value is not None]
    if not found:
        return None
    found.sort(key=_order)
    shown = found[:MOST_ROWS]
    judged = shown[0].tolerance is not None
    high = max(_end(one.item.estimate, one.beside.get("null_permuted")) for one in shown)
    low = min(0.0, *(_start(one) for one in shown))
    drawn = Drawing(
        height=90 + ROW * len(shown),
        showlegend=False,
        xaxis={"range": [low - 0.02 * (high - low), 1.05 * high], "zeroline": True, "nticks": 7},
        yaxis={
            "range": [len(shown), 0],
            "tickvals": [place + 0.5 for place in range(len(shown))],
            "ticktext": [plain(f"{one.score} by {one.attribute}", NAME) for one in shown],
            "showgrid": False,
            "zeroline": False,
            "tickfont": {"color": INK, "size": 12.5},
        },
    )
    _draw_chance(drawn, shown)
    for verdict in VERDICTS if judged else ("inconclusive",):
        _draw(drawn, [(n, one) for n, one in enumerate(shown) if not judged or one.verdict == verdict], verdict)
    if judged and shown[0].tolerance is not None:
        limit = shown[0].tolerance
        drawn.vertical(limit, SLATE)
        font = {"size": 11, "color": MUTED}
        drawn.note(x=limit, y=1, yref="paper", xanchor="left", yanchor="bottom", text=f"tolerance {limit:g}", font=font)
        drawn.update(margin={"t": 26})
    table = TableBlock(
        ("score", "groups of", "difference", "by chance", "verdict"),
        tuple(
            (
                one.score,
                one.attribute,
                estimate_text(one.item.estimate),
                estimate_text(one.beside["null_permuted"].estimate) if "null_permuted" in one.beside else "–",
                one.told if judged else "–",
            )
            for one in found
        ),
        TITLES[kind],
    )
    caption = "Red: above the tolerance. Green: not above it. Blue: these faces cannot settle it." if judged else ""
    if len(found) > len(shown):
        caption = f"{caption} Drawn are the gravest {len(shown)} of {len(found)}; all stand in the table.".strip()
    return Panel(TITLES[kind], drawn, table, _ALT, caption)


def _order(one: Question) -> tuple[int, float]:
    null = one.beside.get("null_permuted")
    beyond = (one.item.estimate.value or 0.0) - (null.estimate.value or 0.0 if null is not None else 0.0)
    return (VERDICTS[one.verdict] if one.tolerance is not None else 0), -beyond


def _end(estimate: Estimate, null: object) -> float:
    ends = [estimate.value or 0.0, estimate.high or 0.0]
    beside = getattr(null, "estimate", None)
    return max([*ends, (beside.high or 0.0) if beside is not None else 0.0, 1e-3])


def _start(one: Question) -> float:
    return min(one.item.estimate.value or 0.0, one.item.estimate.low or 0.0)


def _draw_chance(drawn: Drawing, shown: Sequence[Question]) -> None:
    """Draw the range of what chance gives as a wide grey bar behind each row."""
    x: list[float | None] = []
    y: list[float | None] = []
    for place, one in enumerate(shown):
        null = one.beside.get("null_permuted")
        if null is not None and null.estimate.low is not None and null.estimate.high is not None:
            x += [null.estimate.low, null.estimate.high, None]
            y += [place + 0.5, place + 0.5, None]
    drawn.scatter(x=x, y=y, mode="lines", line={"color": GRID, "width": 13}, hoverinfo="skip")


def _draw(drawn: Drawing, rows: Sequence[tuple[int, Question]], verdict: str) -> None:
    if not rows:
        return
    colour = COLOURS[verdict]
    estimates = [one.item.estimate for _, one in rows]
    drawn.scatter(
        x=[estimate.value for estimate in estimates],
        y=[place + 0.5 for place, _ in rows],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [
                abs((each.high if each.high is not None else each.value or 0) - (each.value or 0)) for each in estimates
            ],
            "arrayminus": [
                abs((each.value or 0) - (each.low if each.low is not None else each.value or 0)) for each in estimates
            ],
            "color": colour,
            "thickness": 1.8,
            "width": 4,
        },
        mode="markers",
        marker={"size": 9, "color": colour, "symbol": "circle"},
        hoverinfo="text",
        hovertext=[
            f"{plain(one.score)} by {plain(one.attribute)}<br>{plain(one.item.estimate.about or '')} "
            f"{estimate_text(one.item.estimate)}<br>{plain(one.told, 160) if one.tolerance is not None else ''}"
            for _, one in rows
        ],
        cliponaxis=False,
    )
