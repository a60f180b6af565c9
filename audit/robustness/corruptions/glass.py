"""Glass blur: pixels are handed about among neighbours between two Gaussian blurs."""

from __future__ import annotations

from functools import lru_cache
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .draws import Draws
from .lengths import share
from .linear import gaussian

GLASS = ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
"""Standard deviation and furthest neighbour in pixels of 224, and how many rounds."""


def glass_blur(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Blur, let every pixel take a neighbour's value a few times over, and blur again.

    The published code means to swap two pixels, but both names stand for places in one array, so that the second
    keeps its value: a pixel takes its neighbour's. That is what the published pictures were made with, and what is
    done here, with all pixels of a round at once: :func:`sources` follows the chains of takers.
    """
    sigma, furthest, rounds = GLASS[severity - 1]
    scale = share(pixels)
    height, width = pixels.shape[-2:]
    values = gaussian(pixels, sigma * scale).clamp_(0, 1).mul_(255).floor_().div_(255).flatten(2)
    back, ahead = ceil(furthest * scale), ceil((furthest - 1) * scale)
    steps = draws.below(2 * furthest, rounds, 2, height, width)
    lots = None if scale == 1 else draws.uniform(rounds, 2, height, width).numpy()
    for place, face in enumerate(values):
        source = np.arange(height * width, dtype=np.int32)
        for turn in range(rounds):
            moved = (steps[place, turn] - furthest).astype(np.int32)
            if lots is not None:  # a step is now a fraction of a pixel: one or none, with the right mean
                moved = np.floor(moved * np.float32(scale) + lots[place, turn]).astype(np.int32)
            source = source[sources(moved[0], moved[1], back, ahead)]
        values[place] = face.index_select(1, torch.from_numpy(source).to(face.device))
    return gaussian(values.view_as(pixels), sigma * scale).clamp_(0, 1)


def sources(down: NDArray[np.int32], right: NDArray[np.int32], back: int, ahead: int) -> NDArray[np.int32]:
    """Return for every pixel which pixel's value it ends up with when they take neighbours' one after the other.

    They take turns from the lower right to the upper left. A neighbour that had its turn already passes on what it
    took. Chains of these are followed by doubling the stride, so that a few rounds end the longest.

    Args:
        down: rows from each pixel to its neighbour, shape (h, w), ``-back`` to ``ahead``.
        right: columns, likewise.
        back: largest step up or left; the first ``back + 1`` rows and columns take no turn.
        ahead: largest step down or right; nor do the last ``ahead`` ones.

    Returns:
        Positions in the flattened picture, shape (h * w,).
    """
    turn, places = _turns(*down.shape, back, ahead)
    neighbour = (down * np.int32(down.shape[1]) + right).ravel()
    neighbour *= turn
    neighbour += places
    passes_on = turn.take(neighbour) & (neighbour > places)
    # A value is looked up among h * w pixels that pass on what they took, then h * w that have what they had.
    count = np.int32(len(places))
    found = neighbour + count * ~passes_on
    step = np.concatenate([found, np.arange(count, 2 * count, dtype=np.int32)])
    while (found < count).any():
        found = step.take(found)
        step[:count] = found
    found -= count
    return found


@lru_cache(maxsize=16)
def _turns(height: int, width: int, back: int, ahead: int) -> tuple[NDArray[np.bool_], NDArray[np.int32]]:
    """Return which pixels take a turn, and every pixel's position, flattened."""
    rows, columns = np.arange(height)[:, None], np.arange(width)
    turn = (rows > back) & (rows < height - ahead) & (columns > back) & (columns < width - ahead)
    return turn.ravel(), np.arange(height * width, dtype=np.int32)
