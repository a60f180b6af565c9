"""Two changes compared on people: a difference with its interval, and a test of who changes more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import binomtest, hypergeom, t

from ....core.results import Estimate
from ....core.statistics.intervals import mean_intervals, rate_intervals
from ....core.statistics.rules import StatisticsRules
from ....core.statistics.sums import Floats, Integers, Lines, add_up, squared_residuals, total_at

METHOD = "mover_of_people"


@dataclass(frozen=True, eq=False)
class Changed:
    """What one change did, pair by pair.

    Attributes:
        values: (m,) e.g. 1 where the answer flipped.
        people: (m,) person of each pair, numbers that hold across changes.
    """

    values: Floats
    people: Integers


def difference(first: Changed, other: Changed, kind: Literal["rate", "mean"], rules: StatisticsRules) -> Estimate:
    """Return the mean of one change less that of another, with limits that respect people in both.

    Limits of each by the methods of rates and means, put together by MOVER with the correlation of the two over people
    (Zou 2007, Psychological Methods 12:399); they exist where nothing flipped.

    Args:
        first: values between 0 and 1.
        other: the control.
        kind: how each one's limits are made.
        rules: level and smallest number of people.
    """
    people = np.union1d(first.people, other.people)
    least = min(len(np.unique(first.people)), len(np.unique(other.people)))
    pairs = len(first.values) + len(other.values)
    if least < rules.min_subjects:
        reason = f"{least} people have one of the two; {rules.min_subjects} are needed"
        return Estimate.not_measured(reason, n=pairs, subjects=len(people))
    mean, low, high = _limits(first, kind, rules.level)
    mean_0, low_0, high_0 = _limits(other, kind, rules.level)
    r = _correlation(first, other, len(people), people)
    value = mean - mean_0
    down, up = (mean - low, high_0 - mean_0), (high - mean, mean_0 - low_0)
    below, above = (np.sqrt(max(a * a + b * b - 2 * r * a * b, 0.0)) for a, b in (down, up))
    return Estimate(
        value=value,
        low=max(value - float(below), -1.0),
        high=min(value + float(above), 1.0),
        level=rules.level,
        method=METHOD,
        n=pairs,
        subjects=len(people),
    )


def _limits(of: Changed, kind: Literal["rate", "mean"], level: float) -> tuple[float, float, float]:
    lines, rows = Lines.of(np.unique(of.people, return_inverse=True)[1].reshape(-1)), np.arange(len(of.values))
    sums = add_up(lines, rows, of.values)
    if kind == "rate":
        found = rate_intervals(sums, level)
    else:
        variance = squared_residuals(lines, rows, of.values, None, sums.value) / sums.n
        found = mean_intervals(sums, variance, level, (0.0, 1.0))
    return float(found.value[0]), float(found.low[0]), float(found.high[0])


def _correlation(first: Changed, other: Changed, count: int, people: Integers) -> float:
    influences = []
    for each in (first, other):
        place = np.searchsorted(people, each.people)
        influences.append(total_at(place, each.values - each.values.mean(), count) / len(each.values))
    scale = float(np.sqrt(np.square(influences[0]).sum() * np.square(influences[1]).sum()))
    return float(influences[0] @ influences[1]) / scale if scale > 0 else 0.0


def p_more(first: Changed, other: Changed) -> float:
    """Return the one-sided p-value that no more flips under the first than under the other.

    Only people with pairs of both count, each compared with herself, in two ways of which the larger p-value counts:

    - Exactly within people: if changes were alike, any of a person's flips would be as likely on any of her pairs
      (hypergeometric; with one pair each McNemar's exact test, 1947, Psychometrika 12:153). Counting by which mean is
      larger would not do: who has ten pairs of one and one of the other flips in the ten more often.
    - Over people, by the t-test of the differences of their means: an effect that differs between people is not taken
      for one on the average.

    Args:
        first: values of 0 and 1.
        other: values of 0 and 1.
    """
    both = np.intersect1d(first.people, other.people)
    if not len(both):
        return 1.0
    flips, pairs = [], []
    for each in (first, other):
        inside = np.isin(each.people, both)
        place = np.searchsorted(both, each.people[inside])
        flips.append(total_at(place, each.values[inside], len(both)))
        pairs.append(total_at(place, None, len(both)))
    return max(_exact_within(flips, pairs), _over_people(flips[0] / pairs[0] - flips[1] / pairs[1]))


def _exact_within(flips: Sequence[Floats], pairs: Sequence[Floats]) -> float:
    """Return how likely so many flips fall on the first pairs, each person's dealt out over all her pairs."""
    count, size = flips[0] + flips[1], pairs[0] + pairs[1]
    kinds, times = np.unique(np.stack([size, count, pairs[0]]).astype(np.int64), axis=1, return_counts=True)
    chances = []
    for (whole, some, drawn), people in zip(kinds.T.tolist(), times.tolist(), strict=True):
        one = np.asarray(hypergeom.pmf(np.arange(drawn + 1), whole, some, drawn))
        chances += [one] * people
    while len(chances) > 1:  # neighbours first, so that long ones meet seldom
        odd = [chances[-1]] if len(chances) % 2 else []
        chances = [np.convolve(*two) for two in zip(chances[::2], chances[1::2], strict=False)] + odd
    return float(min(chances[0][int(flips[0].sum()) :].sum(), 1.0))


def _over_people(differences: Floats) -> float:
    """Return the one-sided p-value of the t-test that differences of people are 0 on average, or below."""
    mean = float(differences.mean())
    error = float(differences.std(ddof=1)) / np.sqrt(len(differences)) if len(differences) > 1 else 0.0
    if error <= 0:
        return 1.0 if mean <= 0 else 0.0  # all alike: the exact test alone tells
    return float(t.sf(mean / error, len(differences) - 1))


def p_one_way(steps: Floats, people: Integers) -> float:
    """Return the two-sided p-value that steps of +1 and -1 balance, each person counting once, by a sign test."""
    codes = np.unique(people, return_inverse=True)[1].reshape(-1)
    balance = total_at(codes, steps, int(codes.max(initial=-1)) + 1)
    up, down = int((balance > 1e-12).sum()), int((balance < -1e-12).sum())
    return float(binomtest(up, up + down, 0.5).pvalue) if up + down else 1.0
