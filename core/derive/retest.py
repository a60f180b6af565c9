"""How well a number derived from a picture is repeated by another picture of the same person.

The pictures of one person should give one skin tone; what differs between them is light, white balance, make-up, the
expression and the place of the landmarks. Pictures of one session differ less than pictures of different days.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import t

from ..results import Estimate
from ..statistics.intervals import WILSON, wilson
from .regions import Floats

JACKKNIFE = "jackknife_by_person"
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Retest:
    """Agreement of pictures of one person; every estimate counts people, and says why where there is none.

    Attributes:
        people: people with two usable pictures or more.
        pictures: their pictures.
        correlation: intraclass correlation of single pictures, one-way random effects, at most 1.
        sem: standard error of measurement: standard deviation of one person's pictures, pooled over people.
        largest: largest difference between two pictures of one person.
        changed: share of people whose pictures do not all stand in one group.
        by_chance: the same if the pictures were of people drawn at random.
    """

    people: int
    pictures: int
    correlation: Estimate
    sem: Estimate
    largest: Estimate
    changed: Estimate
    by_chance: Estimate


@dataclass(frozen=True, eq=False)
class _People:
    """Sums of the pictures of each person with two pictures or more, shape (people,)."""

    pictures: Floats
    mean: Floats
    within: Floats
    span: Floats
    changed: Integers

    @classmethod
    def of(cls, numbers: Floats, groups: Integers, subjects: Integers) -> _People:
        use = np.isfinite(numbers)
        numbers, groups = numbers[use], groups[use]
        _, person = np.unique(subjects[use], return_inverse=True)
        order = np.argsort(person, kind="stable")
        count = np.bincount(person)
        starts = np.concatenate([[0], np.cumsum(count)[:-1]]) if len(count) else np.zeros(0, dtype=np.int64)
        several = count > 1
        if not several.any():
            none = np.zeros(0)
            return cls(none, none, none, none, np.zeros(0, dtype=np.int64))
        sorted_numbers, sorted_groups = numbers[order], groups[order]
        mean = np.add.reduceat(sorted_numbers, starts) / count
        within = np.add.reduceat((sorted_numbers - np.repeat(mean, count)) ** 2, starts)
        span = np.maximum.reduceat(sorted_numbers, starts) - np.minimum.reduceat(sorted_numbers, starts)
        differ = np.minimum.reduceat(sorted_groups, starts) != np.maximum.reduceat(sorted_groups, starts)
        return cls(
            pictures=count[several].astype(np.float64),
            mean=mean[several],
            within=within[several],
            span=span[several],
            changed=differ[several].astype(np.int64),
        )


def retest(
    numbers: Floats, groups: Integers, subjects: Integers, *, level: float, min_people: int, unit: str | None = None
) -> Retest:
    """Compare the pictures of one person.

    Args:
        numbers: what was derived from each picture, shape (n,), NaN where nothing was.
        groups: the group each picture is put into, shape (n,), whole numbers from 0.
        subjects: the person of each picture, shape (n,), whole numbers.
        level: level of confidence.
        min_people: people with two pictures or more that are needed to measure.
        unit: of the numbers.
    """
    people = _People.of(np.asarray(numbers, dtype=np.float64), np.asarray(groups), np.asarray(subjects))
    m, n = len(people.mean), int(people.pictures.sum())
    if m < min_people:
        named = "1 person has" if m == 1 else f"{m:,} people have"
        none = Estimate.not_measured(f"{named} two usable pictures or more; {min_people} are needed", n=n, subjects=m)
        return Retest(m, n, none, none, none, none, none)
    changed = float(people.changed.mean())
    low, high = wilson(np.array([changed]), np.array([float(m)]), float(ndtri(0.5 + level / 2)))
    usable = np.isfinite(numbers)
    counted = np.bincount(np.asarray(groups)[usable & _of_several(numbers, subjects)])
    shares = counted / counted.sum()
    chance = float(1 - np.power(shares[:, None], people.pictures[None, :]).sum(axis=0).mean())
    return Retest(
        people=m,
        pictures=n,
        correlation=_jackknifed(people, _correlation, np.arctanh, np.tanh, level, None),
        sem=_jackknifed(people, _error, np.log, np.exp, level, unit),
        largest=Estimate(value=float(people.span.max()), n=n, subjects=m, unit=unit),
        changed=Estimate(
            value=changed, low=float(low[0]), high=float(high[0]), level=level, method=WILSON, n=n, subjects=m,
            count=float(people.changed.sum()),
        ),
        by_chance=Estimate(value=chance, n=n, subjects=m),
    )  # fmt: skip


def _of_several(numbers: Floats, subjects: Integers) -> NDArray[np.bool_]:
    """Tell which pictures are of people with two usable pictures or more."""
    _, person = np.unique(subjects, return_inverse=True)
    usable = np.isfinite(numbers)
    several: NDArray[np.bool_] = np.bincount(person, weights=usable.astype(np.float64))[person] > 1
    return several


def _correlation(
    pictures: Floats, people: Floats, total: Floats, squares: Floats, within: Floats, kk: Floats
) -> Floats:
    """Return the intraclass correlation, ICC(1) of Shrout and Fleiss 1979 for unequal numbers of pictures.

    ``(B - W) / (B + (k0 - 1) W)`` with the mean squares between and within people and
    ``k0 = (N - sum k^2 / N) / (m - 1)``.
    """
    between = (squares - total**2 / pictures) / (people - 1)
    inside = within / (pictures - people)
    k0 = (pictures - kk / pictures) / (people - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (between - inside) / (between + (k0 - 1) * inside)


def _error(pictures: Floats, people: Floats, total: Floats, squares: Floats, within: Floats, kk: Floats) -> Floats:
    """Return the root of the mean square within people."""
    return np.sqrt(within / (pictures - people))


def _jackknifed(
    people: _People,
    statistic: Callable[..., Floats],
    carry: Callable[[Floats], Floats],
    back: Callable[[Floats], Floats],
    level: float,
    unit: str | None,
) -> Estimate:
    """Return a statistic with limits by leaving out one person at a time, on a scale on which it is near normal."""
    k, mean = people.pictures, people.mean
    lines = np.stack([k, np.ones_like(k), k * mean, k * mean**2, people.within, k**2])
    whole = lines.sum(axis=1)
    value = float(statistic(*whole))
    m, n = len(k), int(k.sum())
    if not np.isfinite(value):
        return Estimate.not_measured("the pictures do not differ between people", n=n, subjects=m)
    with np.errstate(divide="ignore", invalid="ignore"):
        without = carry(statistic(*(whole[:, None] - lines)))
        centre = float(carry(np.asarray(value)))
    if m < 2 or not (np.isfinite(without).all() and np.isfinite(centre)):
        return Estimate(value=value, n=n, subjects=m, unit=unit)
    error = np.sqrt((m - 1) / m * ((without - without.mean()) ** 2).sum())
    half = float(t.ppf(0.5 + level / 2, m - 1) * error)
    low, high = float(back(np.asarray(centre - half))), float(back(np.asarray(centre + half)))
    return Estimate(
        value=value,
        low=min(low, value),
        high=max(high, value),
        level=level,
        method=JACKKNIFE,
        n=n,
        subjects=m,
        unit=unit,
    )
