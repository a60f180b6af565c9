"""From lines to the sums of every group: products of the columns of a block, added up over people.

With ``x = a.c`` and ``n = b.c`` for the columns ``c`` of a person, the sums over people of ``x^2``, ``x n`` and ``n^2``
are ``a'Ca``, ``a'Cb`` and ``b'Cb`` with ``C`` the sum of ``c c'``. So one pass over the lines serves every metric of a
block. Where nobody is in two cells, coarser groups are sums of cells and no line is touched again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..sums import Floats, GroupSums, Integers, total_at
from .lines import PartialLines
from .measures import Block, Measure


@dataclass(frozen=True, eq=False)
class Grouping:
    """Lines put into groups, in the order of their groups.

    Attributes:
        order: the lines in the order of their groups, shape (lines,).
        merged: for each line in that order the line of its person and group, rising; ``None`` when each is its own.
        starts: where each group starts among the merged lines, and where the last one ends, shape (groups + 1,).
    """

    order: Integers
    merged: Integers | None
    starts: Integers

    @classmethod
    def of(cls, lines: PartialLines, group_of_cell: Integers, groups: int) -> Grouping:
        """Group lines.

        Args:
            lines: one for each person and cell, ordered by person.
            group_of_cell: group of each cell, shape (cells,).
            groups: how many groups there are; one may have no line.
        """
        group = group_of_cell[lines.cell]
        order = np.argsort(group, kind="stable").astype(np.int64)
        person, group = lines.person[order], group[order]
        new = np.ones(len(order), dtype=np.bool_)
        new[1:] = (person[1:] != person[:-1]) | (group[1:] != group[:-1])
        starts = np.searchsorted(group[new], np.arange(groups + 1)).astype(np.int64)
        return cls(order, None if new.all() else np.cumsum(new) - 1, starts)

    def block(self, lines: PartialLines, columns: Sequence[int]) -> Floats:
        """Return these columns of the merged lines, shape (merged lines, columns)."""
        whole = lines.counts.shape[1]
        found = np.empty((len(self.order), len(columns)))
        for at, place in enumerate(columns):
            column = lines.counts[:, place] if place < whole else lines.amounts[:, place - whole]
            found[:, at] = column[self.order]
        if self.merged is None:
            return found
        size = int(self.merged[-1]) + 1
        return np.stack([total_at(self.merged, column, size) for column in found.T], axis=1)


@dataclass(frozen=True, eq=False)
class BlockSums:
    """Sums over the lines of each group.

    Attributes:
        total: of the columns, shape (groups, columns).
        products: of their products, shape (groups, columns, columns).
        people: people with a positive denominator, by the coefficients of the denominator, shape (groups,) each.
    """

    total: Floats
    products: Floats
    people: dict[tuple[int, ...], Integers]

    @classmethod
    def of(cls, block: Block, values: Floats, starts: Integers) -> BlockSums:
        """Add up the lines of each group.

        Args:
            block: which metrics are to be made of the columns.
            values: the columns of the lines in the order of the groups, shape (lines, columns).
            starts: where each group starts, and where the last one ends, shape (groups + 1,).
        """
        parts = [values[start:end] for start, end in pairwise(starts)]
        people = {}
        for below in dict.fromkeys(measure.below for measure in block.measures):
            counted = np.append(0, np.cumsum(values @ np.asarray(below, dtype=np.float64) > 0))
            people[below] = np.diff(counted[starts]).astype(np.int64)
        return cls(np.stack([part.sum(axis=0) for part in parts]), np.stack([part.T @ part for part in parts]), people)

    def coarser(self, group_of_cell: Integers, groups: int) -> BlockSums:
        """Return the sums of groups that are unions of these."""
        total, products = np.zeros((groups, *self.total.shape[1:])), np.zeros((groups, *self.products.shape[1:]))
        np.add.at(total, group_of_cell, self.total)
        np.add.at(products, group_of_cell, self.products)
        people = {
            below: total_at(group_of_cell, counted.astype(np.float64), groups).astype(np.int64)
            for below, counted in self.people.items()
        }
        return BlockSums(total, products, people)

    def sums_of(self, measure: Measure) -> GroupSums:
        """Return the sums that the interval of a metric needs."""
        a, b = np.asarray(measure.above, dtype=np.float64), np.asarray(measure.below, dtype=np.float64)
        faces = np.round(self.total @ np.asarray(measure.of_faces, dtype=np.float64)).astype(np.int64)
        return GroupSums(
            subjects=self.people[measure.below],
            faces=faces,
            x=self.total @ a,
            n=self.total @ b,
            xx=np.einsum("i,gij,j->g", a, self.products, a),
            xn=np.einsum("i,gij,j->g", a, self.products, b),
            nn=np.einsum("i,gij,j->g", b, self.products, b),
        )
