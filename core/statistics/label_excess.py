"""Does a group have more faces of a label than the others have? Every group and label, tested together.

If labels have nothing to do with groups, any other way of dealing the groups out to the people would have been as
likely. For each cell the share of the label in the group less its share in all other groups is put on the scale of its
standard error (residuals added up by person; the larger of the group's own and the pooled one, so that a small group
in which nothing varies does not stand out), and its p-value counts in how many labellings the largest of all cells of
all groupings reaches it (Westfall and Young 1993). The same labellings say what the NMI of chance is.

Who has faces in several groups (an attribute of the picture) cannot be dealt a group: such people exchange their lists
of groups with people of as many faces, and each list is shuffled within the person. There the error over people is
looked at too (:mod:`.label_guard`), and the more cautious answer stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from .deals import Deals
from .groups import Groups
from .intervals import rate_intervals
from .label_guard import Cells, cells_over_people
from .permutations import sums_of_people
from .representation import (
    Measure,
    information_measure,
    label_table,
    normalised_information,
    pointwise_information,
)
from .rules import StatisticsRules
from .sums import Floats, GroupSums, Integers, Lines, add_up, total_at

PERMUTATIONS = 1000


@dataclass(frozen=True, eq=False)
class LabelsOfGroups:
    """How the labels of the groups of one attribute or intersection differ; arrays of shape (groups, labels).

    Attributes:
        groups: the groups.
        faces: faces of each group with each label.
        people: people of each group, shape (groups,).
        tested: groups with enough people, as all others together, shape (groups,).
        excess: share of the label in the group less its share in all other groups; NaN where not tested.
        low: lower limit of it, MOVER of Wilson limits with the effective n.
        high: upper limit.
        errors: the excess in standard errors of chance.
        p_adjusted: p-value, adjusted over all cells of all groupings.
        npmi: normalised pointwise mutual information.
        information: the NMI.
        information_p_adjusted: its p-value, adjusted over all groupings.
        people_in_several: people with faces in several groups.
    """

    groups: Groups
    faces: Floats
    people: Integers
    tested: NDArray[np.bool_]
    excess: Floats
    low: Floats
    high: Floats
    errors: Floats
    p_adjusted: Floats
    npmi: Floats
    information: Measure
    information_p_adjusted: float
    people_in_several: int


def labels_of_groups(
    subjects: Integers,
    labels: Integers,
    classes: int,
    groupings: Sequence[Groups],
    codes: Sequence[Integers],
    rules: StatisticsRules,
    seed: int,
    permutations: int = PERMUTATIONS,
) -> list[LabelsOfGroups]:
    """Compare the labels of the groups of every grouping, adjusted over all of them.

    Args:
        subjects: person of each labelled face, shape (faces,), whole numbers from 0.
        labels: label of each, 0 to ``classes - 1``.
        classes: how many labels there are.
        groupings: attributes and intersections, each with two groups or more.
        codes: of each grouping the group of each labelled face.
        rules: level of the limits and smallest groups.
        seed: of the permutations.
        permutations: how many, at least 99.
    """
    person = np.unique(subjects, return_inverse=True)[1].reshape(-1).astype(np.int64)
    deals = Deals(int(person.max(initial=-1)) + 1, permutations, seed)
    random = np.random.default_rng([seed, len(person)])
    dealers = [
        _Dealer(person, code, labels, (len(groups), classes)) for groups, code in zip(groupings, codes, strict=True)
    ]
    largest, nulls = np.zeros(permutations), []
    for dealer in dealers:
        tested, null, done = dealer.tested(rules.min_subjects), np.empty(permutations), 0
        for sums in dealer.deal(deals, random):
            part = slice(done, done + len(sums))
            null[part] = normalised_information(sums[..., :classes])
            if tested.any():
                reached = np.abs(dealer.errors(sums))[:, tested].max(axis=(1, 2))
                largest[part] = np.maximum(largest[part], reached)
            done += len(sums)
        nulls.append(null)
    measures = [
        information_measure(person, code, labels, dealer.shape, null, rules.level)
        for code, dealer, null in zip(codes, dealers, nulls, strict=True)
    ]
    adjusted = _adjusted([measure.value for measure in measures], nulls)
    found = [
        _result(groups, code, person, labels, dealer, rules, largest, measure, p)
        for groups, code, dealer, measure, p in zip(groupings, codes, dealers, measures, adjusted, strict=True)
    ]
    mixed = [place for place, dealer in enumerate(dealers) if dealer.people_in_several]
    guards = cells_over_people(
        person, labels, classes, [codes[place] for place in mixed], [found[place].tested for place in mixed], random
    )
    for place, cells in zip(mixed, guards, strict=True):
        found[place] = _more_cautious(found[place], cells, rules.level)
    return found


def _more_cautious(one: LabelsOfGroups, cells: Cells, level: float) -> LabelsOfGroups:
    """Return what is found with the larger p-values and the wider limits of both answers."""
    half = t.ppf(0.5 + level / 2, cells.degrees) * cells.error
    p = max(one.information.p, cells.p_of_any)
    low = one.information.low if p <= 1 - level else 0.0
    return replace(
        one,
        low=np.maximum(np.minimum(one.low, one.excess - half), -1.0),
        high=np.minimum(np.maximum(one.high, one.excess + half), 1.0),
        p_adjusted=np.maximum(one.p_adjusted, cells.p),
        information=replace(one.information, p=p, low=low),
        information_p_adjusted=max(one.information_p_adjusted, cells.p_of_any),
    )


class _Dealer:
    """Sums of every group, columns: faces of each label, all faces, squared residuals of each label, people."""

    def __init__(self, person: Integers, codes: Integers, labels: Integers, shape: tuple[int, int]) -> None:
        self.shape = shape
        people, classes = int(person.max(initial=-1)) + 1, shape[1]
        self.shares = np.bincount(labels, minlength=classes) / len(labels)
        first = np.zeros(people, dtype=np.int64)
        first[person] = codes
        several = total_at(person, (codes != first[person]).astype(np.float64), people) > 0
        self.alone = np.flatnonzero(~several)
        self.of_alone = first[self.alone]
        counts = label_table(person, labels, (people, classes))
        self.lines = self._lines(counts)[self.alone]
        self.people_in_several = int(several.sum())
        sizes = total_at(person, None, people).astype(np.int64)
        self._strata: list[tuple[Integers, Integers]] = []
        for size in np.unique(sizes[several]):
            use = np.flatnonzero(several[person] & (sizes[person] == size))
            use = use[np.argsort(person[use], kind="stable")]
            self._strata.append((codes[use].reshape(-1, size), labels[use].reshape(-1, size)))
        self.observed = self._dealt(self.of_alone[None, :])
        for own, shown in self._strata:
            self.observed[0] += self._several(own, shown)

    def _lines(self, counts: Floats) -> Floats:
        """Return what people with these faces of each label add, shape (people, columns)."""
        own = counts.sum(axis=-1, keepdims=True)
        return np.concatenate([counts, own, np.square(counts - own * self.shares), own > 0], axis=-1)

    def _dealt(self, codes: Integers) -> Floats:
        if not len(self.alone):
            return np.zeros((len(codes), self.shape[0], self.lines.shape[1]))
        return sums_of_people(codes, self.lines, self.shape[0])

    def _several(self, codes: Integers, labels: Integers) -> Floats:
        """Return the sums of people of several groups, arrays of shape (people, faces of each)."""
        groups, classes = self.shape
        key = (np.arange(len(codes))[:, None] * groups + codes) * classes + labels
        counted = np.bincount(key.reshape(-1), minlength=len(codes) * groups * classes)
        sums: Floats = self._lines(counted.reshape(-1, groups, classes).astype(np.float64)).sum(axis=0)
        return sums

    def deal(self, deals: Deals, random: np.random.Generator) -> Iterator[Floats]:
        """Yield the sums of every group under all permutations, shape (some, groups, columns) at a time."""
        for donors in deals.donors(self.alone):
            sums = self._dealt(self.of_alone[donors])
            for own, shown in self._strata:
                for one in range(len(sums)):
                    sums[one] += self._several(random.permuted(own[random.permutation(len(own))], axis=1), shown)
            yield sums

    def tested(self, least: int) -> NDArray[np.bool_]:
        """Return which groups have enough people, as all others together, shape (groups,)."""
        people = self.observed[0, :, -1]
        return np.asarray((people >= least) & (people.sum() - people >= least), dtype=np.bool_)

    def errors(self, sums: Floats) -> Floats:
        """Return how many standard errors each cell lies above all others, shape (labellings, groups, labels)."""
        classes = self.shape[1]
        x, n, squares, people = (
            sums[..., :classes],
            sums[..., classes, None],
            sums[..., classes + 1 : -1],
            sums[..., -1:],
        )
        others = {
            name: part.sum(axis=1, keepdims=True) - part
            for name, part in zip("xnsp", (x, n, squares, people), strict=True)
        }
        mean = squares.sum(axis=1, keepdims=True) / np.maximum(people.sum(axis=1, keepdims=True), 1)
        some = (n > 0) & (others["n"] > 0)
        safe, rest = np.where(some, n, 1.0), np.where(some, others["n"], 1.0)
        variance = np.maximum(squares, people * mean) / safe**2
        variance = variance + np.maximum(others["s"], others["p"] * mean) / rest**2
        difference = x / safe - others["x"] / rest
        known = some & (variance > 0)
        return np.where(known, np.round(difference / np.sqrt(np.where(known, variance, 1.0)), 9), 0.0)


def _adjusted(observed: list[float], nulls: list[Floats]) -> list[float]:
    """Return p-values of the observed values, adjusted by the smallest p-value of every labelling."""
    smallest, own = np.ones(len(nulls[0]) + 1 if nulls else 1), []
    for value, null in zip(observed, nulls, strict=True):
        both = np.round(np.concatenate([[value], null]), 12)
        reached = (len(both) - np.searchsorted(np.sort(both), both, side="left")) / len(both)
        own.append(float(reached[0]))
        smallest = np.minimum(smallest, reached)
    return [float(np.count_nonzero(smallest <= p) / len(smallest)) for p in own]


def _result(
    groups: Groups,
    codes: Integers,
    person: Integers,
    labels: Integers,
    dealer: _Dealer,
    rules: StatisticsRules,
    largest: Floats,
    information: Measure,
    information_p_adjusted: float,
) -> LabelsOfGroups:
    tested = dealer.tested(rules.min_subjects)
    errors = dealer.errors(dealer.observed)[0]
    reached = (1 + len(largest) - np.searchsorted(np.sort(largest), np.abs(errors), side="left")) / (len(largest) + 1)
    excess, low, high = _excess(Lines.of(person, codes, len(groups)), labels, dealer.shape[1], rules.level)
    hidden = ~tested[:, None]
    faces = label_table(codes, labels, dealer.shape)
    return LabelsOfGroups(
        groups=groups,
        faces=faces,
        people=dealer.observed[0, :, -1].astype(np.int64),
        tested=tested,
        excess=np.where(hidden, np.nan, excess),
        low=np.where(hidden, np.nan, low),
        high=np.where(hidden, np.nan, high),
        errors=np.where(hidden, np.nan, errors),
        p_adjusted=np.where(hidden, np.nan, reached),
        npmi=pointwise_information(faces),
        information=information,
        information_p_adjusted=information_p_adjusted,
        people_in_several=dealer.people_in_several,
    )


def _excess(lines: Lines, labels: Integers, classes: int, level: float) -> tuple[Floats, Floats, Floats]:
    """Return the difference to all other groups and its limits, each of shape (groups, labels)."""
    rows, parts = np.arange(len(labels)), []
    for label in range(classes):
        own = add_up(lines, rows, (labels == label).astype(np.float64))
        rest = GroupSums(
            own.subjects.sum() - own.subjects,
            own.faces.sum() - own.faces,
            *(part.sum() - part for part in (own.x, own.n, own.xx, own.xn, own.nn)),
        )
        a, b = rate_intervals(own, level), rate_intervals(rest, level)
        difference = a.value - b.value
        below = np.hypot(a.value - a.low, b.high - b.value)
        above = np.hypot(a.high - a.value, b.value - b.low)
        parts.append((difference, difference - below, difference + above))
    excess, low, high = (np.stack(column, axis=1) for column in zip(*parts, strict=True))
    return excess, np.maximum(low, -1.0), np.minimum(high, 1.0)
