"""The fast gradient sign method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .ball import LinfBall
from .objective import answers_right, log_odds, look
from .outcome import Attacked, Scorer


@dataclass(frozen=True)
class FGSM:
    """One step of size eps along the sign of the gradient (Goodfellow et al. 2015, arXiv 1412.6572)."""

    name: str = "fgsm"

    def __call__(self, scores: Scorer, pixels: Tensor, labels: Tensor, rows: NDArray[np.int64], eps: float) -> Attacked:
        """Attack a batch; see :class:`~.outcome.Attack`. Nothing is random, so ``rows`` changes nothing."""
        seen = look(scores, pixels, labels)
        points = LinfBall(pixels, eps).step(pixels, seen.gradient, eps)
        with torch.no_grad():
            logits = scores(points)
        return Attacked(
            pixels=points,
            flipped=~answers_right(logits, labels),
            loss_start=seen.loss,
            loss_after=log_odds(logits, labels),
            no_gradient=seen.no_gradient,
        )
