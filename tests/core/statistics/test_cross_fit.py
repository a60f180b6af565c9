"""Estimates of gaps from people who did not choose the groups."""

from __future__ import annotations

import numpy as np
import pytest

from countenance.core.statistics.cross_fit import (
    PeopleInGroups,
    _Split,
    _spread,
    cross_fitted_gap,
    cross_fitted_largest,
    cross_fitted_worst,
)
from countenance.core.statistics.intervals import EXTRA_DEGREES


def people(seed: int, rates: list[float], of_each: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return sums of values and of weights and the group of people with 1 to 6 faces, alike within a person."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(rates)), of_each)
    n = rng.integers(1, 7, len(group))
    ability = rng.beta(2 * np.asarray(rates)[group], 2 * (1 - np.asarray(rates)[group]))
    return rng.binomial(n, ability).astype(float), n.astype(float), group


def slow_choice(x: np.ndarray, n: np.ndarray, group: np.ndarray, groups: int) -> tuple[np.ndarray, float]:
    """Return what groups are ranked by, and the variance between them, group by group as the formulas have it."""
    value, own, m, squares = (np.zeros(groups) for _ in range(4))
    for one in range(groups):
        mine = group == one
        value[one] = x[mine].sum() / n[mine].sum()
        m[one] = mine.sum()
        own[one] = m[one] / (m[one] - 1) * np.square(x[mine] - value[one] * n[mine]).sum()
        squares[one] = np.square(n[mine]).sum()
    pooled = own.sum() / squares.sum() * squares
    variance = ((m - 1) * own + EXTRA_DEGREES * pooled) / (m - 1 + EXTRA_DEGREES) / np.bincount(group, n) ** 2
    precision = 1 / variance
    centre = (precision * value).sum() / precision.sum()
    excess = (precision * (value - centre) ** 2).sum() - (groups - 1)
    between = max(0.0, excess / (precision.sum() - (precision**2).sum() / precision.sum()))
    centre = (value / (variance + between)).sum() / (1 / (variance + between)).sum()
    if between > 0:
        return between / (between + variance) * (value - centre), between
    return (value - centre) / np.sqrt(variance), between


@pytest.mark.parametrize(("rates", "seed", "spread"), [([0.3, 0.5, 0.7, 0.9], 3, True), ([0.6] * 4, 4, False)])
def test_the_choice_is_that_of_the_formulas_and_the_rest_is_measured(rates, seed, spread):
    x, n, group = people(seed, rates, 24)
    split = _Split.draw(x, n, group, 4, np.random.default_rng(5), None, 4, 3)
    order = np.lexsort((n, x, group))
    x, n, group = x[order], n[order], group[order]
    folds = _spread(group, 4, 4, 3, np.random.default_rng(5))
    differences, between = [], []
    for repeat in range(3):
        for fold in range(4):
            train, held = folds[repeat] != fold, folds[repeat] == fold
            ranks, variance = slow_choice(x[train], n[train], group[train], 4)
            between.append(variance)
            np.testing.assert_allclose(split.ranks(split.shrunken)[repeat * 4 + fold], ranks, rtol=1e-9)
            rate = np.bincount(group[held], x[held]) / np.bincount(group[held], n[held])
            differences.append(rate[ranks.argmax()] - rate[ranks.argmin()])
    assert (min(between) > 0) if spread else (min(between) == 0)
    found = cross_fitted_gap(x, n, group, 4, np.random.default_rng(5), folds=4, repeats=3)
    assert found == pytest.approx(np.mean(differences), abs=1e-12)


def test_folds_hold_equally_many_people_of_every_group():
    group = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [23, 10, 40]))
    folds = _spread(group, 3, 5, 2, np.random.default_rng(1))
    for repeat in folds:
        for one in range(3):
            counts = np.bincount(repeat[group == one], minlength=5)
            assert counts.max() - counts.min() <= 1
    assert (folds[0] != folds[1]).any()


def test_groups_that_are_alike_show_no_gap_on_average_and_different_ones_their_own():
    naive, even, worst_even, uneven, worst = [], [], [], [], []
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)
        x, n, group = people(seed, [0.7] * 8, 30)
        rates = np.bincount(group, x) / np.bincount(group, n)
        naive.append(rates.max() - rates.min())
        even.append(cross_fitted_gap(x, n, group, 8, rng))
        worst_even.append(cross_fitted_worst(x, n, group, 8, rng))
        x, n, group = people(seed, [0.4] + [0.8] * 7, 30)
        uneven.append(cross_fitted_gap(x, n, group, 8, rng))
        worst.append(cross_fitted_worst(x, n, group, 8, rng))
    assert np.mean(naive) > 0.17
    assert abs(np.mean(even)) < 0.03
    assert abs(np.mean(worst_even)) < 0.03
    assert np.mean(uneven) == pytest.approx(0.4, abs=0.04)
    assert np.mean(worst) == pytest.approx(0.4, abs=0.04)


def test_means_and_scales():
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(5), 40)
    n = rng.integers(1, 5, 200).astype(float)
    x = n * (10 + 3 * (group == 2) + rng.normal(0, 1, 200))
    gap = cross_fitted_gap(x, n, group, 5, np.random.default_rng(0))
    assert gap == pytest.approx(3, abs=0.6)
    assert cross_fitted_gap(x / 100, n, group, 5, np.random.default_rng(0)) == pytest.approx(gap / 100)
    assert cross_fitted_worst(x, n, group, 5, np.random.default_rng(0), sign=-1) == pytest.approx(3, abs=0.6)
    assert cross_fitted_worst(x, n, group, 5, np.random.default_rng(0), sign=1) < 1


def test_a_seed_gives_the_same_whatever_the_order_of_people():
    x, n, group = people(1, [0.5, 0.6, 0.7], 20)
    order = np.random.default_rng(9).permutation(60)
    for estimate in (cross_fitted_gap, cross_fitted_worst):
        first = estimate(x, n, group, 3, np.random.default_rng(4))
        assert estimate(x[order], n[order], group[order], 3, np.random.default_rng(4)) == pytest.approx(first)
        assert estimate(x, n, group, 3, np.random.default_rng(5)) != first


def test_all_lines_of_a_person_are_in_one_fold():
    group, person = np.tile([0, 1, 2], 30), np.repeat(np.arange(30), 3)
    folds = _Split.draw(np.ones(90), np.ones(90), group, 3, np.random.default_rng(0), person, 5, 2)
    assert np.array_equal(folds.held_n[:, 0], folds.held_n[:, 1])
    assert np.array_equal(folds.held_n[:, 0], folds.held_n[:, 2])


def test_no_weight_no_people_no_fold():
    random = np.random.default_rng(0)
    x, n, group = np.array([1.0, 0.0, 5.0]), np.array([1.0, 1.0, 0.0]), np.array([0, 1, 0])
    assert np.isnan(cross_fitted_gap(x, n, group, 2, random))  # one person each: never on both sides
    assert np.isnan(cross_fitted_worst(x, n, group, 2, random))
    flat = cross_fitted_gap(np.ones(20), np.ones(20), np.arange(20) % 2, 2, random)
    assert flat == 0
    with pytest.raises(ValueError, match="at least 2 folds"):
        cross_fitted_gap(x, n, group, 2, random, folds=1)


def test_several_rates_choose_rate_and_groups_on_other_people():
    even = [PeopleInGroups(*people(seed, [0.6] * 4, 30), 4, np.arange(120)) for seed in (1, 2, 3)]
    rng = np.random.default_rng(0)
    many = [
        [PeopleInGroups(*people(50_000 + 10 * run + part, [0.6] * 4, 30), 4, np.arange(120)) for part in range(3)]
        for run in range(40)
    ]
    rates = [[np.bincount(q.group, q.x) / np.bincount(q.group, q.n) for q in each] for each in many]
    assert np.mean([max(np.ptp(rate) for rate in each) for each in rates]) > 0.15
    assert abs(np.mean([cross_fitted_largest(each, rng) for each in many])) < 0.04
    planted = PeopleInGroups(*people(5, [0.3, 0.8, 0.8, 0.8], 30), 4, np.arange(120))
    together = cross_fitted_largest([*even, planted], np.random.default_rng(1))
    assert together == pytest.approx(cross_fitted_largest([planted], np.random.default_rng(1)), abs=0.08)
    assert together == pytest.approx(0.5, abs=0.1)


def test_of_one_rate_it_is_the_largest_difference():
    x, n, group = people(3, [0.3, 0.5, 0.7], 25)
    order = np.lexsort((x, n, group))
    one = cross_fitted_gap(x, n, group, 3, np.random.default_rng(2), repeats=40)
    lines = PeopleInGroups(x[order], n[order], group[order], 3, np.arange(75))
    assert cross_fitted_largest([lines], np.random.default_rng(2), repeats=40) == pytest.approx(one, abs=0.03)
