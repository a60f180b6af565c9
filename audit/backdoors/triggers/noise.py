"""Random patterns in blocks, the same for a seed on every machine."""

from __future__ import annotations

import torch
from torch import Tensor


def block_noise(seed: int, height: int, width: int, block: int, channels: int = 1) -> Tensor:
    """Return uniform noise in 0..1, (channels, height, width), constant within blocks of ``block`` pixels a side."""
    chance = torch.Generator().manual_seed(seed)
    rows, columns = -(-height // block), -(-width // block)
    cells = torch.rand((channels, rows, columns), generator=chance)
    return cells.repeat_interleave(block, 1).repeat_interleave(block, 2)[:, :height, :width]


def fitting(pattern: Tensor, pixels: Tensor) -> Tensor:
    """Return a pattern (1 or 3, h, w) with as many channels as the pixels (n, c, h, w) have, on their device.

    Grey pixels are given the first channel, which has the contrast that a mean of three would lose.
    """
    channels = pixels.shape[1]
    chosen = pattern if len(pattern) == channels else pattern[:1].expand(channels, -1, -1)
    return chosen.to(pixels)
