"""Rates of true groups from assigned ones: closed forms, recovery of planted rates, coverage, limits."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog

from countenance.core.statistics.corrected_gaps import Question, ask_together, prepare
from countenance.core.statistics.gaps import Gap, NoGap
from countenance.core.statistics.misclassified import AssignedSums, LabelErrors, undo
from countenance.core.statistics.outcome_bounds import bounds_of, program_limits
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.two_annotators import two_annotators
from countenance.synth.wrong_attributes import assign_wrongly

RULES = StatisticsRules()
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def drawn(
    seed: int, rates: tuple[float, ...], shares: tuple[float, ...], people: int = 1500, each: int = 1
) -> tuple[np.random.Generator, Integers, Integers, NDArray[np.bool_]]:
    """People in groups with these rates."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), each)
    group = random.choice(len(shares), people, p=shares)[person]
    return random, person, group, random.random(len(person)) < np.asarray(rates)[group]


def sums_of(person: Integers, group: Integers, right: NDArray[np.bool_], groups: int) -> AssignedSums:
    """Sums over assigned groups."""
    return AssignedSums.of(person, group, right.astype(float), people=int(person.max()) + 1, groups=groups)


def expected_sums(faces: Floats, rates: Floats, right: Floats, wrong: Floats) -> AssignedSums:
    """What assigned groups would hold without chance: one person per true group, outcome and assigned group."""
    rows_right = (faces * rates)[:, None] * right
    rows_wrong = (faces * (1 - rates))[:, None] * wrong
    nothing = np.zeros_like(rows_right)
    return AssignedSums(
        np.vstack([rows_right, nothing]), np.vstack([nothing, rows_wrong]), round(faces.sum()), 2 * len(faces)
    )


def test_without_chance_the_true_rates_come_back() -> None:
    faces, rates = np.asarray([500.0, 300.0, 200.0]), np.asarray([0.9, 0.6, 0.75])
    matrix = np.asarray([[0.9, 0.06, 0.04], [0.1, 0.8, 0.1], [0.0, 0.2, 0.8]])
    found = undo(LabelErrors.known(matrix), expected_sums(faces, rates, matrix, matrix))
    assert not isinstance(found, str)
    assert found.raw == pytest.approx(rates)
    assert found.faces == pytest.approx(faces)


def test_two_matrices_undo_errors_that_depend_on_the_outcome_and_one_does_not() -> None:
    faces, rates = np.asarray([600.0, 400.0]), np.asarray([0.8, 0.6])
    right, wrong = np.asarray([[0.95, 0.05], [0.1, 0.9]]), np.asarray([[0.8, 0.2], [0.3, 0.7]])
    sums = expected_sums(faces, rates, right, wrong)
    both = undo(LabelErrors.known(right, wrong), sums)
    assert not isinstance(both, str)
    assert both.raw == pytest.approx(rates)
    overall = rates[:, None] * right + (1 - rates)[:, None] * wrong
    one = undo(LabelErrors.known(overall), sums)
    assert not isinstance(one, str)
    assert one.faces == pytest.approx(faces)
    assert abs((one.raw[0] - one.raw[1]) - 0.2) > 0.02


def test_without_errors_rates_and_their_errors_are_the_ordinary_ones() -> None:
    _, person, group, right = drawn(0, (0.7, 0.5), (0.6, 0.4), 200, 4)
    found = undo(LabelErrors.none(2), sums_of(person, group, right, 2))
    assert not isinstance(found, str)
    x = np.bincount(person, right)
    n = np.bincount(person).astype(float)
    of = np.bincount(person, group) / n == 1
    p = right[group == 1].mean()
    variance = 200 / 199 * np.square((x - p * n)[of]).sum() / n[of].sum() ** 2
    assert found.raw[1] == pytest.approx(p)
    assert found.covariance[1, 1] == pytest.approx(variance)
    assert found.covariance[0, 1] == pytest.approx(0, abs=1e-18)


def test_the_covariance_is_that_of_repeated_samples() -> None:
    """People are drawn and put wrong anew; the influence of people in one sample says how much rates will vary."""
    seen, said = [], []
    for seed in range(300):
        random, person, group, right = drawn(seed, (0.8, 0.6, 0.7), (0.5, 0.3, 0.2), 600, 2)
        wrong = assign_wrongly(random, person, group, right, 3, rate=0.2)
        matrix = np.full((3, 3), 0.1) + 0.7 * np.eye(3)
        found = undo(LabelErrors.known(matrix), sums_of(person, wrong.group, right, 3))
        assert not isinstance(found, str)
        seen.append(found.raw)
        said.append(found.covariance)
    real, told = np.cov(np.transpose(seen)), np.mean(said, axis=0)
    assert np.sqrt(np.diag(told)) == pytest.approx(np.sqrt(np.diag(real)), rel=0.12)
    assert told[0, 1] < 0
    assert told[0, 1] == pytest.approx(real[0, 1], abs=0.25 * np.sqrt(real[0, 0] * real[1, 1]))


def test_a_matrix_from_few_checks_makes_rates_less_certain() -> None:
    random, person, group, right = drawn(1, (0.8, 0.6), (0.6, 0.4), 3000)
    wrong = assign_wrongly(random, person, group, right, 2)
    sums = sums_of(person, wrong.group, right, 2)
    matrix = np.asarray([[0.9, 0.1], [0.1, 0.9]])
    errors = []
    for checked in (None, 1000, 50):
        found = undo(LabelErrors.known(matrix, checked=checked, random=random), sums)
        assert not isinstance(found, str)
        errors.append(float(np.sqrt(found.covariance[1, 1])))
    assert errors[0] < errors[1] < errors[2]
    with pytest.raises(ValueError, match="random"):
        LabelErrors.known(matrix, checked=50)


def test_what_cannot_be_undone_is_not_undone() -> None:
    _, person, group, right = drawn(2, (0.8, 0.6), (0.6, 0.4))
    sums = sums_of(person, group, right, 2)
    told = undo(LabelErrors.known(np.asarray([[0.55, 0.45], [0.45, 0.55]])), sums)
    assert isinstance(told, str)
    assert "smallest singular value 0.10" in told
    few = LabelErrors.known(np.asarray([[0.75, 0.25], [0.25, 0.75]]), checked=5, random=np.random.default_rng(0))
    assert "too few faces were checked" in str(undo(few, sums))


def test_a_matrix_that_cannot_be_right_is_told() -> None:
    """Only 3 % are in the second group, and the matrix says that 30 % of the first are put there."""
    _, person, group, right = drawn(3, (0.8, 0.6), (0.97, 0.03))
    sums = sums_of(person, group, right, 2)
    prepared = prepare(LabelErrors.known(np.asarray([[0.7, 0.3], [0.05, 0.95]])), sums, ["a", "b"], RULES)
    assert prepared.rates is not None
    assert prepared.rates.contradicted.tolist() == [1]
    assert "cannot be right" in (prepared.estimates[1].reason or "")
    gap = ask_together([Question(prepared, "x", "higher")], RULES, np.random.default_rng(0))[0]
    assert isinstance(gap, NoGap)
    assert "only one of 2 groups, a," in gap.reason


def sharp_ends(matrix: Floats, sums: AssignedSums, aim: Floats) -> float:
    """The largest value of a sum of right cells that the data allow, by a linear program over all cells."""
    groups = len(matrix)
    right, wrong = sums.right.sum(axis=0), sums.wrong.sum(axis=0)
    cells = (np.linalg.inv(matrix.T) @ (right + wrong))[:, None] * matrix
    equal = np.tile(np.eye(groups), groups)
    box = [(0, size) for size in cells.reshape(-1)]
    found = linprog(-aim.reshape(-1), A_eq=equal, b_eq=right, bounds=box)
    assert found.status == 0
    return float(-found.fun)


def test_limits_whatever_the_errors_depend_on_are_sharp() -> None:
    """Of one group and of any two together they are what a linear program over all cells finds."""
    matrix = np.asarray([[0.85, 0.1, 0.05], [0.15, 0.8, 0.05], [0.1, 0.2, 0.7]])
    faces, rates = np.asarray([500.0, 300.0, 200.0]), np.asarray([0.9, 0.4, 0.75])
    sums = expected_sums(faces, rates, matrix, matrix)
    ends = bounds_of(LabelErrors.known(matrix), sums)
    assert ends is not None
    assert (ends.low <= rates).all()
    assert (rates <= ends.high).all()
    for one in range(3):
        aim = np.zeros((3, 3))
        aim[one] = 1 / faces[one]
        assert sharp_ends(matrix, sums, aim) == pytest.approx(ends.high[one])
        assert -sharp_ends(matrix, sums, -aim) == pytest.approx(ends.low[one])
        for other in range(3):
            if other != one:
                pair = aim.copy()
                pair[other] = -1 / faces[other]
                assert sharp_ends(matrix, sums, pair) == pytest.approx(ends.high[one] - ends.low[other])


def test_the_example_of_ten_percent() -> None:
    """Balanced groups, rate .7, 10 % wrong: each rate is known only within .6 to .8 (checked by hand)."""
    matrix = np.asarray([[0.9, 0.1], [0.1, 0.9]])
    ends = bounds_of(LabelErrors.known(matrix), expected_sums(np.full(2, 500.0), np.full(2, 0.7), matrix, matrix))
    assert ends is not None
    assert ends.low == pytest.approx([0.6, 0.6])
    assert ends.high == pytest.approx([0.8, 0.8])


def test_limits_of_a_matrix_that_cannot_be_undone_hold_the_truth_and_say_little() -> None:
    matrix = np.asarray([[0.55, 0.45], [0.45, 0.55]])
    random, person, group, right = drawn(4, (0.9, 0.8), (0.5, 0.5), 4000)
    wrong = np.where(random.random(4000) < 0.45, 1 - group, group)
    low, high = program_limits(matrix, sums_of(person, wrong, right, 2), 0.95)
    assert (low <= np.asarray([0.9, 0.8])).all()
    assert (high >= np.asarray([0.9, 0.8])).all()
    assert (high - low > 0.25).all()
    exact = bounds_of(LabelErrors.known(np.asarray([[0.9, 0.1], [0.1, 0.9]])), sums_of(person, group, right, 2))
    program = program_limits(np.asarray([[0.9, 0.1], [0.1, 0.9]]), sums_of(person, group, right, 2), 0.95)
    assert exact is not None
    assert (program[0] <= exact.low + 1e-9).all()  # the sizes of the groups are not fixed, so it is wider
    assert (program[1] >= exact.high - 1e-9).all()


def test_two_annotators_give_kappa_and_the_matrix_that_was_planted() -> None:
    """Each knows the group with .8 and else guesses by the shares: kappa is .64, the matrix theirs."""
    random, shares = np.random.default_rng(5), np.asarray([0.5, 0.3, 0.2])
    person = np.arange(20_000)
    truth = random.choice(3, 20_000, p=shares)
    first, second = (np.where(random.random(20_000) < 0.8, truth, random.choice(3, 20_000, p=shares)) for _ in range(2))
    found = two_annotators(first, second, person, 3, random)
    assert found.kappa == pytest.approx(0.64, abs=0.02)
    assert 0.002 < found.kappa_error < 0.01
    assert found.errors.right == pytest.approx(0.8 * np.eye(3) + 0.2 * shares[None, :], abs=0.02)
    assert len(found.shares_differ) == 0
    biased = np.where(random.random(20_000) < 0.1, 0, second)
    assert 0 in two_annotators(first, biased, person, 3, random).shares_differ
    same = two_annotators(first, first, person, 3, random)
    assert same.kappa == 1
    assert same.errors.right == pytest.approx(np.eye(3))


def test_over_twenty_samples_the_corrected_gap_holds_and_the_uncorrected_does_not() -> None:
    """10 % wrong at equal rates, gap .15; then three times as often on failures; then a twin without a gap."""
    held: dict[str, int] = dict.fromkeys(("assigned", "corrected", "one matrix", "two matrices", "any", "twin"), 0)
    for seed in range(20):
        for name, rates, times in (("equal", (0.7, 0.5), 1.0), ("failures", (0.75, 0.6), 3.0), ("twin", (0.7, 0.7), 1)):
            random, person, group, right = drawn(seed, rates, (0.65, 0.35), 8000)
            planted = assign_wrongly(random, person, group, right, 2, rate=0.0 if name == "twin" else 0.1, times=times)
            sums, truth = sums_of(person, planted.group, right, 2), rates[0] - rates[1]

            def low_high(errors: LabelErrors) -> tuple[float, float, float]:
                prepared = prepare(errors, sums, ["a", "b"], RULES)  # noqa: B023 - called in this round only
                gap = ask_together([Question(prepared, "x", "higher")], RULES, np.random.default_rng(seed), 999)[0]  # noqa: B023
                assert isinstance(gap, Gap)
                assert gap.largest.low is not None
                assert gap.largest.high is not None
                return gap.largest.low, gap.largest.high, gap.largest.p

            one = low_high(LabelErrors.known(planted.overall))
            if name == "equal":
                assigned = low_high(LabelErrors.none(2))
                held["assigned"] += assigned[0] <= truth <= assigned[1]
                held["corrected"] += one[0] <= truth <= one[1]
            elif name == "failures":
                both = low_high(LabelErrors.known(planted.right, planted.wrong))
                held["one matrix"] += one[0] <= truth <= one[1]
                held["two matrices"] += both[0] <= truth <= both[1]
                limits = prepare(LabelErrors.known(planted.overall), sums, ["a", "b"], RULES).gap_by_any_dependence(
                    0.95
                )
                assert limits is not None
                held["any"] += limits[0] <= truth <= limits[1]
            else:
                held["twin"] += one[2] > 0.05
    assert held["corrected"] >= 18
    assert held["two matrices"] >= 18
    assert held["any"] == 20
    assert held["twin"] >= 17
    assert held["assigned"] <= 10
    assert held["one matrix"] <= 14
