"""One measurement in several runs: how it changed against the first, and whether that is more than chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from scipy.special import ndtri

from .gates.bounds import USUAL_LEVEL, at_tail, difference, tail_of
from .results import Direction, Estimate
from .statistics.false_discovery import benjamini_hochberg
from .statistics.same_faces import Change

ALPHA = 0.05
POWER = 0.8
Relation = Literal[
    "worse",
    "better",
    "changed",
    "apart",
    "removed",
    "added",
    "no difference shown",
    "overlapping",
    "no interval",
    "not measured",
    "same",
]
ORDER: tuple[Relation, ...] = (
    "worse",
    "apart",
    "changed",
    "better",
    "removed",
    "added",
    "no difference shown",
    "overlapping",
    "no interval",
    "not measured",
    "same",
)


@dataclass(frozen=True)
class RunChange:
    """A measurement of one run held against that of the first.

    Attributes:
        verdict: ``worse``, ``better`` or (where no way is better) ``changed``: face by face, with an adjusted p-value
            of 0.05 or less; ``no difference shown``: face by face, with a larger one; ``same``: no face counts
            otherwise than before. Of two samples ``apart`` when the adjusted p-value of the change is 0.05 or less,
            else ``overlapping``, which is no proof of equality. ``added`` or ``removed`` where one run has none.
        value: this run less the first, on the common faces where ``paired``.
        low: lower limit at 95 %, not adjusted for the number of measurements.
        high: upper limit.
        p: two-sided, not adjusted.
        p_adjusted: for the number of measurements of the comparison that have a better side (or of those that have
            none); Benjamini and Hochberg.
        paired: whether the faces of both runs were held against each other one by one.
        faces: so compared.
        changed: of these, those that count otherwise than before.
        detectable: smallest true change that such a comparison would have shown with a chance of 80 %.
        worse_side: whether the value is on the worse side.
    """

    verdict: Relation
    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    paired: bool = False
    faces: int | None = None
    changed: int | None = None
    detectable: float | None = None
    worse_side: bool = False

    @property
    def worse(self) -> bool:
        """Whether the change is more than chance and on the worse side."""
        return self.worse_side and self.verdict in {"worse", "apart"}


@dataclass(frozen=True)
class ComparedRow:
    """One measurement in every run.

    Attributes:
        key: the measurement's key.
        direction: which way is better.
        estimates: one per run, ``None`` where the run has no such measurement.
        changes: of every run but the first, held against the first.
    """

    key: str
    direction: Direction
    estimates: list[Estimate | None]
    changes: list[RunChange] = field(default_factory=list)

    @property
    def worse(self) -> bool:
        """Whether some run is worse than the first."""
        return any(change.worse for change in self.changes)

    @property
    def leading(self) -> RunChange:
        """The change that a reader should see first: what is worse, then what else differs."""
        return min(self.changes, key=lambda change: (not change.worse, ORDER.index(change.verdict)))

    @property
    def verdict(self) -> Relation:
        """What is said of the run that differs most from the first."""
        return self.leading.verdict

    @property
    def change(self) -> float | None:
        """Last run less first, as both reported it; ``None`` where either has no value."""
        first, last = self.estimates[0], self.estimates[-1]
        if first is None or last is None or first.value is None or last.value is None:
            return None
        return last.value - first.value


def held_against(
    first: Estimate | None, other: Estimate | None, direction: Direction, paired: Change | None
) -> RunChange:
    """Return the change of one measurement before it is adjusted for the number of measurements."""
    if first is None:
        return RunChange("added")
    if other is None:
        return RunChange("removed")
    if first.value is None or other.value is None:
        return RunChange("not measured")
    if paired is not None:
        return _paired(paired, direction)
    value = other.value - first.value
    worse_side = _is_worse(value, direction)
    tail = tail_of(USUAL_LEVEL)
    one, before = at_tail(other, tail), at_tail(first, tail)
    if one is None or before is None or not (one.high > one.low or before.high > before.low):
        return RunChange("no interval", value, worse_side=worse_side)
    found = difference(one, before)
    towards = value - found.low if value > 0 else found.high - value
    p = float(2 * _beyond(abs(value) / towards * -ndtri(tail))) if value and towards > 0 else float(not value)
    return RunChange("overlapping", value, found.low, found.high, p, worse_side=worse_side)


def _beyond(z: float) -> float:
    """Return the chance that a standard normal number exceeds ``z``."""
    return math.erfc(z / math.sqrt(2)) / 2


def adjust(rows: Sequence[ComparedRow]) -> list[ComparedRow]:
    """Return the rows with p-values adjusted over all runs, verdicts and detectable changes.

    Measurements with a better side are one family, those without another.
    """
    found = [list(row.changes) for row in rows]
    for directed in (True, False):
        places = [
            (at, place)
            for at, row in enumerate(rows)
            for place, change in enumerate(row.changes)
            if (row.direction != "none") == directed and change.p is not None and change.verdict != "same"
        ]
        p = np.asarray([rows[at].changes[place].p for at, place in places], dtype=np.float64)
        adjusted = benjamini_hochberg(p)
        shown = int((adjusted <= ALPHA).sum())
        least = ALPHA * min(shown + 1, len(p)) / max(len(p), 1)
        for (at, place), value in zip(places, adjusted, strict=True):
            found[at][place] = _judged(found[at][place], float(value), least, rows[at].direction)
    return [replace(row, changes=changes) for row, changes in zip(rows, found, strict=True)]


def _paired(change: Change, direction: Direction) -> RunChange:
    known = change.high > change.low
    return RunChange(
        verdict="no difference shown" if change.changed else "same",
        value=change.value,
        low=change.low if known else None,
        high=change.high if known else None,
        p=change.p if change.changed else None,
        paired=True,
        faces=change.faces,
        changed=change.changed,
        worse_side=bool(change.changed) and _is_worse(change.value, direction),
    )


def _judged(change: RunChange, p_adjusted: float, least: float, direction: Direction) -> RunChange:
    verdict = change.verdict
    if p_adjusted <= ALPHA and not change.paired:
        verdict = "apart"
    elif p_adjusted <= ALPHA:
        verdict = "changed" if direction == "none" else "worse" if change.worse_side else "better"
    detectable = None
    if change.low is not None and change.high is not None:
        error = (change.high - change.low) / 2 / float(ndtri(0.5 + USUAL_LEVEL / 2))
        detectable = float(ndtri(1 - least / 2) + ndtri(POWER)) * error
    return replace(change, verdict=verdict, p_adjusted=p_adjusted, detectable=detectable)


def _is_worse(value: float, direction: Direction) -> bool:
    if direction == "none" or not value:
        return False
    return value < 0 if direction == "higher" else value > 0
