"""Who tries to pass as whom: which photos are changed, against which photo, and on which other photo it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ....core.portraits import Portraits
from ..sample import sample_rows

Goal = Literal["impersonation", "dodging"]
GOALS: tuple[Goal, ...] = ("impersonation", "dodging")
NONE = -1


@dataclass(frozen=True, eq=False)
class Attempts:
    """Pairs of which the first photo is changed; photos are positions in ``portraits.faces``.

    Attributes:
        goal: ``impersonation``: two people, taken for one; ``dodging``: one person, taken for two.
        pairs: positions of the pairs, shape (n,), which also decide each attempt's noise.
        changed: the photo that is changed, shape (n,).
        shown: the photo of the person to be taken for, or not to be taken for, that the attack is given, shape (n,).
        other: another photo of the same person, which the attack never sees, :data:`NONE` where there is none, (n,).
    """

    goal: Goal
    pairs: NDArray[np.int64]
    changed: NDArray[np.int64]
    shown: NDArray[np.int64]
    other: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def sign(self) -> float:
        """1 where the similarity is to rise, -1 where it is to fall."""
        return 1.0 if self.goal == "impersonation" else -1.0

    @property
    def grouped_by(self) -> NDArray[np.int64]:
        """The photo whose groups an attempt counts for: of impersonation that of the person passed for."""
        return self.shown if self.goal == "impersonation" else self.changed

    def succeeded(self, similarity: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
        """Return whether the model answers as the attack wants, for similarities (..., n); NaN is no success."""
        matches = similarity >= threshold
        wanted: NDArray[np.bool_] = matches if self.goal == "impersonation" else similarity < threshold
        return wanted


def choose_attempts(
    goal: Goal, portraits: Portraits, same: NDArray[np.bool_], count: int | None, random: np.random.Generator
) -> Attempts:
    """Return the attempts of one goal, spread over as many people as possible.

    Args:
        goal: pairs of two people for impersonation, pairs of one for dodging.
        portraits: the single faces and the pairs of them.
        same: whether each pair is of one person, shape (pairs,).
        count: how many attempts at most; ``None`` for all pairs.
        random: decides which, and which other photo each is judged on.
    """
    people = portraits.faces.subject_codes
    pairs = np.flatnonzero(same == (goal == "dodging")).astype(np.int64)
    pairs = sample_rows(pairs, people[portraits.first[pairs]], count, random)
    changed, shown = portraits.first[pairs], portraits.second[pairs]
    order = np.argsort(people, kind="stable").astype(np.int64)
    starts = np.searchsorted(people[order], np.arange(people.max(initial=-1) + 2))
    other = np.full(len(pairs), NONE, dtype=np.int64)
    for place, (first, second) in enumerate(zip(changed.tolist(), shown.tolist(), strict=True)):
        person = people[second]
        photos = order[starts[person] : starts[person + 1]]
        photos = photos[(photos != first) & (photos != second)]
        if len(photos):
            other[place] = random.choice(photos)
    return Attempts(goal, pairs, changed, shown, other)
