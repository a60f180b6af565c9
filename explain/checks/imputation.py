"""Fill in removed pixels so that they tell nothing: each becomes the weighted mean of its neighbours.

Rong et al. (2022), A Consistent and Efficient Evaluation Strategy for Attribution Methods, ICML, section 5: an unknown
pixel x_i solves ``sum_n w_n (x_n - x_i) = 0`` over its eight neighbours inside the picture, with weights 1/6 beside
and 1/12 across. That is a Poisson problem on a ragged region, solved here by multigrid for all pictures of a batch at
once, where a sparse direct solve goes one by one.

Ragged regions make multigrid diverge unless a coarse cell counts as unknown only if all four of its cells are.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .grids import Field, Grid, interpolate, sum_of_four

COARSEST_SWEEPS = 24
SMALLEST_SIDE = 7
"""Grids are halved while their shorter side is above this."""
PLANES = 54
"""Planes solved at once on a processor: more do not fit its cache."""


def impute(images: Tensor, unknown: Tensor, *, cycles: int = 1) -> Tensor:
    """Replace the unknown pixels by the solution of the neighbour equations.

    Args:
        images: ``(n, c, h, w)`` float32.
        unknown: ``(n, h, w)`` bool; at least one pixel of each picture is known.
        cycles: V-cycles on the finest grid.

    Returns:
        ``(n, c, h, w)``, equal to ``images`` in the known pixels.

    Raises:
        ValueError: if a picture has no known pixel, which leaves its equations without a solution.
    """
    if bool(unknown.flatten(1).all(dim=1).any()):
        raise ValueError("expected at least one known pixel in each picture: without one nothing can be filled in")
    at_once = max(1, PLANES // images.shape[1]) if images.device.type == "cpu" else len(images)
    if len(images) <= at_once:
        return _impute(images, unknown, cycles)
    parts = zip(torch.split(images, at_once), torch.split(unknown, at_once), strict=True)
    return torch.cat([_impute(image, hidden, cycles) for image, hidden in parts])


def _impute(images: Tensor, unknown: Tensor, cycles: int) -> Tensor:
    height, width = images.shape[-2:]
    halvings = _halvings(height, width)
    even = (0, -width % 2**halvings, 0, -height % 2**halvings)
    hidden = F.pad(unknown[:, None].to(images.dtype), even)
    inside = F.pad(torch.ones_like(hidden[:1, :, :height, :width]), even)
    grids = [Grid.of(hidden, inside)]
    given = [F.pad(images, even) * (1 - hidden)]
    for _ in range(halvings):
        known = sum_of_four(grids[-1].inside - grids[-1].unknown)
        given.append(sum_of_four(given[-1]) / known.clamp_min(1))
        grids.append(grids[-1].coarser())
    solution = grids[-1].field(images.shape[1])
    solution.values.copy_(given[-1])
    for _ in range(COARSEST_SWEEPS * (cycles if halvings == 0 else 1)):
        grids[-1].sweep(solution, None)
    for level in reversed(range(halvings)):
        finer = grids[level].field(images.shape[1])
        torch.addcmul(given[level], interpolate(solution.values), grids[level].unknown, out=finer.values)
        solution = finer
        for _ in range(cycles if level == 0 else 1):
            _v_cycle(grids[level:], solution, None)
    return solution.values[..., :height, :width]


def _halvings(height: int, width: int) -> int:
    side, halvings = min(height, width), 0
    while side > SMALLEST_SIDE:
        side, halvings = (side + 1) // 2, halvings + 1
    return halvings


def _v_cycle(grids: Sequence[Grid], x: Field, right: Tensor | None) -> None:
    """Improve x: sweep, correct by the solution of the residual's equations on the coarser grid, sweep."""
    grid = grids[0]
    scaled = None if right is None else grid.scaled(right)
    if len(grids) == 1:
        for _ in range(COARSEST_SWEEPS):
            grid.sweep(x, scaled)
        return
    grid.sweep(x, scaled)
    error = grids[1].field(x.shape[1])
    _v_cycle(grids[1:], error, sum_of_four(grid.residual(x, right)) * grids[1].unknown)
    x.values.addcmul_(interpolate(error.values), grid.unknown)
    grid.sweep(x, scaled)
