"""Does the list of classes stand in another order than the model's outputs? A hint from the confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import random_table

DRAWS = 500
LEAST_GAIN = 0.1
LEAST_EXCESS = 0.25
LEAST_FACES = 10


@dataclass(frozen=True)
class ClassOrder:
    """What accuracy would be under the best one-to-one renaming of the model's outputs.

    Attributes:
        accuracy: share of right answers as the classes are listed.
        chance: accuracy expected if answers had nothing to do with labels, each given as often as it is.
        reordered: largest accuracy under any renaming.
        reordered_by_chance: mean of that largest accuracy if answers had nothing to do with labels.
        reordered_by_chance_high: its 99 % quantile.
        moved: (listed class, label its answers go with) for every labelled class that the renaming moves.
    """

    accuracy: float
    chance: float
    reordered: float
    reordered_by_chance: float
    reordered_by_chance_high: float
    moved: tuple[tuple[int, int], ...]

    @property
    def near_chance(self) -> bool:
        """Whether the classes as listed do no better than answers at random, give or take 0.05."""
        return self.accuracy <= self.chance + 0.05


def class_order(confusion: NDArray[np.int64], random: np.random.Generator) -> ClassOrder | None:
    """Return the better order of classes that the confusion matrix suggests, or ``None``.

    The best renaming is the assignment of outputs to labels with most right answers (Hungarian method). Choosing it
    after the fact raises accuracy even where there is nothing to find, so it is held against the same choice on
    random tables with the same row and column sums. It is returned when it raises accuracy by 0.1 or more, goes
    beyond 99 % of the random tables and a quarter of the way from their mean to 1, and each class it moves, of 10
    faces or more, would be answered better.

    Args:
        confusion: faces by label (rows) and answer (columns), shape (k, k).
        random: source of the random tables.
    """
    faces = int(confusion.sum())
    rows, columns = confusion.sum(axis=1), confusion.sum(axis=0)
    if faces == 0 or np.count_nonzero(rows) < 2:
        return None  # with one label every constant answer can be renamed to be right
    answer_of = linear_sum_assignment(confusion, maximize=True)[1]
    moved = [label for label in np.flatnonzero(rows) if answer_of[label] != label]
    own, renamed = np.diag(confusion), confusion[np.arange(len(rows)), answer_of]
    accuracy, reordered = float(own.sum() / faces), float(renamed.sum() / faces)
    judged = [label for label in moved if rows[label] >= LEAST_FACES]
    if reordered - accuracy < LEAST_GAIN or not all(renamed[label] > own[label] for label in judged):
        return None
    tables = random_table(rows, columns).rvs(size=DRAWS, random_state=random)
    by_chance = [table[linear_sum_assignment(table, maximize=True)].sum() / faces for table in tables]
    mean, high = float(np.mean(by_chance)), float(np.quantile(by_chance, 0.99))
    if reordered <= high or reordered - mean < LEAST_EXCESS * (1 - mean):
        return None
    return ClassOrder(
        accuracy=accuracy,
        chance=float((rows / faces) @ (columns / faces)),
        reordered=reordered,
        reordered_by_chance=mean,
        reordered_by_chance_high=high,
        moved=tuple((int(answer_of[label]), int(label)) for label in moved),
    )
