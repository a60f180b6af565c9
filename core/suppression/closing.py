"""Which cells to hold back so that no small one can be worked out from those that are told.

A cell of fewer people than the threshold is held back (primary suppression by a minimum frequency, as in Federal
Committee on Statistical Methodology, Statistical Policy Working Paper 22, 2005, chapter II). What is held back must
then be hidden among other cells (complementary suppression): of every split of a told cell at least two parts are held
back, which have at least as many people as the threshold together, and the system of all sums leaves every
held-back cell undetermined.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from .cells import WHOLE, Cell, Relation

_ZERO = 1e-9


def close(sizes: Mapping[Cell, int], small: Iterable[Cell], related: Sequence[Relation], threshold: int) -> set[Cell]:
    """Return the cells to hold back.

    Args:
        sizes: people of each cell; an empty cell hides nothing and needs no hiding.
        small: cells to hold back whatever else.
        related: which cells add up to which.
        threshold: people that what can be worked out must rest on.

    Returns:
        ``small`` and what hides it: always the smallest cell that helps, by name where several are as small.
    """
    held = set(small)
    by_cell: dict[Cell, list[Relation]] = defaultdict(list)
    for relation in related:
        for cell in (relation.whole, *relation.parts):
            by_cell[cell].append(relation)
    while True:
        waiting = list(related)
        while waiting:
            added = _hide(waiting.pop(), held, sizes, threshold)
            if added is not None:
                held.add(added)
                waiting += by_cell[added]
        further = {
            found for cell in determined(held, related, sizes) if (found := _partner(cell, by_cell[cell], held, sizes))
        }
        if not further:
            return held
        held |= further


def _hide(relation: Relation, held: set[Cell], sizes: Mapping[Cell, int], threshold: int) -> Cell | None:
    """Return a cell to hold back so that this split gives nothing away, or ``None`` where it does not."""
    parts = [part for part in relation.parts if sizes[part] > 0]
    out = [part for part in parts if part in held]
    told = [part for part in parts if part not in held]
    if relation.whole in held:
        return None if out else _smallest(told, sizes)
    if not out:
        return None
    if len(out) > 1 and relation.people(out, sizes) >= threshold:
        return None
    return _smallest(told or ([] if relation.whole == WHOLE else [relation.whole]), sizes)


def _partner(cell: Cell, related: Sequence[Relation], held: set[Cell], sizes: Mapping[Cell, int]) -> Cell | None:
    """Return the smallest told cell that adds up with this one to something."""
    beside = {other for relation in related for other in (relation.whole, *relation.parts)}
    return _smallest((other for other in beside - held - {cell, WHOLE} if sizes[other] > 0), sizes)


def _smallest(cells: Iterable[Cell], sizes: Mapping[Cell, int]) -> Cell | None:
    return min(cells, key=lambda cell: (sizes[cell], sorted(cell)), default=None)


def determined(held: Iterable[Cell], related: Sequence[Relation], sizes: Mapping[Cell, int]) -> list[Cell]:
    """Return the held-back cells whose number follows from the sums of those that are told.

    A number follows when every solution of the homogeneous system is zero at its place. The system falls apart into
    independent ones, which are solved one by one.
    """
    unknown = {cell for cell in held if sizes[cell] > 0}
    rows = []
    for relation in related:
        row = {part: 1.0 for part in relation.parts if part in unknown}
        if relation.whole in unknown:
            row[relation.whole] = -1.0
        if row:
            rows.append(row)
    found: list[Cell] = []
    for cells, system in _independent(rows):
        matrix = np.zeros((len(system), len(cells)))
        place = {cell: number for number, cell in enumerate(cells)}
        for number, equation in enumerate(system):
            for cell, sign in equation.items():
                matrix[number, place[cell]] = sign
        _, values, vectors = np.linalg.svd(matrix, full_matrices=True)
        rank = int((values > _ZERO * max(matrix.shape)).sum())
        free = np.linalg.norm(vectors[rank:], axis=0)
        found += [cell for cell, length in zip(cells, free, strict=True) if length < _ZERO]
    return found


def _independent(rows: Sequence[Mapping[Cell, float]]) -> list[tuple[list[Cell], list[Mapping[Cell, float]]]]:
    """Part a system into those that share no unknown."""
    leader: dict[Cell, Cell] = {}

    def find(cell: Cell) -> Cell:
        while leader.setdefault(cell, cell) != cell:
            leader[cell] = leader[leader[cell]]
            cell = leader[cell]
        return cell

    for row in rows:
        first, *others = row
        for other in others:
            leader[find(other)] = find(first)
        find(first)
    parts: dict[Cell, tuple[list[Cell], list[Mapping[Cell, float]]]] = {}
    for cell in sorted(leader, key=sorted):
        parts.setdefault(find(cell), ([], []))[0].append(cell)
    for equation in rows:
        parts[find(next(iter(equation)))][1].append(equation)
    return list(parts.values())
