"""What an attack is given and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ....core.errors import AuditError
from .ball import Norm

Scorer = Callable[[Tensor], Tensor]
"""Pixels (n, 3, h, w), RGB in 0..1, to logits (n, k); differentiable, its own preprocessing inside."""


class TooFewClassesError(AuditError):
    """The attack's objective compares more classes than the model has."""

    def __init__(self, name: str, fewest: int, count: int) -> None:
        super().__init__(
            f"{name} compares the {fewest} highest outputs: expected a model of {fewest} classes or more, but got "
            f"{count}; use apgd_ce, which needs two"
        )


@dataclass(frozen=True)
class Attacked:
    """What an attack found, face by face; its own account, which the caller checks on the returned pixels.

    Attributes:
        pixels: perturbed faces, shape (n, 3, h, w): the first that changed the answer, else the one with the
            highest loss among those the attack visited.
        flipped: whether the attack saw another answer than the true class, shape (n,), bool.
        loss_start: log odds against the true class where the search started, shape (n,).
        loss_after: the highest log odds seen after at least one step, shape (n,).
        no_gradient: whether the gradient was zero in every pixel at the face's first step, or not finite at
            any step, shape (n,), bool.
    """

    pixels: Tensor
    flipped: Tensor
    loss_start: Tensor
    loss_after: Tensor
    no_gradient: Tensor


class Attack(Protocol):
    """A configured attack."""

    @property
    def name(self) -> str:
        """The name that stands in measurement keys, e.g. ``pgd``."""
        ...

    @property
    def norm(self) -> Norm:
        """How the size of a change is measured."""
        ...

    @property
    def white_box(self) -> bool:
        """Whether it needs the model's gradients."""
        ...

    @property
    def fewest_classes(self) -> int:
        """How many classes the model must have."""
        ...

    def __call__(self, scores: Scorer, pixels: Tensor, labels: Tensor, rows: NDArray[np.int64], eps: float) -> Attacked:
        """Attack a batch.

        Args:
            scores: the model, pixels to logits.
            pixels: faces, shape (n, 3, h, w), 0..1.
            labels: true classes, shape (n,), int64.
            rows: positions of the faces in the audited data, shape (n,); they and the attack's seed alone
                decide the noise of a face.
            eps: largest size of the change in the attack's norm, in units of 0..1.

        Raises:
            TooFewClassesError: when the model has fewer than ``fewest_classes``.
        """
        ...
