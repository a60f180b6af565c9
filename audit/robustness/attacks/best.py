"""What an attack has found so far, face by face."""

from __future__ import annotations

import torch
from torch import Tensor

from .objective import Look
from .outcome import Attacked


class Best:
    """The best point of each face so far: one that changed the answer, else the one with the highest loss.

    Attributes:
        flipped: another answer than the true class was seen, shape (n,), bool.
    """

    def __init__(self, pixels: Tensor) -> None:
        count, device = len(pixels), pixels.device
        self.flipped = torch.zeros(count, dtype=torch.bool, device=device)
        self._pixels = pixels.clone()
        self._loss = torch.full((count,), -torch.inf, device=device)
        self._loss_start = torch.full((count,), -torch.inf, device=device)
        self._loss_after = torch.full((count,), -torch.inf, device=device)
        self._no_gradient = torch.zeros(count, dtype=torch.bool, device=device)

    def begin(self, places: Tensor, seen: Look) -> None:
        """Write down where the search of the faces at ``places`` started: the first look of the first start."""
        self._loss_start[places] = seen.loss.to(self._loss_start.dtype)
        self._no_gradient[places] = seen.no_gradient

    def watch(self, places: Tensor, seen: Look) -> None:
        """Write down gradients that were not finite."""
        self._no_gradient[places] |= seen.not_finite

    def moved(self, places: Tensor, loss: Tensor) -> None:
        """Write down the log odds of points that at least one step has led to."""
        self._loss_after[places] = torch.maximum(self._loss_after[places], loss.to(self._loss_after.dtype))

    def take(self, places: Tensor, points: Tensor, loss: Tensor, right: Tensor) -> None:
        """Take over points that changed the answer, or raised the loss of a face whose answer nothing changed.

        ``places`` are ascending.
        """
        loss = loss.to(self._loss.dtype)
        before = self.flipped[places]
        # "or equal", since minus infinity is a first loss too
        better = (~right & ~before) | ((right ^ before) & (loss >= self._loss[places]))
        self.flipped[places] |= ~right
        if better.all():  # picking them all would copy the points once more
            if len(places) == len(self._pixels):  # the whole batch, in its order: several times as fast
                self._pixels.copy_(points)
                self._loss.copy_(loss)
                return
        else:
            places, points, loss = places[better], points[better], loss[better]
        self._pixels[places] = points
        self._loss[places] = loss

    def outcome(self) -> Attacked:
        """Return what an attack returns."""
        return Attacked(self._pixels, self.flipped, self._loss_start, self._loss_after, self._no_gradient)
