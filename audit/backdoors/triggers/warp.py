"""A smooth, hardly visible displacement of the whole face (WaNet: Nguyen and Tran 2021, arXiv 2102.10369)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .base import REFERENCE_SIDE, Trigger


@dataclass(frozen=True)
class Warp:
    """Random displacements of ``grid`` by ``grid`` points, interpolated bicubically between them.

    Attributes:
        seed: of the displacements.
        grid: points on a side.
        strength: mean length of the displacements, in pixels of a 64-px picture.
    """

    seed: int = 0
    grid: int = 4
    strength: float = 2.5
    name: str = "warp"
    title: str = "smooth displacement"

    def stamp(self, pixels: Tensor) -> Tensor:
        """Return the displaced pixels (n, c, h, w) in 0..1; beyond the picture its outermost pixels stand again."""
        height, width = pixels.shape[-2:]
        field = self.field(height, width).to(pixels)
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        points = torch.stack([x, y], dim=-1).to(pixels) + field
        scale = 2 / torch.tensor([width, height]).to(pixels)
        where = ((points + 0.5) * scale - 1).expand(len(pixels), -1, -1, -1)
        moved: Tensor = functional.grid_sample(pixels, where, padding_mode="border", align_corners=False)
        return moved

    def field(self, height: int, width: int) -> Tensor:
        """Return the displacements in pixels, (height, width, 2), x then y."""
        chance = torch.Generator().manual_seed(self.seed)
        points = 2 * torch.rand((1, 2, self.grid, self.grid), generator=chance) - 1
        field = functional.interpolate(points, size=(height, width), mode="bicubic", align_corners=True)[0]
        length = (field * field).sum(0).sqrt().mean()
        scaled: Tensor = field * (self.strength * min(height, width) / REFERENCE_SIDE) / length
        return scaled.permute(1, 2, 0)

    def null(self, seed: int) -> Trigger:
        """Return another displacement of the same grid and mean length."""
        return Warp(seed, self.grid, self.strength, title="another displacement")
