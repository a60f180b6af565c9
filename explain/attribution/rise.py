"""RISE: the mean of random smooth masks, each weighted by the net's answer to the face seen through it.

Petsiuk, Das and Saenko (2018), RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC. Two
departures, neither of which changes what the map tends to: each face has masks of its own, and scores are taken around
their mean, or else positions that happen to be shown more often would stand out with a net that is always sure.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .method import MapBatch, Request
from .perturbation import BlackBox, finished, generator, unusable

SHOWN = 0.5
"""Chance of a cell to be shown."""


class Masks:
    """Random masks of one size: coarse grids, enlarged bilinearly to one cell more than the face, and shifted.

    Enlarging is separable, so a mask is two small matrix products away from its grid, and none needs to be kept.

    Args:
        grids: ``(n, m, g, g)`` of zeros and ones: m masks of each of n faces.
        shifts: ``(n, m, 2)`` rows and columns cut off above and left, each less than a cell.
        size: height and width of the face.
    """

    def __init__(self, grids: Tensor, shifts: Tensor, size: tuple[int, int]) -> None:
        self._grids, self._shifts, self._size = grids, shifts, size
        cells = grids.shape[-1]
        self._enlarge = [_enlargement(cells, side).to(grids.device) for side in size]

    def __call__(self, faces: Tensor, numbers: Tensor) -> Tensor:
        """Return masks ``(b, h, w)`` in 0..1."""
        shifts = self._shifts[faces, numbers]
        rows, columns = (
            matrix[shifts[:, axis, None] + torch.arange(side, device=shifts.device)]
            for axis, (matrix, side) in enumerate(zip(self._enlarge, self._size, strict=True))
        )
        return rows @ self._grids[faces, numbers] @ columns.transpose(1, 2)


def _enlargement(cells: int, side: int) -> Tensor:
    """Return the matrix ``((cells + 1) * ceil(side / cells), cells)`` that enlarges a row of cells bilinearly."""
    unit = torch.eye(cells)[:, None]
    length = (cells + 1) * cell_side(cells, side)
    return torch.nn.functional.interpolate(unit, size=length, mode="linear", align_corners=False)[:, 0].T.contiguous()


def cell_side(cells: int, side: int) -> int:
    """Return the pixels of a cell along a side, rounded up: shifts are drawn below it."""
    return -(-side // cells)


def rise(box: BlackBox, request: Request, masks: int, grid: int) -> MapBatch:
    """Return the map of each face: the mean score of the copies that show a pixel, up to a factor.

    The map has no sign: only differences between its positions count, so its lowest value becomes 0.
    """
    pixels = request.pixels
    height, width = pixels.shape[2:]
    drawn = [_draw(masks, grid, (height, width), seed) for seed in request.seeds]
    grids = torch.from_numpy(np.stack([each for each, _ in drawn])).to(pixels)
    shifts = torch.from_numpy(np.stack([each for _, each in drawn])).to(pixels.device)
    mask = Masks(grids, shifts, (height, width))

    def copies(faces: Tensor, numbers: Tensor) -> Tensor:
        return pixels[faces].mul_(mask(faces, numbers)[:, None])

    answers = box.scores(request.classes, [masks] * len(pixels), copies)
    problems = [unusable(scores) for scores in answers]
    raw = pixels.new_zeros((len(pixels), height, width))
    for place, scores in enumerate(answers):
        weights = torch.from_numpy((scores - scores.mean()) / (masks * SHOWN)).to(pixels)
        for start in range(0, masks, box.batch_size):
            numbers = torch.arange(start, min(start + box.batch_size, masks), device=pixels.device)
            raw[place] += torch.einsum("b,bhw->hw", weights[numbers], mask(torch.full_like(numbers, place), numbers))
    return finished(raw - raw.amin(dim=(1, 2), keepdim=True), problems)


def _draw(masks: int, grid: int, size: tuple[int, int], seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    random = generator(seed, "rise")
    grids = (random.random((masks, grid, grid)) < SHOWN).astype(np.float32)
    shifts = np.stack([random.integers(0, cell_side(grid, side), masks) for side in size], axis=1)
    return grids, shifts
