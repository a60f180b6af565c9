"""The set of perturbed faces an attack may choose from."""

from __future__ import annotations

import torch
from torch import Tensor


class LinfBall:
    """Every image that differs by at most eps in each channel of each pixel and stays within 0..1."""

    def __init__(self, pixels: Tensor, eps: float) -> None:
        self.pixels = pixels
        self.eps = eps
        self.low = (pixels - eps).clamp_(min=0.0)
        self.high = (pixels + eps).clamp_(max=1.0)

    def at(self, unit: Tensor) -> Tensor:
        """Return the point reached by moving eps times ``unit`` (n, 3, h, w; -1..1), cut off at 0 and 1."""
        return torch.clamp(self.pixels + self.eps * unit, self.low, self.high)

    def step(self, points: Tensor, gradient: Tensor, size: float) -> Tensor:
        """Move each value by ``size`` along the sign of the gradient and project back into the ball."""
        return gradient.sign().mul_(size).add_(points).clamp_(self.low, self.high)

    def subset(self, kept: Tensor) -> LinfBall:
        """Return the ball around the faces that ``kept`` (n,) bool marks."""
        return LinfBall(self.pixels[kept], self.eps)
