from __future__ import annotations

import numpy as np
import pytest

from countenance.explain.heatmaps.selection import draw_faces, eligible_faces


@pytest.mark.parametrize(("select", "rows"), [("predicted", [0, 2, 4]), ("label", [0, 1]), ("correct", [0])])
def test_eligible_faces(select: str, rows: list[int]) -> None:
    predicted, labels = np.array([1, 0, 1, 0, 1]), np.array([1, 1, 0, 0, -1])
    assert eligible_faces(predicted, labels, 1, select).tolist() == rows  # type: ignore[arg-type]


def test_everyone_is_drawn_once_before_anyone_twice() -> None:
    subjects = np.repeat(np.arange(10), 5)
    rows = np.arange(50) * 3
    for count in (4, 10, 13, 20):
        drawn = draw_faces(rows, subjects, count, np.random.default_rng(count))
        people = np.bincount(subjects[drawn // 3], minlength=10)
        assert len(set(drawn.tolist())) == count
        assert people.max() - people.min() <= 1


def test_all_are_taken_where_there_are_few() -> None:
    assert draw_faces(np.array([5, 2]), np.array([0, 0]), 3, np.random.default_rng(0)).tolist() == [2, 5]


def test_every_face_can_be_drawn() -> None:
    rows, subjects = np.arange(6), np.array([0, 0, 0, 1, 1, 1])
    seen = {int(row) for seed in range(60) for row in draw_faces(rows, subjects, 2, np.random.default_rng(seed))}
    assert seen == set(range(6))
