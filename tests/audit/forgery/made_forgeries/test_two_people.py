"""Intervals of pictures with two people in them, and what is claimed of several kinds at once."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from countenance.audit.forgery.chance import jointly
from countenance.audit.forgery.made_forgeries.asking import Asked
from countenance.audit.forgery.made_forgeries.measuring import Pairs
from countenance.audit.forgery.made_forgeries.two_people import auroc_of_pairs, mean_of_pairs, variance_of_two
from countenance.core.probes import Scores
from countenance.core.statistics.auroc import auroc
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import slice_scores

RULES = StatisticsRules()


def by_products(influence: np.ndarray, people: list[set[int]]) -> float:
    """The sum of the products of all two pictures that share a person, each once, slowly."""
    total = float(np.square(influence).sum())
    for one, other in combinations(range(len(influence)), 2):
        if people[one] & people[other]:
            total += 2 * float(influence[one] * influence[other])
    count = len(set().union(*people))
    return max(total, 0.0) * count / (count - 1)


@pytest.mark.parametrize("seed", range(5))
def test_the_variance_is_that_of_all_pictures_that_share_a_person(seed: int) -> None:
    random = np.random.default_rng(seed)
    first, second = random.integers(0, 9, (2, 40))
    shared = random.normal(size=9)
    influence = shared[first] + shared[second] + random.normal(size=40)
    influence -= influence.mean()
    slowly = by_products(influence, [{a, b} for a, b in zip(first.tolist(), second.tolist(), strict=True)])
    assert variance_of_two(influence, first, second) == pytest.approx(slowly)


def drawn(random: np.random.Generator, donors_matter: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores of 60 people's photos and swaps; fifteen people give their face to four others each."""
    people = np.arange(60)
    donors = (random.permutation(60)[:15])[random.permutation(60) % 15]
    donors = np.where(donors == people, (people + 1) % 60, donors)
    given = random.normal(size=60) * donors_matter
    plain = random.normal(size=60)
    return plain * 0.5 + given[donors] + random.normal(size=60) * 0.5, plain, people, donors


def test_a_donor_in_many_forgeries_widens_the_interval() -> None:
    """What is true is that neither ranks above the other; the limits by one person miss it too often."""
    missed = {"one": 0, "two": 0}
    runs = 400
    for seed in range(runs):
        forged, plain, people, donors = drawn(np.random.default_rng(seed), 1.5)
        two = auroc_of_pairs(forged, plain, people, donors, RULES)
        one = auroc(np.concatenate([forged, plain]), np.repeat([True, False], 60), np.tile(people, 2), RULES)
        assert two.value == one.value
        assert two.high - two.low >= one.high - one.low - 1e-12
        missed["one"] += not one.low <= 0.5 <= one.high
        missed["two"] += not two.low <= 0.5 <= two.high
    assert missed["one"] > 0.15 * runs
    assert missed["two"] < 0.10 * runs


def test_where_nobody_is_put_in_the_interval_is_that_of_people() -> None:
    forged, plain, people, _ = drawn(np.random.default_rng(1), 0.0)
    one = auroc(np.concatenate([forged, plain]), np.repeat([True, False], 60), np.tile(people, 2), RULES)
    assert auroc_of_pairs(forged, plain, people, people, RULES) == one


@pytest.mark.parametrize("rate", [True, False])
def test_a_mean_has_the_wider_of_two_intervals(rate: bool) -> None:
    wider = 0
    for seed in range(20):
        forged, plain, people, donors = drawn(np.random.default_rng(seed), 2.0)
        values = (forged > 0.5).astype(float) if rate else (forged > plain) + 0.5 * (forged == plain)
        score = Scores("apcer", people, values, kind="rate" if rate else "mean", bounds=(0.0, 1.0))
        one = slice_scores(score, people, (), RULES, "made")[0].estimate
        two = mean_of_pairs(one, values, people, donors, RULES, rate=rate)
        assert two.value == one.value
        assert two.high - two.low >= one.high - one.low
        wider += two.high - two.low > one.high - one.low
        assert mean_of_pairs(one, values, people, people, RULES, rate=rate) == one
    assert wider > 10


def test_a_rate_without_exceptions_counts_pictures_that_share_nobody() -> None:
    _, _, people, donors = drawn(np.random.default_rng(3), 0.0)
    score = Scores("apcer", people, np.ones(60), kind="rate")
    one = slice_scores(score, people, (), RULES, "made")[0].estimate
    two = mean_of_pairs(one, np.ones(60), people, donors, RULES, rate=True)
    assert two.low == pytest.approx(0.025 ** (1 / 30))  # 30 of 30
    assert two.high == 1


def test_claims_about_several_kinds_hold_together() -> None:
    """A model that sees nothing: one of six kinds lies below one half, whole interval, in 2.5 % of audits at most."""
    runs, kinds, once, firmly = 300, 6, 0, 0
    firm = jointly(RULES, kinds)
    assert firm.level == pytest.approx(1 - 0.05 / 6)
    for seed in range(runs):
        random = np.random.default_rng(seed)
        people = np.arange(40)
        plain = random.normal(size=40)
        forged = [random.normal(size=40) for _ in range(kinds)]
        once += any(auroc_of_pairs(each, plain, people, people, RULES).high < 0.5 for each in forged)
        firmly += any(auroc_of_pairs(each, plain, people, people, firm).high < 0.5 for each in forged)
    assert once > 0.05 * runs
    assert firmly <= 0.04 * runs


def test_answers_that_differ_by_rounding_are_one_answer() -> None:
    said = np.array([0.2, 0.5, 1e-6])
    moved = said * (1 + np.array([3e-7, -4e-7, 2e-7]))
    rows: Any = np.arange(3)
    pairs = Pairs.of("morph", Asked(rows, moved), Asked(rows, said), rows, {0: 1, 1: 2, 2: 0})
    assert pairs.above.tolist() == [0.5, 0.5, 0.5]
    assert pairs.donors.tolist() == [1, 2, 0]
    apart = Pairs.of("morph", Asked(rows, said * 1.01), Asked(rows, said), rows)
    assert apart.above.tolist() == [1, 1, 1]
    assert apart.donors.tolist() == [0, 1, 2]
