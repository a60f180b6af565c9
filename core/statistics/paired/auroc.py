"""Area under the ROC curve of every group, also when the groups are dealt out anew.

A ranking cannot be had from sums of people. But the faces need sorting by score only once: for each labelling a
stable sort of small whole numbers (the groups; a radix sort, linear in faces) puts the faces of each group in the order
of their scores, and counts of negative faces so far say how many each positive face beats. The influence of a person
adds up those of her faces (Obuchowski 1997, Biometrics 53:567).

The variance is pooled over groups in its three parts, the spread of people's positive faces, of their negative ones,
and how the two go together, each divided by what the group has of them: few positive faces make a group uncertain
whatever its size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...results import Estimate
from ..auroc import auroc, auroc_influence
from ..intervals import wilson
from ..rules import StatisticsRules
from ..sums import Floats, Integers, total_at
from .statistic import Labelled, PairedStatistic, common_value, likeness, moderate, sums_under

FACES_AT_ONCE = 50_000
MOST_INDEPENDENT = 1e100  # its square is a number still
MOST_CELLS = np.iinfo(np.uint16).max  # more groups than this would not be sorted by radix


class RankingArea(PairedStatistic):
    """AUROC: the probability that a positive face scores above a negative one, ties counting half."""

    name = "auroc"
    bounds = (0.0, 1.0)

    def estimate(self, first: Floats, second: Floats, person: Integers, rules: StatisticsRules) -> Estimate:
        """Return the AUROC of one set of faces; ``first`` is 1 for positive faces and 0 for negative."""
        return auroc(second, first > 0, person, rules)

    def under_labellings(
        self, first: Floats, second: Floats, person: Integers, labels: Integers, groups: int
    ) -> Labelled:
        """Return the AUROC of every group under every labelling; see :class:`~.statistic.PairedStatistic`."""
        faces = _Sorted.of(first > 0, second, person, labels.shape[1])
        size = max(1, min(FACES_AT_ONCE // max(len(faces.key), 1), MOST_CELLS // groups))
        parts = [_parts(faces, labels[start : start + size], groups) for start in range(0, len(labels), size)]
        value, *squares = (np.concatenate(column) for column in zip(*parts, strict=True))
        counts = np.stack([faces.positives, faces.negatives], axis=1)
        lines = np.hstack([np.ones((len(counts), 1)), counts > 0, counts, counts[:, [0, 0, 1]] * counts[:, [0, 1, 1]]])
        m, of_p, of_n, p, n, pp, pn, nn = np.moveaxis(sums_under(labels, lines, groups), -1, 0)
        defined = (p > 0) & (n > 0)
        p, n = np.maximum(p, 1.0), np.maximum(n, 1.0)
        alike = faces.likeness()
        worth = (p + alike[0] * (pp - p), pn, n + alike[1] * (nn - n))
        shares = (p**2, p * n, n**2)
        few = [np.where(each > 1, each / np.maximum(each - 1, 1), 0.0) for each in (of_p, m, of_n)]
        unit = np.where(defined, self.unit(value), 0.0)
        own, pooled = np.zeros_like(value), np.zeros_like(value)
        for square, some, weight, share, times in zip(squares, few, worth, shares, (1, 2, 1), strict=True):
            own += times * some * square / share
            below = (unit * weight).sum(axis=1, keepdims=True)
            above = np.where(defined, some * square, 0.0).sum(axis=1, keepdims=True)
            pooled += times * np.divide(above, below, out=np.zeros_like(above), where=below > 0) * weight / share
        return moderate(value, p + n, np.maximum(own, 0), np.maximum(pooled, 0), self.unit, defined)

    def limits(self, value: Floats, variance: Floats, quantile: Floats | float) -> tuple[Floats, Floats]:
        """Return Wilson's limits with as many independent faces as the variance says, also at 0 and 1."""
        unit = np.maximum(self.unit(common_value(value, variance)), 1e-12)
        return wilson(value, np.minimum(unit / variance, MOST_INDEPENDENT), quantile)

    @staticmethod
    def unit(value: Floats) -> Floats:
        """Return ``A (1 - A)``: as of a rate."""
        return np.asarray(value * (1 - value))


@dataclass(frozen=True, eq=False)
class _Sorted:
    """Faces in the order of their scores.

    Attributes:
        key: twice the person of each face, and 1 more for a positive one, shape (faces,).
        place: number of each face's score among the different scores; ``None`` where no two are alike.
        positives: positive faces of each person, shape (people,).
        negatives: negative faces of each person, shape (people,).
        influence: of each face on the AUROC of all faces, shape (faces,).
    """

    key: Integers
    place: Integers | None
    positives: Floats
    negatives: Floats
    influence: Floats

    @classmethod
    def of(cls, positive: NDArray[np.bool_], scores: Floats, person: Integers, people: int) -> _Sorted:
        order = np.argsort(scores, kind="stable")
        positive, scores = positive[order], scores[order]
        key = 2 * person[order].astype(np.int64) + positive
        new = scores[1:] != scores[:-1]
        place = None if new.all() else np.concatenate([[0], np.cumsum(new)])
        counts = total_at(key, None, 2 * people).reshape(people, 2)
        both = positive.any() and not positive.all()
        influence = auroc_influence(scores, positive)[1] if both else np.zeros(len(scores))
        return cls(key, place, counts[:, 1], counts[:, 0], influence)

    def likeness(self) -> tuple[float, float]:
        """Return how alike positive faces of one person are in their influence, and negative ones."""
        people = len(self.positives)
        of_person = total_at(self.key, self.influence, 2 * people).reshape(people, 2)
        found = []
        for kind, faces in ((1, self.positives), (0, self.negatives)):
            found.append(likeness(self.influence[self.key % 2 == kind], of_person[:, kind], faces))
        return found[0], found[1]


def _parts(faces: _Sorted, labels: Integers, groups: int) -> Iterator[Floats]:
    """Return value, and sums over people of squared influences, all of shape (labellings, groups).

    With ``a`` the influence of a person's positive faces times all positive faces of the group and ``b`` that of her
    negative ones times all negative ones: the sums of ``a^2``, ``a b`` and ``b^2``.
    """
    count, people = labels.shape
    cells = count * groups
    cell = (labels + groups * np.arange(count)[:, None]).reshape(-1)  # of each person under each labelling
    person = faces.key >> 1
    of_face = cell.astype(np.uint16 if cells <= MOST_CELLS else np.int64).reshape(count, people)[:, person].reshape(-1)
    order = np.argsort(of_face, kind="stable")
    key = np.tile(faces.key, count)[order] if count > 1 else faces.key[order]
    positive = key & 1
    so_far = np.cumsum(positive)  # positive faces up to and with this one, over all cells
    before = so_far - positive
    negatives_before = np.arange(len(order)) - before
    if faces.place is None:
        beaten = np.where(positive, negatives_before, so_far).astype(np.float64)
    else:
        beaten = _halved(np.tile(faces.place, count)[order], of_face[order], positive, before, negatives_before)
    if count > 1:
        key += 2 * people * (order // len(faces.key))
    sums = total_at(key, beaten, 2 * people * count).reshape(-1, 2)
    own = np.stack([faces.negatives, faces.positives], axis=1)
    own = np.tile(own, (count, 1))  # faces of each kind of each person
    n, p = (total_at(cell, own[:, kind], cells) for kind in (0, 1))
    start_n, start_p = (np.cumsum(each) - each for each in (n, p))
    wins = sums[:, 1] - own[:, 1] * start_n[cell]  # negative faces below each positive one, in the same cell
    losses = sums[:, 0] - own[:, 0] * start_p[cell]  # positive faces below each negative one
    value = total_at(cell, wins, cells) / np.maximum(p * n, 1.0)
    area = value[cell]
    a = wins / np.maximum(n, 1.0)[cell] - area * own[:, 1]
    b = (1 - area) * own[:, 0] - losses / np.maximum(p, 1.0)[cell]
    columns = (value, *(total_at(cell, part, cells) for part in (a * a, a * b, b * b)))
    return (column.reshape(count, groups) for column in columns)


def _halved(
    place: Integers, cell: NDArray[Any], positive: Integers, before: Integers, negatives_before: Integers
) -> Floats:
    """Return for each face the faces of the other kind below it, of equal ones half; over all cells so far.

    Faces of one score in one cell stand together as a block.
    """
    new = np.ones(len(place), dtype=np.bool_)
    new[1:] = (place[1:] != place[:-1]) | (cell[1:] != cell[:-1])
    start = np.flatnonzero(new)
    end = np.append(start[1:], len(place)) - 1
    block = np.cumsum(new) - 1
    p_low, n_low = before[start], negatives_before[start]
    p_high = before[end] + positive[end]
    n_high = negatives_before[end] + 1 - positive[end]
    half: Floats = np.where(positive, (n_low + n_high)[block], (p_low + p_high)[block]) / 2
    return half
