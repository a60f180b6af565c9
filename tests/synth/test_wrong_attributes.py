"""Planted errors in groups are those that were asked for."""

from __future__ import annotations

import numpy as np
import pytest

from countenance.synth.wrong_attributes import assign_wrongly


@pytest.mark.parametrize("times", [1.0, 3.0])
def test_planted_errors_are_those_that_were_asked_for(times: float) -> None:
    random, person = np.random.default_rng(6), np.arange(40_000)
    group = random.choice(2, 40_000, p=[0.65, 0.35])
    right = random.random(40_000) < np.asarray([0.75, 0.6])[group]
    planted = assign_wrongly(random, person, group, right, 2, rate=0.1, times=times)
    assert (planted.group != group).mean() == pytest.approx(0.1, abs=0.006)
    for matrix, rows in ((planted.right, right), (planted.wrong, ~right), (planted.overall, right | ~right)):
        for true in range(2):
            of = rows & (group == true)
            assert (planted.group[of] != true).mean() == pytest.approx(matrix[true, 1 - true], abs=0.012)
    assert planted.wrong[0, 1] == pytest.approx(times * planted.right[0, 1])
    with pytest.raises(ValueError, match="chances above 1"):
        assign_wrongly(random, person, group, right, 2, rate=0.7, times=5)


def test_a_person_stays_in_one_group_and_nobody_moves_without_errors() -> None:
    random, person = np.random.default_rng(0), np.repeat(np.arange(500), 3)
    group, right = (person % 3).astype(np.int64), random.random(1500) < 0.7
    moved = assign_wrongly(random, person, group, right, 3, rate=0.3, times=2.0).group.reshape(500, 3)
    assert (moved == moved[:, :1]).all()
    assert set(np.unique((moved[:, 0] - np.arange(500)) % 3)) == {0, 1, 2}
    unmoved = assign_wrongly(random, person, group, right, 3, rate=0.0)
    assert (unmoved.group == group).all()
    assert (unmoved.overall == np.eye(3)).all()
