"""Flagged training images beside what the rate of false alarms alone would flag."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...cards.tables import ref
from ...cards.tree import Part, TableBlock
from ...cards.wording import metric_title, number
from ...core.results import ProbeResult
from .cells import UNSAID, Row, count_of, rows_of, value_of
from .panel import FigureGroup, Panel
from .theme import BLUE, GRID, INK, MUTED, Drawing, plain

NEEDED = ("method", "flagged", "faces", "false_alarm_rate")
OF_CLASSES = "clustering"
ROW = 44
_RIGHT = "flags_right_at_most"
_FURTHER = ("false_alarms", "flags_beyond_chance.p", "stamped_found", "stamped_auroc", _RIGHT, "flags_right")
_CAPTION = (
    "Point: how many training images were flagged. Grey bar: how many the stated rate of false alarms flags where "
    "nothing is poisoned. What lies within the bar needs no poison; what lies beyond it says how many flags, not which "
    "ones, false alarms leave over."
)


def flag_figures(probe: ProbeResult, table: Sequence[Sequence[str]]) -> Iterator[FigureGroup]:
    """Draw a table with a row for each way of scanning, whose first row names the columns of ``NEEDED``."""
    rows = rows_of(table, NEEDED)
    known = [row for row in rows if value_of(row, "flagged") is not None and value_of(row, "faces")]
    if not known:
        return
    explained = [_explained(row) for row in known]
    flagged = [value_of(row, "flagged") or 0.0 for row in known]
    most = max(*flagged, *explained, 1.0)
    drawn = Drawing(
        height=90 + ROW * len(known),
        showlegend=False,
        xaxis={"range": [0, 1.12 * most], "title": {"text": "training images"}, "zeroline": True, "nticks": 7},
        yaxis={
            "range": [len(known), 0],
            "tickvals": [place + 0.5 for place in range(len(known))],
            "ticktext": [plain(_words(row), 40) for row in known],
            "showgrid": False,
            "zeroline": False,
            "tickfont": {"color": INK, "size": 13},
        },
        margin={"b": 44},
    )
    x: list[float | None] = []
    y: list[float | None] = []
    for place, end in enumerate(explained):
        x += [0.0, end, None]
        y += [place + 0.5, place + 0.5, None]
    drawn.scatter(x=x, y=y, mode="lines", line={"color": GRID, "width": 18}, hoverinfo="skip")
    drawn.scatter(
        x=flagged,
        y=[place + 0.5 for place in range(len(known))],
        mode="markers+text",
        marker={"size": 11, "color": BLUE},
        text=[f" {value:,.0f}" for value in flagged],
        textposition="middle right",
        textfont={"size": 12, "color": MUTED},
        hoverinfo="text",
        hovertext=[plain(_told(row), 200) for row in known],
        cliponaxis=False,
    )
    alt = "Flagged training images by each way of scanning, beside what false alarms alone would flag. "
    alt += " ".join(map(_told, known))
    silent = [row for row in rows if row not in known]
    told = [f"{_words(row)} was not measured: {row.get('reason') or UNSAID}." for row in silent]
    if any(row["method"] == OF_CLASSES for row in known):
        told.append(f"Of {OF_CLASSES} the rate is that of flagging a cluster of a clean class, so it has no bar.")
    caption = " ".join(told)
    yield FigureGroup(
        "Flags beside false alarms", (Panel("flags", drawn, _table(probe, rows), alt, caption),), _CAPTION
    )


def _explained(row: Row) -> float:
    """Return how many flags false alarms give; none where the rate is one of whole classes and not of images."""
    if row["method"] == OF_CLASSES:
        return 0.0
    return (value_of(row, "false_alarm_rate") or 0.0) * (value_of(row, "faces") or 0.0)


def _words(row: Row) -> str:
    return row["method"].replace("_", " ")


def _told(row: Row) -> str:
    rate = value_of(row, "false_alarm_rate")
    at = f" at a false-alarm rate of {number(rate)}" if rate is not None else ""
    return f"{_words(row)}: {_count(row, 'flagged')} of {_count(row, 'faces')} flagged{at}."


def _count(row: Row, name: str) -> str:
    count = count_of(row, name)
    return "–" if count is None else f"{count:,}"


def _table(probe: ProbeResult, rows: Sequence[Row]) -> TableBlock:
    """Tabulate each way of scanning; what the probe measured is quoted, with its interval."""
    seen = {item.metric for item in probe.measurements}
    quotes = [name for name in ("flagged", *_FURTHER) if name in seen]
    body: list[tuple[Part, ...]] = []
    for row in rows:
        rate, right = value_of(row, "false_alarm_rate"), value_of(row, "expected_right_at_most")
        cells = [_quoted(probe, metric, row["method"]) for metric in quotes]
        body.append(
            (
                _words(row),
                _count(row, "faces"),
                _count(row, "flagged"),
                "–" if rate is None else number(rate),
                *cells,
                *(() if _RIGHT in quotes else ("–" if right is None else number(right),)),
                row.get("reason") or "–",
            )
        )
    titles = [metric_title(name, probe.probe) for name in quotes]
    last = () if _RIGHT in quotes else ("right at most",)
    heads = ("method", "images", "flagged", "false-alarm rate", *titles, *last, "why not")
    return TableBlock(heads, tuple(body), "Flags beside false alarms")


def _quoted(probe: ProbeResult, metric: str, method: str) -> Part:
    """Quote what was measured of a method, whatever else its condition says."""
    found = [
        m for m in probe.measurements if m.metric == metric and m.condition.get("method") == method and not m.slice
    ]
    return ref(found[0]) if found else "–"
