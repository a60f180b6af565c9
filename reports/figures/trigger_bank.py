"""A bank of triggers against controls that need no backdoor: what each does to a detector, and the margin between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...cards.backdoors import verdict_on_triggers
from ...cards.tree import Part, TableBlock
from ...cards.wording import estimate_text, metric_title, number
from ...core.results import Estimate, ProbeResult
from .cells import Row, count_of, drawn_as, estimate_of, quoted, rows_of, value_of
from .forest import ForestRow, forest
from .panel import FigureGroup
from .theme import BLUE, MUTED, ORANGE, Drawing

NEEDED = ("part", "name", "alpha", "bd_auc", "low", "high", "faces")
BANK, CONTROL = "bank", "control"
_BLOCKS = {BANK: "triggers of the bank", CONTROL: "controls"}
BESIDE = "shown beside, not in the margin"
MARGIN = "trigger_margin"
_CAPTION = (
    "BD-AUC: how well the detector still tells forged faces as they are (1) from forged faces with the trigger (0); "
    "0.5 where the trigger does nothing. Controls are changes of the same size that any detector with a taste for "
    "sharpness or noise follows. Only what the bank does beyond the strongest control speaks for a backdoor."
)


def bank_figures(probe: ProbeResult, table: Sequence[Sequence[str]]) -> Iterator[FigureGroup]:
    """Draw a table with a row for each trigger and control, whose first row names the columns of ``NEEDED``.

    A column ``in_margin`` that is false sets a control apart: it is shown and does not count.
    """
    rows = [row for row in rows_of(table, NEEDED) if row["part"] in _BLOCKS]
    if not rows:
        return
    order = [*_BLOCKS.values(), BESIDE]
    rows.sort(key=lambda row: (order.index(_block(row)), -(value_of(row, "bd_auc") or 0.0)))
    title = metric_title("bd_auc", probe.probe)
    drawn = [ForestRow(_name(row), _block(row), (drawn_as(_estimate(row), "bd_auc"),)) for row in rows]
    bank, control = (_largest(rows, part) for part in (BANK, CONTROL))
    told = ""
    if bank is not None and control is not None:
        told = f"Largest of the bank {number(bank)}, largest of the controls {number(control)}."
    margin = next((item.estimate for item in probe.measurements if item.metric == MARGIN), None)
    if margin is not None:
        name = metric_title(MARGIN, probe.probe)
        told = f"{told} {name[:1].upper()}{name[1:]}: {estimate_text(margin)}.".strip()
    verdict = verdict_on_triggers(probe)
    if verdict:
        told = f"{told} Verdict: {verdict}."
    alt = f"{title} of each trigger of the bank and of each control, with its interval. {told}"
    panel = forest(title, drawn, (title,), alt, drawn_as(Estimate(value=0.5), "bd_auc"), reference_name="no effect")
    if bank is not None and control is not None and isinstance(panel.drawing, Drawing):
        _mark(panel.drawing, bank, control)
    caption = f"{told} {panel.caption}".strip()
    yield FigureGroup(
        "Triggers against controls", (replace(panel, table=_table(probe, rows), caption=caption),), _CAPTION
    )


def _block(row: Row) -> str:
    return BESIDE if row.get("in_margin", "").lower() == "false" else _BLOCKS[row["part"]]


def _estimate(row: Row) -> Estimate:
    return estimate_of(row, "bd_auc")


def _largest(rows: Sequence[Row], part: str) -> float | None:
    values = [value_of(row, "bd_auc") for row in rows if _block(row) == _BLOCKS[part]]
    return max((value for value in values if value is not None), default=None)


def _name(row: Row) -> str:
    return row["name"].replace("_", " ")


def _mark(drawn: Drawing, bank: float, control: float) -> None:
    """Mark both maxima; the space between them is the margin."""
    drawn.vertical(bank, BLUE)
    drawn.vertical(control, ORANGE)
    font = {"size": 11, "color": MUTED}
    high, low = ("bank", "controls") if bank >= control else ("controls", "bank")
    drawn.note(
        x=max(bank, control), y=0, yref="paper", xanchor="left", yanchor="top", yshift=-22, xshift=2,
        text=f"largest of the {high}", font=font,
    )  # fmt: skip
    drawn.note(
        x=min(bank, control), y=0, yref="paper", xanchor="right", yanchor="top", yshift=-22, xshift=-2,
        text=f"largest of the {low}", font=font,
    )  # fmt: skip
    drawn.update(margin={"b": 44}, height=drawn.height + 24)


def _table(probe: ProbeResult, rows: Sequence[Row]) -> TableBlock:
    body: list[tuple[Part, ...]] = []
    for row in rows:
        settings = [f"{row.get(name) or '–'}" for name in ("kernel", "scale", "alpha")]
        size = count_of(row, "faces")
        cell = quoted(probe, "bd_auc", {"pattern": row["name"]}, _estimate(row))
        body.append((_name(row), _block(row), *settings, "–" if size is None else f"{size:,}", cell))
    heads = ("change", "part", "kernel", "scale", "alpha", "faces", metric_title("bd_auc", probe.probe))
    return TableBlock(heads, tuple(body), "Triggers against controls")
