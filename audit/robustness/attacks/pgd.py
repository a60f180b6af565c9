"""Projected gradient descent (on the model's side: ascent of its loss) with random starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .ball import Ball, Norm, ball
from .best import Best
from .objective import answers_right, glance, log_odds, look
from .outcome import Attacked, Scorer


def default_step_size(eps: float, steps: int) -> float:
    """Return ``2.5 * eps / steps``: enough to cross the ball from any start (Madry et al. 2018, §5)."""
    return 2.5 * eps / steps


@dataclass(frozen=True)
class PGD:
    """Steps along the gradient, projected into the ball (Madry et al. 2018, arXiv 1706.06083).

    A step goes along the gradient's sign in L-infinity and along the gradient itself in L2. A face leaves the
    search at the first point with another answer than its true class, so later steps and further restarts are
    spent on the faces that still stand.

    Attributes:
        norm: how the size of a change is measured.
        steps: gradient steps of one restart.
        restarts: how many random starts a face that stands is given.
        step_size: length of a step in pixel units 0..1; ``None`` for :func:`default_step_size`.
        seed: decides the random starts, together with the row of the face and the number of the restart.
        random_start: start from a uniform point of the ball; otherwise from the face itself (the basic
            iterative method, which makes restarts repeat each other).
    """

    norm: Norm = "linf"
    steps: int = 20
    restarts: int = 1
    step_size: float | None = None
    seed: int = 0
    random_start: bool = True
    name: str = "pgd"
    white_box: ClassVar[bool] = True
    fewest_classes: ClassVar[int] = 2

    def __call__(self, scores: Scorer, pixels: Tensor, labels: Tensor, rows: NDArray[np.int64], eps: float) -> Attacked:
        """Attack a batch; see :class:`~.outcome.Attack`."""
        best = Best(pixels)
        for restart in range(self.restarts):
            standing = torch.nonzero(~best.flipped)[:, 0]
            if not len(standing):
                break
            around = ball(self.norm, pixels[standing], eps)
            start = around.pixels
            if self.random_start:
                start = around.start(self.seed, rows[standing.cpu().numpy()], stream=restart + 1)
            self._search(scores, around, start, labels[standing], standing, best, first=restart == 0)
        return best.outcome()

    def _search(
        self,
        scores: Scorer,
        around: Ball,
        points: Tensor,
        labels: Tensor,
        places: Tensor,
        best: Best,
        first: bool,
    ) -> None:
        """Run the steps of one restart; ``places`` says where in the batch each of the ``points`` belongs."""
        size = default_step_size(around.eps, self.steps) if self.step_size is None else self.step_size
        for step in range(self.steps):
            seen = look(scores, points, labels)
            best.take(places, points, seen.loss, seen.right)
            if step > 0:
                best.moved(places, seen.loss)
            elif first:
                best.begin(places, seen)
            best.watch(places, seen)
            gradient = seen.gradient
            if not seen.right.all():
                kept = torch.nonzero(seen.right)[:, 0]
                if not len(kept):
                    return
                points, gradient = points.index_select(0, kept), gradient.index_select(0, kept)
                around, labels, places = around.subset(kept), labels[kept], places[kept]
            points = around.step(points, gradient, size)
        logits = glance(scores, points)
        loss = log_odds(logits, labels)
        best.moved(places, loss)
        best.take(places, points, loss, answers_right(logits, labels))
