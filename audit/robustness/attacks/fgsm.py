"""The fast gradient method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from .ball import Norm, ball
from .objective import answers_right, glance, log_odds, look
from .outcome import Attacked, Scorer


@dataclass(frozen=True)
class FGSM:
    """One step of size eps along the gradient's sign (Goodfellow et al. 2015, arXiv 1412.6572), in L2 along itself."""

    norm: Norm = "linf"
    name: str = "fgsm"
    white_box: ClassVar[bool] = True
    fewest_classes: ClassVar[int] = 2

    def __call__(self, scores: Scorer, pixels: Tensor, labels: Tensor, rows: NDArray[np.int64], eps: float) -> Attacked:
        """Attack a batch; see :class:`~.outcome.Attack`. Nothing is random, so ``rows`` changes nothing."""
        seen = look(scores, pixels, labels)
        points = ball(self.norm, pixels, eps).step(pixels, seen.gradient, eps)
        logits = glance(scores, points)
        return Attacked(
            pixels=points,
            flipped=~answers_right(logits, labels),
            loss_start=seen.loss,
            loss_after=log_odds(logits, labels),
            no_gradient=seen.no_gradient,
        )
