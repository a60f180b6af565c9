"""Patches of a grid over the crop, and the order in which they are hidden."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Ranks = NDArray[np.int64]


def patch_of(side: int, grid: int) -> NDArray[np.int64]:
    """Return the patch of each pixel along a side, shape (side,): patches differ by at most one pixel in length."""
    return np.arange(side) * grid // side


def ranks(relevance: NDArray[np.float64], draws: NDArray[np.float64]) -> Ranks:
    """Return the place of each patch in the order, most relevant first, equals in the order of the draws.

    Args:
        relevance: (n, p), larger first.
        draws: (n, p), random numbers.
    """
    order = np.lexsort((draws, -relevance), axis=1)
    places = np.empty_like(order)
    np.put_along_axis(places, order, np.arange(order.shape[1])[None], axis=1)
    return places


def relevance_of_patches(maps: Tensor, grid: int) -> NDArray[np.float64]:
    """Return the mean of maps (n, h, w) over each patch, shape (n, grid * grid), row by row."""
    height, width = maps.shape[1:]
    down, across = (_averaging(side, grid).to(maps) for side in (height, width))
    means = torch.einsum("ph,nhw,qw->npq", down, maps, across)
    found: NDArray[np.float64] = means.reshape(len(maps), -1).double().cpu().numpy()
    return found


def _averaging(side: int, grid: int) -> Tensor:
    member = torch.from_numpy(patch_of(side, grid)[None] == np.arange(grid)[:, None]).double()
    return member / member.sum(1, keepdim=True)


def hidden_count(share: float, grid: int) -> int:
    """Return how many patches a share of them is: the nearest whole number."""
    return round(share * grid * grid)


def patch_mask(places: Ranks, count: int, height: int, width: int) -> NDArray[np.float32]:
    """Return which pixels the first patches of an order hide.

    Args:
        places: (n, grid * grid) as of :func:`ranks`.
        count: how many patches are hidden.
        height: of the crops.
        width: of the crops.

    Returns:
        (n, height, width) of 0 and 1.
    """
    grid = round(places.shape[1] ** 0.5)
    hidden = (places < count).reshape(-1, grid, grid)
    found: NDArray[np.float32] = hidden[:, patch_of(height, grid)][:, :, patch_of(width, grid)].astype(np.float32)
    return found
