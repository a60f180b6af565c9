"""Can a person be told from the embedding of pictures of another session than those the linear probe was trained on?

A linear layer for every person (FMAE-IAT's probe, Ning et al. 2024, arXiv 2407.11243, trains one too), fitted by ridge
regression in closed form to the pictures of all sessions but one, and judged on the pictures of that one. The penalty
for a person is chosen by how well the others are told apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.statistics.sums import Floats, Integers
from .ridge import PENALTIES, Ridge

CHOICE_FOLDS = 5


@dataclass(frozen=True, eq=False)
class IdentitySplit:
    """Which pictures are judged, and by a probe trained on which.

    Attributes:
        rows: (m,) faces of people with pictures in two parts or more.
        people: (m,) their person, 0 to people - 1.
        parts: (m,) part of each; sessions of a person are dealt out to parts, never cut.
    """

    rows: Integers
    people: Integers
    parts: Integers

    @property
    def count(self) -> int:
        """How many people there are to choose from."""
        return int(self.people.max(initial=-1)) + 1


@dataclass(frozen=True, eq=False)
class IdentityReading:
    """Whom the probe took each face for.

    Attributes:
        predicted: (m,) person.
        permuted: accuracy, each person counted once, when the people of the training pictures are exchanged.
    """

    predicted: Integers
    permuted: Floats


def split_identity(people: Integers, sessions: Integers, parts: int) -> IdentitySplit:
    """Deal each person's sessions out to parts; people with one session only have nothing to be judged on.

    Args:
        people: (n,) person of each face.
        sessions: (n,) session of each face; the same number for two people is no session they share.
        parts: how many at most; a person with fewer sessions is in as many.
    """
    part = np.zeros(len(people), dtype=np.int64)
    several = np.zeros(len(people), dtype=np.bool_)
    for person in np.unique(people):
        mine = np.flatnonzero(people == person)
        own, session = np.unique(sessions[mine], return_inverse=True)
        part[mine] = session.reshape(-1) % parts
        several[mine] = len(own) > 1
    rows = np.flatnonzero(several)
    codes = np.unique(people[rows], return_inverse=True)[1].reshape(-1)
    return IdentitySplit(rows.astype(np.int64), codes.astype(np.int64), part[rows])


def read_identity(
    features: Floats, split: IdentitySplit, random: np.random.Generator, permutations: int = 0
) -> IdentityReading:
    """Tell people apart.

    Args:
        features: (m, d) of the faces of the split.
        split: which faces train the probe that judges which.
        random: deals people out for the choice of the penalty, and permutes them.
        permutations: how often the people of the training pictures are exchanged.

    The exchange needs no new fit: with the names of two people exchanged in training, the probe gives the one name
    where it gave the other.
    """
    people, parts = split.people, split.parts
    told = np.zeros((len(PENALTIES), len(people)), dtype=np.int64)
    for part in np.unique(parts):
        train, test = parts != part, parts == part
        of_person = np.bincount(people[train], minlength=split.count)
        ridge = Ridge(features[train], 1 / of_person[people[train]])
        marks = (people[train][:, None] == np.arange(split.count)).astype(np.float64)
        for place, penalty in enumerate(PENALTIES):
            scores = ridge.predict(features[test], marks, penalty)
            scores[:, of_person == 0] = -np.inf
            told[place, test] = scores.argmax(1)
    folds = random.permutation(np.arange(split.count) % CHOICE_FOLDS)
    faces = np.bincount(people, minlength=split.count).astype(np.float64)
    predicted, _ = _chosen(told, people, np.arange(split.count), folds, faces)
    rates = np.empty(permutations)
    for number in range(permutations):
        rates[number] = _chosen(told, people, random.permutation(split.count), folds, faces)[1]
    return IdentityReading(predicted, rates)


def _chosen(
    told: Integers, people: Integers, names: Integers, folds: Integers, faces: Floats
) -> tuple[Integers, float]:
    """Choose the penalty of each fold of people by the others; return whom each face is taken for, and the rate."""
    right: NDArray[np.bool_] = names[told] == people
    of_person = np.stack([np.bincount(people, row, minlength=len(faces)) for row in right]) / faces
    best = np.asarray([int(of_person[:, folds != fold].mean(1).argmax()) for fold in range(CHOICE_FOLDS)])
    place = best[folds]
    rate = float(of_person[place, np.arange(len(faces))].mean())
    return np.asarray(names[told[place[people], np.arange(len(people))]], dtype=np.int64), rate
