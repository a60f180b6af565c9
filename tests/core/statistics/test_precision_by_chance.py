from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from sklearn import metrics

from countenance.core.statistics import precision_by_chance as module
from countenance.core.statistics.precision_by_chance import precision_by_chance


def scikit(scores, positive, prevalence):
    weights = np.where(positive, prevalence / positive.sum(), (1 - prevalence) / (~positive).sum())
    return metrics.average_precision_score(positive, scores, sample_weight=weights)


@pytest.mark.parametrize("prevalence", [0.4, 0.15, 0.8])
@pytest.mark.parametrize("scores", [np.arange(9.0), np.array([0, 0, 1, 2, 2, 2, 3, 4, 4.0]), np.ones(9)])
def test_it_is_the_mean_of_scikit_learns_over_all_ways_to_deal_the_labels(scores, prevalence):
    values = []
    for chosen in combinations(range(9), 4):
        positive = np.isin(np.arange(9), chosen)
        values.append(scikit(scores, positive, prevalence))
    found = precision_by_chance(scores, np.arange(9) < 4, prevalence)
    assert found == pytest.approx(np.mean(values))
    if np.ptp(scores):
        assert found > prevalence  # few faces make it larger


@pytest.mark.parametrize(("faces", "positives", "prevalence", "digits"), [(30, 18, 0.6, None), (400, 90, 0.5, 1)])
def test_it_is_the_mean_over_permutations_drawn_at_random(faces, positives, prevalence, digits):
    random = np.random.default_rng(faces)
    scores = random.normal(size=faces)
    scores = scores if digits is None else np.round(scores, digits)
    positive = np.arange(faces) < positives
    drawn = np.array([scikit(scores, random.permutation(positive), prevalence) for _ in range(800)])
    error = drawn.std() / np.sqrt(len(drawn))
    assert precision_by_chance(scores, positive, prevalence) == pytest.approx(drawn.mean(), abs=3.5 * error)


@pytest.mark.parametrize("faces", [50, 3000])
def test_of_many_faces_it_is_the_closed_form_and_near_the_share_of_positives(faces):
    positive = np.arange(faces) % 5 < 2
    p, n = positive.sum(), faces
    exact = (p - 1) / (n - 1) + (n - p) / (n - 1) * (1 / np.arange(1, n + 1)).sum() / n
    found = precision_by_chance(np.random.default_rng(0).permutation(n).astype(float), positive, p / n)
    assert found == pytest.approx(exact, abs=1e-6)
    assert (found - p / n < 0.002) == (faces == 3000)


def test_ranks_left_out_hardly_matter(monkeypatch):
    scores, positive = np.random.default_rng(1).normal(size=600), np.arange(600) < 200
    rough = precision_by_chance(scores, positive, 0.2)
    monkeypatch.setattr(module, "EACH_UP_TO", 600)
    assert rough == pytest.approx(precision_by_chance(scores, positive, 0.2), abs=1e-6)
