"""Agreement of two pictures of one person: closed forms, a slow second computation, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from countenance.core.derive.retest import Retest, retest

Floats = NDArray[np.float64]


def compared(numbers: Floats, subjects: NDArray[np.int64], *, groups: NDArray[np.int64] | None = None) -> Retest:
    groups = np.zeros(len(numbers), dtype=np.int64) if groups is None else groups
    return retest(np.asarray(numbers, dtype=float), groups, subjects, level=0.95, min_people=3)


def slow_correlation(numbers: Floats, subjects: NDArray[np.int64]) -> float:
    """One-way analysis of variance, person by person."""
    people = [numbers[subjects == person] for person in np.unique(subjects)]
    sizes = np.array([len(each) for each in people])
    grand = numbers.mean()
    between = sum(len(each) * (each.mean() - grand) ** 2 for each in people) / (len(people) - 1)
    within = sum(((each - each.mean()) ** 2).sum() for each in people) / (sizes.sum() - len(people))
    k0 = (sizes.sum() - (sizes**2).sum() / sizes.sum()) / (len(people) - 1)
    return float((between - within) / (between + (k0 - 1) * within))


@pytest.mark.parametrize("sizes", [[2] * 12, [2, 3, 5, 2, 4, 2, 7]])
def test_correlation_and_error_are_those_of_the_analysis_of_variance(sizes: list[int]) -> None:
    rng = np.random.default_rng(len(sizes))
    subjects = np.repeat(np.arange(len(sizes)), sizes)
    numbers = rng.normal(0, 3, len(sizes))[subjects] + rng.normal(0, 1, len(subjects))
    order = rng.permutation(len(subjects))
    found = compared(numbers[order], subjects[order])
    assert found.correlation.value == pytest.approx(slow_correlation(numbers, subjects))
    within = sum(((part - part.mean()) ** 2).sum() for part in np.split(numbers, np.cumsum(sizes)[:-1]))
    assert found.sem.value == pytest.approx(np.sqrt(within / (len(numbers) - len(sizes))))
    spans = [np.ptp(part) for part in np.split(numbers, np.cumsum(sizes)[:-1])]
    assert found.largest.value == pytest.approx(max(spans))
    assert (found.people, found.pictures) == (len(sizes), len(numbers))


def test_the_limits_are_those_of_leaving_out_one_person_at_a_time() -> None:
    from scipy.stats import t

    rng = np.random.default_rng(4)
    subjects = np.repeat(np.arange(9), 2)
    numbers = rng.normal(0, 2, 9)[subjects] + rng.normal(0, 1, 18)
    without = np.arctanh([slow_correlation(numbers[subjects != one], subjects[subjects != one]) for one in range(9)])
    error = np.sqrt(8 / 9 * ((without - without.mean()) ** 2).sum())
    half = t.ppf(0.975, 8) * error
    found = compared(numbers, subjects).correlation
    assert found.value is not None
    assert found.low == pytest.approx(np.tanh(np.arctanh(found.value) - half))
    assert found.high == pytest.approx(np.tanh(np.arctanh(found.value) + half))


def test_people_who_change_band() -> None:
    subjects = np.repeat(np.arange(8), 2)
    groups = np.array([0, 0, 1, 1, 0, 1, 2, 2, 1, 2, 0, 0, 1, 1, 0, 0])
    found = compared(np.arange(16), subjects, groups=groups)
    assert (found.changed.value, found.changed.count) == (2 / 8, 2)
    shares = np.bincount(groups) / 16
    assert found.by_chance.value == pytest.approx(1 - (shares**2).sum())


def test_only_people_with_two_usable_pictures_count() -> None:
    subjects = np.array([0, 0, 1, 1, 2, 2, 3, 4, 4, 5])
    numbers = np.array([1, 1.5, 4, 4.2, 7, 7.4, 100, 9, np.nan, 50])
    found = compared(numbers, subjects)
    assert (found.people, found.pictures) == (3, 6)
    assert found.correlation.value == pytest.approx(slow_correlation(numbers[:6], subjects[:6]))


def test_too_few_people_are_not_measured() -> None:
    alone = compared(np.arange(5.0), np.arange(5))
    assert alone.changed.value is None
    assert alone.changed.reason == "0 people have two usable pictures or more; 3 are needed"
    one = compared(np.array([1.0, 2, 3]), np.array([0, 0, 1]))
    assert str(one.sem.reason).startswith("1 person has two usable pictures")
    nothing = compared(np.full(4, np.nan), np.array([0, 0, 1, 1]))
    assert nothing.correlation.value is None


def test_pictures_that_agree_exactly_have_no_error() -> None:
    subjects = np.repeat(np.arange(5), 2)
    found = compared(subjects.astype(float), subjects)
    assert (found.correlation.value, found.sem.value) == (1, 0)
    assert found.sem.low is None  # nothing varies, so nothing tells how sure that is
    same = compared(np.ones(10), subjects)
    assert same.correlation.value is None
    assert "do not differ between people" in str(same.correlation.reason)


def test_limits_cover_the_truth() -> None:
    """100 people, two or three pictures: 95 % limits of correlation and error hold in at least 92 % of data sets."""
    rng = np.random.default_rng(11)
    runs, between, error = 300, 3.0, 1.0
    truth = between**2 / (between**2 + error**2)
    held = np.zeros(2)
    for _ in range(runs):
        subjects = np.repeat(np.arange(100), rng.integers(2, 4, 100))
        numbers = rng.normal(0, between, 100)[subjects] + rng.normal(0, error, len(subjects))
        found = compared(numbers, subjects)
        for place, (estimate, value) in enumerate(((found.correlation, truth), (found.sem, error))):
            assert estimate.low is not None
            assert estimate.high is not None
            held[place] += estimate.low <= value <= estimate.high
    assert (held / runs >= 0.95 - 2.6 * np.sqrt(0.95 * 0.05 / runs)).all(), held / runs


def test_noise_alone_has_no_correlation() -> None:
    rng = np.random.default_rng(5)
    subjects = np.repeat(np.arange(200), 2)
    found = compared(rng.normal(size=400), subjects).correlation
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high
