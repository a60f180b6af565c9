"""How many faces it takes to pass. Tables: computed and simulated for the project's notes on gap statistics."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import studentized_range

from countenance.core.statistics.faces_needed import (
    faces_to_ever_pass,
    faces_to_pass,
    faces_to_pass_worst,
    pass_probability,
    passable,
    range_quantile,
    smallest_possible_upper_bound,
)

LIMITS, RATES = (0.02, 0.05, 0.10), (0.7, 0.9)
# Faces per group for a model without gap to pass with probability .8, limits and in them rates as above.
GAP = {
    2: (9009, 3861, 1442, 618, 361, 155),
    6: (16221, 6952, 2596, 1113, 649, 279),
    14: (21235, 9101, 3398, 1457, 850, 365),
    42: (27454, 11766, 4393, 1883, 1099, 471),
    126: (33483, 14350, 5358, 2296, 1340, 574),
}
WORST = {
    6: (7802, 3555, 1239, 608, 328, 172),
    14: (8514, 3858, 1390, 674, 368, 195),
    42: (9913, 4468, 1616, 799, 414, 222),
    126: (11155, 5158, 1870, 916, 477, 261),
}
CELLS = [(limit, rate) for limit in LIMITS for rate in RATES]


@pytest.mark.parametrize("groups", [2, 6, 42, 126])
def test_range_quantile_is_that_of_the_studentized_range(groups):
    for probability in (0.5, 0.8, 0.95):
        quantile = range_quantile(probability, groups)
        assert studentized_range.cdf(quantile, groups, np.inf) == pytest.approx(probability, abs=1e-7)
    draws = np.ptp(np.random.default_rng(0).standard_normal((20000, groups)), axis=1)
    assert range_quantile(0.8, groups) == pytest.approx(np.quantile(draws, 0.8), rel=0.02)


@pytest.mark.parametrize("groups", GAP)
def test_faces_to_pass_the_largest_difference(groups):
    found = [faces_to_pass("gap", groups, rate, limit) for limit, rate in CELLS]
    np.testing.assert_allclose(found, GAP[groups], rtol=0.01)


@pytest.mark.parametrize("groups", WORST)
def test_faces_to_pass_the_worst_against_all_others(groups):
    found = np.asarray([faces_to_pass("worst_vs_rest", groups, rate, limit) for limit, rate in CELLS])
    np.testing.assert_allclose(found, WORST[groups], rtol=0.12)  # the table was raised by simulation
    assert (found <= np.asarray(WORST[groups]) * 1.01).all()


def test_of_two_groups_both_questions_are_one():
    for limit, rate in CELLS:
        assert faces_to_pass("gap", 2, rate, limit) == faces_to_pass("worst_vs_rest", 2, rate, limit)


def test_means_take_their_variance():
    assert faces_to_pass_worst(6, 4.0, 0.2) == pytest.approx(faces_to_pass_worst(6, 0.04, 0.02))


@pytest.mark.parametrize(("question", "table"), [("gap", GAP), ("worst_vs_rest", WORST)])
def test_models_without_a_gap_pass_at_these_sizes_in_eight_of_ten(question, table):
    passed = []
    for groups in (6, 14):
        for (limit, rate), n in zip(CELLS, table[groups], strict=True):
            sizes, random = np.full(groups, n), np.random.default_rng(groups)
            passed.append(pass_probability(sizes, rate, limit, question, random, draws=2000))
    assert np.mean(passed) == pytest.approx(0.8, abs=0.025)
    assert min(passed) > 0.75
    assert max(passed) < 0.86


def test_simulated_bounds_are_those_of_the_formulas():
    # One group of 50 with 40 and one of 60 with 45 right: Newcombe's interval of the difference, by hand.
    z, n, x = 1.6448536269514722, np.array([50.0, 60.0]), np.array([40.0, 45.0])
    p = x / n
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (p + z * z / (2 * n) - half) / (1 + z * z / n), (p + z * z / (2 * n) + half) / (1 + z * z / n)
    upper = max(p[g] - p[h] + np.hypot(high[g] - p[g], p[h] - low[h]) for g, h in ((0, 1), (1, 0)))
    drawn = type("Fixed", (), {"binomial": lambda self, n, p, size: np.tile(x, (size[0], 1))})()
    for question in ("gap", "worst_vs_rest"):
        assert pass_probability(n, 0.8, upper + 1e-9, question, drawn) == 1
        assert pass_probability(n, 0.8, upper - 1e-9, question, drawn) == 0


@pytest.mark.parametrize("question", ["gap", "worst_vs_rest"])
def test_no_outcome_has_a_smaller_upper_bound(question):
    n = np.array([7, 5])
    least = smallest_possible_upper_bound(n)
    rng = np.random.default_rng(0)
    for rate in (0.0, 0.05, 0.5, 0.95, 1.0):
        assert pass_probability(n, rate, least - 1e-6, question, rng) == 0
    assert pass_probability(n, 1.0, least + 1e-6, question, rng) == 1
    assert least == pytest.approx(1.6448536**2 / (5 + 1.6448536**2))
    for limit in LIMITS:
        assert smallest_possible_upper_bound([faces_to_ever_pass(limit), 1e6]) == pytest.approx(limit)


def test_a_limit_that_no_answers_could_pass_is_said_with_the_faces_it_takes():
    (told,) = passable(0.02, [90, 300, 2000], [90, 300, 2000], names=["one", "two", "three"])
    assert "can never be passed" in told
    assert "0.029" in told
    assert "90 faces of one" in told
    assert "133 are the least" in told
    (told,) = passable(0, [500, 500], [500, 500])
    assert "no number of faces is enough" in told


def test_a_limit_that_hardly_any_model_would_pass_is_said_with_the_faces_it_takes():
    (told,) = passable(0.02, [600] * 6, [600] * 6)
    assert "fewer than 1 of 100 audits" in told
    assert "about 7,000 faces in each of the 6 groups" in told
    assert "people have several" not in told
    (told,) = passable(0.02, [300] * 6, [900] * 6, question="worst_vs_rest")
    assert "about 3,600 faces" in told
    assert "several faces (alike by 0.3)" in told


def test_nothing_is_said_where_a_limit_can_be_passed():
    assert passable(0.1, [1000] * 6, [1000] * 6) == []
    assert passable(0.1, [400] * 6, [400] * 6, question="worst_vs_rest") == []


def test_groups_too_small_are_told_and_do_not_count():
    told = passable(0.1, [1000, 1000, 3], [1000, 1000, 30], names=["a", "b", "c"])
    assert told == [
        "1 of 3 groups has fewer than the 10 people that it takes to be measured: c (3). While a group is not measured "
        "nothing can be passed, unless the plan names it as out of scope."
    ]
    (told,) = passable(0.1, [2] * 9, [2] * 9)
    assert "and 4 more" in told
