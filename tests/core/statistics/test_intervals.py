"""The formulas of group rates against slow ones, SciPy and cases worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest, t

from countenance.core.statistics.intervals import (
    clopper_pearson,
    effective_n,
    logit_limits,
    mean_intervals,
    pooled_icc,
    rate_intervals,
    residual_variance,
    wilson,
)
from countenance.core.statistics.sums import Lines, add_up, squared_residuals


def clustered(seed, groups=5, people=40, rate=0.8, weights=False):
    rng = np.random.default_rng(seed)
    faces = rng.integers(1, 9, people)
    subjects = np.repeat(np.arange(people), faces)
    codes = rng.integers(0, groups, people)[subjects]
    ability = rng.beta(3 * rate, 3 * (1 - rate), people)[subjects]
    values = (rng.random(len(subjects)) < ability).astype(float)
    shares = rng.integers(1, 3, len(subjects)).astype(float) if weights else None
    return subjects, codes, values if shares is None else values * shares, shares


def sums_of(subjects, codes, values, weights=None, groups=None):
    groups = int(codes.max()) + 1 if groups is None else groups
    return add_up(Lines.of(subjects, codes, groups), np.arange(len(values)), values, weights)


def slowly(subjects, codes, values, weights, groups):
    """Section by section as the formulas are written: dictionaries of people, plain loops."""
    people = [{} for _ in range(groups)]
    for face, person in enumerate(subjects):
        x, n = people[codes[face]].get(person, (0.0, 0.0))
        people[codes[face]][person] = (x + values[face], n + (1.0 if weights is None else weights[face]))
    rates, above, below, told = [], 0.0, 0.0, []
    for group in people:
        big_x = sum(x for x, _ in group.values())
        big_n = sum(n for _, n in group.values())
        p, m = big_x / big_n, len(group)
        q = sum(n * n for _, n in group.values())
        v = m / (m - 1) * sum((x - p * n) ** 2 for x, n in group.values()) if m > 1 else 0.0
        if m > 1:
            above += v - p * (1 - p) * big_n
            below += p * (1 - p) * (q - big_n)
        rates.append(p)
        told.append((m, big_n, p, q, v))
    icc = min(max(above / below, 0), 1)
    effective = []
    for _, big_n, p, q, v in told:
        pooled = 1 + icc * (q / big_n - 1)
        own = pooled if p in (0, 1) else v / (p * (1 - p) * big_n)
        effective.append(big_n / max(1, pooled, own))
    limits = []
    for (m, _, p, _, _), n in zip(told, effective, strict=True):
        z = t.ppf(0.975, m - 1 + 10)
        middle, scale = p + z * z / (2 * n), 1 + z * z / n
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        limits.append(((middle - half) / scale, (middle + half) / scale))
    return rates, [v for *_, v in told], icc, effective, limits


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("weights", [False, True])
def test_wilson_with_effective_n_equals_the_formulas_written_out(seed, weights):
    subjects, codes, values, shares = clustered(seed, weights=weights)
    rates, variances, icc, effective, limits = slowly(subjects, codes, values, shares, 5)
    sums = sums_of(subjects, codes, values, shares)
    intervals = rate_intervals(sums, 0.95)
    np.testing.assert_allclose(sums.value, rates)
    np.testing.assert_allclose(residual_variance(sums), variances)
    assert pooled_icc(sums, sums.value * (1 - sums.value)) == pytest.approx(icc)
    np.testing.assert_allclose(intervals.n_effective, effective)
    np.testing.assert_allclose(intervals.low, [max(low, 0) for low, _ in limits])
    np.testing.assert_allclose(intervals.high, [min(high, 1) for _, high in limits])
    assert set(intervals.method) == {"wilson_effective_n"}


@pytest.mark.parametrize("right", [0, 1, 7, 29, 30])
def test_faces_of_different_people_give_scipys_wilson_interval(right):
    values = np.arange(30) < right
    sums = sums_of(np.arange(30), np.zeros(30, dtype=int), values.astype(float))
    intervals = rate_intervals(sums, 0.95)
    expected = binomtest(right, 30).proportion_ci(method="wilson")
    assert intervals.method == ["wilson"]
    assert (intervals.low[0], intervals.high[0]) == pytest.approx((expected.low, expected.high))
    assert intervals.n_effective[0] == 30


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("right", [0, 1, 7, 29, 30])
def test_clopper_pearson_equals_scipy(right, level):
    low, high = clopper_pearson(np.array([right]), np.array([30.0]), level)
    expected = binomtest(right, 30).proportion_ci(level, method="exact")
    assert (low[0], high[0]) == pytest.approx((expected.low, expected.high))


def test_with_two_groups_there_is_nothing_to_pool_so_limits_are_korn_graubard():
    subjects, codes, values, _ = clustered(3, groups=2)
    sums = sums_of(subjects, codes, values)
    intervals = rate_intervals(sums, 0.95)
    assert intervals.method == ["korn_graubard"] * 2
    for group in range(2):
        n, m = sums.n[group], sums.subjects[group]
        shrunk = intervals.n_effective[group] * (t.ppf(0.975, n - 1) / t.ppf(0.975, m - 1)) ** 2
        low, high = clopper_pearson(sums.value[[group]] * shrunk, np.array([shrunk]), 0.95)
        assert (intervals.low[group], intervals.high[group]) == pytest.approx((low[0], high[0]))


def test_one_group_of_people_with_several_faces_uses_its_own_design_effect():
    subjects, _, values, _ = clustered(4)
    sums = sums_of(subjects, np.zeros(len(values), dtype=int), values)
    p, n = sums.value[0], sums.n[0]
    own = residual_variance(sums)[0] / (p * (1 - p) * n)
    assert own > 1
    assert rate_intervals(sums, 0.95).n_effective[0] == pytest.approx(n / own)


def test_two_identical_faces_of_each_person_are_worth_one():
    subjects = np.repeat(np.arange(50), 2)
    values = np.repeat((np.arange(50) < 35).astype(float), 2)
    sums = sums_of(subjects, np.zeros(100, dtype=int), values)
    assert rate_intervals(sums, 0.95).n_effective[0] == pytest.approx(50 * 49 / 50)  # m - 1 in the variance


def test_faces_less_alike_than_chance_are_not_worth_more_than_they_are():
    subjects = np.repeat(np.arange(50), 2)
    values = np.tile([1.0, 0.0], 50)
    sums = sums_of(subjects, np.zeros(100, dtype=int), values)
    assert rate_intervals(sums, 0.95).n_effective[0] == 100


def test_a_group_without_an_error_takes_the_design_effect_of_the_others():
    subjects, codes, values, _ = clustered(5, groups=4)
    values[codes == 2] = 1.0
    sums = sums_of(subjects, codes, values)
    intervals = rate_intervals(sums, 0.95)
    icc = pooled_icc(sums, sums.value * (1 - sums.value))
    assert 0 < icc < 1
    pooled = 1 + icc * (sums.nn[2] / sums.n[2] - 1)
    assert intervals.n_effective[2] == pytest.approx(sums.n[2] / pooled)
    assert 0.5 < intervals.low[2] < 1
    assert intervals.high[2] == 1


def test_where_nothing_went_wrong_anywhere_each_person_counts_once():
    subjects = np.repeat(np.arange(30), 4)
    sums = sums_of(subjects, subjects % 3, np.ones(120))
    np.testing.assert_allclose(effective_n(sums, sums.value * (1 - sums.value)), 10)


def test_a_person_in_two_groups_is_counted_in_both():
    subjects = np.array([0, 0, 1, 1])
    sums = sums_of(subjects, np.array([0, 1, 0, 1]), np.array([1.0, 0, 1, 1]))
    assert sums.subjects.tolist() == [2, 2]
    assert sums.value.tolist() == [1.0, 0.5]


def test_a_group_without_a_face_has_no_value_and_raises_no_warning():
    sums = sums_of(np.array([0, 1]), np.array([0, 0]), np.array([1.0, 0.0]), groups=3)
    intervals = rate_intervals(sums, 0.95)
    assert np.isnan(intervals.value).tolist() == [False, True, True]
    mean_intervals(sums, np.zeros(3), 0.95, (0, 1))


def test_wilson_contains_the_rate_and_stays_within_0_and_1():
    p = np.linspace(0, 1, 101)
    for n in (0.5, 3.0, 1e6):
        low, high = wilson(p, np.full(101, n), 1.96)
        assert (low >= 0).all()
        assert (low <= p).all()
        assert (p <= high).all()
        assert (high <= 1).all()


def variance_of(subjects, codes, values, weights, sums):
    lines = Lines.of(subjects, codes, len(sums.n))
    return squared_residuals(lines, np.arange(len(values)), values, weights, sums.value) / sums.n


def test_the_mean_of_one_face_per_person_has_the_students_interval():
    rng = np.random.default_rng(0)
    values = rng.normal(3, 2, 25)
    people, codes = np.arange(25), np.zeros(25, dtype=int)
    sums = sums_of(people, codes, values)
    intervals = mean_intervals(sums, variance_of(people, codes, values, None, sums), 0.95)
    half = t.ppf(0.975, 24) * values.std(ddof=1) / 5
    assert intervals.method == ["sandwich_t"]
    assert (intervals.low[0], intervals.high[0]) == pytest.approx((values.mean() - half, values.mean() + half))
    assert intervals.n_effective[0] == 25


def test_the_mean_of_people_with_equally_many_faces_is_that_of_their_means():
    rng = np.random.default_rng(1)
    own = rng.normal(0, 1, 20)
    values = np.repeat(own, 5) + rng.normal(0, 0.5, 100)
    people, codes = np.repeat(np.arange(20), 5), np.zeros(100, dtype=int)
    sums = sums_of(people, codes, values)
    intervals = mean_intervals(sums, variance_of(people, codes, values, None, sums), 0.95)
    means = values.reshape(20, 5).mean(axis=1)
    half = t.ppf(0.975, 19) * means.std(ddof=1) / math.sqrt(20)
    assert intervals.high[0] - intervals.value[0] == pytest.approx(half)
    assert 15 < intervals.n_effective[0] < 40


def test_values_all_alike_have_limits_only_within_bounds():
    people, codes, values = np.arange(12), np.zeros(12, dtype=int), np.full(12, 0.3)
    sums = sums_of(people, codes, values)
    free = mean_intervals(sums, np.zeros(1), 0.95)
    assert free.method == ["no_variation"]
    assert np.isnan(free.low[0])
    bound = mean_intervals(sums, np.zeros(1), 0.95, (-1, 1))
    low, high = wilson(np.array([0.65]), np.array([12.0]), t.ppf(0.975, 1e9))
    assert (bound.low[0], bound.high[0]) == pytest.approx((2 * low[0] - 1, 2 * high[0] - 1), abs=1e-6)


def test_means_stay_within_their_bounds():
    values = np.array([0.0] * 11 + [1.0])
    sums = sums_of(np.arange(12), np.zeros(12, dtype=int), values)
    assert mean_intervals(sums, np.full(1, 0.08), 0.95, (0, 1)).low[0] == 0
    assert mean_intervals(sums, np.full(1, 0.08), 0.95).low[0] < 0


def test_logit_limits_are_symmetric_on_the_logit_scale():
    low, high = logit_limits(0.8, 0.01, 1000, 0.95)
    logit = [math.log(p / (1 - p)) for p in (low, 0.8, high)]
    assert logit[2] - logit[1] == pytest.approx(logit[1] - logit[0])
    assert logit[2] - logit[1] == pytest.approx(t.ppf(0.975, 999) * 0.1 / 0.16)
    with pytest.raises(ValueError, match="between 0 and 1, but got 1"):
        logit_limits(1.0, 0.0, 10, 0.95)
