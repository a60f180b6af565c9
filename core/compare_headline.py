"""What got worse, in a few lines: one for each metric of a probe, the strongest measurement in front."""

from __future__ import annotations

from dataclasses import dataclass

from .compare import Comparison
from .compare_rows import ComparedRow
from .keys import parse_key


@dataclass(frozen=True)
class Regression:
    """One metric of one probe that is worse in some run.

    Attributes:
        row: the measurement to name: over all faces if that is worse, else the one that is least likely chance.
        more: how many other measurements of this metric are worse (groups, classes, conditions).
        run: name of the run that is worse.
    """

    row: ComparedRow
    more: int
    run: str


def regressions(comparison: Comparison) -> list[Regression]:
    """Return what is worse, metric by metric, the most certain first."""
    by_metric: dict[tuple[str, str], list[ComparedRow]] = {}
    for row in comparison.regressions:
        parts = parse_key(row.key)
        by_metric.setdefault((parts.probe, parts.metric), []).append(row)
    return [
        Regression(rows[0], len(rows) - 1, comparison.names[1 + rows[0].changes.index(rows[0].leading)])
        for rows in by_metric.values()
    ]


def would_have_shown(comparison: Comparison) -> ComparedRow | None:
    """Return a measurement that is not shown to differ and says how large a change would have been, if there is one.

    The first of the first run over all faces, so that "nothing got worse" comes with what the data could have shown.
    """
    found = [
        row
        for row in comparison.rows
        if row.direction != "none" and row.leading.detectable is not None and not parse_key(row.key).slice
    ]
    return found[0] if found else None
