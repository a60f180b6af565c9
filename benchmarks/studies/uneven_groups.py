"""Data sets of many unequal groups with known rates: how many faces or people each group has, and their outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from countenance.core.statistics.group_tests import GroupValues
from countenance.core.statistics.permutations import ScoredFaces
from countenance.core.statistics.sums import GroupSums, Lines, add_up

from .people import Floats, Integers, draw_people

GENDERS = (0.55, 0.45)
ETHNICITIES = (0.30, 0.19, 0.15, 0.13, 0.10, 0.08, 0.05)
AGES = (0.03, 0.08, 0.22, 0.20, 0.16, 0.12, 0.10, 0.06, 0.03)
THREE_AGES = (0.33, 0.48, 0.19)
ICC = 0.3
FACES_OF_A_PERSON = 8
SHARES: dict[int, tuple[tuple[float, ...], ...]] = {
    6: (GENDERS, THREE_AGES),
    14: (GENDERS, ETHNICITIES),
    42: (GENDERS, ETHNICITIES, THREE_AGES),
    126: (GENDERS, ETHNICITIES, AGES),
}


@dataclass(frozen=True)
class Design:
    """How large the groups are and how alike faces are.

    Attributes:
        unit: ``faces`` of different people, or ``people`` with 2 to 20 faces each.
        rows: faces, about as many for people.
        groups: 6, 14, 42 or 126 of unequal size, or any number of equal ones.
        rate: the rate of a group that nothing was planted in.
        equal: whether the groups have the same size.
    """

    unit: Literal["faces", "people"]
    rows: int
    groups: int
    rate: float
    equal: bool = False

    def __str__(self) -> str:
        of = "equal groups" if self.equal else "groups"
        unit = "faces of different people" if self.unit == "faces" else "faces, 2 to 20 of a person"
        return f"{self.rows} {unit}, {self.groups} {of}, rate {self.rate}"

    @property
    def sizes(self) -> Integers:
        """People of each group, the largest first."""
        people = self.rows if self.unit == "faces" else self.rows // FACES_OF_A_PERSON
        return apportioned(people, shares(self.groups, equal=self.equal))


def shares(groups: int, *, equal: bool = False) -> Floats:
    """Return the share of each group, falling."""
    if equal:
        return np.full(groups, 1 / groups)
    found = np.ones(1)
    for attribute in SHARES[groups]:
        found = np.outer(found, attribute).reshape(-1)
    return np.asarray(np.sort(found)[::-1] / found.sum(), dtype=np.float64)


def apportioned(people: int, of: Floats) -> Integers:
    """Return whole numbers of people in these shares, by largest remainders."""
    exact = people * of
    found = np.floor(exact).astype(np.int64)
    short = people - int(found.sum())
    found[np.argsort(found - exact, kind="stable")[:short]] += 1
    return found


@dataclass(frozen=True, eq=False)
class Drawn:
    """A data set: one line for each person.

    Attributes:
        group: group of each person.
        x: right answers of each person.
        n: faces of each person.
        groups: how many groups there are.
    """

    group: Integers
    x: Floats
    n: Floats
    groups: int

    def sums(self) -> GroupSums:
        """Return the sums of each group."""
        people = np.arange(len(self.x))
        sums = add_up(Lines.of(people, self.group, self.groups), people, self.x, self.n)
        faces = np.bincount(self.group, self.n, self.groups).astype(np.int64)
        return GroupSums(sums.subjects, faces, sums.x, sums.n, sums.xx, sums.xn, sums.nn)

    def scored(self, chosen: Integers) -> ScoredFaces:
        """Return the people of some groups; a rate is worked out from sums of people, whatever their faces."""
        return ScoredFaces.of(np.arange(len(self.x)), self.group, self.groups, self.x, self.n).only(chosen)


def draw(random: np.random.Generator, design: Design, rates: Floats) -> Drawn:
    """Draw a data set whose groups have these rates, shape (groups,)."""
    sizes = design.sizes
    group = np.repeat(np.arange(design.groups), sizes)
    if design.unit == "faces":
        right = (random.random(len(group)) < rates[group]).astype(np.float64)
        return Drawn(group, right, np.ones(len(group)), design.groups)
    n = np.bincount(draw_people(random, len(group))).astype(np.float64)
    spread = (1 - ICC) / ICC
    rate = np.clip(rates[group], 1e-9, 1 - 1e-9)
    x = random.binomial(n.astype(np.int64), random.beta(rate * spread, (1 - rate) * spread)).astype(np.float64)
    return Drawn(group, x, n, design.groups)


def of_all_others(values: GroupValues, rates: Floats) -> Floats:
    """Return the true rate of all other groups together, weighted as the data weight them, shape (groups,)."""
    weight = values.weight[0]
    return np.asarray((rates @ weight - rates * weight) / (weight.sum() - weight), dtype=np.float64)
