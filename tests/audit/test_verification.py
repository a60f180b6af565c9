from __future__ import annotations

import numpy as np
import pytest

from countenance.audit.verification import (
    IMPOSTOR,
    Comparisons,
    find_threshold,
    rates,
    take,
    threshold_at,
    tpr_at_fpr,
)
from countenance.core.statistics.rules import StatisticsRules

RULES = StatisticsRules()


def comparisons(seed=0, people=200, impostors=20_000, shift=3.0):
    """Three genuine pairs of each person, and impostor pairs drawn at random."""
    rng = np.random.default_rng(seed)
    one = rng.integers(0, people, impostors)
    other = (one + rng.integers(1, people, impostors)) % people
    genuine = np.repeat(np.arange(people), 3)
    same = np.r_[np.ones(len(genuine), bool), np.zeros(impostors, bool)]
    similarity = rng.normal(0, 1, len(same)) + shift * same
    return Comparisons(similarity, same, np.r_[genuine, one], np.r_[genuine, other], people)


@pytest.mark.parametrize("share", [0.0, 0.0004, 0.001, 0.3, 1.0])
def test_no_more_than_the_share_reaches_the_threshold_and_no_lower_one_would_do(share):
    similarity = np.random.default_rng(1).permutation(1000) / 1000
    threshold = threshold_at(similarity, share)
    assert (similarity >= threshold).mean() == pytest.approx(np.floor(share * 1000 + 1e-9) / 1000)
    if share < 1:
        below = similarity[similarity < threshold].max()
        assert (similarity >= below).mean() > share


def test_ties_at_the_threshold_do_not_match():
    similarity = np.r_[np.zeros(90), np.full(10, 0.5)]
    assert (similarity >= threshold_at(similarity, 0.05)).sum() == 0
    assert (similarity >= threshold_at(similarity, 0.10)).sum() == 10


def test_the_threshold_of_the_plan_or_of_all_impostor_pairs():
    pairs = comparisons()
    found = find_threshold(pairs, 1e-3, None)
    assert (found.matched, found.impostors) == (20, 20_000)
    given = find_threshold(pairs, 1e-3, 99.0)
    assert (given.value, given.matched) == (99.0, 0)
    genuine = take(pairs, pairs.rows("genuine"))
    assert find_threshold(genuine, 1e-3, None) is None
    assert find_threshold(genuine, 1e-3, 0.5).impostors == 0


def test_a_threshold_no_impostor_pair_reaches_has_an_upper_limit():
    pairs = comparisons()
    rows = pairs.rows(IMPOSTOR)
    nothing, near = np.zeros(len(rows)), pairs.similarity[rows]
    (estimate,) = rates(pairs.grouped(rows), nothing, RULES, IMPOSTOR, overall=True, nearest=near).estimates
    assert (estimate.value, estimate.low, estimate.n, estimate.count) == (0.0, 0.0, 20_000, 0.0)
    assert 2 / 20_000 < estimate.high < 6 / 20_000  # these pairs are independent
    alike = np.random.default_rng(0).normal(0, 1, 200)
    near = near + alike[pairs.first[rows]] + alike[pairs.second[rows]]
    (estimate,) = rates(pairs.grouped(rows), nothing, RULES, IMPOSTOR, overall=True, nearest=near).estimates
    assert estimate.high > 10 / 20_000


def test_groups_that_are_too_small_say_what_they_lack():
    pairs = comparisons(people=30, impostors=400)
    rows = pairs.rows(IMPOSTOR)
    codes = np.where(pairs.first < 3, 0, 1) * np.where(pairs.second < 3, 0, 1)
    codes = np.where((pairs.first < 4) & (pairs.second < 4), 0, 1)
    found = rates(pairs.grouped(rows, codes, 3), np.zeros(len(rows)), RULES, IMPOSTOR).estimates
    assert "people in impostor pairs; 10 are needed" in found[0].reason
    assert found[2].reason == "no impostor pair here"


def test_tpr_at_fpr():
    pairs = comparisons()
    estimate = tpr_at_fpr(pairs, 1e-3, RULES)
    genuine, impostor = pairs.similarity[pairs.same], pairs.similarity[~pairs.same]
    order = np.sort(impostor)[::-1]
    assert estimate.value == pytest.approx((genuine > order[20]).mean())
    assert estimate.low < estimate.value < estimate.high
    at_fixed = rates(
        pairs.grouped(pairs.rows("genuine")), (genuine > order[20]).astype(float), RULES, "genuine", overall=True
    ).estimates[0]
    assert estimate.low < at_fixed.low  # the threshold is uncertain too
    assert estimate.high > at_fixed.high


def test_tpr_at_fpr_needs_impostor_pairs():
    few = tpr_at_fpr(comparisons(impostors=9_999), 1e-3, RULES)
    assert few.reason == "9,999 impostor pairs; 10,000 are needed for a TPR at an FPR of 0.001"
    assert tpr_at_fpr(comparisons(impostors=10_000), 1e-3, RULES).value is not None


def test_tpr_at_fpr_covers():
    from scipy.special import ndtr, ndtri

    truth = 1 - ndtr(-ndtri(0.01) - 3.0)
    runs = 150
    found = [tpr_at_fpr(comparisons(seed, impostors=2_000), 0.01, RULES) for seed in range(runs)]
    rate = np.mean([estimate.low <= truth <= estimate.high for estimate in found])
    assert rate >= 0.93 - 2.6 * np.sqrt(0.93 * 0.07 / runs)
