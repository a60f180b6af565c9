from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, t
from sklearn import metrics

from countenance.core.errors import UsageError
from countenance.core.statistics import detection_rates
from countenance.core.statistics.auroc import auroc
from countenance.core.statistics.detection_rates import (
    SAME_SCORES,
    WINDOW,
    average_precision,
    equal_error,
    equal_error_rate,
    precision_influence,
)
from countenance.core.statistics.rules import StatisticsRules

RULES = StatisticsRules()


def people_with_scores(seed=0, people=40, distance=1.0, digits=None):
    """One to six faces of each person, alike in their scores; rounded to make ties."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(people), rng.integers(1, 7, people))
    positive = rng.random(len(subjects)) < 0.4
    scores = distance * positive + rng.normal(0, 0.7, people)[subjects] + rng.normal(0, 0.7, len(subjects))
    return scores if digits is None else np.round(scores, digits), positive, subjects


def scikit_eer(scores, positive):
    """Where the lines between the points of scikit-learn's ROC curve meet FPR = 1 - TPR, found by bisection."""
    fpr, tpr, _ = metrics.roc_curve(positive, scores, drop_intermediate=False)
    at = np.arange(len(fpr), dtype=float)
    low, high = 0.0, at[-1]
    for _ in range(80):
        middle = (low + high) / 2
        ahead = np.interp(middle, at, fpr) + np.interp(middle, at, tpr) - 1
        low, high = (middle, high) if ahead < 0 else (low, middle)
    return np.interp(low, at, fpr)


@pytest.mark.parametrize("digits", [None, 1, 0])
@pytest.mark.parametrize("distance", [-1.0, 0.0, 1.0, 3.0])
def test_values_equal_scikit_learns_with_ties_and_without(digits, distance):
    scores, positive, subjects = people_with_scores(1, distance=distance, digits=digits)
    found = equal_error_rate(scores, positive, subjects, RULES)
    assert found.value == pytest.approx(scikit_eer(scores, positive), abs=1e-9)
    precision = average_precision(scores, positive, subjects, RULES)
    assert precision.value == pytest.approx(metrics.average_precision_score(positive, scores))
    area = auroc(scores, positive, subjects, RULES)
    assert area.value == pytest.approx(metrics.roc_auc_score(positive, scores))
    for estimate in (found, precision):
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
        assert estimate.n == len(scores)
        assert estimate.subjects == 40


def test_average_precision_at_another_prevalence_is_that_of_weighted_faces():
    scores, positive, subjects = people_with_scores(2, digits=1)
    for prevalence in (0.1, 0.6, 0.9):
        weights = np.where(positive, prevalence / positive.sum(), (1 - prevalence) / (~positive).sum())
        expected = metrics.average_precision_score(positive, scores, sample_weight=weights)
        found = average_precision(scores, positive, subjects, RULES, prevalence)
        assert found.value == pytest.approx(expected)
    with pytest.raises(UsageError, match=r"expected a prevalence between 0 and 1, but got 1\.0"):
        average_precision(scores, positive, subjects, RULES, 1.0)


def test_a_score_that_knows_nothing_reaches_the_nulls():
    scores, positive, subjects = people_with_scores(3, people=400, distance=0.0)
    assert equal_error_rate(scores, positive, subjects, RULES).low < 0.5
    assert equal_error_rate(scores, positive, subjects, RULES).high > 0.5
    found = average_precision(scores, positive, subjects, RULES, 0.3)
    assert found.low < 0.3 < found.high


def test_the_equal_error_is_that_of_its_threshold():
    scores, positive, _ = people_with_scores(4)
    found = equal_error(scores, positive)
    called = scores >= found.threshold
    misses, alarms = (~called[positive]).mean(), called[~positive].mean()
    assert found.value == pytest.approx(misses, abs=1 / positive.sum())
    assert found.value == pytest.approx(alarms, abs=1 / (~positive).sum())
    for kind in (positive, ~positive):
        assert found.influence[kind].sum() == pytest.approx(0, abs=1e-12)


def test_the_influence_on_the_equal_error_is_what_one_more_face_moves():
    """Of many faces densities are known well, so that a face counted twice moves the rate by its influence."""
    rng = np.random.default_rng(5)
    positive = np.repeat([True, False], [150_000, 300_000])
    scores = np.where(positive, 1.4, 0.0) + rng.normal(0, np.where(positive, 1.6, 0.8), len(positive))
    found = equal_error(scores, positive)
    for wanted in ("low positive", "high positive", "low negative", "high negative"):
        kind = positive if "positive" in wanted else ~positive
        side = scores < found.threshold if "low" in wanted else scores > found.threshold
        more = np.flatnonzero(kind & side)[:4000]
        again = equal_error(np.append(scores, scores[more]), np.append(positive, positive[more]))
        assert again.value - found.value == pytest.approx(found.influence[more].sum(), rel=0.12)


def slow_equal_error_limits(scores, positive, subjects):
    """The limits from the definition: influences by person, an error of each kind, Wilson with as many faces."""
    found = equal_error(scores, positive)
    reached = [(np.inf, 0.0, 0.0)]
    for value in sorted(set(scores), reverse=True):
        reached.append((value, (scores[~positive] >= value).mean(), (scores[positive] >= value).mean()))
    ahead = [alarms + hits - 1 for _, alarms, hits in reached]
    wide = np.interp([-WINDOW, WINDOW], ahead, [alarms for _, alarms, _ in reached])
    share = (wide[1] - wide[0]) / (2 * WINDOW)
    e, influence = found.value, np.zeros(len(scores))
    for place, (score, kind) in enumerate(zip(scores, positive, strict=True)):
        if kind:
            missed = 1.0 if score < found.threshold else 0.0
            if score == found.threshold:
                others = (scores[positive] < found.threshold).sum()
                missed = (e * positive.sum() - others) / (scores[positive] == score).sum()
            influence[place] = share * (missed - e) / positive.sum()
        else:
            alarm = 1.0 if score > found.threshold else 0.0
            if score == found.threshold:
                others = (scores[~positive] > found.threshold).sum()
                alarm = (e * (~positive).sum() - others) / (scores[~positive] == score).sum()
            influence[place] = (1 - share) * (alarm - e) / (~positive).sum()
    a, b = np.zeros(1000), np.zeros(1000)
    for person, kind, moved in zip(subjects, positive, influence, strict=True):
        (a if kind else b)[person] += moved
    m = len(set(subjects))
    p, n = len(set(subjects[positive])), len(set(subjects[~positive]))
    squares = [(a**2).sum() * p / (p - 1), (b**2).sum() * n / (n - 1)]
    variance = sum(squares) + 2 * (a * b).sum() * m / (m - 1)
    freedom = int(min(sum(squares) ** 2 / (squares[0] ** 2 / (p - 1) + squares[1] ** 2 / (n - 1)), m - 1))
    alone = e * (1 - e) * (share**2 / positive.sum() + (1 - share) ** 2 / (~positive).sum())
    size, z = e * (1 - e) / max(variance, alone), t.ppf(0.975, freedom)
    centre, half = e + z**2 / (2 * size), z * np.sqrt(e * (1 - e) / size + z**2 / (4 * size**2))
    return (centre - half) / (1 + z**2 / size), (centre + half) / (1 + z**2 / size)


@pytest.mark.parametrize("digits", [None, 1])
def test_limits_of_the_equal_error_equal_a_slow_reckoning(digits):
    scores, positive, subjects = people_with_scores(6, people=15, digits=digits)
    found = equal_error_rate(scores, positive, subjects, RULES)
    assert (found.low, found.high) == pytest.approx(slow_equal_error_limits(scores, positive, subjects))


def test_the_influence_on_average_precision_is_the_derivative_by_each_faces_weight():
    scores, positive, _ = people_with_scores(7, people=12, digits=1)
    value, influence = precision_influence(scores, positive, 0.4)

    def weighted(weights):
        of = np.where(positive, 0.4 * weights / weights[positive].sum(), 0.6 * weights / weights[~positive].sum())
        return metrics.average_precision_score(positive, scores, sample_weight=of)

    assert value == pytest.approx(weighted(np.ones(len(scores))))
    for face in range(len(scores)):
        up, down = (np.ones(len(scores)) for _ in range(2))
        up[face] += 1e-4
        down[face] -= 1e-4
        assert (weighted(up) - weighted(down)) / 2e-4 == pytest.approx(influence[face], abs=1e-7)


def test_limits_of_average_precision_equal_a_slow_reckoning(monkeypatch):
    scores, positive, subjects = people_with_scores(8, people=15)
    share = positive.mean()

    def logit_without(person):
        rest = subjects != person
        weights = np.where(positive, share / positive[rest].sum(), (1 - share) / (~positive[rest]).sum())[rest]
        value = metrics.average_precision_score(positive[rest], scores[rest], sample_weight=weights)
        return np.log(value / (1 - value))

    value = metrics.average_precision_score(positive, scores)
    people = len(set(subjects))
    without = np.array([logit_without(person) for person in sorted(set(subjects))])
    centre = people * np.log(value / (1 - value)) - (people - 1) * without.mean()
    freedom = min(len(set(subjects[positive])), len(set(subjects[~positive]))) - 1
    half = t.ppf(0.975, freedom) * np.sqrt((people - 1) / people * ((without - without.mean()) ** 2).sum())
    low, high = 1 / (1 + np.exp(half - centre)), 1 / (1 + np.exp(-half - centre))
    found = average_precision(scores, positive, subjects, RULES)
    assert (found.low, found.high) == pytest.approx((min(low, value), max(high, value)))
    assert found.method == "jackknife_people_logit"

    monkeypatch.setattr(detection_rates, "FACES_TO_RANK", 0)
    quick = average_precision(scores, positive, subjects, RULES)
    influence = precision_influence(scores, positive, share)[1]
    a, b = (np.array([influence[(subjects == s) & (positive == k)].sum() for s in range(15)]) for k in (True, False))
    p, n = len(set(subjects[positive])), len(set(subjects[~positive]))
    squares = [(a**2).sum() * p / (p - 1), (b**2).sum() * n / (n - 1)]
    variance = sum(squares) + 2 * (a * b).sum() * people / (people - 1)
    freedom = int(min(sum(squares) ** 2 / (squares[0] ** 2 / (p - 1) + squares[1] ** 2 / (n - 1)), people - 1))
    half = t.ppf(0.975, freedom) * np.sqrt(variance) / (value * (1 - value))
    centre = np.log(value / (1 - value))
    assert (quick.low, quick.high) == pytest.approx((1 / (1 + np.exp(half - centre)), 1 / (1 + np.exp(-half - centre))))


def test_two_faces_of_one_person_are_not_two_samples():
    scores, positive, subjects = people_with_scores(9, people=60)
    once = np.unique(subjects, return_index=True)[1]
    few = scores[once], positive[once], subjects[once]
    repeated = tuple(np.repeat(each, 9) for each in few)
    for measure in (equal_error_rate, average_precision):
        single, many = measure(*few, RULES), measure(*repeated, RULES)
        assert many.value == pytest.approx(single.value, abs=0.02)
        assert many.high - many.low == pytest.approx(single.high - single.low, rel=0.15)
        as_rows = measure(repeated[0], repeated[1], np.arange(len(repeated[0])), RULES)
        assert as_rows.high - as_rows.low < 0.5 * (many.high - many.low)


def test_what_cannot_be_measured_says_why():
    scores, positive, subjects = people_with_scores(10)
    for measure in (equal_error_rate, average_precision):
        assert measure(np.full(len(scores), 0.3), positive, subjects, RULES).reason == SAME_SCORES
        assert measure(scores, np.ones_like(positive), subjects, RULES).reason == "no negative face to compare with"
        few = subjects < 5
        assert measure(scores[few], positive[few], subjects[few], RULES).reason == "5 people; 10 are needed"
        some = positive & (subjects > 5)
        reason = measure(scores[~some], positive[~some], subjects[~some], RULES).reason
        assert "with a positive face; 10 are needed" in reason


def test_kinds_that_are_told_apart_without_error_have_limits():
    _, positive, subjects = people_with_scores(11, people=50)
    scores = positive.astype(float) + np.random.default_rng(0).uniform(0, 0.5, len(positive))
    error = equal_error_rate(scores, positive, subjects, RULES)
    assert error.value == error.low == 0
    assert 0.05 < error.high < 0.15
    precision = average_precision(scores, positive, subjects, RULES)
    assert precision.value == precision.high == 1
    assert 0.8 < precision.low < 0.95


@pytest.mark.parametrize("distance", [0.0, 1.2])
def test_limits_cover_in_simulated_people(distance):
    """A smoke test; the rates of ``benchmarks/studies/detection_intervals.py`` stand in docs/forgery-detection.md."""
    covered, runs = np.zeros(2), 120
    points = np.linspace(-8, 9, 2001)
    for seed in range(runs):
        scores, positive, subjects = people_with_scores(seed + 100, people=40, distance=distance)
        spread = np.sqrt(0.98)
        share = positive.mean()
        hits, alarms = norm.sf(points, distance, spread), norm.sf(points, 0, spread)
        precision = share * hits / (share * hits + (1 - share) * alarms)
        truths = norm.cdf(-distance / 2 / spread), np.trapezoid(norm.pdf(points, distance, spread) * precision, points)
        for place, measure in enumerate((equal_error_rate, average_precision)):
            found = measure(scores, positive, subjects, RULES)
            covered[place] += found.low <= truths[place] <= found.high
    assert (covered / runs > 0.95 - 3 * np.sqrt(0.05 * 0.95 / runs)).all()
