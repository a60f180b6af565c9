from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from countenance.core.statistics import roc_band as module
from countenance.core.statistics.roc_band import at_rates, roc_band


def scores_of(seed=0, people=60, digits=None):
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(people), rng.integers(1, 7, people))
    positive = rng.random(len(subjects)) < 0.4
    scores = 1.3 * positive + rng.normal(0, 0.7, people)[subjects] + rng.normal(0, 0.7, len(subjects))
    return scores if digits is None else np.round(scores, digits), positive, subjects


@pytest.mark.parametrize("digits", [None, 0])
def test_the_curve_is_scikit_learns(digits):
    scores, positive, subjects = scores_of(digits=digits)
    band = roc_band(scores, positive, subjects, np.random.default_rng(0), replicates=20)
    fpr, tpr, _ = metrics.roc_curve(positive, scores, drop_intermediate=False)
    for rate, detected in zip(band.false_alarms, band.detected, strict=True):
        last = np.flatnonzero(fpr <= rate)[-1]
        expected = tpr[last]
        if last + 1 < len(fpr):
            expected += (tpr[last + 1] - tpr[last]) * (rate - fpr[last]) / (fpr[last + 1] - fpr[last])
        assert detected == pytest.approx(expected)
    assert band.false_alarms[[0, -1]].tolist() == [0, 1]
    assert band.detected[-1] == 1
    assert (band.low <= band.detected).all()
    assert (band.detected <= band.high).all()
    assert (np.diff(band.detected) >= 0).all()


def test_the_band_is_that_of_people_drawn_anew():
    """One draw after the other, each curve from the drawn faces themselves."""
    scores, positive, subjects = scores_of(1, people=25)
    band = roc_band(scores, positive, subjects, np.random.default_rng(3), replicates=200)
    rng, drawn = np.random.default_rng(3), []
    for times in rng.multinomial(25, np.full(25, 1 / 25), 200):
        faces = np.repeat(np.arange(len(scores)), times[subjects])
        fpr, tpr, _ = metrics.roc_curve(positive[faces], scores[faces], drop_intermediate=False)
        drawn.append(at_rates(band.false_alarms, fpr, tpr))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    assert band.low == pytest.approx(np.minimum(low, band.detected))
    assert band.high == pytest.approx(np.maximum(high, band.detected))


def test_a_band_of_few_people_is_wider_than_one_of_as_many_faces():
    scores, positive, subjects = scores_of(2, people=30)
    by_person = roc_band(scores, positive, subjects, np.random.default_rng(0))
    by_face = roc_band(scores, positive, np.arange(len(scores)), np.random.default_rng(0))
    assert (by_person.high - by_person.low).mean() > 1.1 * (by_face.high - by_face.low).mean()


def test_many_thresholds_are_thinned_for_the_band_alone(monkeypatch):
    scores, positive, subjects = scores_of(3, people=200)
    whole = roc_band(scores, positive, subjects, np.random.default_rng(0), replicates=100)
    monkeypatch.setattr(module, "MOST_THRESHOLDS", 120)
    thinned = roc_band(scores, positive, subjects, np.random.default_rng(0), replicates=100)
    assert thinned.detected.tolist() == whole.detected.tolist()
    assert np.abs(thinned.low - whole.low).mean() < 0.03
    assert np.abs(thinned.high - whole.high).mean() < 0.03


def test_draws_without_both_kinds_are_left_out():
    positive = np.array([True, False, False])
    band = roc_band(np.array([0.9, 0.5, 0.1]), positive, np.arange(3), np.random.default_rng(0), replicates=50)
    assert np.isfinite(band.low).all()
    only = roc_band(np.array([0.9, 0.5]), positive[:2], np.arange(2), np.random.default_rng(1), replicates=1)
    assert only.detected[-1] == 1
