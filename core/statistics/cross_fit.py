"""How far do groups differ, when the groups to compare are not picked by the same people they are measured on?

The observed difference between the highest and the lowest group is too large, since chance helped to pick the two.
Here people are split into folds inside each group; on all folds but one the extreme groups are chosen, on the last
they are measured, and the average over folds and repeats is the estimate. Whatever way the groups are chosen, its
expectation is never above the true largest difference; it errs towards small, and can be negative. How large its
bias is in simulations: ``docs/intervals.md``.

The choice shrinks the values towards their common mean by the share of their variance that is not error (empirical
Bayes; between-group variance of DerSimonian and Laird 1986, Controlled Clinical Trials 7:177). Where that variance
is 0, shrunken values would all be tied and groups are ranked by their distance in errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .intervals import EXTRA_DEGREES
from .sums import Floats, Integers, total_at

FOLDS = 5
REPEATS = 10


def cross_fitted_gap(
    lines_x: Floats,
    lines_n: Floats,
    group: Integers,
    groups: int,
    random: np.random.Generator,
    *,
    person: Integers | None = None,
    folds: int = FOLDS,
    repeats: int = REPEATS,
) -> float:
    """Return the largest difference between two groups, measured on people who did not choose the groups.

    Args:
        lines_x: sum of values of each person, shape (lines,).
        lines_n: sum of weights of each, shape (lines,), 0 or more; lines without weight do not count.
        group: group of each line, shape (lines,), 0 to ``groups - 1``.
        groups: how many groups there are.
        random: source of the folds.
        person: person of each line, for people with a line in several groups, so that all their lines are in one
            fold; every line is a person of its own unless given.
        folds: into how many parts people are split, at least 2.
        repeats: how often they are split.

    Returns:
        The estimate, not cut off at 0; NaN where no fold has people of two groups.
    """
    split = _Split.draw(lines_x, lines_n, group, groups, random, person, folds, repeats)
    rank = np.where(split.usable, split.ranks(split.shrunken), np.nan)
    place = np.arange(len(rank))
    possible = split.usable.sum(axis=1) >= 2
    highest = np.where(split.usable, rank, -np.inf).argmax(axis=1)
    lowest = np.where(split.usable, rank, np.inf).argmin(axis=1)
    held = split.held_value
    return _mean((held[place, highest] - held[place, lowest])[possible])


def cross_fitted_worst(
    lines_x: Floats,
    lines_n: Floats,
    group: Integers,
    groups: int,
    random: np.random.Generator,
    *,
    sign: int = 1,
    person: Integers | None = None,
    folds: int = FOLDS,
    repeats: int = REPEATS,
) -> float:
    """Return how much worse the worst group does than all others together, measured on people who did not choose it.

    Args:
        lines_x: as in :func:`cross_fitted_gap`, and all others but one.
        lines_n: sum of weights of each line.
        group: group of each line.
        groups: how many groups there are.
        random: source of the folds.
        sign: 1 where a higher value is better, -1 where a lower one is.
        person: person of each line.
        folds: into how many parts people are split.
        repeats: how often they are split.
    """
    split = _Split.draw(lines_x, lines_n, group, groups, random, person, folds, repeats)
    chosen_from = np.where(split.usable, sign * split.ranks(split.distance_from_rest), -np.inf)
    worst = chosen_from.argmax(axis=1)
    place, possible = np.arange(len(worst)), split.usable.sum(axis=1) >= 2
    x, n = split.held_x, split.held_n
    own = split.held_value[place, worst]
    others = n.sum(axis=1) - n[place, worst]
    rest = np.divide(x.sum(axis=1) - x[place, worst], others, out=np.zeros_like(others), where=others > 0)
    return _mean((sign * (rest - own))[possible])


@dataclass(frozen=True, eq=False)
class PeopleInGroups:
    """Lines of sums of people in groups, as :func:`cross_fitted_gap` takes them."""

    x: Floats
    n: Floats
    group: Integers
    groups: int
    person: Integers


def cross_fitted_largest(
    questions: Sequence[PeopleInGroups], random: np.random.Generator, *, folds: int = FOLDS, repeats: int = REPEATS
) -> float:
    """Return the largest difference between two groups in any of several rates of the same people.

    Rate and groups are both chosen on all folds but one and measured on that one.

    Args:
        questions: the lines of each rate, at least one; the same person has the same number in all.
        random: source of the folds.
        folds: into how many parts people are split.
        repeats: how often they are split.

    Returns:
        The estimate, not cut off at 0; NaN where no fold has people of two groups of a rate.
    """
    _check(folds, repeats)
    people, at = np.unique(np.concatenate([each.person for each in questions]), return_inverse=True)
    at, most = at.reshape(-1), max(each.groups for each in questions)
    cell = np.concatenate([place * most + each.group for place, each in enumerate(questions)])
    stratum = np.full(len(people), len(questions) * most)
    np.minimum.at(stratum, at, cell)  # the group in the first rate that a person counts in
    columns = [np.concatenate([each.n for each in questions]), np.concatenate([each.x for each in questions])]
    sums = [total_at(at, column, len(people)) for column in columns]
    order = np.lexsort((*sums, stratum))
    fold = np.empty((repeats, len(people)), dtype=np.int64)
    fold[:, order] = _spread(stratum[order], int(stratum.max(initial=0)) + 1, folds, repeats, random)
    reach, held = np.full((2, len(questions), repeats * folds), -np.inf), np.zeros((len(questions), repeats * folds))
    rows = np.arange(repeats * folds)
    for place, each in enumerate(questions):
        use = np.flatnonzero(each.n > 0)
        mine = fold[:, np.searchsorted(people, each.person[use])]
        split = _Split.of(each.x[use], each.n[use], each.group[use], each.groups, mine, folds)
        possible = split.usable.sum(axis=1) >= 2
        both = split.shrunken
        rank = split.ranks(both)
        highest = np.where(split.usable, rank, -np.inf).argmax(axis=1)
        lowest = np.where(split.usable, rank, np.inf).argmin(axis=1)
        for scale, ranks in zip(reach, both, strict=True):
            scale[place, possible] = (ranks[rows, highest] - ranks[rows, lowest])[possible]
        held[place] = split.held_value[rows, highest] - split.held_value[rows, lowest]
    alone = reach[0].max(axis=0) <= 0  # nothing is left of any rate's differences: by their size in errors then
    chosen = np.where(alone, reach[1].argmax(axis=0), reach[0].argmax(axis=0))
    return _mean(held[chosen, rows][np.isfinite(reach[1].max(axis=0))])


def _check(folds: int, repeats: int) -> None:
    if folds < 2 or repeats < 1:
        raise ValueError(f"expected at least 2 folds and 1 repeat, but got {folds} and {repeats}")


def _mean(differences: Floats) -> float:
    return float(differences.mean()) if len(differences) else float("nan")


@dataclass(frozen=True, eq=False)
class _Split:
    """Sums of the folds that choose and of the fold that measures, arrays of shape (repeats x folds, groups)."""

    value: Floats
    variance: Floats
    weight: Floats
    held_x: Floats
    held_n: Floats
    usable: NDArray[np.bool_]

    @classmethod
    def draw(
        cls,
        lines_x: Floats,
        lines_n: Floats,
        group: Integers,
        groups: int,
        random: np.random.Generator,
        person: Integers | None,
        folds: int,
        repeats: int,
    ) -> _Split:
        _check(folds, repeats)
        use = np.flatnonzero(lines_n > 0)
        use = use[np.lexsort((lines_n[use], lines_x[use], group[use]))]  # the same whatever the order of the lines
        fold = _folds(group[use], groups, None if person is None else person[use], folds, repeats, random)
        return cls.of(lines_x[use], lines_n[use], group[use], groups, fold, folds)

    @classmethod
    def of(cls, lines_x: Floats, lines_n: Floats, group: Integers, groups: int, fold: Integers, folds: int) -> _Split:
        """Add up lines whose fold is given, shape (repeats, lines)."""
        x, n, repeats = lines_x.astype(np.float64), lines_n.astype(np.float64), len(fold)
        place = ((np.arange(repeats)[:, None] * folds + fold) * groups + group).reshape(-1)
        shape = (repeats, folds, groups)

        def held_out(column: Floats | None) -> Floats:
            wide = None if column is None else np.tile(column, repeats)
            return total_at(place, wide, repeats * folds * groups).reshape(shape)

        held = [held_out(column) for column in (None, x, n, x * x, x * n, n * n)]
        held_x, held_n = (part.reshape(-1, groups) for part in held[1:3])
        others = [(part.sum(axis=1, keepdims=True) - part).reshape(-1, groups) for part in held]
        usable = (others[2] > 0) & (held_n > 0)
        value, variance = _values(others)
        return cls(value, variance, others[2], held_x, held_n, usable)

    @property
    def held_value(self) -> Floats:
        """Value of every group in the fold that measures, 0 where it has nobody there."""
        return np.divide(self.held_x, self.held_n, out=np.zeros_like(self.held_x), where=self.held_n > 0)

    @property
    def _centre_and_spread(self) -> tuple[Floats, Floats]:
        """Return the precision-weighted mean and the variance between groups, shape (splits, 1) each."""
        precision = np.where(self.usable, 1 / self.variance, 0.0)
        total = precision.sum(axis=1, keepdims=True)
        safe = np.maximum(total, 1e-300)
        centre = (precision * self.value).sum(axis=1, keepdims=True) / safe
        heterogeneity = (precision * np.square(self.value - centre)).sum(axis=1, keepdims=True)
        scale = total - np.square(precision).sum(axis=1, keepdims=True) / safe
        excess = heterogeneity - (self.usable.sum(axis=1, keepdims=True) - 1)
        between = np.divide(np.maximum(excess, 0), scale, out=np.zeros_like(scale), where=scale > 0)
        again = np.where(self.usable, 1 / (self.variance + between), 0.0)
        centre = (again * self.value).sum(axis=1, keepdims=True) / np.maximum(again.sum(axis=1, keepdims=True), 1e-300)
        return centre, between

    @property
    def shrunken(self) -> tuple[Floats, Floats]:
        """Return the shrunken distance from the common mean, and the distance in errors for where all shrink to 0."""
        centre, between = self._centre_and_spread
        distance = self.value - centre
        return between / (between + self.variance) * distance, distance / np.sqrt(self.variance)

    @property
    def distance_from_rest(self) -> tuple[Floats, Floats]:
        """Return how far all others lie above each group, shrunken, and the same in errors."""
        centre, between = self._centre_and_spread
        share = self.weight / self.weight.sum(axis=1, keepdims=True)
        shrunken = centre + between / (between + self.variance) * (self.value - centre)
        together = (share * shrunken).sum(axis=1, keepdims=True)
        others = np.maximum(1 - share, 1e-300)
        lag = (centre - self.value) / np.sqrt(self.variance / others)
        return (together - shrunken) / others, lag

    def ranks(self, both: tuple[Floats, Floats]) -> Floats:
        """Return the shrunken distances, or those in errors where nothing is left of them."""
        shrunken, in_errors = both
        return np.where(self._centre_and_spread[1] > 0, shrunken, in_errors)


def _folds(
    group: Integers, groups: int, person: Integers | None, folds: int, repeats: int, random: np.random.Generator
) -> Integers:
    """Return the fold of each line, shape (repeats, lines); people of each group are spread evenly over the folds.

    A person of several groups is spread with those of the first of them.
    """
    if person is None:
        return _spread(group, groups, folds, repeats, random)
    _, first, of_line = np.unique(person, return_index=True, return_inverse=True)
    return _spread(group[first], groups, folds, repeats, random)[:, of_line.reshape(-1)]


def _spread(group: Integers, groups: int, folds: int, repeats: int, random: np.random.Generator) -> Integers:
    people = len(group)
    order = np.argsort(group + random.random((repeats, people)), axis=1)  # random within the group
    counts = np.bincount(group, minlength=groups)
    within = np.arange(people) - np.repeat(np.cumsum(counts) - counts, counts)
    fold = np.empty((repeats, people), dtype=np.int64)
    turn = np.broadcast_to((within + np.sort(group)) % folds, (repeats, people))  # not all groups start with fold 0
    np.put_along_axis(fold, order, turn, axis=1)
    return fold


def _values(sums: list[Floats]) -> tuple[Floats, Floats]:
    """Return value and error variance of every group, the error steadied by that of all groups together.

    Args:
        sums: people, and the sums over them of ``x``, ``n``, ``x^2``, ``x n`` and ``n^2``.
    """
    m, x, n, xx, xn, nn = sums
    value = np.divide(x, n, out=np.zeros_like(x), where=n > 0)
    residual = np.maximum(xx - 2 * value * xn + np.square(value) * nn, 0)
    degrees = np.maximum(m - 1, 0)
    own = np.divide(residual * m, degrees, out=np.zeros_like(x), where=degrees > 0)
    one = own.sum(axis=1, keepdims=True) / np.maximum((nn * (degrees > 0)).sum(axis=1, keepdims=True), 1e-300)
    steadied = (degrees * own + EXTRA_DEGREES * one * nn) / (degrees + EXTRA_DEGREES)
    variance = np.divide(steadied, np.square(n), out=np.ones_like(x), where=n > 0)
    least = 1e-12 * max(float(np.abs(value).max(initial=0)), 1e-12) ** 2
    return value, np.maximum(variance, least)
