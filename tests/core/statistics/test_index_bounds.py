"""Bounds, nulls and tests of indices over groups."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

from countenance.core.statistics import index_bounds as bounds
from countenance.core.statistics import indices
from countenance.core.statistics.deals import Deals
from countenance.core.statistics.gap_data import SummedData
from countenance.core.statistics.index_rates import (
    Rate,
    gini_error,
    mean_deviation_error,
    moved,
    standard_deviation_error,
    without_zeros,
)
from countenance.core.statistics.intervals import wilson
from countenance.core.statistics.permutations import ScoredFaces

ALPHA = 0.025


def rate_of(rates, *, people=40, seed=0, times=399, deals=None, faces=4):
    """Return a rate of as many people in every group, each with the same number of faces that are alike."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(rates)), people)
    true = np.clip(np.asarray(rates, float), 1e-9, 1 - 1e-9)[group]
    ability = rng.beta(5 * true, 5 * (1 - true))
    values = (rng.random((len(group), faces)) < ability[:, None]).astype(float)
    person = np.repeat(np.arange(len(group)), faces)
    scored = ScoredFaces.of(person, np.repeat(group, faces), len(rates), values.reshape(-1))
    return Rate.of(SummedData(scored, "rate", (0.0, 1.0)), times, np.random.default_rng(seed), deals)


def all_of(first: Rate, second: Rate) -> dict[str, bounds.Index]:
    random, pair = np.random.default_rng(1), [first, second]
    return {
        "difference": bounds.difference_index([first], ALPHA, random),
        "odds": bounds.difference_index(pair, ALPHA, random),
        "ratio": bounds.ratio_index(pair, ALPHA),
        "max_to_min": bounds.max_to_min_index(first, ALPHA),
        "max_to_geometric_mean": bounds.max_to_geometric_mean_index(first, ALPHA),
        "gini": bounds.spread_index(first, "gini", ALPHA),
        "deviation": bounds.spread_index(first, "mean_absolute_deviation", ALPHA),
        "std": bounds.spread_index(first, "standard_deviation", ALPHA),
        "garbe": bounds.spreads_index(pair, "gini", (0.3, 0.7), ALPHA),
        "sum": bounds.spreads_index(pair, "mean_absolute_deviation", (1, 1), ALPHA),
        "discrepancy": bounds.fairness_discrepancy_index(pair, 0.3, ALPHA),
        "inequity": bounds.inequity_index(pair, 0.3, ALPHA),
    }


def truth_of(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
    found = {
        "difference": indices.difference(a),
        "odds": indices.largest_difference([a, b]),
        "ratio": indices.smallest_ratio([a, b]),
        "max_to_min": indices.max_to_min(a),
        "max_to_geometric_mean": indices.max_to_geometric_mean(a),
        "gini": indices.gini(a),
        "deviation": indices.mean_absolute_deviation(a),
        "std": indices.standard_deviation(a, ddof=1),
        "garbe": indices.garbe(a, b, 0.3),
        "sum": indices.sum_of_error_differences(a, b),
        "discrepancy": indices.fairness_discrepancy_rate(a, b, 0.3),
        "inequity": indices.inequity_ratio(a, b, 0.3),
    }
    return {name: float(value) for name, value in found.items()}


def test_values_are_those_of_the_definitions_and_lie_within_their_bounds():
    first, second = rate_of([0.2, 0.3, 0.4, 0.25]), rate_of([0.1, 0.2, 0.1, 0.15], seed=1)
    expected = truth_of(first.observed.value[0], second.observed.value[0])
    for name, index in all_of(first, second).items():
        assert index.value == pytest.approx(expected[name]), name
        assert index.low <= index.value <= index.high, name
        assert index.null_low <= index.null_mean <= index.null_high, name
        assert index.excess == pytest.approx(index.value - index.null_mean), name
        assert 1 / 400 <= index.p <= 1, name


def test_null_is_what_groups_dealt_out_show():
    rate = rate_of([0.2, 0.3, 0.4])
    index = bounds.spread_index(rate, "gini", ALPHA)
    dealt = [float(indices.gini(value)) for value in rate.dealt.value]
    assert index.null_mean == pytest.approx(np.mean(dealt))
    assert index.p == pytest.approx((1 + sum(each >= index.value - 1e-9 for each in dealt)) / 400)
    assert index.low == pytest.approx(max(0, index.value - sorted(dealt)[-10]))  # the tenth of 400 from the top
    assert index.corrected == pytest.approx(max(0, index.value**2 - np.mean(dealt) ** 2) ** 0.5)


@pytest.mark.parametrize("planted", [False, True])
def test_intervals_hold_tests_find_what_is_planted_and_nothing_else(planted):
    a = np.array([0.3, 0.3, 0.6, 0.3]) if planted else np.full(4, 0.3)
    b = np.array([0.1, 0.3, 0.1, 0.1]) if planted else np.full(4, 0.1)
    truth, runs = truth_of(a, b), 30
    held = dict.fromkeys(truth, 0)
    small = dict.fromkeys(truth, 0)
    corrected = {name: [] for name in truth}
    seen = {name: [] for name in truth}
    for seed in range(runs):
        deals = Deals(400, 199, seed)
        rates = [rate_of(each, people=100, seed=7000 + 10 * seed + k, deals=deals) for k, each in enumerate((a, b))]
        for name, index in all_of(*rates).items():
            held[name] += index.low - 1e-9 <= truth[name] <= index.high + 1e-9
            small[name] += index.p <= 0.05
            seen[name].append(index.value - truth[name])
            if index.corrected is not None:
                corrected[name].append(index.corrected - truth[name])
    for name in truth:
        assert held[name] >= runs - 4, (name, held[name])
        assert (small[name] >= runs - 2) if planted else (small[name] <= 5), (name, small[name])
        if corrected[name] and not planted:
            assert abs(np.mean(corrected[name])) < 0.6 * abs(np.mean(seen[name])), name


def test_several_rates_are_judged_together():
    deals = Deals(160, 399, 3)
    first = rate_of([0.3, 0.3, 0.3, 0.3], seed=1, deals=deals)
    second = rate_of([0.1, 0.1, 0.6, 0.1], seed=2, deals=deals)
    random = np.random.default_rng(0)
    both, alone = (bounds.difference_index(rates, ALPHA, random) for rates in ([first, second], [second]))
    assert both.value == alone.value
    assert both.low <= alone.low  # another rate to look at costs something
    assert both.high >= alone.high
    assert both.p >= alone.p
    assert both.corrected == pytest.approx(alone.corrected, abs=0.1)


def test_of_two_groups_limits_are_newcombes():
    rate = rate_of([0.2, 0.5], faces=1, people=60)
    value, n = rate.observed.value[0], rate.observed.n_effective[0]
    low, high = wilson(value, n, 1.959964)
    upper = value[1] - value[0] + np.hypot(high[1] - value[1], value[0] - low[0])
    assert bounds.difference_index([rate], ALPHA, np.random.default_rng(0)).high == pytest.approx(upper, abs=1e-6)


def test_a_group_without_an_event_has_finite_ratios():
    rate = rate_of([0.0, 0.3, 0.4])
    assert rate.observed.value[0, 0] == 0
    for index in (bounds.max_to_min_index(rate, ALPHA), bounds.max_to_geometric_mean_index(rate, ALPHA)):
        assert np.isfinite([index.value, index.low, index.high, index.null_high]).all()
        assert index.value > 2
    n = rate.observed.n_effective[0, 0]
    assert moved(rate.observed)[0][0, 0] == pytest.approx(0.5 / (n + 1))
    assert bounds.ratio_index([rate], ALPHA).value == 0
    np.testing.assert_array_equal(without_zeros(rate.observed), rate.observed.value)


def test_no_event_at_all():
    rate = rate_of([0.0, 0.0, 0.0])
    assert bounds.max_to_min_index(rate, ALPHA).value == pytest.approx(1)
    assert bounds.ratio_index([rate], ALPHA).p == 1
    assert bounds.difference_index([rate], ALPHA, np.random.default_rng(0)).low == 0
    assert bounds.spread_index(rate, "standard_deviation", ALPHA).high > 0
    with pytest.raises(ZeroDivisionError, match="0 in every group"):
        bounds.spread_index(rate, "gini", ALPHA)


def test_misses_are_the_complement_of_hits():
    hits = rate_of([0.7, 0.8, 0.9])
    misses = hits.complement()
    np.testing.assert_allclose(misses.observed.value, 1 - hits.observed.value)
    one, other = (bounds.spread_index(rate, "mean_absolute_deviation", ALPHA) for rate in (hits, misses))
    assert (one.value, one.p) == pytest.approx((other.value, other.p))
    assert misses.complement().observed.value == pytest.approx(hits.observed.value)


def test_largest_errors_of_contrasts_against_search():
    rng = np.random.default_rng(4)
    for k in (2, 3, 5):
        variance, value = rng.uniform(0.1, 2, k), rng.uniform(0.1, 0.5, k)
        signs = [np.array(each) for each in product((-1, 1), repeat=k) if len(set(each)) > 1]
        contrasts = [(each - each.mean()) / k for each in signs]
        assert mean_deviation_error(value, variance) ** 2 == pytest.approx(max(c**2 @ variance for c in contrasts))
        directions = rng.standard_normal((200_000, k))
        directions -= directions.mean(axis=1, keepdims=True)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True) * np.sqrt(k - 1)
        largest = np.sqrt((directions**2 @ variance).max())
        assert standard_deviation_error(value, variance) == pytest.approx(largest, rel=0.01)
        weights = np.square((2 * np.arange(k) - k + 1) / (k * (k - 1) * value.mean()))
        # The best way to give the squared weights to the groups, as an assignment problem.
        cost, ones = -np.outer(weights, variance).reshape(-1), np.ones(k)
        rows = [np.kron(np.eye(k)[i], ones) for i in range(k)] + [np.kron(ones, np.eye(k)[i]) for i in range(k)]
        best = linprog(cost, A_eq=rows, b_eq=np.ones(2 * k), bounds=(0, 1))
        assert gini_error(value, variance) ** 2 == pytest.approx(-best.fun)
