"""People put into wrong groups: at equal rates, or more often where the model fails on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class WrongGroups:
    """Groups as somebody assigned them.

    Attributes:
        group: assigned group of each face, shape (faces,).
        overall: chance of each assigned group (columns) by true group (rows) over all faces, shape (groups, groups).
        right: the same among the faces the model gets right.
        wrong: the same among the others.
    """

    group: Integers
    overall: Floats
    right: Floats
    wrong: Floats


def assign_wrongly(
    random: np.random.Generator,
    person: Integers,
    group: Integers,
    right: NDArray[np.bool_],
    groups: int,
    *,
    rate: float = 0.1,
    times: float = 1.0,
) -> WrongGroups:
    """Put a share of the people into another group, each other group as likely.

    A person on whose faces the model fails with a share ``f`` is put wrong with a probability in proportion to
    ``1 + (times - 1) f``. A person is in one group on all faces.

    Args:
        random: source of the errors.
        person: person of each face, shape (faces,), whole numbers from 0.
        group: true group of each face, the same on all faces of a person.
        right: whether the model is right, shape (faces,).
        groups: how many groups there are.
        rate: share of the faces that are in a wrong group, on average.
        times: how many times as often somebody is put wrong on whom the model always fails as on whom it never does.

    Raises:
        ValueError: when somebody would have to be put wrong more often than always.
    """
    faces = np.bincount(person)
    fails = np.bincount(person, ~right) / np.maximum(faces, 1)
    more = 1 + (times - 1) * fails
    chance = rate * more / (more[person].mean())
    if chance.max() > 1:
        raise ValueError(f"a rate of {rate} with {times} times as many errors would need chances above 1")
    moved = random.random(len(faces)) < chance
    step = random.integers(1, groups, len(faces))
    assigned = np.where(moved[person], (group + step[person]) % groups, group)

    def matrix(rows: NDArray[np.bool_]) -> Floats:
        found = np.eye(groups)
        for true in range(groups):
            of = rows & (group == true)
            if of.any():
                error = float(chance[person[of]].mean())
                found[true] = error / (groups - 1)
                found[true, true] = 1 - error
        return found

    return WrongGroups(assigned, matrix(np.ones_like(right)), matrix(right), matrix(~right))
