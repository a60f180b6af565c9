from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri

from countenance.core.errors import UsageError
from countenance.core.statistics.dyads import Pairs
from countenance.core.statistics.intervals import effective_n, rate_intervals, residual_variance
from countenance.core.statistics.sums import Lines, add_up


def drawn(seed=0, pairs=200, people=12, groups=2):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, people, pairs), rng.integers(0, people, pairs)
    return Pairs(first, second, rng.integers(0, groups, pairs), groups), (rng.random(pairs) < 0.3).astype(float)


def by_hand(pairs, values, group, other):
    """The sum over all ordered pairs of pairs that share a person of the products of their residuals."""
    found = 0.0
    of = [np.flatnonzero(pairs.group == code) for code in (group, other)]
    rates = [values[rows].mean() for rows in of]
    for one in of[0]:
        for two in of[1]:
            if {pairs.first[one], pairs.second[one]} & {pairs.first[two], pairs.second[two]}:
                found += (values[one] - rates[0]) * (values[two] - rates[1])
    return found / (len(of[0]) * len(of[1]))


@pytest.mark.parametrize("seed", [0, 4])
def test_variance_counts_every_two_pairs_that_share_a_person_once(seed):
    pairs, values = drawn(seed)
    sums = pairs.sums(values)
    for group in range(2):
        rows = pairs.group == group
        people = len(set(pairs.first[rows]) | set(pairs.second[rows]))
        expected = by_hand(pairs, values, group, group) * people / (people - 1)
        assert residual_variance(sums)[group] / rows.sum() ** 2 == pytest.approx(max(expected, 0))
        assert (sums.subjects[group], sums.faces[group], sums.x[group]) == (people, rows.sum(), values[rows].sum())


def test_covariance_of_groups_that_share_people():
    pairs, values = drawn()
    covariance = pairs.covariance(values)
    for group in range(2):
        for other in range(2):
            assert covariance[group, other] == pytest.approx(by_hand(pairs, values, group, other) * 12 / 11)


def test_pairs_of_one_person_are_faces_of_that_person():
    rng = np.random.default_rng(1)
    person, values = rng.integers(0, 20, 100), (rng.random(100) < 0.4).astype(float)
    sums = Pairs.of_all(person, person).sums(values)
    ordinary = add_up(Lines.of(person), np.arange(100), values)
    for name in ("subjects", "faces", "x", "n", "xx", "xn", "nn"):
        assert getattr(sums, name) == pytest.approx(getattr(ordinary, name)), name


def test_pairs_without_common_people_are_independent():
    first, second = np.arange(0, 80, 2), np.arange(1, 80, 2)
    values = np.arange(40) % 4 == 0
    sums = Pairs.of_all(first, second).sums(values.astype(float))
    assert effective_n(sums, np.asarray([0.1875]))[0] == pytest.approx(40, rel=0.02)


def test_a_pair_twice_is_worth_one():
    pairs, values = drawn(2, pairs=60, people=200, groups=1)
    twice = Pairs(*(np.tile(part, 2) for part in (pairs.first, pairs.second, pairs.group)), 1)
    one, two = pairs.sums(values), twice.sums(np.tile(values, 2))
    assert residual_variance(two)[0] == pytest.approx(4 * residual_variance(one)[0])
    unit = one.value * (1 - one.value)
    assert effective_n(two, unit)[0] < 70


def test_a_group_without_pairs_has_no_rate():
    pairs = Pairs(np.asarray([0, 1]), np.asarray([1, 2]), np.asarray([1, 1]), 3)
    sums = pairs.sums(np.asarray([1.0, 0.0]))
    assert sums.faces.tolist() == [0, 2, 0]
    assert np.isnan(sums.value[[0, 2]]).all()
    nothing = Pairs.of_all(*(np.zeros(0, dtype=np.int64),) * 2).sums(np.zeros(0))
    assert nothing.faces.tolist() == [0]


def test_what_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="two people and a group for each pair"):
        Pairs(np.arange(3), np.arange(2), np.zeros(3, dtype=np.int64), 1)
    with pytest.raises(UsageError, match="pairs of 2 people or more"):
        Pairs.of_all(np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64)).covariance(np.ones(3))


def covered(seed, people, rate, alike, method):
    """Whether the limits hold the true rate where each person makes their pairs match more or less often."""
    rng = np.random.default_rng(seed)
    first, second = np.triu_indices(people, 1)
    own = rng.standard_normal(people) * np.sqrt(alike)
    noise = rng.standard_normal(len(first)) * np.sqrt(1 - 2 * alike)
    values = (own[first] + own[second] + noise > -ndtri(rate)).astype(float)
    pairs = Pairs.of_all(first.astype(np.int64), second.astype(np.int64))
    sums = pairs.sums(values)
    if method == "pairs as independent":
        alone = np.arange(len(first))
        sums = Pairs.of_all(alone, alone).sums(values)
    found = rate_intervals(sums, 0.95, exact=True)
    return bool(found.low[0] <= rate <= found.high[0])


@pytest.mark.parametrize(("people", "rate"), [(40, 0.05), (80, 0.01)])
def test_limits_of_all_pairs_of_some_people_hold_the_rate(people, rate):
    runs = 250
    ours = np.mean([covered(seed, people, rate, 0.1, "people") for seed in range(runs)])
    naive = np.mean([covered(seed, people, rate, 0.1, "pairs as independent") for seed in range(runs)])
    assert ours >= 0.93 - 2.6 * np.sqrt(0.93 * 0.07 / runs)
    assert naive < 0.85
