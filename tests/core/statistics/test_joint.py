"""Many questions judged together: against slow loops, against the definition, and how often even models alarm."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from countenance.core.statistics.joint import (
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
