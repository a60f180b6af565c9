"""Which lines a probe's curves have: what was measured at several strengths of one thing done to the faces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log2

from ...cards.conditions import Under, under
from ...cards.slices import Grouped
from ...core.results import Measurement

VALUES = ("accuracy", "absolute_error")
"""What is measured of faces as they are and under conditions alike."""
LOSSES = ("lost", "error_rise", "changed", "moved")
"""What is measured under conditions only."""
LOGARITHMIC = 8.0
"""From this ratio of the largest to the smallest strength on, equal steps of an axis stand for equal ratios."""


@dataclass(frozen=True)
class Point:
    """A measurement at one strength: as a number, as written, and what was measured."""

    amount: float
    size: str
    cell: Measurement


@dataclass(frozen=True)
class Line:
    """Measurements of one group under one thing done, from weak to strong; faces as they are come first where known."""

    group: tuple[str, ...]
    done: Under
    points: tuple[Point, ...]

    @property
    def known(self) -> list[Point]:
        """The points that were measured."""
        return [point for point in self.points if point.cell.estimate.value is not None]

    @property
    def sizes(self) -> tuple[str, ...]:
        """The strengths beside 0, as written."""
        return tuple(point.size for point in self.points if point.amount > 0)

    @property
    def harm(self) -> float:
        """What tells lines that fall deeper from others: the last value, negative where more is worse."""
        last = self.known[-1].cell if self.known else None
        value = 0.0 if last is None else last.estimate.value or 0.0
        return value if last is None or last.direction == "higher" else -value


@dataclass(frozen=True)
class Axis:
    """Where strengths stand: equal steps for equal differences, or, where they span much, for equal ratios.

    Attributes:
        strength: its name.
        places: of each strength.
        ticks: each strength as written.
        logarithmic: whether steps stand for ratios; 0 then stands apart.
    """

    strength: str
    places: dict[float, float]
    ticks: dict[float, str]
    logarithmic: bool

    @classmethod
    def of(cls, lines: Iterable[Line]) -> Axis:
        """Place every strength of some lines."""
        lines = list(lines)
        ticks = dict(sorted({point.amount: point.size for line in lines for point in line.points}.items()))
        strength = next((line.done.strength for line in lines if line.done.strength), "")
        positive = [amount for amount in ticks if amount > 0]
        if positive and max(positive) / min(positive) >= LOGARITHMIC:
            places = {amount: log2(amount / min(positive)) + 1 if amount > 0 else 0.0 for amount in ticks}
            return cls(strength, places, ticks, True)
        return cls(strength, {amount: amount for amount in ticks}, ticks, False)


def lines_of(table: Grouped, metric: str) -> list[Line]:
    """Return the lines of one metric: for each group and each thing done, with faces as they are at 0."""
    found: dict[tuple[tuple[str, ...], str, str, tuple[tuple[str, str], ...]], list[tuple[Under, Point]]] = {}
    clean: dict[tuple[tuple[str, ...], str], Point] = {}
    for (group, column), cell in table.cells.items():
        done = under(dict(column.condition))
        if column.metric != metric or column.rest or done is None:
            continue
        if done.clean:
            clean[group, done.kind] = Point(0.0, "0", cell)
        elif done.amount is not None and done.amount > 0:
            place = (group, done.kind, done.name, done.rest)
            found.setdefault(place, []).append((done, Point(done.amount, done.size, cell)))
    lines = []
    for (group, kind, _, _), entries in found.items():
        ordered = sorted((point for _, point in entries), key=lambda point: point.amount)
        start = [clean[group, kind]] if (group, kind) in clean else []
        lines.append(Line(group, entries[0][0], (*start, *ordered)))
    return [line for line in lines if len(line.points) > 1]


def alike(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Put lines together whose strengths are the same numbers: only those share an axis."""
    parts: dict[tuple[str, str, tuple[str, ...]], list[Line]] = {}
    for line in lines:
        parts.setdefault((line.done.kind, line.done.strength, line.sizes), []).append(line)
    yield from parts.values()


def metrics_of(tables: Iterable[Grouped]) -> list[str]:
    """Return the metrics that curves are drawn of: what faces as they are have too, what is lost, then others.

    Parts of a metric (``check.unchanged``) have none, and of what changed only where nothing tells what was lost.
    """
    done = (c.metric for table in tables for c in table.columns if under(dict(c.condition)) is not None)
    seen = [name for name in dict.fromkeys(done) if "." not in name]
    known = [name for name in (*VALUES, *LOSSES) if name in seen]
    losses = [name for name in known if name in LOSSES]
    others = [name for name in seen if name not in known]
    return [*(name for name in known if name in VALUES), *losses[:1], *others]
