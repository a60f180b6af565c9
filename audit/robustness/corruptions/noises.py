"""The corruptions called noise in ImageNet-C: Gaussian, shot and impulse noise."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import poisson
from torch import Tensor

from .draws import Draws

GAUSSIAN = (0.08, 0.12, 0.18, 0.26, 0.38)
SHOT = (60, 25, 12, 5, 3)
IMPULSE = (0.03, 0.06, 0.09, 0.17, 0.27)
_STEPS = 255 * 16


def gaussian_noise(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Add Gaussian noise to every channel of every pixel."""
    noise = draws.normal(*pixels.shape[1:]).to(pixels)
    return noise.mul_(GAUSSIAN[severity - 1]).add_(pixels).clamp_(0, 1)


def shot_noise(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Count photons: every channel becomes a Poisson number over the count that white has on average.

    The inverse of the distribution is followed, up to white's count only, since brighter than white is white. Its
    tables hold 16 steps to each of the 255 of a byte; pixels between them are taken for the nearest.
    """
    white = SHOT[severity - 1]
    at_most = _chances(white)
    chance = draws.uniform(*pixels.shape[1:])
    faces = pixels.to("cpu", torch.float32)
    counted = np.empty(tuple(pixels.shape), dtype=np.float32)
    for face, drawn, out in zip(faces.numpy(), chance.numpy(), counted, strict=True):
        start = np.rint(face * np.float32(_STEPS)).astype(np.int32)
        start *= at_most.shape[1]
        place = start.copy()
        stride = at_most.shape[1] // 2
        while stride:  # a binary search in each pixel's own line of the table
            place += (at_most.take(place + (stride - 1)) < drawn) * np.int32(stride)
            stride //= 2
        np.subtract(place, start, out=out, casting="unsafe")
    return torch.from_numpy(counted).div_(white).to(pixels)


@lru_cache(maxsize=len(SHOT))
def _chances(white: int) -> NDArray[np.float32]:
    """Return P(count <= k), 1 from ``white`` on, for every brightness, shape (steps, a power of 2)."""
    mean = np.arange(_STEPS + 1)[:, None] * (white / _STEPS)
    chances = np.ones((_STEPS + 1, 1 << white.bit_length()), dtype=np.float32)
    chances[:, :white] = poisson.cdf(np.arange(white), mean)
    return chances


def impulse_noise(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Set a share of the channels to 0 or 1, each as often."""
    amount = IMPULSE[severity - 1]
    drawn = draws.uniform(*pixels.shape[1:]).to(pixels)
    return torch.where(drawn < amount, (drawn < amount / 2).to(pixels), pixels)
