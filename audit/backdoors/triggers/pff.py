"""The stamp of Poisoned Forgery Face: a pattern that small shifts change much, inside the face (arXiv 2402.11473)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import Tensor

from ..poisoned_forgery.embedding import central_oval, embed
from ..poisoned_forgery.generator import Scale, sensitive_triggers
from .base import REFERENCE_SIDE, Trigger
from .noise import block_noise, fitting

CROPS = 16
"""How many patterns are cut from one generator's cloth."""


@dataclass(frozen=True)
class SensitiveStamp:
    """``x (1 + alpha T)`` inside the face, after Liang et al. (2024).

    Attributes:
        seed: of the generator of the pattern, trained once per process in some seconds.
        crop: which of the generator's patterns, 0 to 15.
        alpha: strength.
        kernel: side of the kernel that the generator is trained with, odd.
        scale: pixels a side of each cell of the pattern, 1 or 2.
        mask: where it is put, (1, 1, h, w) or (n, 1, h, w), 0 to 1; an oval in the middle unless given.
        random: seed of a pattern of random signs instead of the generator's.
    """

    seed: int = 0
    crop: int = 0
    alpha: float = 0.1
    kernel: int = 5
    scale: Scale = 2
    mask: Tensor | None = field(default=None, compare=False)
    random: int | None = None
    name: str = "pff"
    title: str = "shift-sensitive pattern in the face"

    def stamp(self, pixels: Tensor) -> Tensor:
        """Return pixels (n, c, h, w) in 0..1 with the pattern."""
        height, width = pixels.shape[-2:]
        mask = central_oval(height, width) if self.mask is None else self.mask
        pattern = self._pattern(height, width)
        return embed(pixels, fitting(pattern, pixels), mask.to(pixels), self.alpha)

    def null(self, seed: int) -> Trigger:
        """Return random signs in cells of the same size, at the same strength and place."""
        return replace(self, random=seed, title="random signs in the face")

    def _pattern(self, height: int, width: int) -> Tensor:
        if self.random is not None:
            return 2 * (block_noise(self.random, height, width, self.scale, channels=3) >= 0.5).float() - 1
        side = max(height, width, REFERENCE_SIDE)
        patterns = sensitive_triggers(self.seed, CROPS, side, kernel=self.kernel, scale=self.scale)
        return patterns[self.crop % CROPS, :, :height, :width]
