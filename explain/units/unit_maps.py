"""Maps of action units on faces: each unit's region, softened, and an expression's as the largest over its units.

After Belharbi et al. (2024, arXiv 2402.00281): regions are drawn on a grid of 28 x 28, averaged over 3 x 3 cells, and
enlarged to the picture bilinearly; an expression's map is the largest over its units at each pixel, stretched to 0..1.
A grid cell holds the share of it that lies within the region (4 x 4 points), where the released code takes a sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..canonical import CANVAS_HEIGHT, CANVAS_WIDTH, PLACEMENT, canonical_face
from ..landmarks import FloatArray, to_68
from .regions import Ellipses, FaceFrame, coverage, ellipses

GRID = 28
_SUBSAMPLES = 4
NO_FRAME = "both eyes have the same place in its landmarks"
FIVE_POINTS = "five landmarks do not tell where brows, lids and lips lie; action units need 68 or 478"


@dataclass(frozen=True)
class UnitMaps:
    """Maps of action units on n pictures.

    Attributes:
        units: numbers of the units, u of them.
        grids: ``(n, u, 28, 28)`` float32, 0..1, softened.
        inside: ``(n, u)`` of bool, whether any of the unit's region lies in the picture.
        size: height and width of the pictures.
    """

    units: tuple[int, ...]
    grids: Tensor
    inside: Tensor
    size: tuple[int, int]

    def unit(self, number: int) -> Tensor:
        """Return the map of one unit ``(n, height, width)``, 0..1."""
        return self._enlarged([number])[:, 0]

    def expression(self, numbers: Sequence[int]) -> Tensor:
        """Return the map of an expression ``(n, height, width)``: the largest over its units, stretched to 0..1.

        It is NaN throughout where none of the units' regions lies in the picture.
        """
        places = [self.units.index(number) for number in numbers]
        largest = self._enlarged(numbers).amax(dim=1)
        low, high = largest.amin(dim=(1, 2), keepdim=True), largest.amax(dim=(1, 2), keepdim=True)
        usable = self.inside[:, places].any(dim=1)[:, None, None] & (high > low)
        stretched = (largest - low) / torch.where(high > low, high - low, torch.ones_like(high))
        return torch.where(usable, stretched, torch.full_like(stretched, torch.nan))

    def _enlarged(self, numbers: Sequence[int]) -> Tensor:
        places = [self.units.index(number) for number in numbers]
        return functional.interpolate(self.grids[:, places], size=self.size, mode="bilinear", align_corners=False)


def unit_maps(landmarks: FloatArray, units: tuple[int, ...], height: int, width: int) -> UnitMaps:
    """Draw action units on pictures of faces.

    Args:
        landmarks: ``(n, 68 or 478, 2)`` in pixels of the picture, pixel centres at integers, finite, with the eyes in
            two places (:attr:`.regions.FaceFrame.usable`).
        units: numbers of the units.
        height: of the pictures.
        width: of the pictures.
    """
    points = to_68(landmarks)
    frame = FaceFrame.of(points)
    grid_x = (np.arange(GRID * _SUBSAMPLES) + 0.5) * width / (GRID * _SUBSAMPLES) - 0.5
    grid_y = (np.arange(GRID * _SUBSAMPLES) + 0.5) * height / (GRID * _SUBSAMPLES) - 0.5
    samples = np.stack(np.meshgrid(grid_x, grid_y), axis=-1).reshape(1, -1, 2)
    found = ellipses(frame.coordinates(points), units)
    positions = frame.coordinates(samples)
    fine = (len(points), -1, GRID, _SUBSAMPLES, GRID, _SUBSAMPLES)
    hit = coverage(found, positions)
    shares = torch.from_numpy(hit.reshape(fine).mean(axis=(3, 5), dtype=np.float32))
    return _per_unit(found, shares, torch.from_numpy(hit.any(axis=2)), units, (height, width))


def _per_unit(found: Ellipses, shares: Tensor, hit: Tensor, units: tuple[int, ...], size: tuple[int, int]) -> UnitMaps:
    grids = torch.stack([shares[:, found.of(unit)].amax(dim=1) for unit in units], dim=1)
    inside = torch.stack([hit[:, found.of(unit)].any(dim=1) for unit in units], dim=1)
    padded = functional.pad(grids, (1, 1, 1, 1), mode="reflect")  # as OpenCV's blur does it
    return UnitMaps(units, functional.avg_pool2d(padded, 3, stride=1), inside, size)


@lru_cache(maxsize=8)
def canonical_regions(units: tuple[int, ...]) -> FloatArray:
    """Return the regions of action units on the canonical face, ``(u, 275, 224)`` of 0 or 1, not softened."""
    found = ellipses(canonical_face(68).shape[None], units)
    hit = coverage(found, _canvas()[None])[0]
    regions = np.stack([hit[found.of(unit)].any(axis=0) for unit in units]).astype(np.float64)
    regions.setflags(write=False)
    return regions


def canonical_maps(units: tuple[int, ...]) -> UnitMaps:
    """Return the softened maps of action units on the canonical canvas, for one face.

    The canvas stretches the face a little upwards; the drawing is stretched with it.
    """
    found = ellipses(canonical_face(68).shape[None], units)
    fine = GRID * _SUBSAMPLES
    x = (np.arange(fine) + 0.5) * CANVAS_WIDTH / fine - 0.5
    y = (np.arange(fine) + 0.5) * CANVAS_HEIGHT / fine - 0.5
    points = np.stack(np.meshgrid(x, y), axis=-1)
    hit = coverage(found, _in_eye_distances(points).reshape(1, -1, 2))
    shares = torch.from_numpy(hit.reshape(1, -1, GRID, _SUBSAMPLES, GRID, _SUBSAMPLES).mean((3, 5), dtype=np.float32))
    return _per_unit(found, shares, torch.from_numpy(hit.any(axis=2)), units, (CANVAS_HEIGHT, CANVAS_WIDTH))


def canonical_ellipses(units: tuple[int, ...], corners: int = 48) -> dict[int, list[FloatArray]]:
    """Return the outlines of the units on the canonical face as closed polylines ``(corners + 1, 2)`` in pixels."""
    found = ellipses(canonical_face(68).shape[None], units)
    angle = np.linspace(0, 2 * np.pi, corners + 1)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return {
        unit: [PLACEMENT(found.centre[0, place] + circle * found.half[0, place]) for place in found.of(unit)]
        for unit in units
    }


def _in_eye_distances(points: FloatArray) -> FloatArray:
    scale, offset = (PLACEMENT.scale_x, PLACEMENT.scale_y), (PLACEMENT.offset_x, PLACEMENT.offset_y)
    return np.asarray((points - offset) / scale)


def _canvas() -> FloatArray:
    return _in_eye_distances(np.stack(np.meshgrid(np.arange(CANVAS_WIDTH), np.arange(CANVAS_HEIGHT)), axis=-1))
