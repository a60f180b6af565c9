"""What stands in the place of hidden pixels."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..noise import uniform_noise

Fill = Literal["mean", "black", "noise", "blur"]
BLUR = 1 / 8
"""Standard deviation of the blur as a share of the crop's shorter side: no part of a face is left to be told."""


def filled(pixels: Tensor, rows: NDArray[np.int64], fill: Fill, seed: int, stream: int) -> Tensor:
    """Return what a wholly hidden picture looks like.

    Args:
        pixels: (n, 3, h, w), 0..1.
        rows: positions of the faces, shape (n,): noise depends on them.
        fill: ``mean`` (the mean colour of each crop), ``black``, ``noise`` (uniform, each channel of each pixel) or
            ``blur``.
        seed: of the noise.
        stream: of the noise.

    Returns:
        (n, 3, h, w), 0..1.
    """
    if fill == "black":
        return torch.zeros_like(pixels)
    if fill == "noise":
        return uniform_noise(seed, rows, pixels, stream).add_(1).div_(2)
    if fill == "mean":
        return pixels.mean(dim=(2, 3), keepdim=True).expand_as(pixels)
    return _blurred(pixels)


def _blurred(pixels: Tensor) -> Tensor:
    height, width = pixels.shape[2:]
    sigma = BLUR * min(height, width)
    reach = round(3 * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=pixels.dtype, device=pixels.device)
    weights = torch.exp(-(offsets**2) / (2 * sigma**2))
    line = (weights / weights.sum()).reshape(1, 1, 1, -1).repeat(3, 1, 1, 1)
    wide = F.pad(pixels, (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(wide, line, groups=3), line.transpose(2, 3), groups=3)
