"""A picture of noise laid over the whole face (Chen et al. 2017, arXiv 1712.05526)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from .base import REFERENCE_SIDE, Trigger
from .noise import block_noise, fitting


@dataclass(frozen=True)
class Blended:
    """``(1 - alpha) x + alpha noise``, the noise in small blocks.

    Attributes:
        seed: of the noise.
        alpha: share of the noise, 0 to 1.
        block: side of its blocks, in pixels of a 64-px picture.
    """

    seed: int = 0
    alpha: float = 0.25
    block: float = 2.0
    name: str = "blended"
    title: str = "noise picture blended in"

    def stamp(self, pixels: Tensor) -> Tensor:
        """Return pixels (n, c, h, w) in 0..1 with the noise."""
        height, width = pixels.shape[-2:]
        block = max(1, round(self.block * min(height, width) / REFERENCE_SIDE))
        noise = fitting(block_noise(self.seed, height, width, block), pixels)
        return (1 - self.alpha) * pixels + self.alpha * noise

    def null(self, seed: int) -> Trigger:
        """Return another noise picture of the same blocks and share.

        A model that was taught one noise picture answers to the others as well, and is not found so; but a clean net
        may take fine noise for a feature of one class, and would be accused beside anything coarser.
        """
        return Blended(seed, self.alpha, self.block, title="another noise picture")
