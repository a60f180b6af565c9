"""The attack without a limit.

A face that withstands it was searched badly if the model answers any other face otherwise: the one can be turned
into the other.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .attacks import PGD, Scorer

MOST_FACES = 32
STEPS = 50


class Unlimited:
    """PGD with eps 1 on the first faces that stand up to the audited attack (Carlini et al. 2019).

    Attributes:
        tried: faces attacked so far, at most :data:`MOST_FACES`.
        stood: those of them that were still answered right.
    """

    def __init__(self, seed: int) -> None:
        self.attack = PGD(steps=STEPS, seed=seed)
        self.tried = 0
        self.stood = 0

    def try_on(
        self,
        scores: Scorer,
        pixels: Tensor,
        labels: Tensor,
        rows: NDArray[np.int64],
        standing: NDArray[np.bool_],
    ) -> None:
        """Attack the faces of a batch that are ``standing`` (n,), while there is room for more."""
        chosen = np.flatnonzero(standing)[: MOST_FACES - self.tried]
        if not len(chosen):
            return
        places = torch.from_numpy(chosen).to(pixels.device)
        outcome = self.attack(scores, pixels[places], labels[places], rows[chosen], 1.0)
        self.tried += len(chosen)
        self.stood += int((~outcome.flipped).sum())
