"""Groups dealt out anew: against estimates of each group, slow jackknives and loops."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import roc_auc_score

from countenance.core.statistics.ece import calibration_error
from countenance.core.statistics.group_tests import GroupValues, statistics_of
from countenance.core.statistics.paired import PAIRED
from countenance.core.statistics.paired.statistic import LEAST_VARIANCE, UNDEFINED_VARIANCE, common_value, likeness
from countenance.core.statistics.rules import StatisticsRules

RULES = StatisticsRules(min_subjects=2)
GROUPS = 3


def ccc(y, p):
    return 2 * ((y - y.mean()) * (p - p.mean())).mean() / (y.var() + p.var() + (y.mean() - p.mean()) ** 2)


SLOW = {
    "auroc": lambda first, second: roc_auc_score(first, second),
    "ccc": ccc,
    "pcc": lambda first, second: pearsonr(first, second).statistic,
    "rmse": lambda first, second: np.sqrt(((first - second) ** 2).mean()),
}


def draw(statistic, seed=0, people=60, decimals=9):
    """Return first, second, person and 7 labellings of people into 3 groups, none of them empty."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), rng.integers(1, 7, people))
    shared, own = rng.normal(0, 1, people)[person], rng.normal(0, 1, (2, len(person)))
    if statistic == "auroc":
        first = (rng.random(len(person)) < 0.4).astype(float)
        second = np.round(first + 0.7 * shared + own[0], decimals)
    elif statistic == "ece":
        second = rng.uniform(0.2, 1, len(person))
        first = (rng.random(len(person)) < np.clip(second - 0.1 + 0.1 * shared, 0, 1)).astype(float)
    else:
        first = 3 + shared + own[0]
        second = 0.5 * first + 0.6 * own[1] + 0.3 * shared + 2
    order = rng.permutation(len(person))
    labels = np.stack([rng.permutation(np.arange(people) % GROUPS) for _ in range(7)])
    return first[order], second[order], person[order], labels


def slow_jackknife(of, first, second, person):
    people = np.unique(person)
    left_out = np.array([of(first[person != s], second[person != s]) for s in people])
    return (len(people) - 1) / len(people) * np.square(left_out - left_out.mean()).sum()


@pytest.mark.parametrize(("statistic", "decimals"), [("auroc", 9), ("auroc", 0), ("ccc", 9), ("pcc", 9), ("rmse", 9)])
@pytest.mark.parametrize("seed", range(2))
def test_values_are_those_of_each_group(statistic, decimals, seed):
    first, second, person, labels = draw(statistic, seed, decimals=decimals)
    found = PAIRED[statistic].under_labellings(first, second, person, labels, GROUPS)
    for labelling, label in enumerate(labels):
        for group in range(GROUPS):
            rows = label[person] == group
            expected = SLOW[statistic](first[rows], second[rows])
            estimate = PAIRED[statistic].estimate(first[rows], second[rows], person[rows], RULES)
            assert found.value[labelling, group] == pytest.approx(expected, abs=1e-12)
            assert estimate.value == pytest.approx(expected, abs=1e-12)
            assert found.weight[labelling, group] == rows.sum() == estimate.n


@pytest.mark.parametrize("statistic", ["auroc", "ccc", "pcc", "rmse"])
def test_with_one_group_the_variance_is_that_of_the_jackknife(statistic):
    first, second, person, labels = draw(statistic, people=300)
    found = PAIRED[statistic].under_labellings(first, second, person, np.zeros_like(labels[:2]), 1)
    slow = slow_jackknife(SLOW[statistic], first, second, person)
    assert found.variance == pytest.approx(np.full((2, 1), slow), rel=0.05)


@pytest.mark.parametrize("statistic", ["auroc", "ccc", "pcc", "rmse", "ece"])
def test_a_noisy_group_keeps_its_variance_and_a_lucky_one_borrows_that_of_all(statistic):
    first, second, person, labels = draw(statistic, people=300)
    method, label = PAIRED[statistic], labels[:1]
    together = method.under_labellings(first, second, person, label, GROUPS)
    for group in range(GROUPS):
        rows = label[0][person] == group
        names, own_person = np.unique(person[rows], return_inverse=True)
        alone = method.under_labellings(first[rows], second[rows], own_person, np.zeros((1, len(names)), int), 1)
        # Alone, its variance is its own; together, never less but for the unit, which is that of all groups.
        assert together.variance[0, group] > 0.7 * alone.variance[0, 0]
    assert together.variance.max() < 2.5 * together.variance.min()  # equal groups: much alike once pooled


def test_a_group_twice_as_noisy_has_the_larger_error():
    rng = np.random.default_rng(0)
    person, group = np.repeat(np.arange(400), 5), np.arange(400) % 4
    truth = rng.normal(0, 1, 2000)
    noise = np.where(group[person] == 3, rng.normal(0, 2, 400)[person], rng.normal(0, 1, 2000))
    found = PAIRED["rmse"].under_labellings(truth, truth + noise, person, group[None], 4)
    assert found.variance[0, 3] > 1.3 * found.variance[0, :3].max()


@pytest.mark.parametrize("statistic", ["auroc", "ccc", "pcc", "rmse", "ece"])
def test_labellings_taken_one_by_one_or_together_are_the_same(statistic, monkeypatch):
    first, second, person, labels = draw(statistic, decimals=1)
    method = PAIRED[statistic]
    together = method.under_labellings(first, second, person, labels.astype(np.uint8), GROUPS)
    monkeypatch.setattr("countenance.core.statistics.paired.auroc.FACES_AT_ONCE", 1)
    for labelling, label in enumerate(labels):
        alone = method.under_labellings(first, second, person, label[None], GROUPS)
        for many, one in zip(together, alone, strict=True):
            np.testing.assert_allclose(many[labelling], one[0], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("statistic", ["auroc", "ccc", "pcc", "rmse", "ece"])
def test_the_order_of_faces_and_the_names_of_groups_do_not_matter(statistic):
    first, second, person, labels = draw(statistic, decimals=0)
    method, order = PAIRED[statistic], np.random.default_rng(1).permutation(len(first))
    found = method.under_labellings(first, second, person, labels, GROUPS)
    again = method.under_labellings(first[order], second[order], person[order], (labels + 1) % GROUPS, GROUPS)
    for one, other in zip(found, again, strict=True):
        np.testing.assert_allclose(one, np.roll(other, -1, axis=1), rtol=1e-9)


def test_ece_takes_chance_out_and_is_about_zero_where_there_is_no_more():
    first, second, person, labels = draw("ece", people=400)
    found = PAIRED["ece"].under_labellings(first, second, person, labels, GROUPS)
    for group in range(GROUPS):
        rows = labels[0][person] == group
        seen = calibration_error(second[rows], first[rows], person[rows], RULES)
        expected = np.sqrt(max(seen.observed.value**2 - seen.null.value**2, 0))
        assert found.value[0, group] == pytest.approx(expected, abs=0.006)  # one design effect for all groups
        assert found.value[0, group] < seen.observed.value
    rng = np.random.default_rng(2)
    right = (rng.random(len(second)) < second).astype(float)
    calibrated = PAIRED["ece"].under_labellings(right, second, person, labels, GROUPS)
    assert 0.2 < (calibrated.value < 0).mean() < 0.8
    assert abs(calibrated.value.mean()) < 0.02


def test_chance_in_a_calibration_error_is_more_where_faces_of_a_person_are_more_alike():
    excess, raw = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        person, labels = np.repeat(np.arange(600), 8), np.arange(600)[None] % 3
        confidence = rng.uniform(0.3, 1, 600)[person]  # all faces of a person in one bin
        luck = np.where(labels[0][person] == 2, rng.random(600)[person], rng.random(len(person)))
        right = (luck < confidence).astype(float)  # calibrated; in group 2 all faces of a person by one draw
        value = PAIRED["ece"].under_labellings(right, confidence, person, labels, GROUPS).value[0]
        shown = [
            calibration_error(confidence[rows], right[rows], person[rows], RULES).observed.value
            for rows in (labels[0][person] == group for group in range(GROUPS))
        ]
        excess.append(value[2] - value[:2].mean())
        raw.append(shown[2] - np.mean(shown[:2]))
    assert np.mean(raw) > 0.025
    assert abs(np.mean(excess)) < 0.6 * np.mean(raw)


@pytest.mark.parametrize("statistic", ["auroc", "ccc", "pcc"])
def test_a_group_without_a_value_never_wins(statistic):
    first, second, person, labels = draw(statistic)
    lacking = np.isin(person, np.flatnonzero(labels[0] == 1))
    first = np.where(lacking, 0.0, first)  # no positive face; one true value
    found = PAIRED[statistic].under_labellings(first, second, person, labels, GROUPS)
    assert all(np.isfinite(each).all() for each in found)
    assert 0 < found.weight[0, 1] < 1e-6
    assert found.variance[0, 1] == UNDEFINED_VARIANCE
    others = found.value[0, [0, 2]] @ found.weight[0, [0, 2]] / found.weight[0, [0, 2]].sum()
    assert found.value[0, 1] == pytest.approx(others)
    assert (found.weight[1:] > 1).all()
    assert (found.variance[1:] < 1).all()


@pytest.mark.parametrize("statistic", ["auroc", "ccc", "pcc", "rmse", "ece"])
def test_nothing_varies_at_all(statistic):
    person, labels = np.arange(40), np.arange(40)[None] % 2
    first = (np.arange(40) % 3 == 0).astype(float)
    second = first.copy()
    found = PAIRED[statistic].under_labellings(first, second, person, labels, 2)
    assert all(np.isfinite(each).all() for each in found)
    assert (found.variance > 0).all()
    assert found.variance.max() < 1e-12
    assert statistic == "ece" or (found.variance == LEAST_VARIANCE).all()
    flat = PAIRED[statistic].under_labellings(np.zeros(40), np.zeros(40), person, labels, 2)
    assert all(np.isfinite(each).all() for each in flat)


@pytest.mark.parametrize("statistic", ["auroc", "ccc", "pcc", "rmse", "ece"])
def test_limits_hold_the_value_widen_with_the_quantile_and_stay_in_range(statistic):
    value = np.array([[0.2, 0.5, 0.9, 0.98]])
    variance = np.array([[0.01, 0.002, 0.004, 0.02]])
    low, high = PAIRED[statistic].limits(value, variance, 2.0)
    wider_low, wider_high = PAIRED[statistic].limits(value, variance, 3.0)
    assert (low <= value).all()
    assert (value <= high).all()
    assert (wider_low <= low).all()
    assert (high <= wider_high).all()
    least, most = {"ccc": (-1, 1), "pcc": (-1, 1), "rmse": (0, np.inf), "ece": (-1, 1)}.get(statistic, (0, 1))
    assert (wider_low >= least).all()
    assert (wider_high <= most).all()


@pytest.mark.parametrize("statistic", ["auroc", "ccc", "pcc", "rmse"])
def test_limits_of_a_single_group_are_those_of_the_delta_method(statistic):
    low, high = PAIRED[statistic].limits(np.array([0.6]), np.array([1e-6]), 2.0)
    assert (low[0], high[0]) == pytest.approx((0.6 - 0.002, 0.6 + 0.002), abs=1e-5)


@pytest.mark.parametrize(("statistic", "end"), [("auroc", 1.0), ("auroc", 0.0), ("ccc", 1.0), ("rmse", 0.0)])
def test_limits_at_the_end_of_the_range(statistic, end):
    low, high = PAIRED[statistic].limits(np.array([0.6, end]), np.array([0.01, 0.01]), 2.0)
    assert np.isfinite([low, high]).all()
    assert low[1] <= end <= high[1]
    if statistic == "auroc":
        assert high[1] - low[1] > 0.05  # a ranking without a fault is not known exactly


def test_common_value_and_likeness_in_closed_form():
    assert common_value(np.array([1.0, 4.0]), np.array([1.0, 0.5])) == pytest.approx(np.array([3.0]))
    influence, faces = np.array([1.0, 1.0, -1.0, -1.0]), np.array([2.0, 2.0])
    assert likeness(influence, np.array([2.0, -2.0]), faces) == 1
    assert likeness(np.array([1.0, -1.0, 1.0, -1.0]), np.array([0.0, 0.0]), faces) == 0
    assert likeness(influence, influence, np.ones(4)) == 0


@pytest.mark.parametrize("undefined", [0, 1])
def test_the_engine_finds_nothing_in_a_group_without_a_value(undefined):
    person, labels = np.arange(60), np.arange(60)[None] % 2
    first = np.where(person % 2 == undefined, 0.0, person % 3 == 0).astype(float)
    found = PAIRED["auroc"].under_labellings(first, np.sin(person), person, labels, 2)
    values = GroupValues(found.value, found.weight, 1 / found.variance, np.ones((1, 1)))
    statistics = statistics_of([values])
    for name in ("gap", "pair", "rest", "below", "above"):
        assert abs(getattr(statistics, name)[0]) < 1e-3
