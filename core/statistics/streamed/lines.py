"""One line of sums per person and group cell, added up batch by batch: memory grows with people, not with rows.

A *cell* is one combination of the values of all attributes. Partial lines of a batch wait until there are as many of
them as merged ones, so that each line is merged a few times only, however many batches there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..sums import Floats, Integers

Counts = NDArray[np.int32]
FEWEST_WAITING = 200_000
CELLS_OF_A_PERSON = 2**31


@dataclass(frozen=True, eq=False)
class PartialLines:
    """Sums of some rows by person and cell.

    Attributes:
        people: the name or number of each person here, an Arrow array without duplicates or nulls.
        person: place in ``people`` of each line, shape (lines,).
        cell: cell of each line, shape (lines,).
        counts: whole numbers added up, shape (lines, columns).
        amounts: other numbers added up, shape (lines, columns); may have no column.
    """

    people: pa.Array
    person: NDArray[np.int32]
    cell: NDArray[np.int32]
    counts: Counts
    amounts: Floats

    def __len__(self) -> int:
        return len(self.person)


class LineStore:
    """Takes partial lines and keeps one line for each person in each cell.

    The names of the people of a batch are looked up among all names, which costs as many steps as there are names. So
    parts wait until they hold as many lines as there are people, and no name is looked up more than a few times for
    each time it is read.
    """

    def __init__(self) -> None:
        self._people: pa.Array | None = None
        self._first = np.zeros(0, dtype=np.int32)  # the line of a person's first cell, -1 for none
        self._further: Integers = np.zeros(0, dtype=np.int64)  # keys of further cells of a person, rising
        self._further_line: Integers = np.zeros(0, dtype=np.int64)  # and their lines
        self._person = np.zeros(0, dtype=np.int32)
        self._cell = np.zeros(0, dtype=np.int32)
        self._counts: Counts = np.zeros((0, 0), dtype=np.int32)
        self._amounts: Floats = np.zeros((0, 0))
        self._lines = 0
        self._waiting: list[PartialLines] = []

    def add(self, part: PartialLines) -> None:
        """Take the lines of one batch."""
        self._waiting.append(part)
        if sum(map(len, self._waiting)) >= max(FEWEST_WAITING, len(self._first)):
            self._take()

    def finish(self) -> PartialLines | None:
        """Return one line for each person in each cell, ordered by person and cell; ``None`` when none was added."""
        self._take()
        if self._people is None:
            return None
        used = slice(0, self._lines)
        person, cell = self._person[used], self._cell[used]
        counts, amounts = self._counts[used], self._amounts[used]
        if len(self._further) or (np.diff(person) < 0).any():
            order = np.lexsort((cell, person))
            person, cell, counts, amounts = person[order], cell[order], counts[order], amounts[order]
        return PartialLines(self._people, person, cell, counts, amounts)

    def _take(self) -> None:
        parts, self._waiting = self._waiting, []
        if not parts:
            return
        before = [] if self._people is None else [self._people]
        self._people, places = unify([*before, *(part.people for part in parts)])
        self._first = _grown(self._first, len(self._people), -1)
        for part, place in zip(parts, places[len(before) :], strict=True):
            self._add(part, place[part.person])

    def _add(self, part: PartialLines, person: NDArray[np.int32]) -> None:
        """Add the lines of one part, all of different people or cells, to those of these people."""
        alone = np.ones(len(part), dtype=np.bool_)
        alone[1:] = part.person[1:] != part.person[:-1]  # of a person's lines in the part the first one
        new = alone & (self._first[person] < 0)
        self._append(person[new], part.cell[new])
        line = self._first[person]
        further = np.flatnonzero(self._cell[line] != part.cell)
        if len(further):
            line[further] = self._further_lines(person[further], part.cell[further])
        if self._counts.shape[1] != part.counts.shape[1]:
            self._counts = np.zeros((0, part.counts.shape[1]), dtype=np.int32)
            self._amounts = np.zeros((0, part.amounts.shape[1]))
        self._counts = _grown(self._counts, self._lines, 0)
        self._amounts = _grown(self._amounts, self._lines, 0)
        self._counts[line] += part.counts  # no line stands twice, so that plain indexing adds each
        self._amounts[line] += part.amounts

    def _further_lines(self, person: NDArray[np.int32], cell: NDArray[np.int32]) -> Integers:
        """Return the lines of cells that are not the first of their people; begin those that are new."""
        key = person.astype(np.int64) * CELLS_OF_A_PERSON + cell
        order = np.argsort(key)
        ranked = key[order]
        place = np.searchsorted(self._further, ranked)
        known = np.zeros(len(key), dtype=np.bool_)
        inside = place < len(self._further)
        known[inside] = self._further[place[inside]] == ranked[inside]
        new = ~known
        lines = np.arange(self._lines, self._lines + np.count_nonzero(new))
        self._append(person[order][new], cell[order][new], first=False)
        self._further = np.insert(self._further, place[new], ranked[new])
        self._further_line = np.insert(self._further_line, place[new], lines)
        found: Integers = self._further_line[np.searchsorted(self._further, key)]
        return found

    def _append(self, person: NDArray[np.int32], cell: NDArray[np.int32], *, first: bool = True) -> None:
        """Begin lines of these people."""
        end = self._lines + len(person)
        self._person, self._cell = _grown(self._person, end, 0), _grown(self._cell, end, 0)
        self._person[self._lines : end], self._cell[self._lines : end] = person, cell
        if first:
            self._first[person] = np.arange(self._lines, end)
        self._lines = end


def _grown(array: Any, size: int, fill: int) -> Any:
    """Return the array, or a longer one with the same beginning when it holds fewer than ``size`` entries."""
    if len(array) >= size:
        return array
    longer = np.full((max(size, len(array) * 5 // 4), *array.shape[1:]), fill, dtype=array.dtype)
    longer[: len(array)] = array
    return longer


def unify(dictionaries: list[pa.Array]) -> tuple[pa.Array, list[NDArray[np.int32]]]:
    """Return the different values of several arrays, and for each array the place of its values among them."""
    chunks = [
        pa.DictionaryArray.from_arrays(pa.array(np.arange(len(values), dtype=np.int32)), values)
        for values in dictionaries
    ]
    unified = pa.chunked_array(chunks).unify_dictionaries()
    together = unified.chunk(0).dictionary
    return together, [np.asarray(chunk.indices.to_numpy(zero_copy_only=False), np.int32) for chunk in unified.chunks]


def lines_of_rows(person: Integers, people: int, cell: Integers, cells: int) -> tuple[Integers, Integers, Integers]:
    """Return the line of each row, and person and cell of each line.

    Where nobody is in two cells, which is the rule, a line is a person and nothing has to be sorted.

    Args:
        person: person of each row, 0 to ``people - 1``, each of them at least once, shape (rows,).
        people: how many people there are.
        cell: cell of each row, 0 to ``cells - 1``, shape (rows,).
        cells: how many cells there are.
    """
    first = np.zeros(people, dtype=np.int64)
    first[person] = cell
    if (first[person] == cell).all():
        return person, np.arange(people), first
    present, line = np.unique(person * np.int64(cells) + cell, return_inverse=True)
    return line.reshape(-1), present // cells, present % cells
