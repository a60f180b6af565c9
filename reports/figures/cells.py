"""Rows of a table of the run folder as figures read them: by the names of their columns, empty where nothing is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from ...cards.tables import ref
from ...cards.tree import Part
from ...cards.wording import estimate_text
from ...core.results import Estimate, Measurement, ProbeResult

Row = Mapping[str, str]
UNSAID = "the table does not say why"


def rows_of(table: Sequence[Sequence[str]], needed: Iterable[str]) -> list[Row]:
    """Return the rows of a table whose first row names at least the columns needed, else none."""
    names = list(table[0]) if table else []
    if not set(needed) <= set(names):
        return []
    return [dict(zip(names, row, strict=True)) for row in table[1:]]


def value_of(row: Row, name: str) -> float | None:
    """Return a finite number of a row; ``None`` where the column or the number is missing."""
    text = row.get(name, "").strip()
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def count_of(row: Row, name: str) -> int | None:
    """Return a count of a row."""
    value = value_of(row, name)
    return None if value is None else round(value)


def estimate_of(row: Row, value: str, low: str = "low", high: str = "high", n: str = "faces") -> Estimate:
    """Return a number of a row with its interval and n; without a number the row's ``reason``."""
    found = value_of(row, value)
    if found is None:
        return Estimate.not_measured(row.get("reason") or UNSAID, n=count_of(row, n))
    ends = sorted(end for end in (value_of(row, low), value_of(row, high)) if end is not None)
    first, last = ends if len(ends) == 2 else (None, None)
    return Estimate(value=found, n=count_of(row, n), low=first, high=last)


def drawn_as(estimate: Estimate, metric: str) -> Measurement:
    """Return a number of a table as forest plots take it; it is drawn and never quoted."""
    return Measurement.of("table", metric, estimate, direction="none")


def quoted(probe: ProbeResult, metric: str, place: Mapping[str, str], otherwise: Estimate) -> Part:
    """Quote the measurement of a place, so that evidence leads to it; where there is none, write the table's number.

    Args:
        probe: whose measurements are searched.
        metric: its name.
        place: slice and condition together.
        otherwise: what the table says.
    """
    for item in probe.measurements:
        if item.metric == metric and {**item.slice, **item.condition} == dict(place):
            return ref(item)
    return estimate_text(otherwise)
