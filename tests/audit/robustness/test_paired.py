from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from countenance.audit.robustness.paired import compare_flips


def test_with_one_face_per_person_it_is_mcnemars_exact_test() -> None:
    first = np.array([1, 1, 0, 0, 0, 0, 0, 1, 0], dtype=bool)
    second = np.array([1, 0, 1, 1, 1, 1, 1, 1, 0], dtype=bool)
    found = compare_flips(first, second, np.arange(9))
    assert (found.only_first, found.only_second) == (1, 5)
    # Slowly: every way the six faces that differ could have fallen, as many for the second or more.
    ways = list(product([0, 1], repeat=6))
    assert found.p_value == pytest.approx(sum(sum(way) >= 5 for way in ways) / len(ways))


def test_a_person_with_many_faces_counts_once() -> None:
    first = np.zeros(30, dtype=bool)
    second = np.ones(30, dtype=bool)
    assert compare_flips(first, second, np.zeros(30, dtype=np.int64)).p_value == 0.5
    assert compare_flips(first, second, np.arange(30)).p_value == pytest.approx(0.5**30)


def test_no_difference_is_no_evidence() -> None:
    same = np.array([True, False, True])
    assert compare_flips(same, same, np.arange(3)).p_value == 1.0


def test_false_alarms_stay_below_the_level_with_dependent_faces() -> None:
    """Both conditions flip alike; a person's five faces are flipped together. 2,000 audits, level 0.05."""
    random = np.random.default_rng(1)
    subjects = np.repeat(np.arange(30), 5)
    alarms = 0
    for _ in range(2000):
        flips = random.random((2, 30)) < 0.3
        alarms += compare_flips(flips[0, subjects], flips[1, subjects], subjects).p_value <= 0.05
    assert alarms / 2000 <= 0.05
