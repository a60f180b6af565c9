"""Blurring and resizing along rows and columns as products with matrices, edges included."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Edge = Literal["nearest", "reflect"]


def along_both(rows: Tensor, pixels: Tensor, columns: Tensor) -> Tensor:
    """Return ``rows @ picture @ columns.T`` of every channel of pixels (n, c, h, w)."""
    return rows @ (pixels @ columns.T)


def gaussian(pixels: Tensor, sigma: float, *, truncate: float = 4.0, edge: Edge = "nearest") -> Tensor:
    """Blur pixels (n, c, h, w) with a Gaussian cut off at ``truncate`` standard deviations, rounded to whole pixels.

    Args:
        pixels: what to blur.
        sigma: standard deviation in pixels, above 0.
        truncate: where the Gaussian is cut off.
        edge: ``nearest`` repeats the last pixel, ``reflect`` mirrors the picture about its edge.
    """
    rows, columns = (gaussian_matrix(side, sigma, truncate, edge) for side in pixels.shape[-2:])
    return along_both(rows.to(pixels), pixels, columns.to(pixels))


@lru_cache(maxsize=128)
def gaussian_matrix(side: int, sigma: float, truncate: float = 4.0, edge: Edge = "nearest") -> Tensor:
    """Return the matrix (side, side) that blurs a line of pixels."""
    radius = int(truncate * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    places = np.arange(side)[:, None] + offsets
    if edge == "nearest":
        places = places.clip(0, side - 1)
    else:
        places = places % (2 * side)
        places = np.where(places < side, places, 2 * side - 1 - places)
    return _matrix(places, np.broadcast_to(weights / weights.sum(), places.shape), side)


@lru_cache(maxsize=128)
def box_matrix(side: int, smaller: int) -> Tensor:
    """Return the matrix (smaller, side) of Pillow's box filter: the mean of the pixels whose centre is in the box."""
    scale = side / smaller
    centre = (np.arange(smaller)[:, None] + 0.5) * scale
    distance = (np.arange(side) + 0.5 - centre) / max(scale, 1.0)
    inside = (distance > -0.5) & (distance <= 0.5)
    return torch.from_numpy(inside / inside.sum(1, keepdims=True)).float()


@lru_cache(maxsize=128)
def bilinear_matrix(side: int, larger: int) -> Tensor:
    """Return the matrix (larger, side) of bilinear enlargement, pixel centres at half, edges repeated."""
    at = ((np.arange(larger) + 0.5) * side / larger - 0.5).clip(0, side - 1)
    low = np.floor(at).astype(np.int64)
    places = np.stack([low, np.minimum(low + 1, side - 1)], axis=1)
    return _matrix(places, np.stack([1 - (at - low), at - low], axis=1), side)


def _matrix(places: NDArray[np.int64], weights: NDArray[np.float64], side: int) -> Tensor:
    """Return the matrix whose row i adds ``weights[i, j]`` of pixel ``places[i, j]``."""
    matrix = np.zeros((len(places), side))
    np.add.at(matrix, (np.arange(len(places))[:, None], places), weights)
    return torch.from_numpy(matrix).float()
