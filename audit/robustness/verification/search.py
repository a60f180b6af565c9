"""Attacks on an embedding: pixels within eps of a photo whose embedding comes near to another's, or far from it.

The search does not end where the similarity passes the threshold: an attacker does not know by which of a person's
photos they will be judged, and wants a margin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..attacks import LinfBall, Square, default_step_size
from ..attacks.square_moves import BoxMoves

Embed = Callable[[Tensor], Tensor]
"""Pixels (n, 3, h, w), RGB in 0..1, to embeddings (n, k) of any length; its own preprocessing inside."""
_RESTART = 1


@dataclass(frozen=True)
class Moved:
    """What an attack returns for a batch.

    Attributes:
        pixels: the changed photos, shape (n, 3, h, w): those of the best similarity seen, the photo itself included.
        no_gradient: whether the gradient was zero in every pixel at the first step, or not finite at any, (n,), bool.
    """

    pixels: Tensor
    no_gradient: NDArray[np.bool_]


class Search(Protocol):
    """A configured attack on embeddings."""

    @property
    def name(self) -> str:
        """The name that stands in measurement keys, e.g. ``pgd``."""
        ...

    def __call__(
        self, embed: Embed, pixels: Tensor, reference: Tensor, sign: float, rows: NDArray[np.int64], eps: float
    ) -> Moved:
        """Change a batch of photos.

        Args:
            embed: the model.
            pixels: the photos, shape (n, 3, h, w), 0..1.
            reference: the embedding that each is compared with, at unit length, shape (n, k).
            sign: 1 to bring them nearer, -1 to move them away.
            rows: they and the seed alone decide the noise of an attempt, shape (n,).
            eps: largest change of any channel of any pixel, in units of 0..1.
        """
        ...


@dataclass(frozen=True)
class CosineAscent:
    """Projected gradient steps on the cosine itself (PGD; Madry et al. 2018, arXiv 1706.06083).

    Attributes:
        steps: gradient steps.
        step_size: length of a step in pixel units 0..1; ``None`` for 2.5 eps / steps.
        seed: decides the random start, together with the row.
    """

    steps: int = 20
    step_size: float | None = None
    seed: int = 0
    name: ClassVar[str] = "pgd"

    def __call__(
        self, embed: Embed, pixels: Tensor, reference: Tensor, sign: float, rows: NDArray[np.int64], eps: float
    ) -> Moved:
        """Change a batch of photos; see :class:`Search`."""
        ball = LinfBall(pixels, eps)
        size = default_step_size(eps, self.steps) if self.step_size is None else self.step_size
        with torch.no_grad():
            best = sign * similarity(embed(pixels), reference)
        found, points = pixels.clone(), ball.start(self.seed, rows, _RESTART)
        missing = torch.zeros(len(pixels), dtype=torch.bool, device=pixels.device)
        for step in range(self.steps):
            points = points.detach().requires_grad_()
            with torch.enable_grad():
                reached = sign * similarity(embed(points), reference)
                (gradient,) = torch.autograd.grad(reached.sum(), points)
            low, high = gradient.amin((1, 2, 3)), gradient.amax((1, 2, 3))  # both carry NaN on
            finite = torch.isfinite(low) & torch.isfinite(high)
            missing |= ~finite | ((low == 0) & (high == 0) & (step == 0))
            gradient = torch.where(finite[:, None, None, None], gradient, 0.0)
            found, best = _better(found, best, points.detach(), reached.detach())
            points = ball.step(points.detach(), gradient, size)
        with torch.no_grad():
            found, _ = _better(found, best, points, sign * similarity(embed(points), reference))
        return Moved(found, missing.cpu().numpy())


@dataclass(frozen=True)
class SquareSearch:
    """Random squares, kept where the cosine moves the right way; asks for answers only.

    The Square Attack (Andriushchenko et al. 2020, arXiv 1912.00049) with the cosine as what it lowers or raises.

    Attributes:
        queries: how often the model is asked about a photo.
        seed: decides the squares, together with the row.
    """

    queries: int = 1000
    seed: int = 0
    name: ClassVar[str] = "square"

    def __call__(
        self, embed: Embed, pixels: Tensor, reference: Tensor, sign: float, rows: NDArray[np.int64], eps: float
    ) -> Moved:
        """Change a batch of photos; see :class:`Search`."""

        def ask(points: Tensor, places: Tensor) -> Tensor:
            # A margin that is always above 0: the search never takes an answer for changed, and goes on to the end.
            short = 2 - sign * similarity(embed(points), reference[places])
            return torch.stack([short / 2, -short / 2], 1)

        moves = BoxMoves((pixels - eps).clamp_(min=0.0), (pixels + eps).clamp_(max=1.0))
        labels = torch.zeros(len(pixels), dtype=torch.int64, device=pixels.device)
        reached = Square(queries=self.queries, seed=self.seed).search(ask, moves, labels, rows).pixels
        with torch.no_grad():
            best = sign * similarity(embed(pixels), reference)
            found, _ = _better(pixels, best, reached, sign * similarity(embed(reached), reference))
        return Moved(found, np.zeros(len(pixels), dtype=np.bool_))


def similarity(embeddings: Tensor, reference: Tensor) -> Tensor:
    """Return the cosine of each embedding (n, k) with its reference (n, k), shape (n,)."""
    return F.cosine_similarity(embeddings, reference, dim=1)


def _better(found: Tensor, best: Tensor, points: Tensor, reached: Tensor) -> tuple[Tensor, Tensor]:
    """Take over the points that reach further; a cosine that is NaN reaches nothing."""
    further = reached > best
    return torch.where(further[:, None, None, None], points, found), torch.where(further, reached, best)
