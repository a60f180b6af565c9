"""One line of sums per person: what is left of the faces once rates and their intervals are to be made.

Two images of one person are not two samples. So the faces are first added up per person (and per group,
when an attribute such as the pose differs within a person), and everything after costs memory and time by
people and groups, not by faces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def total_at(places: Integers, what: Floats | None, size: int) -> Floats:
    """Return the sum of ``what`` (the count, where it is ``None``) at each of ``size`` places."""
    return np.asarray(np.bincount(places, what, minlength=size), dtype=np.float64)


def divide(above: Floats, below: Floats, otherwise: float) -> Floats:
    """Return ``above / below``, and ``otherwise`` where ``below`` is not above 0."""
    result: Floats = np.divide(above, below, out=np.full(len(below), otherwise), where=below > 0)
    return result


@dataclass(frozen=True, eq=False)
class Lines:
    """The lines of one grouping: one for each person in each group that has a face of them.

    Attributes:
        of_face: line of each face, shape (faces,).
        group: group of each line, shape (lines,).
        groups: how many groups there are.
    """

    of_face: Integers
    group: Integers
    groups: int

    @classmethod
    def of(cls, subjects: Integers, codes: Integers | None = None, groups: int = 1) -> Lines:
        """Make the lines of people in groups.

        Args:
            subjects: person of each face, shape (faces,), whole numbers from 0.
            codes: group of each face, shape (faces,), 0 to ``groups - 1``; ``None`` for one group of all.
            groups: how many groups there are.
        """
        key = subjects if codes is None else subjects * groups + codes
        present, of_face = np.unique(key, return_inverse=True)
        return cls(of_face.reshape(-1).astype(np.int64), (present % groups).astype(np.int64), groups)


@dataclass(frozen=True, eq=False)
class GroupSums:
    """Sums over the lines of each group, all of shape (groups,).

    With ``x`` the sum of values and ``n`` the sum of weights of one person in the group:

    Attributes:
        subjects: people with a positive ``n``.
        faces: faces with a positive weight.
        x: sum of ``x``.
        n: sum of ``n``.
        xx: sum of ``x ** 2``.
        xn: sum of ``x n``.
        nn: sum of ``n ** 2``.
    """

    subjects: Integers
    faces: Integers
    x: Floats
    n: Floats
    xx: Floats
    xn: Floats
    nn: Floats

    @property
    def value(self) -> Floats:
        """``x / n`` of each group, NaN where ``n`` is 0."""
        return divide(self.x, self.n, np.nan)

    @property
    def one_face_each(self) -> NDArray[np.bool_]:
        """Whether every person of the group has one face of weight 1, so that faces are independent."""
        alone = (self.faces == self.subjects) & (self.nn == self.n) & (self.n == self.faces)
        return np.asarray(alone, dtype=np.bool_)


def add_up(lines: Lines, rows: Integers, values: Floats, weights: Floats | None = None) -> GroupSums:
    """Add up a per-face score by person and then by group.

    Args:
        lines: the people in their groups.
        rows: the faces that have the score, shape (m,).
        values: numerator of each, shape (m,).
        weights: denominator of each, shape (m,), 0 or more; ``None`` for all ones.
    """
    at = lines.of_face[rows]
    size, groups = len(lines.group), lines.groups
    faces = total_at(at if weights is None else at[weights > 0], None, size)
    x = total_at(at, values, size)
    n = faces if weights is None else total_at(at, weights, size)
    return GroupSums(
        subjects=np.bincount(lines.group[n > 0], minlength=groups).astype(np.int64),
        faces=total_at(lines.group, faces, groups).astype(np.int64),
        x=total_at(lines.group, x, groups),
        n=total_at(lines.group, n, groups),
        xx=total_at(lines.group, x * x, groups),
        xn=total_at(lines.group, x * n, groups),
        nn=total_at(lines.group, n * n, groups),
    )


def squared_residuals(lines: Lines, rows: Integers, values: Floats, weights: Floats | None, around: Floats) -> Floats:
    """Return the sum over the faces of each group of ``(value - around * weight) ** 2``, shape (groups,).

    Args:
        lines: the people in their groups.
        rows: the faces that have the score, shape (m,).
        values: numerator of each, shape (m,).
        weights: denominator of each, shape (m,); ``None`` for all ones.
        around: the value to measure from, of each group, shape (groups,).
    """
    group = lines.group[lines.of_face[rows]]
    expected = around[group] if weights is None else around[group] * weights
    return total_at(group, np.square(values - expected), lines.groups)
