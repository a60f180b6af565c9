"""Projected gradient descent (on the model's side: ascent of its loss) with random starts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..noise import uniform_noise
from .ball import LinfBall
from .objective import answers_right, log_odds, look
from .outcome import Attacked, Scorer


def default_step_size(eps: float, steps: int) -> float:
    """Return ``2.5 * eps / steps``: enough to cross the ball from any start (Madry et al. 2018, §5)."""
    return 2.5 * eps / steps


@dataclass(frozen=True)
class PGD:
    """Steps along the sign of the gradient, projected into the ball (Madry et al. 2018, arXiv 1706.06083).

    A face leaves the search at the first point with another answer than its true class, so later steps and
    further restarts are spent on the faces that still stand.

    Attributes:
        steps: gradient steps of one restart.
        restarts: how many random starts a face that stands is given.
        step_size: length of a step in pixel units 0..1; ``None`` for :func:`default_step_size`.
        seed: decides the random starts, together with the row of the face and the number of the restart.
        random_start: start from a uniform point of the ball; otherwise from the face itself (the basic
            iterative method, which makes restarts repeat each other).
    """

    steps: int = 20
    restarts: int = 1
    step_size: float | None = None
    seed: int = 0
    random_start: bool = True
    name: str = "pgd"

    def __call__(self, scores: Scorer, pixels: Tensor, labels: Tensor, rows: NDArray[np.int64], eps: float) -> Attacked:
        """Attack a batch; see :class:`~.outcome.Attack`."""
        best = _Best(pixels)
        for restart in range(self.restarts):
            standing = torch.nonzero(~best.flipped)[:, 0]
            if not len(standing):
                break
            ball = LinfBall(pixels[standing], eps)
            start = ball.pixels
            if self.random_start:
                chosen = rows[standing.cpu().numpy()]
                start = ball.at(uniform_noise(self.seed, chosen, start, stream=restart + 1))
            self._search(scores, ball, start, labels[standing], standing, best, first=restart == 0)
        return best.outcome()

    def _search(
        self,
        scores: Scorer,
        ball: LinfBall,
        points: Tensor,
        labels: Tensor,
        places: Tensor,
        best: _Best,
        first: bool,
    ) -> None:
        """Run the steps of one restart; ``places`` says where in the batch each of the ``points`` belongs."""
        size = default_step_size(ball.eps, self.steps) if self.step_size is None else self.step_size
        for step in range(self.steps):
            seen = look(scores, points, labels)
            best.note(places, points, seen.loss, seen.right, started=step > 0)
            if step == 0 and first:
                best.loss_start[places] = seen.loss.to(best.loss_start.dtype)
                best.no_gradient[places] = seen.no_gradient
            best.no_gradient[places] |= seen.not_finite
            gradient, kept = seen.gradient, seen.right
            if not kept.any():
                return
            if not kept.all():
                points, gradient, ball = points[kept], gradient[kept], ball.subset(kept)
                labels, places = labels[kept], places[kept]
            points = ball.step(points, gradient, size)
        with torch.no_grad():
            logits = scores(points)
        best.note(places, points, log_odds(logits, labels), answers_right(logits, labels), started=True)


class _Best:
    """The best point of each face so far: one that changed the answer, else the one with the highest loss."""

    def __init__(self, pixels: Tensor) -> None:
        count, device = len(pixels), pixels.device
        self.pixels = pixels.clone()
        self.loss = torch.full((count,), -torch.inf, device=device)
        self.flipped = torch.zeros(count, dtype=torch.bool, device=device)
        self.loss_start = torch.full((count,), -torch.inf, device=device)
        self.loss_after = torch.full((count,), -torch.inf, device=device)
        self.no_gradient = torch.zeros(count, dtype=torch.bool, device=device)

    def note(self, places: Tensor, points: Tensor, loss: Tensor, right: Tensor, *, started: bool) -> None:
        """Take over points that changed the answer or raised the loss; ``started`` once a step was made."""
        loss = loss.to(self.loss.dtype)
        self.flipped[places] |= ~right
        if started:
            self.loss_after[places] = torch.maximum(self.loss_after[places], loss)
        # "or equal", since minus infinity is a first loss too
        better = ~right | (loss >= self.loss[places])
        taken = places
        if not better.all():  # picking them all would copy the points once more
            taken, points, loss = places[better], points[better], loss[better]
        self.pixels[taken] = points
        self.loss[taken] = loss

    def outcome(self) -> Attacked:
        return Attacked(self.pixels, self.flipped, self.loss_start, self.loss_after, self.no_gradient)
