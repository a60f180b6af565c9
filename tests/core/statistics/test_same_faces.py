"""Changes of scores between models that saw the same faces."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import binomtest, norm, t

from countenance.core.statistics.auroc import auroc_influence
from countenance.core.statistics.false_discovery import benjamini_hochberg
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.same_faces import (
    Ratio,
    change_of_auroc,
    change_of_means,
    change_of_rate,
    sign_flip_p,
    tango_limits,
)


@pytest.mark.parametrize(("gained", "lost"), [(0, 1), (2, 9), (6, 6), (0, 5), (31, 12), (400, 330)])
def test_one_face_per_person_is_mcnemars_exact_test(gained: int, lost: int) -> None:
    balance = np.asarray([1] * gained + [-1] * lost + [0] * 20)
    assert sign_flip_p(balance) == pytest.approx(binomtest(gained, gained + lost).pvalue, rel=1e-9)


def test_sign_flips_are_counted_out_as_by_hand() -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        balance = random.integers(-4, 5, 9)
        flips = np.asarray(np.meshgrid(*[[-1, 1]] * 9)).reshape(9, -1)
        slow = np.mean(np.abs(balance @ flips) >= abs(balance.sum()))
        assert sign_flip_p(balance) == pytest.approx(slow)


def score_statistic(gained: int, lost: int, n: int, delta: float) -> float:
    """Tango's statistic with the likelihood maximised by search: cells lost, gained with gained - lost = delta."""

    def minus_likelihood(rare: float) -> float:
        parts = ((gained, rare + delta), (lost, rare), (n - gained - lost, 1 - 2 * rare - delta))
        return -sum(count * math.log(max(p, 1e-300)) for count, p in parts if count)

    least, most = max(0.0, -delta), (1 - delta) / 2
    rare = minimize_scalar(minus_likelihood, bounds=(least, most), method="bounded", options={"xatol": 1e-12}).x
    return (gained - lost - n * delta) / math.sqrt(n * (2 * rare + delta - delta**2))


@pytest.mark.parametrize(("gained", "lost", "n"), [(12, 2, 50), (3, 1, 40), (1, 9, 200), (20, 22, 100)])
def test_tango_limits_are_where_the_score_statistic_is_z(gained: int, lost: int, n: int) -> None:
    z = float(norm.ppf(0.975))
    value = (gained - lost) / n
    low = brentq(lambda delta: score_statistic(gained, lost, n, delta) - z, -0.99, value - 1e-9)
    high = brentq(lambda delta: score_statistic(gained, lost, n, delta) + z, value + 1e-9, 0.99)
    assert tango_limits(gained, lost, n, z) == pytest.approx((low, high), abs=1e-5)


def test_no_discordant_face_still_has_limits() -> None:
    same = np.ones(50)
    change = change_of_rate(same, same, np.arange(50), 0.95)
    square = float(norm.ppf(0.975)) ** 2
    assert (change.value, change.p, change.changed) == (0.0, 1.0, 0)
    assert change.high == pytest.approx(square / (50 + square), rel=1e-6)
    people = change_of_rate(same, same, np.arange(50) // 5, 0.95)
    assert people.high == pytest.approx(square / (10 + square), rel=1e-6)  # each person counts once


def ratio(x: list[float], n: list[float]) -> Ratio:
    return Ratio(np.asarray(x, dtype=float), np.asarray(n, dtype=float))


def test_a_mean_over_faces_is_the_paired_t_test() -> None:
    random = np.random.default_rng(0)
    old, new = random.normal(size=(2, 60))
    ones = np.ones(60)
    change = change_of_means([Ratio(old, ones)], [Ratio(new, ones)], np.arange(60), 0.95)
    assert change is not None
    error = (new - old).std(ddof=1) / math.sqrt(60)
    assert change.value == pytest.approx((new - old).mean())
    assert (change.high - change.low) / 2 == pytest.approx(2.0 * error, rel=0.02)
    assert change.people == 60


def test_doubling_every_person_changes_nothing_but_the_count() -> None:
    random = np.random.default_rng(1)
    old, new = (random.random((2, 40)) < [[0.8], [0.6]]).astype(float)
    person = np.arange(40)
    alone = change_of_means([Ratio(old, np.ones(40) * 2)], [Ratio(new, np.ones(40) * 2)], person, 0.95)
    twice = change_of_means(
        [Ratio(np.tile(old, 2), np.ones(80) * 2)], [Ratio(np.tile(new, 2), np.ones(80) * 2)], np.tile(person, 2), 0.95
    )
    assert alone is not None
    assert twice is not None
    assert (twice.low, twice.high, twice.p) == pytest.approx((alone.low, alone.high, alone.p))


def test_few_movers_have_few_degrees_of_freedom() -> None:
    old, new = np.zeros(500), np.zeros(500)
    new[:2] = 0.5
    change = change_of_means([Ratio(old, np.ones(500))], [Ratio(new, np.ones(500))], np.arange(500), 0.95)
    assert change is not None
    assert change.degrees == 1
    assert change.p > 0.2
    assert change.low < 0


def test_a_ratio_that_moves_by_nobody_has_no_interval() -> None:
    change = change_of_means([ratio([1, 1, 0], [1, 1, 0])], [ratio([0, 1, 1], [0, 1, 1])], np.arange(3), 0.95)
    assert change is not None
    assert (change.value, change.low, change.high, change.method) == (0, 0, 0, "no_variation")


def test_what_has_no_value_has_no_change() -> None:
    empty = ratio([0, 0], [0, 0])
    assert change_of_means([empty], [ratio([1, 0], [1, 1])], np.arange(2), 0.95) is None
    zero = ratio([0, 0], [1, 1])
    assert change_of_means([zero], [ratio([1, 0], [1, 1])], np.arange(2), 0.95, relative=True) is None


def test_a_relative_change_has_the_error_of_the_ratio() -> None:
    random = np.random.default_rng(5)
    old, new = random.gamma(9, 1, (2, 400))
    ones = np.ones(400)
    change = change_of_means([Ratio(old, ones)], [Ratio(new, ones)], np.arange(400), 0.95, relative=True)
    assert change is not None
    rows = random.integers(0, 400, (2000, 400))
    drawn = (new[rows].mean(axis=1) / old[rows].mean(axis=1) - 1).std()
    assert (change.high - change.low) / 2 / 1.96 == pytest.approx(drawn, rel=0.08)


def test_an_auroc_is_delongs_test() -> None:
    """DeLong's covariance from all pairs, as the paper writes it."""
    random = np.random.default_rng(2)
    positive = np.arange(120) < 50
    base = random.normal(size=120) + positive
    old, new = base + random.normal(0, 0.5, 120), base + random.normal(0, 1.5, 120)
    change = change_of_auroc(old, new, positive, np.arange(120), StatisticsRules())
    parts = []
    for score in (old, new):
        wins = (score[positive][:, None] > score[~positive][None]).astype(float)
        parts.append((wins.mean(axis=1), wins.mean(axis=0), wins.mean()))
    ten = np.cov(np.stack([part[0] for part in parts]))
    one = np.cov(np.stack([part[1] for part in parts]))
    covariance = ten / 50 + one / 70
    error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert change is not None
    assert change.value == pytest.approx(parts[1][2] - parts[0][2])
    assert change.p == pytest.approx(2 * t.sf(abs(change.value) / error, change.degrees), rel=0.05)
    moved = auroc_influence(new, positive)[1] - auroc_influence(old, positive)[1]
    assert math.sqrt(np.square(moved).sum()) == pytest.approx(error, rel=0.02)


def test_adjusted_p_values_by_hand() -> None:
    assert benjamini_hochberg(np.asarray([0.04, 0.01, 0.03, 0.5])).tolist() == pytest.approx(
        [0.16 / 3, 0.04, 0.16 / 3, 0.5]
    )
    assert benjamini_hochberg(np.asarray([])).tolist() == []
