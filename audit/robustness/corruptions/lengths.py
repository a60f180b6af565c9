"""How lengths follow the size of the crop: the published radii are pixels of a picture of 224.

At 224 pixels every length is the published one. At another size it is the same share of the shorter side, so that a
severity hides the same detail of a face whatever the model's input size.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

PUBLISHED_SIDE = 224


def share(pixels: Tensor) -> float:
    """Return how long a published pixel is on these crops (n, c, h, w): the shorter side over 224."""
    return float(min(pixels.shape[-2:])) / PUBLISHED_SIDE


def scaled_kernel(kernel: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Return a square blur kernel (k, k), k odd, with all lengths scaled; it still sums to what it did.

    Each weight is spread over the square its cell covers after scaling, and a pixel gets what falls on it. At scale 1
    the kernel stays as it is.
    """
    if scale == 1:
        return kernel
    spread = _overlaps(kernel.shape[0] // 2, scale)
    scaled: NDArray[np.float64] = spread @ kernel @ spread.T
    return scaled


@lru_cache(maxsize=64)
def _overlaps(radius: int, scale: float) -> NDArray[np.float64]:
    """Return which share of each cell -r..r falls on which pixel once scaled, shape (pixels, 2 r + 1)."""
    cells = np.arange(-radius, radius + 1)
    reach = max(0, int(np.ceil((radius + 0.5) * scale - 0.5)))
    pixels = np.arange(-reach, reach + 1)[:, None]
    low = np.maximum((cells - 0.5) * scale, pixels - 0.5)
    high = np.minimum((cells + 0.5) * scale, pixels + 0.5)
    overlaps: NDArray[np.float64] = np.clip(high - low, 0, None) / scale
    return overlaps
