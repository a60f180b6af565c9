"""AUROC, CCC, PCC, RMSE and ECE of one set of faces: against slow code, closed forms, and reasons."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from countenance.core.statistics.ece import calibration_error
from countenance.core.statistics.paired import PAIRED
from countenance.core.statistics.rules import StatisticsRules

RULES = StatisticsRules()
TRANSFORMS = {"ccc": (np.arctanh, np.tanh), "pcc": (np.arctanh, np.tanh), "rmse": (np.log, np.exp)}


def faces(seed=0, people=40):
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), rng.integers(2, 9, people))
    truth = 5 + rng.normal(0, 1, people)[person] + rng.normal(0, 1, len(person))
    return truth, 0.7 * truth + 1 + rng.normal(0, 0.7, len(person)), person


def slow(statistic, y, p):
    covariance = ((y - y.mean()) * (p - p.mean())).mean()
    if statistic == "ccc":
        return 2 * covariance / (y.var() + p.var() + (y.mean() - p.mean()) ** 2)
    return covariance / (y.std() * p.std()) if statistic == "pcc" else np.sqrt(((y - p) ** 2).mean())


@pytest.mark.parametrize("statistic", ["ccc", "pcc", "rmse"])
@pytest.mark.parametrize("seed", range(3))
def test_value_and_limits_equal_a_slow_jackknife(statistic, seed):
    y, p, person = faces(seed)
    estimate = PAIRED[statistic].estimate(y, p, 7 * person + 3, RULES)
    forward, back = TRANSFORMS[statistic]
    left_out = forward([slow(statistic, y[person != s], p[person != s]) for s in range(40)])
    error = np.sqrt(39 / 40 * np.square(left_out - left_out.mean()).sum())
    centre = forward(slow(statistic, y, p))
    expected = [back(centre + side * t.ppf(0.975, 39) * error) for side in (-1, 0, 1)]
    assert (estimate.low, estimate.value, estimate.high) == pytest.approx(expected, rel=1e-9)
    assert (estimate.n, estimate.subjects, estimate.level) == (len(y), 40, 0.95)
    assert estimate.method == ("jackknife_people_log" if statistic == "rmse" else "jackknife_people_atanh")


def test_closed_forms():
    y = np.tile([-1.0, 0.0, 1.0], 10)
    person = np.arange(30)
    shifted = PAIRED["ccc"].estimate(y, y + 1, person, RULES)
    assert shifted.value == pytest.approx(2 * (2 / 3) / (2 / 3 + 2 / 3 + 1))
    assert PAIRED["pcc"].estimate(y, -3 * y + 1, person, RULES).value == pytest.approx(-1)
    off = PAIRED["rmse"].estimate(y, y + np.where(person % 2, 3.0, 4.0), person, RULES)
    assert off.value == pytest.approx(np.sqrt(12.5))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_shift_and_scale(scale, shift):
    y, p, person = faces()
    for statistic in ("ccc", "pcc", "rmse"):
        plain = PAIRED[statistic].estimate(y, p, person, RULES)
        moved = PAIRED[statistic].estimate(scale * (y + shift), scale * (p + shift), person, RULES)
        unit = scale if statistic == "rmse" else 1.0
        found, expected = (moved.low, moved.value, moved.high), (plain.low, plain.value, plain.high)
        assert found == pytest.approx([unit * each for each in expected], rel=1e-6)


@pytest.mark.parametrize("statistic", ["ccc", "pcc", "rmse"])
def test_what_nothing_can_be_judged_by_has_no_limits(statistic):
    y, _, person = faces()
    perfect = PAIRED[statistic].estimate(y, y, person, RULES)
    assert (perfect.value, perfect.low, perfect.method) == (0.0 if statistic == "rmse" else 1.0, None, "no_variation")
    one_wrong = PAIRED[statistic].estimate(y, np.where(person == 3, y + 1, y), person, RULES)
    assert one_wrong.low is None


def test_reasons():
    y, p, person = faces()
    few = person < 9
    for method in PAIRED.values():
        first = (y > 5).astype(float) if method.name in ("auroc", "ece") else y
        second = np.clip(p / 10, 0, 1) if method.name == "ece" else p
        assert method.estimate(first[few], second[few], person[few], RULES).reason == "9 people; 10 are needed"
    assert PAIRED["rmse"].estimate(y[:1], p[:1], person[:1], StatisticsRules(min_subjects=1)).value is None
    same = np.full(len(y), 0.1)
    assert PAIRED["ccc"].estimate(same, p, person, RULES).reason == "every face has the same true value"
    assert "or the same predicted one" in PAIRED["pcc"].estimate(y, same, person, RULES).reason
    assert PAIRED["ccc"].estimate(y, same, person, RULES).value == 0
    one = np.where(person == 5, y, 0.1)
    assert (
        PAIRED["ccc"].estimate(one, p, person, RULES).reason == "every face has the same true value but of one person"
    )


def test_auroc_and_ece_are_those_of_their_modules():
    y, p, person = faces()
    positive, confidence = (y > 5).astype(float), np.clip(p / 10, 0, 1)
    assert PAIRED["auroc"].estimate(positive, p, person, RULES).method == "cluster_influence_logit"
    expected = calibration_error(confidence, positive, person, RULES, 10).observed
    assert PAIRED["ece"].estimate(positive, confidence, person, RULES) == expected
