"""Gaps between values that move together: closed forms, agreement with the permutation engine, coverage."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm, t

from countenance.core.statistics.correlated_gaps import (
    answer_correlated,
    ask_correlated,
    correlated_gap,
    joint_normal,
    people_covariance,
)
from countenance.core.statistics.correlated_values import correlated_values
from countenance.core.statistics.gap_answers import gap_of
from countenance.core.statistics.gaps import Gap
from countenance.core.statistics.permutations import ScoredFaces
from countenance.core.statistics.rules import StatisticsRules

RULES = StatisticsRules()
Floats = NDArray[np.float64]


def random(seed: int = 0) -> np.random.Generator:
    """A generator of a test."""
    return np.random.default_rng(seed)


def names(groups: int) -> list[str]:
    """Names of so many groups."""
    return [f"group {place}" for place in range(groups)]


def of_means(values: Floats, covariance: Floats, seed: int = 0, **more: object) -> Gap:
    """The gap of means without bounds, so many people that t is normal."""
    many = 10**7
    return correlated_gap(
        values, covariance, np.ones(len(values)), names(len(values)), RULES, random(seed),
        people=many, faces=many, bounds=None, **more,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize("rates", [(0.7, 0.55), (0.7, 0.8, 0.75, 0.72), (0.95, 0.95, 0.9)])
def test_independent_rates_give_what_permutations_give(rates: tuple[float, ...]) -> None:
    each, groups = 400, len(rates)
    group = np.repeat(np.arange(groups), each)
    right = (random(3).random(each * groups) < np.asarray(rates)[group]).astype(float)
    faces = ScoredFaces.of(np.arange(each * groups), group, groups, right)
    dealt = gap_of(faces, names(groups), {}, RULES, random(1), kind="rate", bounds=(0, 1), direction="higher")
    assert isinstance(dealt, Gap)
    value = right.reshape(groups, each).mean(axis=1)
    drawn = correlated_gap(
        value, np.diag(value * (1 - value) / each), np.full(groups, 400.0), names(groups), RULES, random(2),
        people=each * groups, faces=each * groups, group_people=np.full(groups, each), direction="higher",
    )  # fmt: skip
    assert (drawn.lowest, drawn.highest, drawn.worst) == (dealt.lowest, dealt.highest, dealt.worst)
    for one, other in ((drawn.largest, dealt.largest), (drawn.worst_vs_rest, dealt.worst_vs_rest)):
        assert one is not None
        assert other is not None
        assert one.value == pytest.approx(other.value, abs=1e-12)
        for part in ("low", "high", "bound_low", "bound_high", "null_mean", "null_high"):
            assert getattr(one, part) == pytest.approx(getattr(other, part), abs=0.006), part
        assert one.p == pytest.approx(other.p, abs=0.015)
        assert one.placebo is None


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.6, 0.95])
def test_two_correlated_means_have_the_limits_of_their_difference(correlation: float) -> None:
    """Limits value -/+ z error put together by Zou's formula are those of the difference itself."""
    errors = np.asarray([0.02, 0.03])
    covariance = np.outer(errors, errors) * np.asarray([[1, correlation], [correlation, 1]])
    found = of_means(np.asarray([0.2, 0.5]), covariance, draws=40_000).largest
    error = np.sqrt(errors @ errors - 2 * correlation * errors.prod())
    assert found.high == pytest.approx(0.3 + norm.ppf(0.975) * error, rel=1e-6)
    assert found.bound_high == pytest.approx(0.3 + norm.ppf(0.95) * error, rel=1e-6)
    # with two groups either family is the one two-sided statistic, so its 97.5 % value is that of |z|
    assert found.low == pytest.approx(0.3 - norm.ppf(1 - 0.0125) * error, abs=0.05 * error)
    assert found.p == pytest.approx(2 * norm.sf(0.3 / error), abs=0.001)


def test_a_group_of_few_people_is_given_a_t_quantile() -> None:
    few = np.asarray([12, 10**7])
    found = of_means(np.asarray([0.2, 0.5]), np.diag([0.03**2, 1e-12]), group_people=few).largest
    assert found.high == pytest.approx(0.3 + t.ppf(0.975, 21) * 0.03, rel=1e-4)


def test_groups_that_move_together_are_told_apart_more_easily() -> None:
    values = np.asarray([0.60, 0.66, 0.68])
    together = np.full((3, 3), 0.03**2 * 0.9) + np.eye(3) * 0.03**2 * 0.1
    alone, shared = of_means(values, np.eye(3) * 0.03**2), of_means(values, together)
    assert alone.largest.p > 0.05 > shared.largest.p
    assert shared.largest.low is not None
    assert alone.largest.low == 0 < shared.largest.low
    assert shared.largest.high is not None
    assert alone.largest.high is not None
    assert shared.largest.high < alone.largest.high


def test_influence_of_people_gives_the_sandwich_error() -> None:
    x, n = random().poisson(2.0, 50).astype(float), random(1).integers(2, 9, 50).astype(float)
    p = x.sum() / n.sum()
    influence = ((x - p * n) / n.sum())[:, None]
    assert people_covariance(influence)[0, 0] == pytest.approx(50 / 49 * np.square(x - p * n).sum() / n.sum() ** 2)
    with pytest.raises(ValueError, match="at least 2 people"):
        people_covariance(influence[:1])


def test_a_group_without_an_error_is_given_that_of_the_common_rate() -> None:
    values = np.asarray([1.0, 0.8, 0.9])
    covariance = np.diag([0.0, 0.16 / 50, 0.09 / 100])
    groups = correlated_values(values, covariance, np.asarray([200.0, 100.0, 100.0]), people=400, faces=400)
    assert groups.n_effective == pytest.approx([100, 50, 100])  # half a face per weight, as the second group has
    low, high = groups.limits(0.95)
    assert high[0] == 1
    assert 0.94 < low[0] < 0.98
    whole = correlated_gap(
        np.ones(3), np.zeros((3, 3)), np.ones(3), names(3), RULES, random(), people=300, faces=300, direction="higher"
    )
    assert whole.largest.low == 0
    assert whole.largest.p == 1
    assert whole.largest.high is not None
    assert 0.02 < whole.largest.high < 0.06


def test_means_without_variation_have_no_bounds() -> None:
    found = of_means(np.asarray([0.2, 0.2]), np.zeros((2, 2))).largest
    assert (found.low, found.high, found.bound_low, found.bound_high) == (None, None, None, None)


def test_what_does_not_fit_is_refused() -> None:
    fit = {"people": 9, "faces": 9}
    with pytest.raises(ValueError, match="two groups or more"):
        correlated_gap(np.ones(1), np.eye(1), np.ones(1), names(1), RULES, random(), **fit)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="2 x 2 covariance"):
        correlated_gap(np.ones(2), np.eye(3), np.ones(2), names(2), RULES, random(), **fit)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="beyond the bounds"):
        correlated_values(np.asarray([0.5, 1.2]), np.eye(2), np.ones(2), **fit)
    with pytest.raises(ValueError, match="above 0"):
        correlated_values(np.asarray([0.5, 0.2]), np.eye(2), np.asarray([1.0, 0.0]), **fit)


def test_the_same_question_asked_twice_costs_nothing_and_others_do() -> None:
    """With draws shared by influence the adjustment knows how questions depend on each other."""
    rng, people = random(5), 400
    same = rng.standard_normal((people, 3)) * 0.03 / np.sqrt(people)
    other = rng.standard_normal((people, 12)) * 0.03 / np.sqrt(people)
    values = np.asarray([0.45, 0.55, 0.5])

    def p_adjusted(influences: list[Floats]) -> float:
        drawn = joint_normal(influences, 4000, random(6))
        asked = [
            ask_correlated(
                np.resize(values if place == 0 else [0.5], part.shape[1]), people_covariance(part),
                np.ones(part.shape[1]), names(part.shape[1]), RULES, random(7),
                people=people, faces=people, bounds=None, normal=normal,
            )
            for place, (part, normal) in enumerate(zip(influences, drawn, strict=True))
        ]  # fmt: skip
        found = answer_correlated(asked)[0].largest.p_adjusted
        assert found is not None
        return found

    once, twice, among = p_adjusted([same]), p_adjusted([same, same]), p_adjusted([same, other])
    assert twice == pytest.approx(once, abs=0.015)
    assert among > 1.3 * once


def test_bounds_cover_when_people_count_towards_every_group() -> None:
    """Three looks at every person: values move together by .6, one lies .05 below the others."""
    truth, runs, people = np.asarray([0.75, 0.75, 0.70]), 400, 300
    covered, above, below = 0, 0, 0
    mixing = np.linalg.cholesky(np.full((3, 3), 0.6) + np.eye(3) * 0.4)
    for seed in range(runs):
        latent = random(seed).standard_normal((people, 3)) @ mixing.T
        x = (latent < norm.ppf(truth)).astype(float)
        value = x.mean(axis=0)
        covariance = people_covariance((x - value) / people)
        found = correlated_gap(
            value, covariance, np.full(3, people), names(3), RULES, random(seed + 10_000),
            people=people, faces=3 * people, draws=999,
        ).largest  # fmt: skip
        assert found.low is not None
        assert found.high is not None
        assert found.bound_low is not None
        assert found.bound_high is not None
        covered += found.low <= 0.05 <= found.high
        above += found.bound_low > 0.05
        below += found.bound_high < 0.05
    margin = 2.6 * np.sqrt(0.05 * 0.95 / runs)
    assert covered / runs >= 0.93 - 2.6 * np.sqrt(0.05 * 0.95 / runs)
    assert above / runs <= 0.05 + margin
    assert below / runs <= 0.05 + margin


def test_equal_groups_are_called_uneven_as_often_as_promised() -> None:
    """A correlation that is ignored would make the test far too cautious; an own one keeps 5 %."""
    runs, people = 500, 200
    mixing = np.linalg.cholesky(np.full((4, 4), 0.7) + np.eye(4) * 0.3)
    rejected = ignored = 0
    for seed in range(runs):
        x = (random(seed).standard_normal((people, 4)) @ mixing.T < norm.ppf(0.7)).astype(float)
        value = x.mean(axis=0)
        covariance = people_covariance((x - value) / people)
        both = [
            correlated_gap(
                value, matrix, np.full(4, people), names(4), RULES, random(seed), people=people, faces=people, draws=499
            ).largest.p
            for matrix in (covariance, np.diag(np.diag(covariance)))
        ]
        rejected, ignored = rejected + (both[0] <= 0.05), ignored + (both[1] <= 0.05)
    assert 0.02 <= rejected / runs <= 0.05 + 2.6 * np.sqrt(0.05 * 0.95 / runs)
    assert ignored < rejected / 2


@pytest.mark.parametrize("correlation", [-0.6, 0.0, 0.6])
def test_the_size_that_is_said_to_be_detectable_is_detected(correlation: float) -> None:
    """Two groups, tolerance .02: of gaps of the stated size at least four fifths are shown, and not nearly all."""
    people, runs = 800, 120
    mixing = np.linalg.cholesky(np.asarray([[1, correlation], [correlation, 1]]))

    def gap_of_rates(rates: Floats, seed: int) -> Gap:
        x = (random(seed).standard_normal((people, 2)) @ mixing.T < norm.ppf(rates)).astype(float)
        value = x.mean(axis=0)
        return correlated_gap(
            value, people_covariance((x - value) / people), np.full(2, people), names(2), RULES, random(seed + 1000),
            people=people, faces=2 * people, tolerance=0.02, draws=999, direction="higher",
        )  # fmt: skip

    size = gap_of_rates(np.asarray([0.7, 0.7]), 0).largest.detectable
    assert size is not None
    shown = 0
    for seed in range(1, runs):
        bound = gap_of_rates(np.asarray([0.7, 0.7 - size]), seed).largest.bound_low
        shown += bound is not None and bound > 0.02
    assert 0.80 - 2.6 * np.sqrt(0.2 * 0.8 / runs) <= shown / runs <= 0.97
