"""Choose the faces that a class is explained by."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Select = Literal["predicted", "label", "correct"]


def eligible_faces(
    predicted: NDArray[np.int64], labels: NDArray[np.int64], place: int, select: Select
) -> NDArray[np.int64]:
    """Return the rows from which a class is explained, in order.

    Args:
        predicted: ``(n,)`` place of the predicted class of each face.
        labels: ``(n,)`` place of its label, -1 where it has none.
        place: the class.
        select: ``predicted``: faces the model calls so, right or wrong; ``label``: faces labelled so, whatever the
            model says; ``correct``: both.
    """
    chosen = np.ones(len(predicted), dtype=np.bool_)
    if select in ("predicted", "correct"):
        chosen &= predicted == place
    if select in ("label", "correct"):
        chosen &= labels == place
    return np.flatnonzero(chosen).astype(np.int64)


def draw_faces(
    rows: NDArray[np.int64], subjects: NDArray[np.int64], count: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Draw at most ``count`` of the rows at random, each person once before anyone twice.

    Args:
        rows: ``(m,)`` to draw from.
        subjects: ``(m,)`` the person of each row.
        count: how many to draw.
        random: decides.

    Returns:
        Rows in increasing order.
    """
    if len(rows) <= count:
        return np.sort(rows)
    order = random.permutation(len(rows))
    people = subjects[order]
    turn = np.empty(len(rows), dtype=np.int64)  # how often the person came before
    by_person = np.argsort(people, kind="stable")
    first = np.r_[True, people[by_person][1:] != people[by_person][:-1]]
    starts = np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))
    turn[by_person] = np.arange(len(rows)) - starts
    return np.sort(rows[order[np.argsort(turn, kind="stable")[:count]]])
