"""Dealing groups out anew: sums of every group under permutations of people.

If a score has nothing to do with a grouping, any other way of dealing the groups out to the people would have been
as likely. What is dealt out is decided by the data:

- A person all of whose faces are in one group keeps her faces together; the groups of such people are permuted over
  them. Permuting faces instead would call most even models uneven, since faces of one person are alike.
- A person with faces in several groups (an attribute of the picture, such as the light) cannot be dealt a group.
  Such people exchange their lists of groups with people of as many faces, and each list is shuffled within the person.

All sums cost by people and groups, not by faces, but for people of several groups. Where many people have the same
sums (rates), a permutation is drawn as a table of how many of each kind fall to each group (Patefield 1981, Applied
Statistics 30:91), and costs by kinds and groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array
from scipy.stats import random_table

from .deals import Deals
from .sums import Floats, Integers, total_at

LABELS_AT_ONCE = 1_000_000
PEOPLE_PER_CELL = 4  # a cell of a random table takes as long to draw as it takes to move so many people
SUBJECTS, FACES, X, N, XX, XN, NN, VV, VW, WW = range(10)
COLUMNS = 10


@dataclass(frozen=True, eq=False)
class ScoredFaces:
    """A score of single faces, the person of each and the group of each.

    Attributes:
        person: person of each face, shape (faces,), whole numbers from 0.
        group: group of each face, shape (faces,), 0 to ``groups - 1``.
        groups: how many groups there are.
        values: numerator of each face, shape (faces,).
        weights: denominator of each face, shape (faces,), 0 or more.
    """

    person: Integers
    group: Integers
    groups: int
    values: Floats
    weights: Floats

    @classmethod
    def of(
        cls, person: Integers, group: Integers, groups: int, values: Floats, weights: Floats | None = None
    ) -> ScoredFaces:
        """Keep the faces that count, those with a weight above 0; weights are 1 unless given."""
        weights = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
        use = weights > 0
        values = np.asarray(values, dtype=np.float64)
        return cls(np.asarray(person)[use], np.asarray(group)[use], groups, values[use], weights[use])

    def only(self, chosen: Integers) -> ScoredFaces:
        """Return the faces of some groups, which are numbered anew in the order given."""
        place = np.full(self.groups, -1, dtype=np.int64)
        place[chosen] = np.arange(len(chosen))
        use = place[self.group] >= 0
        return ScoredFaces(
            self.person[use], place[self.group[use]], len(chosen), self.values[use], self.weights[use]
        )  # fmt: skip


def observed_sums(faces: ScoredFaces) -> Floats:
    """Return the sums of every group as the data have them, shape (1, groups, columns); see :class:`Dealer`."""
    return _sums_of_faces(faces.group[None, :], faces.person, faces.values, faces.weights, faces.groups)


class Dealer:
    """Deals the groups of some faces out anew, again and again.

    The sums of a group, in the order of the constants of this module: people, faces, and with ``x`` and ``n`` the
    sums of values and weights of one person in the group, the sums over people of ``x``, ``n``, ``x^2``, ``x n`` and
    ``n^2``; then the sums over faces of ``value^2``, ``value weight`` and ``weight^2``.

    Attributes:
        groups: how many groups there are.
        people_of_several: people with faces in several groups.
        people: code of each person of one group, shape (people,).
        labels: group of each of them, shape (people,).
        lines: what each of them adds to the sums of her group, shape (people, columns).
    """

    def __init__(self, faces: ScoredFaces) -> None:
        """Tell people of one group from people of several."""
        self.groups = faces.groups
        self.people: Integers
        codes, person = np.unique(faces.person, return_inverse=True)
        person = person.reshape(-1)
        people = int(person.max(initial=-1)) + 1
        first = np.zeros(people, dtype=np.int64)
        first[person] = faces.group
        several = total_at(person, (faces.group != first[person]).astype(np.float64), people) > 0
        self.people_of_several = int(several.sum())
        alone = ~several[person]
        self.people, self.labels, self.lines = _person_lines(faces, person, alone, first, ~several)
        self.people = codes[self.people]
        new = np.ones(len(self.lines), dtype=np.bool_)  # lines are in order, so equal ones stand together
        new[1:] = (self.lines[1:] != self.lines[:-1]).any(axis=1)
        self._kinds, self._alike = self.lines[new], np.diff(np.append(np.flatnonzero(new), len(new)))
        several_kinds = len(self._kinds) > 1  # of one kind alone scipy draws no right table, and there is one only
        self._by_tables = several_kinds and len(self.labels) > PEOPLE_PER_CELL * len(self._kinds) * self.groups
        self._mixed = [
            _Stratum.of(faces, person, several & (size == total_at(person, None, people)))
            for size in np.unique(total_at(person, None, people)[several])
        ]

    def deal(self, times: int, random: np.random.Generator, deals: Deals | None = None) -> Iterator[Floats]:
        """Yield the sums of every group under ``times`` permutations, shape (some, groups, columns) at a time.

        Args:
            times: how many.
            random: source of permutations that are not shared: those of people of several groups.
            deals: permutations that questions share, ``times`` of them; ``None`` to deal this question alone.
        """
        if deals is not None and len(self.people):
            yield from self._deal_shared(random, deals)
            return
        streams = random.spawn(1 + 2 * len(self._mixed))
        dealt = len(self._kinds) * self.groups if self._by_tables else len(self.labels)
        faces = dealt + sum(stratum.labels.size for stratum in self._mixed)
        size = max(1, LABELS_AT_ONCE // max(faces, self.groups * COLUMNS, 1))
        for start in range(0, times, size):
            count = min(size, times - start)
            sums = self._deal_people(count, streams[0])
            for place, stratum in enumerate(self._mixed):
                sums = sums + stratum.deal(count, self.groups, streams[1 + 2 * place], streams[2 + 2 * place])
            yield sums

    def _deal_shared(self, random: np.random.Generator, deals: Deals) -> Iterator[Floats]:
        streams = random.spawn(2 * len(self._mixed))
        for donors in deals.donors(self.people):
            sums = sums_of_people(self.labels[donors], self.lines, self.groups)
            for place, stratum in enumerate(self._mixed):
                sums = sums + stratum.deal(len(donors), self.groups, streams[2 * place], streams[2 * place + 1])
            yield sums

    def _deal_people(self, count: int, random: np.random.Generator) -> Floats:
        """Return sums of people of one group each; many people of few kinds are dealt by how many of each kind."""
        if self._by_tables:
            sizes = np.bincount(self.labels, minlength=self.groups)
            tables = random_table(self._alike, sizes).rvs(count, method="patefield", random_state=random)
            return np.asarray(np.swapaxes(tables, 1, 2) @ self._kinds, dtype=np.float64)
        labels = random.permuted(np.broadcast_to(self.labels, (count, len(self.labels))), axis=1)
        return sums_of_people(labels, self.lines, self.groups)


def sums_of_people(labels: Integers, lines: Floats, groups: int) -> Floats:
    """Return the sums of every group when people are given these groups, one product of sparse and dense.

    Args:
        labels: group of each person in each labelling, shape (labellings, people).
        lines: what each person adds to her group, shape (people, columns).
        groups: how many groups there are.
    """
    count, people = labels.shape
    place = labels + groups * np.arange(count)[:, None]
    pointers = np.arange(0, people * count + 1, count)
    chosen = csc_array((np.ones(people * count), place.T.reshape(-1), pointers), shape=(count * groups, people))
    sums: Floats = (chosen @ lines).reshape(count, groups, -1)
    return sums


@dataclass(frozen=True, eq=False)
class _Stratum:
    """People of several groups who have equally many faces: arrays of shape (people, faces of each)."""

    labels: Integers
    values: Floats
    weights: Floats

    @classmethod
    def of(cls, faces: ScoredFaces, person: Integers, chosen: np.ndarray) -> _Stratum:
        use = np.flatnonzero(chosen[person])
        use = use[np.lexsort((faces.values[use], person[use]))]
        shape = (int(chosen.sum()), -1)
        labels, values, weights = faces.group[use], faces.values[use], faces.weights[use]
        return cls(labels.reshape(shape), values.reshape(shape), weights.reshape(shape))

    def deal(self, count: int, groups: int, between: np.random.Generator, within: np.random.Generator) -> Floats:
        people, size = self.labels.shape
        donors = between.permuted(np.broadcast_to(np.arange(people), (count, people)), axis=1)
        labels = within.permuted(self.labels[donors], axis=2).reshape(count, people * size)
        person = np.repeat(np.arange(people), size)
        return _sums_of_faces(labels, person, self.values.reshape(-1), self.weights.reshape(-1), groups)


def _person_lines(
    faces: ScoredFaces, person: Integers, use: np.ndarray, group: Integers, chosen: np.ndarray
) -> tuple[Integers, Integers, Floats]:
    """Return place, group and line of sums of each person of one group.

    They come in the order of their sums, so that a seed gives the same whatever the order of the rows.
    """
    at, values, weights, people = person[use], faces.values[use], faces.weights[use], len(group)
    x, n = total_at(at, values, people), total_at(at, weights, people)
    of_faces = [total_at(at, part, people) for part in (values * values, values * weights, weights * weights)]
    columns = [np.ones(people), total_at(at, None, people), x, n, x * x, x * n, n * n, *of_faces]
    lines = np.stack(columns, axis=1)[chosen]
    order = np.lexsort((group[chosen], *lines[:, [VV, VW, X, FACES, N, WW]].T))
    return np.flatnonzero(chosen)[order], group[chosen][order], lines[order]


def _sums_of_faces(labels: Integers, person: Integers, values: Floats, weights: Floats, groups: int) -> Floats:
    """Return the sums of every group when faces are given these groups, shape (labellings, groups, columns).

    Args:
        labels: group of each face in each labelling, shape (labellings, faces).
        person: person of each face, shape (faces,).
        values: numerator of each face, shape (faces,).
        weights: denominator of each face, shape (faces,), above 0.
        groups: how many groups there are.
    """
    count, people = len(labels), int(person.max(initial=-1)) + 1
    values, weights = np.tile(values, count), np.tile(weights, count)
    key = ((np.arange(count)[:, None] * people + person) * groups + labels).reshape(-1)
    line, at = np.unique(key, return_inverse=True)
    x, n = total_at(at.reshape(-1), values, len(line)), total_at(at.reshape(-1), weights, len(line))
    of_line = line // (groups * people) * groups + line % groups
    of_face = (np.arange(count)[:, None] * groups + labels).reshape(-1)
    size = count * groups
    sums = [total_at(of_line, None, size), total_at(of_face, None, size)]
    sums += [total_at(of_line, part, size) for part in (x, n, x * x, x * n, n * n)]
    sums += [total_at(of_face, part, size) for part in (values * values, values * weights, weights * weights)]
    return np.stack(sums, axis=1).reshape(count, groups, COLUMNS)
