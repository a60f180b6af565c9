from __future__ import annotations

import pytest

from countenance.core.errors import UsageError
from countenance.core.statistics.rules import StatisticsRules


def test_the_effective_sample_size_needed_follows_the_rate_of_all_groups():
    rules = StatisticsRules()
    assert rules.effective_needed(0.7 * 0.3) == pytest.approx(35.85, abs=0.01)  # statistics page: 36 at p = .7
    assert rules.effective_needed(0.9 * 0.1) == 25  # the floor


def test_a_wider_range_needs_no_more_faces_for_the_same_share_of_it():
    rules = StatisticsRules(min_effective=0)
    assert rules.effective_needed(4 * 0.2, width=2) == pytest.approx(rules.effective_needed(0.2))
    assert rules.effective_needed(100.0, width=float("inf")) == 0


@pytest.mark.parametrize(
    "wrong", [{"level": 1.0}, {"level": 95}, {"min_subjects": 0}, {"half_width": 0}, {"min_effective": -1}]
)
def test_rules_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError, match=f"expected .*{wrong[next(iter(wrong))]}"):
        StatisticsRules(**wrong)
