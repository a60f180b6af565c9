"""Two changes compared on people: a difference with its interval, and a test of who changes more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import binomtest

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
    """Return the one-sided p-value that no more changes under the first than under the other, by a sign test.

    Only people with pairs of both count, each once: by which mean is larger; ties are left out. With one pair each of
    0 and 1 that is McNemar's exact test (McNemar 1947, Psychometrika 12:153).
    """
    both = np.intersect1d(first.people, other.people)
    means = []
    for each in (first, other):
        inside = np.isin(each.people, both)
        place = np.searchsorted(both, each.people[inside])
        means.append(total_at(place, each.values[inside], len(both)) / total_at(place, None, len(both)))
    return _sign_test(means[0] - means[1], "greater") if len(both) else 1.0


def p_one_way(steps: Floats, people: Integers) -> float:
    """Return the two-sided p-value that steps of +1 and -1 balance, each person counting once, by a sign test."""
    codes = np.unique(people, return_inverse=True)[1].reshape(-1)
    return _sign_test(total_at(codes, steps, int(codes.max(initial=-1)) + 1), "two-sided")


def _sign_test(balance: Floats, alternative: Literal["greater", "two-sided"]) -> float:
    up, down = int((balance > 1e-12).sum()), int((balance < -1e-12).sum())
    return float(binomtest(up, up + down, 0.5, alternative=alternative).pvalue) if up + down else 1.0
