"""A cloudy surface by the diamond-square algorithm (Fournier, Fussell and Carpenter 1982), as fog uses it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .draws import Draws

_FIRST_WOBBLE = 100.0


def plasma(draws: Draws, side: int, decay: float) -> NDArray[np.float32]:
    """Return surfaces of heights from 0 to 1, shape (n, side, side), that wrap around at the edges.

    Starts from one point. In each round the middle of every square, then of every edge, becomes the mean of its four
    neighbours plus a number uniform within plus and minus the squared wobble; the wobble falls by ``decay``.

    Args:
        draws: of the faces.
        side: a power of two.
        decay: by how much the wobble is divided from round to round, above 1.
    """
    lots = draws.uniform(side * side - 1, low=-1, high=1).numpy()
    heights = np.zeros((len(lots), side, side), dtype=np.float32)
    used, wobble, step = 0, _FIRST_WOBBLE, side
    while step >= 2:
        half, count = step // 2, side // step

        def wobbled(neighbours: NDArray[np.float32], used: int, wobble: float, count: int) -> NDArray[np.float32]:
            drawn = lots[:, used : used + count**2].reshape(-1, count, count)
            mean = neighbours * np.float32(0.25) + drawn * np.float32(wobble**2)
            return mean.astype(np.float32, copy=False)

        corners = heights[:, ::step, ::step]
        square = corners + np.roll(corners, -1, axis=1)
        square += np.roll(square, -1, axis=2)
        middles = wobbled(square, used, wobble, count)
        heights[:, half::step, half::step] = middles
        sideways = middles + np.roll(middles, 1, axis=1) + corners + np.roll(corners, -1, axis=2)
        heights[:, ::step, half::step] = wobbled(sideways, used + count**2, wobble, count)
        upright = middles + np.roll(middles, 1, axis=2) + corners + np.roll(corners, -1, axis=1)
        heights[:, half::step, ::step] = wobbled(upright, used + 2 * count**2, wobble, count)
        used, wobble, step = used + 3 * count**2, wobble / decay, half
    heights -= heights.min(axis=(1, 2), keepdims=True)
    heights /= heights.max(axis=(1, 2), keepdims=True)
    return heights
