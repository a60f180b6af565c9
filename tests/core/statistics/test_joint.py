"""Many questions judged together: against slow loops, against the definition, and how often even models alarm."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from countenance.core.statistics.joint import (
    Tail,
    adjusted,
    critical_largest,
    critical_worst,
    log_scale_largest,
    log_scale_worst,
    smallest_at,
)


def slow_step_down(observed, dealt):
    """Westfall and Young: drop the question with the smallest value, repeat with those left, never below before."""
    left, found, before = list(range(len(observed))), {}, 0.0
    while left:
        first = min(left, key=lambda question: observed[question])
        smallest = [min(dealt[question][row] for question in left) for row in range(len(dealt[0]))]
        p = (1 + sum(value <= observed[first] + 1e-9 for value in smallest)) / (len(smallest) + 1)
        before = max(before, p)
        found[first] = before
        left.remove(first)
    return [found[question] for question in range(len(observed))]


def test_step_down_against_slow_loops():
    rng = np.random.default_rng(0)
    for _ in range(20):
        observed, dealt = list(rng.normal(-3, 2, 5)), list(rng.normal(0, 1, (5, 99)))
        assert adjusted(observed, dealt) == pytest.approx(slow_step_down(observed, dealt))
    assert len(adjusted([], [])) == 0


def test_the_scale_is_the_bonferroni_p_value():
    pair, rest = np.array([2.0, 4.0]), np.array([3.0, 1.0])
    found = np.exp(log_scale_largest(pair, rest, 4))
    slow = [2 * min(4 * 3 * norm.sf(a), 2 * 4 * norm.sf(b)) for a, b in zip(pair, rest, strict=True)]
    assert found == pytest.approx(slow)
    assert np.exp(log_scale_worst(rest, 4)) == pytest.approx([4 * norm.sf(value) for value in rest])


def test_critical_values_undo_the_scale():
    for groups in (2, 6, 126):
        of_pair, of_rest = critical_largest(np.log(0.01), groups)
        assert np.exp(log_scale_largest([of_pair], [0.0], groups)) == pytest.approx([0.01])
        assert np.exp(log_scale_largest([0.0], [of_rest], groups)) == pytest.approx([0.01])
        assert np.exp(log_scale_worst([critical_worst(np.log(0.01), groups)], groups)) == pytest.approx([0.01])


def test_infinite_statistics_are_the_smallest_p_values():
    assert adjusted([-np.inf, 0.0], [np.zeros(99), np.zeros(99)])[0] == pytest.approx(0.01)


def test_the_smallest_is_undercut_as_often_as_asked():
    rng = np.random.default_rng(1)
    dealt = list(rng.normal(size=(6, 1999)))
    limit = smallest_at(dealt, 0.05)
    assert np.count_nonzero(np.min(dealt, axis=0) < limit) == 99
    with pytest.raises(ValueError, match="too few"):
        smallest_at(list(rng.normal(size=(2, 9))), 0.05)


def test_a_tail_turns_the_scale_into_p_values_and_back():
    rng = np.random.default_rng(2)
    surprise = rng.exponential(3.0, 1999)  # -log s with three times the spread of a p-value
    tail = Tail(-surprise)
    assert tail.rate == pytest.approx(3.0, rel=0.25)
    for p in (0.5, 0.2, 0.1, 0.01, 0.001):
        assert np.mean(tail.log_p(-surprise) <= np.log(p)) == pytest.approx(p, abs=0.25 * p + 0.001)
    for log_p in np.log([0.9, 0.5, 0.1, 0.01, 1e-6]):
        assert tail.log_p(np.asarray(tail.log_s(log_p))) == pytest.approx(log_p, abs=1e-6)
    grid = np.linspace(-40, 0.5, 300)
    assert (np.diff(tail.log_p(grid)) >= -1e-12).all()
    assert tail.log_p(np.asarray(-np.inf)) == -np.inf


def test_tied_and_infinite_values_have_a_tail_too():
    assert np.isfinite(Tail(np.zeros(99)).log_p(np.zeros(1))).all()
    mixed = np.concatenate([np.zeros(90), np.full(9, -np.inf)])
    assert np.isfinite(Tail(mixed).log_p(np.asarray([-1.0, -50.0]))).all()


def test_a_question_with_a_heavy_tail_does_not_set_the_limit_of_the_others():
    """One scale is ten times too wide: without its own tail every other question would need ``log s`` of ten times."""
    rng = np.random.default_rng(4)
    plain, heavy = -rng.exponential(1.0, 999), -rng.exponential(10.0, 999)
    tails = [Tail(plain), Tail(heavy)]
    limit = smallest_at([tails[0].log_p(plain), tails[1].log_p(heavy)], 0.05)
    assert tails[0].log_s(limit) == pytest.approx(np.log(0.025), abs=0.7)
    assert tails[1].log_s(limit) == pytest.approx(10 * np.log(0.025), abs=7)
