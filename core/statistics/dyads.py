"""Rates of pairs of faces: two people stand behind each pair, and two pairs depend on each other where they share one.

With ``S_k`` the sum of residuals ``x - p n`` over the pairs of person k and ``D_d`` that over the pairs of two people
d = {a, b}, the variance of a group's sum is ``sum over k of S_k^2 - sum over d of D_d^2``: every product of two pairs
that share a person counts once, that of pairs of the same two people too. A pair of one person counts for that person
once. Fafchamps and Gubert 2007, Journal of Development Economics 83:326; Aronow, Samii and Assenova 2015, Political
Analysis 23:564.

The variance is linear in these sums, so they are handed on as :class:`~.sums.GroupSums`, and the formulas for faces of
one person (pooled correlation, effective n, limits) hold for pairs as they stand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from .sums import Floats, GroupSums, Integers, Lines, add_up, total_at


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of faces with the two people of each and the group each pair belongs to.

    Attributes:
        first: person of the first face, shape (pairs,), whole numbers from 0.
        second: person of the second face, shape (pairs,); the first one for a pair of one person.
        group: group of each pair, shape (pairs,), 0 to ``groups - 1``.
        groups: how many groups there are.
    """

    first: Integers
    second: Integers
    group: Integers
    groups: int

    def __post_init__(self) -> None:
        lengths = {len(self.first), len(self.second), len(self.group)}
        if len(lengths) > 1:
            raise UsageError(f"expected two people and a group for each pair, but got lengths {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.first)

    @classmethod
    def of_all(cls, first: Integers, second: Integers) -> Pairs:
        """Return all pairs as one group."""
        return cls(first, second, np.zeros(len(first), dtype=np.int64), 1)

    def only(self, rows: Integers) -> Pairs:
        """Return the pairs at these positions, in the same groups."""
        return Pairs(self.first[rows], self.second[rows], self.group[rows], self.groups)

    def sums(self, values: Floats) -> GroupSums:
        """Add up 0/1 values by person and by two people: sums of each group whose variance formulas are dyadic.

        Args:
            values: shape (pairs,).
        """
        of_two = self.first != self.second
        people = np.concatenate([self.first, self.second[of_two]])
        group = np.concatenate([self.group, self.group[of_two]])
        by_person = _sums(people, group, self.groups, np.concatenate([values, values[of_two]]))
        by_two = _sums(self._two_people[of_two], self.group[of_two], self.groups, values[of_two])
        count = total_at(self.group, None, self.groups)
        return GroupSums(
            subjects=by_person.subjects,
            faces=count.astype(np.int64),
            x=total_at(self.group, values, self.groups),
            n=count,
            xx=by_person.xx - by_two.xx,
            xn=by_person.xn - by_two.xn,
            nn=by_person.nn - by_two.nn,
        )

    @property
    def _two_people(self) -> Integers:
        size = int(max(self.first.max(initial=0), self.second.max(initial=0))) + 1
        return np.minimum(self.first, self.second) * size + np.maximum(self.first, self.second)

    def influence(self, values: Floats, people: int) -> Floats:
        """Return how much each person moves the rate of each group, shape (people, groups).

        ``sum of x - p`` over the person's pairs, divided by the group's pairs; zeros for people without a pair.

        Args:
            values: 0 or 1 of each pair, shape (pairs,).
            people: how many people there are in all.
        """
        moved = self._moved(values)
        of_two = self.first != self.second
        at = np.concatenate([self.first, self.second[of_two]])
        group = np.concatenate([self.group, self.group[of_two]])
        size = people * self.groups
        return total_at(at * self.groups + group, np.concatenate([moved, moved[of_two]]), size).reshape(people, -1)

    def covariance(self, values: Floats) -> Floats:
        """Return the covariance of the groups' rates, shape (groups, groups), clustered by the people of each pair."""
        present, people = np.unique(np.concatenate([self.first, self.second]), return_inverse=True)
        if len(present) < 2:
            raise UsageError(f"expected pairs of 2 people or more, but got {len(present)}")
        first, second = np.split(people.reshape(-1).astype(np.int64), 2)
        by_person = Pairs(first, second, self.group, self.groups).influence(values, len(present))
        of_two = first != second
        _, couple = np.unique(self._two_people[of_two], return_inverse=True)
        couples = int(couple.max(initial=-1)) + 1
        at = couple.reshape(-1) * self.groups + self.group[of_two]
        by_couple = total_at(at, self._moved(values)[of_two], couples * self.groups).reshape(couples, self.groups)
        covariance: Floats = by_person.T @ by_person - by_couple.T @ by_couple
        return covariance * (len(present) / (len(present) - 1))

    def _moved(self, values: Floats) -> Floats:
        """Return how much each pair moves the rate of its group, shape (pairs,)."""
        count = np.maximum(total_at(self.group, None, self.groups), 1)
        rate = total_at(self.group, values, self.groups) / count
        moved: Floats = (values - rate[self.group]) / count[self.group]
        return moved


def _sums(clusters: Integers, group: Integers, groups: int, values: Floats) -> GroupSums:
    if not len(clusters):
        nothing = np.zeros(groups)
        none = np.zeros(groups, dtype=np.int64)
        return GroupSums(none, none, nothing, nothing, nothing, nothing, nothing)
    _, cluster = np.unique(clusters, return_inverse=True)
    lines = Lines.of(cluster.reshape(-1).astype(np.int64), group, groups)
    return add_up(lines, np.arange(len(clusters)), values)
