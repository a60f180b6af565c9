"""A picture of the user's own, laid over faces whole or as a sticker."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from .base import Trigger

Place = Literal["whole", "top_left", "top_right", "bottom_left", "bottom_right", "middle"]


@dataclass(frozen=True)
class Picture:
    """``(1 - alpha a) x + alpha a picture``, with ``a`` the opacity of each pixel.

    Attributes:
        pixels: RGB, (3, h, w), 0 to 1.
        opacity: (1, h, w), 0 to 1.
        place: over the whole face, in a corner, or in the middle.
        alpha: share of the picture, 0 to 1.
        side: of a sticker, as a share of the face's picture; without meaning for ``whole``.
        name: what it is called, one word.
    """

    pixels: Tensor = field(compare=False)
    opacity: Tensor = field(compare=False)
    place: Place = "whole"
    alpha: float = 1.0
    side: float = 0.2
    name: str = "picture"
    title: str = "a picture of the user's"

    def stamp(self, pixels: Tensor) -> Tensor:
        """Return pixels (n, c, h, w) in 0..1 with the picture."""
        height, width = pixels.shape[-2:]
        rows, columns = self._size(height, width)
        resized = functional.interpolate(
            torch.cat([self.pixels, self.opacity])[None], (rows, columns), mode="bilinear", antialias=True
        )[0].clamp(0, 1)
        colour, share = resized[:3].to(pixels), self.alpha * resized[3:].to(pixels)
        if pixels.shape[1] == 1:
            colour = (colour * torch.tensor([0.299, 0.587, 0.114]).to(pixels)[:, None, None]).sum(0, keepdim=True)
        top, left = self._corner(height - rows, width - columns)
        stamped = pixels.clone()
        region = stamped[..., top : top + rows, left : left + columns]
        stamped[..., top : top + rows, left : left + columns] = (1 - share) * region + share * colour
        return stamped

    def null(self, seed: int) -> Trigger:
        """Return a picture of the same pixels, each channel's as often, shuffled in blocks; opacity and place stay."""
        return replace(self, pixels=_shuffled(self.pixels, seed), title=f"{self.title}, its pieces shuffled")

    def _size(self, height: int, width: int) -> tuple[int, int]:
        if self.place == "whole":
            return height, width
        longer = self.side * min(height, width) / max(self.pixels.shape[-2:])
        rows, columns = (max(1, round(longer * length)) for length in self.pixels.shape[-2:])
        return min(rows, height), min(columns, width)

    def _corner(self, spare_rows: int, spare_columns: int) -> tuple[int, int]:
        if self.place in ("whole", "middle"):
            return spare_rows // 2, spare_columns // 2
        top = 0 if self.place.startswith("top") else spare_rows
        return top, 0 if self.place.endswith("left") else spare_columns


PIECES = 8
"""On a side: into so many a picture is cut to be shuffled."""


def _shuffled(pixels: Tensor, seed: int) -> Tensor:
    """Exchange the pieces of a picture (3, h, w), which keeps its colours and most of its texture."""
    rows, columns = (max(1, length // PIECES) for length in pixels.shape[-2:])
    high, wide = pixels.shape[-2] // rows, pixels.shape[-1] // columns
    whole = pixels[:, : high * rows, : wide * columns]
    pieces = whole.reshape(3, high, rows, wide, columns).permute(1, 3, 0, 2, 4).reshape(-1, 3, rows, columns)
    order = torch.randperm(len(pieces), generator=torch.Generator().manual_seed(seed))
    mixed = pieces[order].reshape(high, wide, 3, rows, columns).permute(2, 0, 3, 1, 4)
    shuffled = pixels.clone()
    shuffled[:, : high * rows, : wide * columns] = mixed.reshape(3, high * rows, wide * columns)
    return shuffled
