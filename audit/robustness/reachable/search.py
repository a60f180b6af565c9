"""Find the settings of a surface that change the answer: along the gradient, or by asking for answers only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..attacks.best import Best
from ..attacks.objective import answers_right, glance, log_odds, look
from ..attacks.outcome import Attacked, Scorer
from ..attacks.square import Square
from ..attacks.square_moves import BoxMoves
from .surfaces import Surface

MOMENTUM = 0.75
"""Weight of the step in the next point; the rest continues the last move (as in APGD, Croce and Hein 2020)."""
FIRST_STEP = 1.0
"""Length of the first step in settings, which reach from -1 to 1; it falls linearly to nothing."""


@dataclass(frozen=True)
class Climb:
    """Ascent of the log odds along the sign of their gradient, with momentum and ever smaller steps.

    A face leaves at its first success; otherwise the settings with the highest loss are returned.

    Attributes:
        steps: gradient steps of one start.
        restarts: how many random starts a face that stands is given.
    """

    steps: int
    restarts: int

    def __call__(
        self,
        scores: Scorer,
        surface: Surface,
        start: Callable[[int, NDArray[np.int64]], Tensor],
        labels: Tensor,
        rows: NDArray[np.int64],
    ) -> Attacked:
        """Search the settings of n faces; see :class:`Search`."""
        first = start(0, rows)
        best = Best(first)
        for restart in range(self.restarts):
            places = torch.nonzero(~best.flipped)[:, 0]
            if not len(places):
                break
            points = first if restart == 0 else start(restart, rows[places.cpu().numpy()])
            self._climb(scores, surface, points, labels, places, best, first=restart == 0)
        return best.outcome()

    def _climb(
        self, scores: Scorer, surface: Surface, points: Tensor, labels: Tensor, places: Tensor, best: Best, first: bool
    ) -> None:
        part = surface.take(places)
        truth = labels[places]
        before = points

        def ask(settings: Tensor) -> Tensor:
            return scores(part.render(settings))

        for step in range(self.steps):
            seen = look(ask, points, truth)
            if step == 0 and first:
                best.begin(places, seen)
            best.watch(places, seen)
            if step:
                best.moved(places, seen.loss)
            best.take(places, points, seen.loss, seen.right)
            kept, gradient = seen.right, seen.gradient
            if not kept.any():
                return
            if not kept.all():
                points, before, gradient = points[kept], before[kept], gradient[kept]
                places, truth = places[kept], truth[kept]
                part = part.take(torch.nonzero(kept)[:, 0])
            size = FIRST_STEP * (1 - step / self.steps)
            reached = (points + size * gradient.sign()).clamp(-1.0, 1.0)
            if step:
                reached = points + MOMENTUM * (reached - points) + (1 - MOMENTUM) * (points - before)
            before, points = points, reached.clamp(-1.0, 1.0)
        logits = glance(ask, points)
        loss = log_odds(logits, truth)
        best.moved(places, loss)
        best.take(places, points, loss, answers_right(logits, truth))


@dataclass(frozen=True)
class Squares:
    """The Square Attack on settings: squares of the grid go to the edges of what is allowed.

    Attributes:
        queries: how often the model is asked about a face at most.
        seed: decides the squares, together with the row of the face.
    """

    queries: int
    seed: int

    def __call__(
        self,
        scores: Scorer,
        surface: Surface,
        start: Callable[[int, NDArray[np.int64]], Tensor],
        labels: Tensor,
        rows: NDArray[np.int64],
    ) -> Attacked:
        """Search the settings of n faces; see :class:`Search`. It starts from stripes."""
        high = torch.ones_like(start(0, rows))
        return Square(queries=self.queries, seed=self.seed).search(
            lambda points, places: scores(surface.take(places).render(points)), BoxMoves(-high, high), labels, rows
        )


Search = Climb | Squares
"""Called with the model, a surface, what makes random settings (number of the start, rows -> (n, *shape)), the labels
and the rows; returns :class:`~..attacks.outcome.Attacked` with settings for pixels."""
