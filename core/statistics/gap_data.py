"""What a question about a gap is asked of: the value and error of every group, as observed and dealt out anew.

Two kinds of data answer in the same way: sums over faces (rates, means, ratios), and statistics of two numbers per face
(AUROC, CCC and the like).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy.special import ndtri
from scipy.stats import t

from .deals import Deals
from .group_tests import GroupValues, Kind, group_values, one_face_each
from .intervals import EXTRA_DEGREES, wilson
from .permutations import SUBJECTS, Dealer, ScoredFaces, observed_sums
from .sums import Floats, Integers, total_at

if TYPE_CHECKING:
    from .paired import PairedStatistic

Range = tuple[float, float]


class GapData(Protocol):
    """A score of faces in groups, all of which take part."""

    kind: Kind
    bounds: Range | None
    people: int
    people_in_several: int
    faces: int

    def observed(self) -> GroupValues:
        """Return what the groups show, one labelling."""
        ...

    def dealt(self, times: int, random: np.random.Generator, deals: Deals | None) -> Iterator[GroupValues]:
        """Yield what they show when the groups are dealt out anew over people, some labellings at a time."""
        ...

    def quantiles(self, alpha: float) -> tuple[Floats, Floats]:
        """Return the one-sided quantile for each group, and for all others of each group, shape (groups,)."""
        ...

    def distances(self, values: GroupValues, quantile: Floats | float) -> tuple[Floats, Floats]:
        """Return how far the limits at this quantile lie below and above each value, shape (groups,)."""
        ...

    @property
    def known(self) -> bool:
        """Whether the data have any variation that limits could be made of."""
        ...


class SummedData:
    """A rate, mean or ratio: sums of values over sums of weights."""

    def __init__(self, faces: ScoredFaces, kind: Kind, bounds: Range | None) -> None:
        """Prepare the faces of groups that all take part."""
        self.kind: Kind = kind
        self.bounds = bounds
        self.scored = faces
        self.faces, self.people = len(faces.values), len(np.unique(faces.person))
        self._sums = observed_sums(faces)
        self._dealer = Dealer(faces)
        self.people_in_several = self._dealer.people_of_several

    def observed(self) -> GroupValues:
        """Return what the groups show."""
        return group_values(self._sums, self.kind)

    def dealt(self, times: int, random: np.random.Generator, deals: Deals | None) -> Iterator[GroupValues]:
        """Yield what they show when dealt out anew."""
        for sums in self._dealer.deal(times, random, deals):
            yield group_values(sums, self.kind)

    def lines(self) -> tuple[Floats, Floats, Integers, Integers]:
        """Return sum of values, sum of weights, group and person of everyone in every group, shape (lines,)."""
        groups = self.scored.groups
        present, at = np.unique(self.scored.person * groups + self.scored.group, return_inverse=True)
        x = total_at(at.reshape(-1), self.scored.values, len(present))
        n = total_at(at.reshape(-1), self.scored.weights, len(present))
        return x, n, present % groups, present // groups

    def quantiles(self, alpha: float) -> tuple[Floats, Floats]:
        """Return quantiles: normal for independent faces of a rate, else t."""
        m = self._sums[..., SUBJECTS]
        alone = one_face_each(self._sums) if self.kind == "rate" else np.zeros(m.shape, dtype=np.bool_)
        others = m.sum(axis=1, keepdims=True) - m
        return _quantile(m, alone, alpha), _quantile(others, np.asarray(alone.all(axis=1, keepdims=True)), alpha)

    def distances(self, values: GroupValues, quantile: Floats | float) -> tuple[Floats, Floats]:
        """Return distances of Wilson limits with the effective n for rates, of value -/+ quantile x error for means."""
        value = values.value[0]
        if self.kind == "rate":
            low, high = wilson(value, values.n_effective[0], quantile)
        else:
            half = quantile * np.sqrt(values.variance[0])
            low, high = value - half, value + half
            if self.bounds is not None:
                low, high = np.clip(low, self.bounds[0], value), np.clip(high, value, self.bounds[1])
        return value - low, high - value

    @property
    def known(self) -> bool:
        """Whether there is variation: a rate has limits without."""
        return self.kind == "rate" or float(self.observed().unit[0, 0]) > 0


@dataclass(frozen=True, eq=False)
class PairedFaces:
    """Two numbers per face, the person of each face and the group of each."""

    person: Integers
    group: Integers
    groups: int
    first: Floats
    second: Floats

    def only(self, chosen: Integers) -> PairedFaces:
        """Return the faces of some groups, which are numbered anew in the order given."""
        place = np.full(self.groups, -1, dtype=np.int64)
        place[chosen] = np.arange(len(chosen))
        use = place[self.group] >= 0
        return PairedFaces(
            self.person[use], place[self.group[use]], len(chosen), self.first[use], self.second[use]
        )  # fmt: skip


class PairedData:
    """A statistic of two numbers per face; every person has to be in one group."""

    def __init__(self, faces: PairedFaces, statistic: PairedStatistic) -> None:
        """Prepare the faces of groups that all take part."""
        self.kind: Kind = "mean"
        self.bounds: Range | None = statistic.bounds
        self.statistic, self._faces = statistic, faces
        self._codes, person = np.unique(faces.person, return_inverse=True)
        self._person = person.reshape(-1).astype(np.int64)
        self.people, self.faces = len(self._codes), len(faces.first)
        self._labels = np.zeros(self.people, dtype=np.int64)
        self._labels[self._person] = faces.group
        mixed = self._labels[self._person] != faces.group
        self.people_in_several = len(np.unique(self._person[mixed]))

    def _values(self, labels: Integers) -> GroupValues:
        value, variance, weight = self.statistic.under_labellings(
            self._faces.first, self._faces.second, self._person, labels, self._faces.groups
        )
        certain = np.where(variance > 0, variance, np.finfo(float).tiny)
        return GroupValues(value, weight, 1 / certain, np.ones((len(value), 1)))

    def observed(self) -> GroupValues:
        """Return what the groups show."""
        return self._values(self._labels[None, :])

    def dealt(self, times: int, random: np.random.Generator, deals: Deals | None) -> Iterator[GroupValues]:
        """Yield what they show when dealt out anew."""
        shared = deals if deals is not None else Deals(self.people, times, int(random.integers(2**31)))
        taking_part = self._codes if deals is not None else np.arange(self.people)
        for donors in shared.donors(taking_part):
            yield self._values(self._labels[donors])

    def quantiles(self, alpha: float) -> tuple[Floats, Floats]:
        """Return t quantiles of the people of each group less one, and of all others."""
        m = np.bincount(self._labels, minlength=self._faces.groups).astype(np.float64)[None, :]
        alone = np.zeros(m.shape, dtype=np.bool_)
        return _quantile(m, alone, alpha, 0), _quantile(m.sum() - m, alone, alpha, 0)

    def distances(self, values: GroupValues, quantile: Floats | float) -> tuple[Floats, Floats]:
        """Return distances of the statistic's own limits."""
        value = values.value[0]
        low, high = self.statistic.limits(value, values.variance[0], quantile)
        return np.maximum(value - low, 0), np.maximum(high - value, 0)

    @property
    def known(self) -> bool:
        """Whether there is variation."""
        return bool((self.observed().variance > 1e-300).any())


def _quantile(people: Floats, alone: np.ndarray, alpha: float, extra: int = EXTRA_DEGREES) -> Floats:
    """Return the one-sided quantile of each group: normal where faces are independent, else t."""
    finite = t.ppf(1 - alpha, np.maximum(people - 1, 1) + extra)
    return np.asarray(np.where(alone, ndtri(1 - alpha), finite)[0], dtype=np.float64)
