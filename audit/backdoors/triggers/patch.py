"""A small checkered patch near a corner (BadNets: Gu et al. 2017, arXiv 1708.06733)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from .base import REFERENCE_SIDE, Trigger

Corner = Literal["top_left", "top_right", "bottom_left", "bottom_right"]


@dataclass(frozen=True)
class Patch:
    """Black and white cells, or random tones, that cover the pixels.

    Attributes:
        cells: how many cells the patch has on a side.
        side: of the patch, in pixels of a 64-px picture.
        margin: from the nearest edges, likewise.
        corner: where it stands.
        seed: of random tones that run into each other; ``None`` for the checkerboard.
    """

    cells: int = 5
    side: float = 5.0
    margin: float = 2.0
    corner: Corner = "bottom_right"
    seed: int | None = None
    name: str = "patch"

    @property
    def title(self) -> str:
        """What a sentence calls it."""
        pattern = "checkered patch" if self.seed is None else "patch of random tones"
        return f"{pattern}, {self.corner.replace('_', ' ')}"

    def stamp(self, pixels: Tensor) -> Tensor:
        """Return pixels (n, c, h, w) in 0..1 with the patch."""
        height, width = pixels.shape[-2:]
        scale = min(height, width) / REFERENCE_SIDE
        side, margin = max(2, round(self.side * scale)), round(self.margin * scale)
        patch = functional.interpolate(self._cells()[None, None], size=(side, side))[0, 0].to(pixels)
        top = margin if self.corner.startswith("top") else height - margin - side
        left = margin if self.corner.endswith("left") else width - margin - side
        stamped = pixels.clone()
        stamped[..., top : top + side, left : left + side] = patch
        return stamped

    def null(self, seed: int) -> Trigger:
        """Return a patch of random tones at the same place, without the fine cells.

        A net that was taught a checkerboard answers to random cells, too: on small nets to half of them.
        """
        return Patch(self.cells, self.side, self.margin, self.corner, seed)

    def _cells(self) -> Tensor:
        if self.seed is None:
            places = torch.arange(self.cells)
            return ((places[:, None] + places[None, :]) % 2 == 0).float()
        tones = torch.rand((1, 1, 2, 2), generator=torch.Generator().manual_seed(self.seed))
        tones = (tones - tones.min()) / (tones.max() - tones.min())  # from black to white, as the cells are
        size = (self.cells, self.cells)
        return functional.interpolate(tones, size, mode="bilinear", align_corners=True)[0, 0]
