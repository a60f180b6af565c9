"""Intervals of forgeries in which two people are: the one whose photo it is, and the one whose face was put in.

Two forgeries depend on each other where they share a person in either place; a donor's face that is hard to see
through is so in every picture it was put into. The formulas are those of pairs of faces
(:mod:`countenance.core.statistics.dyads`): Fafchamps and Gubert 2007, Journal of Development Economics 83:326; Aronow,
Samii and Assenova 2015, Political Analysis 23:564. They can come out smaller than those of the photos' people alone,
by chance; then the latter are taken.
"""

from __future__ import annotations

import numpy as np

from ....core.results import Estimate
from ....core.statistics.auroc import auroc, auroc_influence, variance_of_kinds
from ....core.statistics.dyads import Pairs as Dyads
from ....core.statistics.intervals import clopper_pearson, logit_limits, mean_intervals, rate_intervals
from ....core.statistics.rules import StatisticsRules
from ..making.pool import Integers
from .asking import Floats

METHOD = "two_people_influence_logit"
METHOD_APART = "clopper_pearson_pictures_apart"


def auroc_of_pairs(
    forged: Floats, plain: Floats, people: Integers, donors: Integers, rules: StatisticsRules
) -> Estimate:
    """Return the AUROC of forgeries against the photos they were made of.

    Args:
        forged: score of each forgery, shape (n,).
        plain: score of the photo it was made of, shape (n,).
        people: whose photo it is, shape (n,), whole numbers from 0.
        donors: who was put in, shape (n,); the same person where nobody was.
        rules: level and smallest number of people.
    """
    scores, kind = np.concatenate([forged, plain]), np.repeat([True, False], len(forged))
    one = auroc(scores, kind, np.tile(people, 2), rules)
    if (donors == people).all() or one.value is None or not 0 < one.value < 1:
        return one
    value, influence = auroc_influence(scores, kind)
    alone, degrees = variance_of_kinds(influence, kind, np.tile(people, 2))
    variance = max(alone, variance_of_two(influence, np.tile(people, 2), np.concatenate([donors, people])))
    degrees = min(degrees, len(np.unique(donors)) - 1)
    low, high = logit_limits(value, variance, degrees + 1, rules.level)
    return one.model_copy(update={"low": low, "high": high, "method": METHOD})


def variance_of_two(influence: Floats, first: Integers, second: Integers) -> float:
    """Return the error variance of a statistic from the influence of each picture, two people behind each.

    ``m/(m-1) (sum over people of S^2 - sum over two people of D^2)``, with ``S`` the influence of all pictures that a
    person is in and ``D`` that of all pictures of the same two people.

    Args:
        influence: shape (n,); sums to 0.
        first: a person of each picture, shape (n,), whole numbers from 0.
        second: the other one, or the same.
    """
    two = first != second
    at_person = np.concatenate([first, second[two]])
    people = int(at_person.max()) + 1
    of_person = np.bincount(at_person, np.concatenate([influence, influence[two]]), people)
    couple = np.minimum(first, second)[two] * people + np.maximum(first, second)[two]
    _, place = np.unique(couple, return_inverse=True)
    of_couple = np.bincount(place.reshape(-1), influence[two]) if two.any() else np.zeros(1)
    present = len(np.unique(at_person))
    variance = float(np.square(of_person).sum() - np.square(of_couple).sum())
    return max(variance, 0.0) * present / max(present - 1, 1)


def mean_of_pairs(
    one: Estimate, values: Floats, people: Integers, donors: Integers, rules: StatisticsRules, *, rate: bool
) -> Estimate:
    """Return a mean over forgeries with the wider of two intervals: by the photos' people, or by both people.

    Args:
        one: the mean with the interval by the photos' people.
        values: of each forgery, from 0 to 1, shape (n,).
        people: whose photo it is, shape (n,), whole numbers from 0.
        donors: who was put in, shape (n,); the same person where nobody was.
        rules: the level.
        rate: whether all values are 0 or 1.
    """
    if (donors == people).all() or one.low is None or one.high is None:
        return one
    if not np.ptp(values):  # nothing says how alike they are: as many as share nobody can be sure of
        apart = np.asarray([float(max(len(np.union1d(people, donors)) // 2, 1))])
        low, high = (float(limit[0]) for limit in clopper_pearson(values.mean() * apart, apart, rules.level))
        return _wider(one, low, high, METHOD_APART, float(apart[0]))
    sums = Dyads.of_all(people, donors).sums(values)
    if rate:
        found = rate_intervals(sums, rules.level)
    else:
        found = mean_intervals(sums, np.asarray([values.var()]), rules.level, (0.0, 1.0))
    name = f"two_people_{found.method[0]}"
    return _wider(one, float(found.low[0]), float(found.high[0]), name, float(found.n_effective[0]))


def _wider(one: Estimate, low: float, high: float, method: str, n_effective: float) -> Estimate:
    """Return an estimate with the other interval where that is wider than its own."""
    assert one.low is not None
    assert one.high is not None
    if not high - low > one.high - one.low:
        return one
    least = min(n_effective, one.n_effective or np.inf)
    return one.model_copy(update={"low": low, "high": high, "method": method, "n_effective": least})
