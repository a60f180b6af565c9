"""Which sums a metric of a large table is made of: numerator, denominator and faces, all linear in counts of a person.

A *block* is a few columns of a line (for a class: faces with its label, answered so, both, all). Whatever a rate's
interval needs (sums of ``x``, ``n``, ``x^2``, ``x n``, ``n^2`` over people) follows from the products of these
columns summed over people, so that many rates cost one pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ...results import Direction


@dataclass(frozen=True)
class Measure:
    """A metric as linear combinations of the columns of a block.

    Attributes:
        metric: its name.
        above: coefficients of the numerator, one per column of the block.
        below: coefficients of the denominator.
        faces: coefficients of the number of faces that count; ``below`` unless given.
        kind: ``rate`` for counts out of counts, ``mean`` for a sum over faces out of their number.
        bounds: smallest and largest possible value; ``None`` if open.
        direction: which way is better.
        counted: whether the numerator counts faces, so that it is worth showing.
    """

    metric: str
    above: tuple[int, ...]
    below: tuple[int, ...]
    faces: tuple[int, ...] = ()
    kind: Literal["rate", "mean"] = "rate"
    bounds: tuple[float, float] | None = (0.0, 1.0)
    direction: Direction = "none"
    counted: bool = True

    @property
    def of_faces(self) -> tuple[int, ...]:
        """Coefficients of the number of faces."""
        return self.faces or self.below


@dataclass(frozen=True)
class Block:
    """Columns of a line that belong together, and the metrics made of them.

    Attributes:
        columns: places of the columns: counts first, amounts after them.
        measures: what is made of them.
        slice: slice that all the metrics share, e.g. ``{"label": "happy"}``.
        squares: for metrics of kind ``mean``, the place of the sum over faces of the squared value among the squares.
        agreement: metrics of truth and prediction made of the columns (faces, truth, prediction, their squares, their
            product) instead, e.g. ``ccc``.
    """

    columns: tuple[int, ...]
    measures: tuple[Measure, ...]
    slice: Mapping[str, str] = field(default_factory=dict)
    squares: int | None = None
    agreement: tuple[str, ...] = ()


def binary_measures(metrics: Sequence[str] | None = None) -> tuple[Measure, ...]:
    """Return the rates of one class against the rest, columns (both, labelled, answered, all)."""
    known = {
        "recall": Measure("recall", (1, 0, 0, 0), (0, 1, 0, 0), direction="higher"),
        "precision": Measure("precision", (1, 0, 0, 0), (0, 0, 1, 0), direction="higher"),
        "f1": Measure("f1", (2, 0, 0, 0), (0, 1, 1, 0), (-1, 1, 1, 0), direction="higher", counted=False),
        "fpr": Measure("fpr", (-1, 0, 1, 0), (0, -1, 0, 1), direction="lower"),
        "fnr": Measure("fnr", (-1, 1, 0, 0), (0, 1, 0, 0), direction="lower"),
        "fdr": Measure("fdr", (-1, 0, 1, 0), (0, 0, 1, 0), direction="lower"),
        "for": Measure("for", (-1, 1, 0, 0), (0, 0, -1, 1), direction="lower"),
        "base_rate": Measure("base_rate", (0, 1, 0, 0), (0, 0, 0, 1)),
        "selection_rate": Measure("selection_rate", (0, 0, 1, 0), (0, 0, 0, 1)),
    }
    return tuple(measure for name, measure in known.items() if metrics is None or name in metrics)
