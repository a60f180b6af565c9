from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from countenance.core.statistics.class_means import (
    balanced_accuracy,
    f1_sums,
    macro_f1,
    mean_of_ratios,
    recall_sums,
)
from countenance.core.statistics.rules import StatisticsRules

RULES = StatisticsRules()


def faces(seed, people=300, classes=4, each=5):
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(people), each)
    labels = rng.choice(classes, len(subjects), p=rng.dirichlet(np.full(classes, 5.0)))
    able = rng.normal(0.8, 0.6, people)[subjects] + rng.normal(0, 1, len(subjects)) > 0
    predicted = np.where(able, labels, rng.integers(0, classes, len(subjects)))
    return labels, predicted, subjects


@pytest.mark.parametrize("seed", range(4))
def test_values_equal_scikit_learns(seed):
    labels, predicted, subjects = faces(seed)
    accuracy = balanced_accuracy(labels, predicted, subjects, 4, RULES)
    f1 = macro_f1(labels, predicted, subjects, 4, RULES)
    assert accuracy.value == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert f1.value == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert (accuracy.n, accuracy.subjects, accuracy.method) == (1500, 300, "mover_clopper_pearson")


def test_classes_without_a_labelled_face_are_left_out():
    labels, predicted, subjects = faces(0)
    keep = labels != 2
    value = macro_f1(labels[keep], predicted[keep], subjects[keep], 4, RULES).value
    assert (predicted[keep] == 2).any()
    assert value == pytest.approx(f1_score(labels[keep], predicted[keep], labels=[0, 1, 3], average="macro"))


@pytest.mark.parametrize("measure", ["recall", "f1"])
@pytest.mark.parametrize("seed", range(3))
def test_half_width_is_that_of_a_slow_jackknife_over_people(measure, seed):
    labels, predicted, subjects = faces(seed)

    def value(keep):
        if measure == "recall":
            return balanced_accuracy_score(labels[keep], predicted[keep])
        return f1_score(labels[keep], predicted[keep], average="macro")

    left_out = np.array([value(subjects != person) for person in range(300)])
    error = np.sqrt(299 / 300 * np.square(left_out - left_out.mean()).sum())
    sums = (recall_sums if measure == "recall" else f1_sums)(labels, predicted, subjects, 4)
    centre, low, high = mean_of_ratios(sums, 0.95)
    assert low < centre < high
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.12)  # Clopper-Pearson is a little wider


def test_one_class_has_its_own_clopper_pearson_interval():
    from scipy.stats import binomtest

    labels, predicted = np.zeros(40, dtype=int), (np.arange(40) >= 30).astype(int)
    estimate = balanced_accuracy(labels, predicted, np.arange(40), 2, RULES)
    expected = binomtest(30, 40).proportion_ci(method="exact")
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))


def test_a_rare_class_without_an_error_still_widens_the_interval():
    labels = np.r_[np.zeros(200, dtype=int), np.ones(3, dtype=int)]
    estimate = balanced_accuracy(labels, labels, np.arange(203), 2, RULES)
    assert estimate.value == estimate.high == 1.0
    assert estimate.low == pytest.approx(1 - (1 - 0.025 ** (1 / 3)) / 2, abs=0.01)  # half of what 3 of 3 leaves open


def test_the_order_of_faces_and_the_names_of_people_do_not_matter():
    labels, predicted, subjects = faces(1)
    order = np.random.default_rng(0).permutation(len(labels))
    first = macro_f1(labels, predicted, subjects, 4, RULES)
    again = macro_f1(labels[order], predicted[order], subjects[order] * 7 + 3, 4, RULES)
    assert (again.low, again.value, again.high) == pytest.approx((first.low, first.value, first.high))


def test_too_few_people_are_not_measured():
    labels, predicted, subjects = faces(0, people=9)
    assert macro_f1(labels, predicted, subjects, 4, RULES).reason == "9 people; 10 are needed"
    alone = np.zeros(9, dtype=int)
    assert balanced_accuracy(alone, alone, np.arange(9), 4, RULES).reason == "9 faces; 10 are needed"
