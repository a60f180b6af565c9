from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from countenance.core.statistics.class_order import class_order


def confusion(accuracy, classes=7, faces=700, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, faces)
    predicted = np.where(rng.random(faces) < accuracy, labels, rng.integers(0, classes, faces))
    table = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(table, (labels, predicted), 1)
    return table


def judge(table):
    return class_order(table, np.random.default_rng(1))


def test_a_rotated_list_of_classes_is_found():
    found = judge(np.roll(confusion(0.8), 2, axis=1))
    assert found is not None
    assert found.near_chance
    assert found.reordered > 0.8 > 0.2 > found.accuracy
    assert dict(found.moved) == {(label + 2) % 7: label for label in range(7)}
    assert found.reordered_by_chance < found.reordered_by_chance_high < 0.3


def test_the_order_is_the_best_of_all_orders():
    table = np.random.default_rng(3).integers(0, 30, (4, 4)) + 60 * np.eye(4, dtype=int)[[1, 0, 3, 2]]
    found = judge(table)
    assert found is not None
    tried = [sum(table[label, order[label]] for label in range(4)) for order in permutations(range(4))]
    assert found.reordered == pytest.approx(max(tried) / table.sum())


def test_two_swapped_classes_are_found_above_chance():
    found = judge(confusion(0.8)[:, [0, 1, 3, 2, 4, 5, 6]])
    assert found is not None
    assert not found.near_chance
    assert set(found.moved) == {(2, 3), (3, 2)}


@pytest.mark.parametrize("accuracy", [0.0, 0.1, 0.4, 0.9])
def test_a_list_in_the_right_order_raises_nothing(accuracy):
    assert [judge(confusion(accuracy, seed=seed)) for seed in range(20)] == [None] * 20


def test_a_model_that_always_gives_one_answer_raises_nothing():
    table = np.zeros((4, 4), dtype=np.int64)
    table[:, 2] = [50, 30, 10, 20]
    assert judge(table) is None


def test_faces_of_two_classes_only_are_enough():
    table = np.zeros((7, 7), dtype=np.int64)
    table[0, 3], table[0, 0], table[1, 5], table[1, 3] = 95, 5, 70, 30
    found = judge(table)
    assert found is not None
    assert set(found.moved) == {(3, 0), (5, 1)}


def test_one_label_cannot_tell():
    table = np.zeros((3, 3), dtype=np.int64)
    table[0, 1] = 100
    assert judge(table) is None
    assert judge(np.zeros((3, 3), dtype=np.int64)) is None
