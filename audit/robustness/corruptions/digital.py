"""The corruptions called digital in ImageNet-C: contrast, elastic transform, pixelate and JPEG compression."""

from __future__ import annotations

import io

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from .draws import Draws
from .lengths import share
from .linear import along_both, box_matrix, gaussian_matrix

CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)
ELASTIC = (12.5, 16.25, 21.25, 25.0, 30.0)
"""By how much the smoothed steps are multiplied."""
PIXELATE = (0.6, 0.5, 0.4, 0.3, 0.25)
JPEG = (25, 18, 15, 10, 7)
"""Quality as libjpeg counts it."""
_SMOOTHNESS, _FURTHEST = 0.01, 0.005
"""Sd of the smoothing and largest step before it, as shares of a side."""


def contrast(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Draw every channel towards its mean over the face."""
    mean = pixels.mean((2, 3), keepdim=True)
    return torch.lerp(mean, pixels, CONTRAST[severity - 1]).clamp_(0, 1)


def elastic_transform(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Move every pixel by a smooth random step."""
    height, width = pixels.shape[-2:]
    furthest = _FURTHEST * height
    steps = draws.uniform(2, height, width, low=-furthest, high=furthest)
    rows, columns = (gaussian_matrix(side, _SMOOTHNESS * side, 3.0, "reflect") for side in (height, width))
    steps = along_both(rows, steps, columns).mul_(ELASTIC[severity - 1] * share(pixels)).to(pixels)
    x = torch.arange(width, device=pixels.device) + steps[:, 0]
    y = torch.arange(height, device=pixels.device)[:, None] + steps[:, 1]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=3)
    return F.grid_sample(pixels, grid, padding_mode="reflection", align_corners=False).clamp_(0, 1)


def pixelate(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Shrink with a box filter, in 8 bits, and enlarge by repeating pixels."""
    height, width = pixels.shape[-2:]
    low, narrow = (max(1, int(side * PIXELATE[severity - 1])) for side in (height, width))
    small = _eight_bits(pixels @ box_matrix(width, narrow).to(pixels).T)
    small = _eight_bits(box_matrix(height, low).to(pixels) @ small)
    rows, columns = (
        torch.from_numpy(np.floor((np.arange(side) + 0.5) * few / side).astype(np.int64)).to(pixels.device)
        for side, few in ((height, low), (width, narrow))
    )
    return small.index_select(2, rows).index_select(3, columns)


def _eight_bits(pixels: Tensor) -> Tensor:
    return pixels.mul(255).add_(0.5).floor_().div_(255)


def jpeg_compression(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Save as JPEG with colour at half the resolution, and read back; of the crop as it is, blocks of 8 pixels."""
    pictures = pixels.mul(255).add_(0.5).clamp_(0, 255).to("cpu", torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    read = np.empty_like(pictures)
    for place, picture in enumerate(pictures):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=JPEG[severity - 1])
        with Image.open(file) as again:
            read[place] = again
    return torch.from_numpy(read).permute(0, 3, 1, 2).contiguous().to(pixels).div_(255)
