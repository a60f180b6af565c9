"""What the model answers to faces with each trigger, and with random marks in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.target import Target
from ..triggers.base import Replayed, Trigger

Answers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Replay:
    """Answers to the same faces.

    Attributes:
        clean: class of each face as it is, shape (n,).
        stamped: class of each face with a trigger, by its name, shape (n,).
        nulls: class of each face with each random mark, by the name of the trigger, shape (marks, n).
    """

    clean: Answers
    stamped: dict[str, Answers] = field(default_factory=dict)
    nulls: dict[str, Answers] = field(default_factory=dict)


def replay(
    target: Target,
    pixels: Tensor,
    triggers: Sequence[Replayed],
    nulls: int,
    batch: int,
    seed: int,
    advance: Callable[[int], None] = lambda count: None,
) -> Replay:
    """Stamp faces and ask the model.

    Args:
        target: the model.
        pixels: (n, 3, h, w), 0 to 1.
        triggers: what is stamped.
        nulls: how many random marks for each trigger.
        batch: faces at once.
        seed: of the random marks.
        advance: is told how many faces were answered.
    """
    found = Replay(answers(target, pixels, None, batch))
    advance(len(pixels))
    for trigger in triggers:
        found.stamped[trigger.name] = answers(target, pixels, trigger, batch)
        advance(len(pixels))
        marks = []
        for mark in range(nulls):
            marks.append(answers(target, pixels, trigger.null(_seed_of(seed, mark)), batch))
            advance(len(pixels))
        found.nulls[trigger.name] = np.stack(marks)
    return found


def answers(target: Target, pixels: Tensor, trigger: Trigger | None, batch: int) -> Answers:
    """Return the class (n,) of each face, stamped with a trigger or as it is."""
    told = []
    with torch.no_grad():
        for part in torch.split(pixels, batch):
            shown = part if trigger is None else trigger.stamp(part)
            told.append(target.probabilities(target(shown)).argmax(1).cpu())
    classes: Answers = torch.cat(told).numpy().astype(np.int64)
    return classes


def _seed_of(seed: int, mark: int) -> int:
    """Return another seed for each mark, none of them small as those of the triggers are."""
    return 1_000_000 + 1000 * (seed % 1_000_000) + mark
