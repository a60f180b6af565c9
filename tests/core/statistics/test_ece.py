from __future__ import annotations

import numpy as np
import pytest

from countenance.core.statistics.ece import _largest_contrast_error, calibration_error
from countenance.core.statistics.rules import StatisticsRules

RULES = StatisticsRules()


def slow_ece(confidence, correct, bins):
    total = 0.0
    for b in range(bins):
        inside = [i for i, c in enumerate(confidence) if b / bins < c <= (b + 1) / bins]
        if inside:
            gap = sum(confidence[i] - correct[i] for i in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(gap)
    return total


def faces(seed, shift=0.0, people=200, each=4):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0.3, 1, people * each)
    correct = (rng.random(people * each) < np.clip(confidence - shift, 0, 1)).astype(float)
    return confidence, correct, np.repeat(np.arange(people), each)


@pytest.mark.parametrize("bins", [2, 10, 15])
def test_value_equals_the_definition(bins):
    confidence, correct, subjects = faces(0)
    observed = calibration_error(confidence, correct, subjects, RULES, bins).observed
    assert observed.value == pytest.approx(slow_ece(confidence, correct, bins))
    assert observed.low <= observed.value <= observed.high


def test_by_hand():
    confidence = np.repeat([0.25, 0.75, 1.0], 10)  # 1.0 belongs to the last bin
    correct = np.r_[np.arange(10) < 5, np.arange(10) < 5, np.ones(10)].astype(float)
    observed = calibration_error(confidence, correct, np.arange(30), RULES).observed
    assert observed.value == pytest.approx((0.25 + 0.25 + 0) / 3)


def test_the_null_is_what_a_calibrated_model_shows():
    shown = []
    for seed in range(60):
        confidence, correct, subjects = faces(seed)
        found = calibration_error(confidence, correct, subjects, RULES)
        shown.append(found.observed.value)
        null = found.null
    assert np.mean(shown) == pytest.approx(null.value, rel=0.08)
    assert np.mean((np.array(shown) > null.low) & (np.array(shown) < null.high)) > 0.85


def test_an_overconfident_model_is_told_from_a_calibrated_one():
    told = calibration_error(*faces(1, shift=0.15), RULES)
    assert told.observed.low > 0.05
    assert told.observed.value > told.null.high
    assert calibration_error(*faces(1), RULES).observed.low == 0


def test_faces_of_one_person_that_are_alike_widen_the_interval_and_the_null():
    confidence, correct, subjects = faces(2, people=100, each=1)
    alone = calibration_error(confidence, correct, subjects, RULES)
    again = calibration_error(*(np.repeat(a, 6) for a in (confidence, correct)), np.repeat(subjects, 6), RULES)
    strangers = calibration_error(*(np.repeat(a, 6) for a in (confidence, correct)), np.arange(600), RULES)
    assert again.null.value == pytest.approx(alone.null.value, rel=0.05)
    assert strangers.null.value < 0.5 * again.null.value
    assert again.observed.high - again.observed.low > 1.5 * (strangers.observed.high - strangers.observed.low)


def test_the_largest_contrast_is_found_by_trying_all_signs():
    root = np.random.default_rng(0).normal(size=(4, 4))
    covariance = root @ root.T
    tried = []
    for code in range(16):
        sign = np.array([1 if code >> bit & 1 else -1 for bit in range(4)])
        tried.append(np.sqrt(sign @ covariance @ sign))
    assert _largest_contrast_error(covariance) == pytest.approx(max(tried))


def test_a_model_that_is_always_right_and_sure_is_calibrated():
    found = calibration_error(np.ones(50), np.ones(50), np.arange(50), RULES)
    assert (found.observed.value, found.null.value) == (0, 0)


def test_reasons_and_bins():
    assert calibration_error(*faces(0, people=9), RULES).observed.reason == "9 people; 10 are needed"
    with pytest.raises(ValueError, match="2 to 15 bins, but got 1"):
        calibration_error(*faces(0), RULES, 1)
