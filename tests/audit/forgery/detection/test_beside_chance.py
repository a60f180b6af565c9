"""Where an AUROC lies beside one half."""

from __future__ import annotations

import pytest

from countenance.audit.forgery.chance import Place, jointly, place_of
from countenance.core.results import Estimate
from countenance.core.statistics.rules import StatisticsRules


@pytest.mark.parametrize(
    ("low", "high", "place"),
    [
        (0.70, 0.80, Place.TOLD),
        (0.51, 0.70, Place.TOLD),
        (0.51, 0.65, Place.BARELY_ABOVE),
        (0.35, 0.65, Place.NEAR),
        (0.50, 0.60, Place.NEAR),
        (0.36, 0.49, Place.BARELY_BELOW),
        (0.34, 0.49, Place.BELOW),
        (0.20, 0.34, Place.FAR_BELOW),
        (0.45, 0.66, Place.OPEN),
        (0.34, 0.60, Place.OPEN),
        (0.10, 0.90, Place.OPEN),
    ],
)
def test_the_whole_interval_decides(low, high, place):
    assert place_of(Estimate(value=(low + high) / 2, low=low, high=high, level=0.95, method="x", n=9)) is place


def test_what_was_not_measured_is_nowhere():
    assert place_of(Estimate.not_measured("1 person; 10 are needed", n=1)) is Place.UNKNOWN


def test_the_level_is_that_of_all_questions_together():
    rules = StatisticsRules(level=0.9)
    assert jointly(rules, 5).level == pytest.approx(0.98)
    assert jointly(rules, 1).level == jointly(rules, 0).level == pytest.approx(0.9)
