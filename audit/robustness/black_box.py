"""Does a search without gradients find what the search with gradients missed? Then the gradients mislead."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .attacks import Norm, Scorer
from .attacks.square import Square

MOST_FACES = 16
QUERIES = 300
MISSED_SHARE = 0.25
"""Share of the faces that stood which the black box must flip before it is told; 1/4 and more."""
MISSED_PEOPLE = 3
"""It must be faces of so many people."""


class BlackBox:
    """Square with few queries on the first faces that stand up to the audited attack at the largest eps.

    Attributes:
        tried: positions of the faces tried so far, at most :data:`MOST_FACES`.
        flipped: those of them whose answer it changed.
    """

    def __init__(self, norm: Norm, seed: int) -> None:
        self.attack = Square(queries=QUERIES, norm=norm, seed=seed)
        self.tried: list[int] = []
        self.flipped: list[int] = []

    def try_on(
        self,
        scores: Scorer,
        pixels: Tensor,
        labels: Tensor,
        rows: NDArray[np.int64],
        standing: NDArray[np.bool_],
        eps: float,
    ) -> None:
        """Attack the faces of a batch that are ``standing`` (n,), while there is room for more."""
        chosen = np.flatnonzero(standing)[: MOST_FACES - len(self.tried)]
        if not len(chosen):
            return
        places = torch.from_numpy(chosen).to(pixels.device)
        outcome = self.attack(scores, pixels[places], labels[places], rows[chosen], eps)
        self.note(rows[chosen], outcome.flipped.cpu().numpy())

    def note(self, rows: NDArray[np.int64], flipped: NDArray[np.bool_]) -> None:
        """Write down what a black box did to faces that stood up to all attacks with gradients."""
        self.tried += rows.tolist()
        self.flipped += rows[flipped].tolist()

    def found_more(self, subjects: NDArray[np.int64]) -> bool:
        """Say whether it flipped a large share of them, of several people; ``subjects`` of all faces, by row."""
        people = len(set(subjects[self.flipped].tolist()))
        return people >= MISSED_PEOPLE and len(self.flipped) >= MISSED_SHARE * len(self.tried)
