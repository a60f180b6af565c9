from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t
from sklearn.metrics import roc_auc_score

from countenance.core.statistics.auroc import auroc, auroc_influence
from countenance.core.statistics.rules import StatisticsRules

RULES = StatisticsRules()


def faces(seed, people=80, decimals=9):
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(people), rng.integers(1, 6, people))
    positive = rng.random(len(subjects)) < 0.4
    scores = 1.2 * positive + rng.normal(0, 1, people)[subjects] + rng.normal(0, 1, len(subjects))
    return np.round(scores, decimals), positive, subjects


@pytest.mark.parametrize("decimals", [9, 0])  # without and with many ties
@pytest.mark.parametrize("seed", range(3))
def test_value_equals_scikit_learns_and_error_a_slow_jackknife(seed, decimals):
    scores, positive, subjects = faces(seed, decimals=decimals)
    estimate = auroc(scores, positive, subjects, RULES)
    assert estimate.value == pytest.approx(roc_auc_score(positive, scores))
    people = np.unique(subjects)
    left_out = np.array([roc_auc_score(positive[subjects != s], scores[subjects != s]) for s in people])
    error = np.sqrt((len(people) - 1) / len(people) * np.square(left_out - left_out.mean()).sum())
    logit = np.log(np.array([estimate.low, estimate.high]) / (1 - np.array([estimate.low, estimate.high])))
    ours = (logit[1] - logit[0]) / 2 / 1.99 * estimate.value * (1 - estimate.value)
    assert ours == pytest.approx(error, rel=0.05)
    assert (estimate.subjects, estimate.method) == (80, "cluster_influence_logit")


def test_influences_of_independent_faces_give_delongs_variance():
    scores, positive, _ = faces(0)
    value, influence = auroc_influence(scores, positive)
    wins = (scores[positive][:, None] > scores[~positive][None, :]).astype(float)
    by_positive, by_negative = wins.mean(axis=1), wins.mean(axis=0)
    delong = by_positive.var() / len(by_positive) + by_negative.var() / len(by_negative)
    assert value == pytest.approx(wins.mean())
    assert np.square(influence).sum() == pytest.approx(delong)
    assert influence.sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("turned", [False, True])
def test_entire_separation_has_an_interval_too(turned):
    positive = np.arange(40) < 15
    scores = np.where(positive, 1.0, 0.0)
    estimate = auroc(-scores if turned else scores, positive, np.arange(40), RULES)
    open_side = 0.025 ** (1 / 15)  # 15 pairs in order
    assert estimate.method == "clopper_pearson_pairs"
    expected = (0.0, 0.0, 1 - open_side) if turned else (open_side, 1.0, 1.0)
    assert (estimate.low, estimate.value, estimate.high) == pytest.approx(expected)


def test_people_of_both_kinds_make_half_as_many_pairs():
    positive, scores = np.tile([True, False], 20), np.tile([1.0, 0.0], 20)
    estimate = auroc(scores, positive, np.repeat(np.arange(20), 2), RULES)
    assert estimate.low == pytest.approx(0.025 ** (1 / 10))


def test_few_people_of_a_kind_make_a_wide_interval_and_fewer_none():
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(200), 4)
    widths = {}
    for some in (9, 10, 100):
        positive = (subjects < some) & (np.arange(800) % 4 > 0)
        scores = positive + rng.normal(0, 0.6, 200)[subjects] + rng.normal(0, 0.8, 800)
        estimate = auroc(scores, positive, subjects, RULES)
        if some < 10:
            assert estimate.reason == "9 people with a positive face; 10 are needed"
            assert auroc(-scores, ~positive, subjects, RULES).reason == "9 people with a negative face; 10 are needed"
            continue
        _, influence = auroc_influence(scores, positive)
        a, b = (np.bincount(subjects, influence * (positive == kind)) for kind in (True, False))
        variance = (a**2).sum() * some / (some - 1) + (b**2).sum() * 200 / 199 + 2 * (a * b).sum() * 200 / 199
        logit = np.log(np.array([estimate.low, estimate.high]) / (1 - np.array([estimate.low, estimate.high])))
        quantile = (logit[1] - logit[0]) / 2 * estimate.value * (1 - estimate.value) / np.sqrt(variance)
        widths[some] = quantile
    assert 2.17 < widths[10] < t.ppf(0.975, 9) + 1e-9  # nearly as few degrees as people of the few
    assert 1.96 < widths[100] < 2.0


def test_reasons():
    scores = np.linspace(0, 1, 20)
    assert auroc(scores, scores > 2, np.arange(20), RULES).reason == "no positive face to compare with"
    assert auroc(scores, scores < 2, np.arange(20), RULES).reason == "no negative face to compare with"
    assert auroc(scores[:9], scores[:9] > 0.2, np.arange(9), RULES).reason == "9 faces; 10 are needed"
