"""What the model said of a face in a few words, and whether that is another answer than before; task by task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.predictions import CLASSIFICATION_TASKS
from .quality import ACTIVE

MOST_UNITS = 4
NO_NUMBER = "no number"


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers to some faces.

    Attributes:
        texts: of each face, e.g. ``happy 0.93``.
        keys: (n, j) what has to stay for the answer to be the same; ``None`` where an answer is a number that moves.
        values: (n, k) as the model gave them.
    """

    texts: tuple[str, ...]
    keys: NDArray[np.int64] | None
    values: NDArray[np.float64]

    def changed(self, place: int, before: Answers) -> bool | None:
        """Whether the answer of a face is another one than ``before``; ``None`` where it is a number that moves."""
        if self.keys is None or before.keys is None:
            return None
        return not np.array_equal(self.keys[place], before.keys[place])


def answers_of(
    values: NDArray[np.float64], task: str, classes: Sequence[str], before: NDArray[np.float64] | None = None
) -> Answers:
    """Tell what the model said.

    Args:
        values: (n, k), class probabilities, each unit's probability, values, or an embedding.
        task: of the target.
        classes: names of the columns.
        before: the same of the faces as they are, with which an embedding is compared; ``None`` for these themselves.
    """
    answered: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(1))
    if task in CLASSIFICATION_TASKS:
        best = np.where(answered, np.nan_to_num(values, nan=-np.inf).argmax(1), -1)
        texts = [f"{classes[k]} {values[n, k]:.2f}" if k >= 0 else NO_NUMBER for n, k in enumerate(best.tolist())]
        return Answers(tuple(texts), best[:, None], values)
    if task == "action_units":
        active = np.where(answered[:, None], values >= ACTIVE, -1).astype(np.int64)
        told = [_units(row, classes) for row in active]
        return Answers(_where(answered, told), active, values)
    if task == "valence_arousal":
        told = [", ".join(f"{name} {value:+.2f}" for name, value in zip(classes, row, strict=True)) for row in values]
        return Answers(_where(answered, told), None, values)
    if before is None:
        return Answers(_where(answered, [""] * len(values)), None, values)
    known = np.where(answered[:, None], values, 0.0)
    length = np.linalg.norm(known, axis=1) * np.linalg.norm(before, axis=1)
    cosine = (known * before).sum(1) / np.where(length > 0, length, 1.0)
    return Answers(_where(answered, [f"similarity {value:.2f}" for value in cosine]), None, values)


def _where(answered: NDArray[np.bool_], told: Sequence[str]) -> tuple[str, ...]:
    return tuple(text if known else NO_NUMBER for text, known in zip(told, answered, strict=True))


def _units(active: NDArray[np.int64], classes: Sequence[str]) -> str:
    names = [name for name, found in zip(classes, active, strict=True) if found == 1]
    if not names:
        return "no unit"
    more = f" and {len(names) - MOST_UNITS} more" if len(names) > MOST_UNITS else ""
    return ", ".join(names[:MOST_UNITS]) + more
