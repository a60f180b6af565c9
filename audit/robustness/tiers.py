"""Several attacks in turn, each on the faces that still stand: the tiers ``quick``, ``standard`` and ``full``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .attacks import APGD, FAB, Attack, Attacked, Norm, Scorer
from .attacks.square import Square

Tier = Literal["quick", "standard", "full"]
TIERS: tuple[Tier, ...] = ("quick", "standard", "full")


@dataclass(frozen=True)
class Staged(Attacked):
    """What several attacks found between them.

    Attributes:
        stage: which of them changed the answer, shape (n,); -1 where none did.
    """

    stage: Tensor


@dataclass(frozen=True)
class Ensemble:
    """Attacks in a fixed order; each is given the faces that stood up to those before it.

    What is told of a face's search (where the loss started, whether there was a gradient) is told of the first attack;
    the highest loss is that of all.

    Attributes:
        name: stands in measurement keys.
        stages: the attacks.
    """

    name: str
    stages: tuple[Attack, ...]
    white_box: bool = True
    fewest_classes: int = 2

    @property
    def norm(self) -> Norm:
        """The norm of every stage."""
        return self.stages[0].norm

    def __call__(self, scores: Scorer, pixels: Tensor, labels: Tensor, rows: NDArray[np.int64], eps: float) -> Staged:
        """Attack a batch; see :class:`~.attacks.outcome.Attack`."""
        first = self.stages[0](scores, pixels, labels, rows, eps)
        found = Staged(
            pixels=first.pixels.clone(),
            flipped=first.flipped.clone(),
            loss_start=first.loss_start,
            loss_after=first.loss_after.clone(),
            no_gradient=first.no_gradient,
            stage=torch.where(first.flipped, 0, -1),
        )
        for stage, attack in enumerate(self.stages[1:], start=1):
            places = torch.nonzero(~found.flipped)[:, 0]
            if not len(places):
                break
            outcome = attack(scores, pixels[places], labels[places], rows[places.cpu().numpy()], eps)
            better = outcome.flipped | (outcome.loss_after > found.loss_after[places])
            found.pixels[places[better]] = outcome.pixels[better]
            found.loss_after[places] = torch.maximum(found.loss_after[places], outcome.loss_after)
            found.stage[places[outcome.flipped]] = stage
            found.flipped[places] |= outcome.flipped
        return found


@dataclass(frozen=True)
class _Effort:
    """How long each attack of a tier may search; 0 leaves it out."""

    ce_steps: int
    targeted_steps: int
    targets: int
    fab_steps: int
    queries: int


EFFORTS: Mapping[Tier, _Effort] = {
    "quick": _Effort(ce_steps=20, targeted_steps=20, targets=2, fab_steps=0, queries=0),
    "standard": _Effort(ce_steps=50, targeted_steps=20, targets=4, fab_steps=0, queries=300),
    "full": _Effort(ce_steps=100, targeted_steps=100, targets=9, fab_steps=100, queries=5000),
}
"""``full`` has the settings of AutoAttack's standard version (Croce and Hein 2020, arXiv 2003.01690)."""


def tier(name: Tier, norm: Norm, seed: int, classes: int) -> tuple[Ensemble, list[str]]:
    """Return the attacks of a tier for a model of so many classes, and what was left out and why.

    Args:
        name: which tier.
        norm: how the size of a change is measured.
        seed: decides the random starts and squares.
        classes: how many the model has, at least 2.
    """
    effort = EFFORTS[name]
    stages: list[Attack] = [APGD("ce", norm, steps=effort.ce_steps, seed=seed)]
    targeted = APGD("targeted_dlr", norm, steps=effort.targeted_steps, targets=effort.targets, seed=seed)
    left_out = []
    if classes >= targeted.fewest_classes:
        stages.append(targeted)
    else:
        left_out.append(
            f"{targeted.name} was left out: it compares {targeted.fewest_classes} outputs, the model has {classes}"
        )
    if effort.fab_steps:
        stages.append(FAB(norm, steps=effort.fab_steps, targets=effort.targets, seed=seed))
    if effort.queries:
        stages.append(Square(queries=effort.queries, norm=norm, seed=seed))
    return Ensemble(name, tuple(stages)), left_out


def told(attacks: Sequence[Attack]) -> str:
    """Say which attacks there are and how long each searches."""
    words = []
    for attack in attacks:
        if isinstance(attack, Square):
            words.append(f"{attack.name} ({attack.queries} queries)")
        elif isinstance(attack, (APGD, FAB)):
            towards = f" towards up to {attack.targets} classes" if attack.name in ("apgd_t", "fab_t") else ""
            words.append(f"{attack.name} ({attack.steps} steps{towards})")
        else:
            words.append(attack.name)
    return ", then ".join(words)
