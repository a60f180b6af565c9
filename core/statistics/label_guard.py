"""Labels of groups whose people stand in several of them: what the people themselves say of the error.

Shuffling groups within a person takes it that her faces are drawn one by one. Pictures come in sessions: one light,
one label. Then labellings vary less than the data, and labels seem to go with groups where each person is another way
round.
So each difference is also set against its error over people (influence, ``m/(m-1) sum psi^2``), adjusted over all cells
by draws that weigh every person with one normal number (multiplier bootstrap; Chernozhukov, Chetverikov and Kato 2013,
Annals of Statistics 41:2786). The more cautious of both answers stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import t

from .representation import label_table
from .sums import Floats, Integers

DRAWS = 1000
NUMBERS_AT_ONCE = 4_000_000


@dataclass(frozen=True, eq=False)
class Cells:
    """Differences of one grouping in errors over people, arrays of shape (groups, labels).

    Attributes:
        error: standard error of the share of the label in the group less that in all others; 0 where nothing varies.
        degrees: degrees of freedom of each group's t quantile, shape (groups, 1).
        p: p-value, adjusted over the tested cells of all groupings asked together.
        p_of_any: p-value that no cell of this grouping differs.
    """

    error: Floats
    degrees: Floats
    p: Floats
    p_of_any: float


def cells_over_people(
    person: Integers,
    labels: Integers,
    classes: int,
    codes: Sequence[Integers],
    tested: Sequence[np.ndarray],
    random: np.random.Generator,
    draws: int = DRAWS,
) -> list[Cells]:
    """Return the differences of every grouping in errors over people, adjusted over all of them.

    Args:
        person: person of each face, shape (faces,), whole numbers from 0, none left out.
        labels: label of each, 0 to ``classes - 1``.
        classes: how many labels there are.
        codes: of each grouping the group of each face.
        tested: of each grouping which groups are compared, shape (groups,).
        random: source of the draws.
        draws: how many.
    """
    people = int(person.max(initial=-1)) + 1
    groupings = [_Grouping.of(labels, classes, of, len(use)) for of, use in zip(codes, tested, strict=True)]
    size = sum(one.table.size for one in groupings)
    squares = [np.zeros(one.table.shape) for one in groupings]
    drawn = [np.zeros((draws, one.table.size)) for one in groupings]
    present = [np.zeros((2, one.table.shape[0])) for one in groupings]
    for start, faces in _blocks(person, people, max(1, NUMBERS_AT_ONCE // max(size, draws))):
        count = int(person[faces].max()) + 1 - start
        weights = random.standard_normal((count, draws))
        for place, one in enumerate(groupings):
            key = ((person[faces] - start) * one.table.shape[0] + codes[place][faces]) * classes + labels[faces]
            counted = np.bincount(key, minlength=count * one.table.size).reshape(count, *one.table.shape)
            influence = one.influence(counted.astype(np.float64))
            squares[place] += np.square(influence).sum(axis=0)
            drawn[place] += weights.T @ influence.reshape(count, -1)
            own, every = counted.sum(axis=2), counted.sum(axis=(1, 2))[:, None]
            present[place] += np.stack([(own > 0).sum(axis=0), (every > own).sum(axis=0)])
    found, largest = [], np.zeros(draws)
    for place, (one, use) in enumerate(zip(groupings, tested, strict=True)):
        variance = squares[place] * (people / max(people - 1, 1))
        error = np.sqrt(np.where(variance > 1e-18, variance, 0.0))
        degrees = np.maximum(present[place].min(axis=0) - 1, 1)[:, None]
        of_draws = drawn[place].reshape(draws, *one.table.shape)
        scaled = np.abs(of_draws) / np.where(error > 0, np.sqrt(np.maximum(squares[place], 1e-300)), np.inf)
        own = scaled[:, use].max(axis=(1, 2), initial=0.0)
        largest = np.maximum(largest, own)
        surprise = np.where(error > 0, np.abs(one.difference) / np.where(error > 0, error, 1.0), 0.0)
        surprise = -ndtri(np.clip(t.sf(surprise, degrees), 1e-300, 0.5))
        found.append((error, degrees, surprise, own))
    return [
        Cells(error, degrees, _reached(largest, surprise), float(_reached(own, surprise)[use].min(initial=1.0)))
        for (error, degrees, surprise, own), use in zip(found, tested, strict=True)
    ]


def _reached(draws: Floats, values: Floats) -> Floats:
    """Return the share of draws, the observed one included, that reach each value."""
    below = np.searchsorted(np.sort(draws), values, side="left")
    return np.asarray((1 + len(draws) - below) / (len(draws) + 1), dtype=np.float64)


def _blocks(person: Integers, people: int, size: int) -> Iterator[tuple[int, Integers]]:
    """Yield the faces of some people at a time, with the number of the first."""
    order = np.argsort(person, kind="stable")
    ends = np.searchsorted(person[order], np.arange(0, people + size, size))
    for place in range(len(ends) - 1):
        faces = order[ends[place] : ends[place + 1]]
        if len(faces):
            yield place * size, faces


@dataclass(frozen=True, eq=False)
class _Grouping:
    """Faces by group and label, and by label those of all other groups."""

    table: Floats
    others: Floats

    @classmethod
    def of(cls, labels: Integers, classes: int, codes: Integers, groups: int) -> _Grouping:
        table = label_table(codes, labels, (groups, classes))
        return cls(table, table.sum(axis=0) - table)

    @property
    def difference(self) -> Floats:
        """Share of each label in the group less that in all others; 0 where either has no face."""
        own, rest = (part.sum(axis=1, keepdims=True) for part in (self.table, self.others))
        shares = self.table / np.maximum(own, 1) - self.others / np.maximum(rest, 1)
        return np.asarray(np.where((own > 0) & (rest > 0), shares, 0.0))

    def influence(self, counted: Floats) -> Floats:
        """Return how much people with these faces move each difference, shape (people, groups, labels)."""
        moved = np.zeros_like(counted)
        for sign, whole, part in ((1, self.table, counted), (-1, self.others, counted.sum(1, keepdims=True) - counted)):
            total = np.maximum(whole.sum(axis=1, keepdims=True), 1)
            moved += sign * (part - whole / total * part.sum(axis=2, keepdims=True)) / total
        return moved
