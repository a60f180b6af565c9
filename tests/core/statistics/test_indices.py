"""Indices over groups: against fairlearn, published numbers and slow loops."""

from __future__ import annotations

from itertools import combinations
from math import exp, log, sqrt
from statistics import pstdev, stdev

import numpy as np
import pytest
from fairlearn import metrics as fairlearn

from countenance.core.statistics.indices import (
    difference,
    fairness_discrepancy_rate,
    garbe,
    gini,
    inequity_ratio,
    largest_difference,
    max_to_geometric_mean,
    max_to_min,
    mean_absolute_deviation,
    ratio,
    skewed_error_ratio,
    smallest_ratio,
    standard_deviation,
    sum_of_error_differences,
)

# Racial Faces in the Wild: accuracy of four companies' verification on Caucasian, Indian, Asian and African faces, and
# the mean of each group (Wang et al. 2019, arXiv 1812.00194).
RFW = {
    "Microsoft": (87.60, 82.83, 79.67, 75.83),
    "Face++": (93.90, 88.55, 92.47, 87.50),
    "Baidu": (89.13, 86.53, 90.27, 77.97),
    "Amazon": (90.45, 87.20, 84.87, 86.27),
}
RFW_MEANS = (90.27, 86.28, 86.82, 81.89)


def binary(seed: int, groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    group, truth = rng.integers(0, groups, 600), rng.integers(0, 2, 600)
    chance = np.where(truth == 1, 0.6 + 0.05 * group, 0.2 + 0.03 * group)
    return truth, (rng.random(600) < chance).astype(int), group


def rates_of(truth: np.ndarray, answer: np.ndarray, group: np.ndarray, label: int) -> tuple[np.ndarray, ...]:
    """Return true positive, false positive and selection rate of a label in each group."""
    found = []
    for use in (truth == label, truth != label, np.ones(len(truth), dtype=bool)):
        found.append(np.array([(answer[use & (group == g)] == label).mean() for g in np.unique(group)]))
    return tuple(found)


@pytest.mark.parametrize(("seed", "groups"), [(0, 2), (1, 3), (2, 5)])
def test_two_classes_as_fairlearn(seed, groups):
    truth, answer, group = binary(seed, groups)
    both = [rates_of(truth, answer, group, label) for label in (0, 1)]
    kept = {"y_true": truth, "y_pred": answer, "sensitive_features": group}
    selection = [each[2] for each in both]
    assert largest_difference(selection) == pytest.approx(fairlearn.demographic_parity_difference(**kept))
    assert ratio(both[1][2]) == pytest.approx(fairlearn.demographic_parity_ratio(**kept))
    assert smallest_ratio([both[1][2]]) == ratio(both[1][2])
    odds = fairlearn.equalized_odds_difference(**kept)
    assert largest_difference([both[1][0], both[1][1]]) == pytest.approx(odds)
    assert largest_difference([each[k] for each in both for k in (0, 1)]) == pytest.approx(odds)


@pytest.mark.parametrize("company", RFW)
def test_racial_faces_in_the_wild_from_the_definitions(company):
    accuracy = RFW[company]
    pairs = sum((a - b) ** 2 for a, b in combinations(accuracy, 2))  # the spread without a mean
    assert standard_deviation(np.asarray(accuracy)) == pytest.approx(sqrt(pairs) / 4)
    assert standard_deviation(np.asarray(accuracy)) == pytest.approx(pstdev(accuracy))
    assert standard_deviation(np.asarray(accuracy), ddof=1) == pytest.approx(stdev(accuracy))
    errors = [100 - each for each in accuracy]
    assert skewed_error_ratio(np.asarray(accuracy) / 100) == pytest.approx(max(errors) / min(errors))


def test_racial_faces_in_the_wild_in_figures():
    accuracy = np.asarray(list(RFW.values()))
    np.testing.assert_allclose(accuracy.mean(axis=0), RFW_MEANS, atol=0.0051)
    # The same from the statistics module of Python, rounded; 24.17 / 12.40 and so on for the ratio of errors.
    np.testing.assert_allclose(standard_deviation(accuracy), [4.31, 2.66, 4.82, 2.05], atol=0.006)
    np.testing.assert_allclose(standard_deviation(accuracy, ddof=1), [4.98, 3.07, 5.56, 2.37], atol=0.006)
    np.testing.assert_allclose(skewed_error_ratio(accuracy / 100), [1.949, 2.049, 2.264, 1.584], atol=0.001)


def test_slow_formulas():
    values = np.random.default_rng(3).uniform(0.02, 0.4, (7, 6))
    for row, value in enumerate(values):
        n, mean = len(value), sum(value) / len(value)
        pairs = [abs(a - b) for a in value for b in value]
        assert difference(values)[row] == pytest.approx(max(a - b for a in value for b in value))
        assert gini(values)[row] == pytest.approx(n / (n - 1) * sum(pairs) / (2 * n * n * mean))
        assert mean_absolute_deviation(values)[row] == pytest.approx(sum(abs(each - mean) for each in value) / n)
        assert ratio(values)[row] == pytest.approx(min(a / b for a in value for b in value))
        assert max_to_min(values)[row] == pytest.approx(max(a / b for a, b in combinations(sorted(value)[::-1], 2)))
        geometric = exp(sum(log(each) for each in value) / n)
        assert max_to_geometric_mean(values)[row] == pytest.approx(max(value) / geometric)


def test_two_error_rates():
    first, second = np.array([0.01, 0.02, 0.04]), np.array([0.10, 0.30, 0.20])
    assert inequity_ratio(first, second) == pytest.approx(sqrt(4 * 3))
    assert inequity_ratio(first, second, alpha=1.0) == pytest.approx(4)
    assert fairness_discrepancy_rate(first, second) == pytest.approx(1 - 0.5 * (0.03 + 0.2))
    assert fairness_discrepancy_rate(first, second, alpha=0.25) == pytest.approx(1 - 0.25 * 0.03 - 0.75 * 0.2)
    assert garbe(first, second, alpha=0.3) == pytest.approx(0.3 * gini(first) + 0.7 * gini(second))
    expected = mean_absolute_deviation(first) + mean_absolute_deviation(second)
    assert sum_of_error_differences(first, second) == pytest.approx(expected)


def test_equal_groups_and_groups_without_an_event():
    even = np.full(5, 0.3)
    for index in (difference, mean_absolute_deviation, standard_deviation, gini):
        assert index(even) == pytest.approx(0, abs=1e-15)
    for index in (ratio, max_to_min, max_to_geometric_mean):
        assert index(even) == pytest.approx(1)
    one, none = np.array([0.0, 0.0, 0.4]), np.zeros(3)
    assert gini(one) == pytest.approx(1)  # all events in one group
    assert ratio(one) == 0
    assert max_to_min(one) == np.inf
    assert max_to_geometric_mean(one) == np.inf
    assert np.isnan([gini(none), ratio(none), max_to_min(none)]).all()
