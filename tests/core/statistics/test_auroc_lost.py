from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from countenance.core.statistics.auroc import auroc
from countenance.core.statistics.auroc_lost import auroc_lost
from countenance.core.statistics.rules import StatisticsRules

RULES = StatisticsRules()


def people_with_scores(seed=0, people=40, distance=1.0, digits=None):
    """One to six faces of each person, alike in their scores; rounded to make ties."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(people), rng.integers(1, 7, people))
    positive = rng.random(len(subjects)) < 0.4
    scores = distance * positive + rng.normal(0, 0.7, people)[subjects] + rng.normal(0, 0.7, len(subjects))
    return scores if digits is None else np.round(scores, digits), positive, subjects


def slow_limits(before, after, positive, subjects):
    """MOVER from the definition: influences by person, their correlation, and each AUROC's own limits."""
    moved = []
    for scores in (before, after):
        wins = (scores[positive][:, None] > scores[~positive]) + 0.5 * (scores[positive][:, None] == scores[~positive])
        influence = np.zeros(len(scores))
        influence[positive] = (wins.mean(1) - wins.mean()) / positive.sum()
        influence[~positive] = (wins.mean(0) - wins.mean()) / (~positive).sum()
        moved.append([influence[subjects == person].sum() for person in sorted(set(subjects))])
    r = np.corrcoef(moved)[0, 1]
    a, b = (auroc(scores, positive, subjects, RULES) for scores in (before, after))
    value = a.value - b.value
    down, up = (a.value - a.low, b.high - b.value), (a.high - a.value, b.value - b.low)
    low, high = (np.sqrt(x**2 + y**2 - 2 * r * x * y) for x, y in (down, up))
    return value, value - low, value + high


def test_the_loss_pairs_the_same_people():
    before, positive, subjects = people_with_scores(12, digits=1)
    after = np.round(before + np.random.default_rng(1).normal(0, 0.4, len(before)), 1)
    found = auroc_lost(before, after, positive, subjects, RULES)
    assert (found.value, found.low, found.high) == pytest.approx(slow_limits(before, after, positive, subjects))
    alone = auroc(before, positive, subjects, RULES)
    assert found.high - found.low < alone.high - alone.low  # the same faces, so far less uncertain
    assert (found.n, found.subjects, found.method) == (len(before), 40, "mover_of_auroc_limits")


def test_what_nothing_was_done_to_lost_nothing():
    before, positive, subjects = people_with_scores(13)
    same = auroc_lost(before, before, positive, subjects, RULES)
    assert same.value == 0
    assert -0.03 < same.low <= 0 <= same.high < 0.03


def test_a_fall_from_one_to_answers_without_any_spread_has_limits():
    _, positive, subjects = people_with_scores(14)
    before = positive.astype(float)
    lost = auroc_lost(before, np.full(len(before), 0.2), positive, subjects, RULES)
    assert lost.value == lost.high == 0.5
    assert 0.3 < lost.low < 0.4
    assert lost.low == pytest.approx(auroc(before, positive, subjects, RULES).low - 0.5)


def test_the_fewer_people_are_separated_the_less_a_fall_is_sure():
    lows = []
    for people in (20, 40, 200):
        _, positive, subjects = people_with_scores(15, people=people)
        rng = np.random.default_rng(people)
        after = 0.8 * positive + rng.normal(0, 0.7, len(positive))
        lows.append(auroc_lost(positive.astype(float), after, positive, subjects, RULES).low)
    assert lows == sorted(lows)
    assert lows[0] < 0.1


def test_separated_before_and_after_is_not_called_surely_nothing():
    _, positive, subjects = people_with_scores(16)
    spread = np.random.default_rng(0).uniform(0, 0.4, len(positive))
    found = auroc_lost(positive + spread, positive.astype(float), positive, subjects, RULES)
    assert found.value == 0
    assert -0.3 < found.low < -0.05
    assert 0.05 < found.high < 0.3


def test_what_cannot_be_measured_says_why():
    before, positive, subjects = people_with_scores(17)
    assert auroc_lost(before, before, positive | True, subjects, RULES).reason == "no negative face to compare with"


@pytest.mark.parametrize("area", [0.8, 0.99])
def test_limits_cover_in_simulated_people(area):
    """A smoke test; the rates of ``benchmarks/studies/detection_intervals.py`` stand in docs/forgery-detection.md."""
    covered, runs = 0, 120
    for seed in range(runs):
        distance = np.sqrt(0.98 * 2) * ndtri(area)
        before, positive, subjects = people_with_scores(seed + 100, people=30, distance=distance)
        after = before + np.random.default_rng(seed).normal(0, 1, len(before))
        truth = area - ndtr(distance / np.sqrt(2 * 1.98))
        found = auroc_lost(before, after, positive, subjects, RULES)
        covered += found.low <= truth <= found.high
    assert covered / runs > 0.95 - 3 * np.sqrt(0.05 * 0.95 / runs)
