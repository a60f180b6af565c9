"""The corruptions called blur in ImageNet-C: defocus, glass, motion and zoom; and Gaussian blur."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, cos, radians, sin

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .draws import Draws
from .lengths import scaled_kernel, share
from .linear import gaussian

DEFOCUS = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))
"""Radius of the disk, and of the Gaussian that softens its edge, in pixels of 224."""
MOTION = ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
"""Radius and standard deviation of the path, in pixels of 224."""
ZOOM = ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03))
"""Where the enlargements from 1 on end, exclusive, and their step."""
GAUSSIAN_BLUR = (1, 2, 3, 4, 6)
"""Standard deviation in pixels of 224."""


def gaussian_blur(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Blur with a Gaussian."""
    return gaussian(pixels, GAUSSIAN_BLUR[severity - 1] * share(pixels)).clamp_(0, 1)


def defocus_blur(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Average over a disk, as a lens out of focus does."""
    kernel = scaled_kernel(disk(*DEFOCUS[severity - 1]), share(pixels))
    return convolved(pixels, torch.from_numpy(kernel)).clamp_(0, 1)


@lru_cache(maxsize=16)
def disk(radius: int, softness: float) -> NDArray[np.float64]:
    """Return the published kernel: a disk on a grid of at least 17 x 17, softened by a few taps of a Gaussian."""
    reach, taps = (8, 3) if radius <= 8 else (radius, 5)
    line = np.arange(-reach, reach + 1)
    hard = (line**2 + line[:, None] ** 2 <= radius**2).astype(np.float64)
    weights = np.exp(-0.5 * ((np.arange(taps) - taps // 2) / softness) ** 2)
    weights /= weights.sum()
    padded = np.pad(hard / hard.sum(), taps // 2, mode="reflect")
    padded = sum(weight * padded[at : at + len(line)] for at, weight in enumerate(weights))
    return np.asarray(sum(weight * padded[:, at : at + len(line)] for at, weight in enumerate(weights)))


def convolved(pixels: Tensor, kernel: Tensor) -> Tensor:
    """Convolve pixels (n, c, h, w) with a kernel (k, k), k odd; the picture is mirrored about its outermost pixels."""
    reach = len(kernel) // 2
    if not reach:
        return pixels * float(kernel)
    height, width = pixels.shape[-2:]
    padded = F.pad(pixels, (reach, reach, reach, reach), mode="reflect")
    size = tuple(_quick_length(side) for side in padded.shape[-2:])
    spectrum = torch.fft.rfft2(kernel.to(pixels), s=size)
    blurred = torch.fft.irfft2(torch.fft.rfft2(padded, s=size) * spectrum, s=size)
    inside: Tensor = blurred[..., 2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width]
    return inside.contiguous()


@lru_cache(maxsize=64)
def _quick_length(side: int) -> int:
    """Return the next length at or above ``side`` without prime factors above 5, which transforms fast."""
    while True:
        rest = side
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return side
        side += 1


def motion_blur(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Smear along a straight line, in a direction of the face's own between -45 and 45 degrees."""
    radius, sigma = MOTION[severity - 1]
    angles = draws.uniform(low=-45, high=45)
    return moved(pixels, radius * share(pixels), sigma * share(pixels), angles).clamp_(0, 1)


def moved(pixels: Tensor, radius: float, sigma: float, angles: Tensor) -> Tensor:
    """Smear pixels (n, c, h, w) along lines at angles (n,) in degrees, with weights that fall off as a Gaussian."""
    taps = round(2 * radius) + 1
    weights = np.exp(-0.5 * (np.arange(taps) / sigma) ** 2)
    weights /= weights.sum()
    height, width = pixels.shape[-2:]
    padded = F.pad(pixels, (taps, taps, taps, taps), mode="replicate")
    out = torch.zeros_like(pixels)
    for face, source, angle in zip(out, padded, angles.tolist(), strict=True):
        down, right = sin(radians(angle)), cos(radians(angle))
        for step, weight in enumerate(weights.tolist()):
            y, x = taps + ceil(step * down - 0.5), taps + ceil(step * right - 0.5)
            face.add_(source[:, y : y + height, x : x + width], alpha=weight)
    return out


def zoom_blur(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Average the face over enlargements of it, as a zoom moved while the shutter is open."""
    end, step = ZOOM[severity - 1]
    factors = np.arange(1, end, step).tolist()
    height, width = pixels.shape[-2:]
    total = pixels.clone()
    for factor in factors:
        total += enlarged(pixels, factor)[..., :height, :width]
    return total.div_(len(factors) + 1).clamp_(0, 1)


def enlarged(pixels: Tensor, factor: float) -> Tensor:
    """Return the middle of pixels (n, c, h, w) enlarged bilinearly to (h, w) or a pixel more; factor 1 or more."""
    crops = [ceil(side / factor) for side in pixels.shape[-2:]]
    top, left = ((side - crop) // 2 for side, crop in zip(pixels.shape[-2:], crops, strict=True))
    middle = pixels[..., top : top + crops[0], left : left + crops[1]]
    size = [round(crop * factor) for crop in crops]
    if size == crops:
        return middle
    return F.interpolate(middle, size=size, mode="bilinear", align_corners=True)
