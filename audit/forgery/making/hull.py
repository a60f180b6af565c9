"""The region of a face, as a polygon around its landmarks and as a mask with soft edges.

Coordinates are pixels, x right and y down, pixel (0, 0) covering [0, 1) x [0, 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import map_coordinates, maximum_filter1d, minimum_filter1d
from scipy.spatial import ConvexHull, QhullError

from ....explain.landmarks import REGIONS
from .photo import ForgeryError, Mask
from .raster import FloatArray, fill

LIFT = 0.18
"""How far the brows are lifted unless drawn at random, in distances from the eyes to the chin."""
_BROWS = [*REGIONS["right_brow"], *REGIONS["left_brow"]]
_EYES = [*REGIONS["right_eye"], *REGIONS["left_eye"]]
_CHIN = REGIONS["jaw"][8]
_NODES = 6
_STEP = 6.0


def with_lifted_brows(landmarks: NDArray[np.floating], lift: float = LIFT) -> FloatArray:
    """Return the landmarks, (68, 2), the brows moved up by ``lift`` distances from the eyes to the chin.

    Landmarks end at the brows; lifted ones take in part of the forehead. "Up" is from the chin to the eyes.
    """
    points = np.array(landmarks, dtype=np.float64)
    points[_BROWS] += lift * (points[_EYES].mean(axis=0) - points[_CHIN])
    return points


def face_hull(landmarks: NDArray[np.floating], lift: float = LIFT) -> FloatArray:
    """Return the convex hull of the landmarks with lifted brows, (k, 2), in order around it.

    Raises:
        ForgeryError: where they lie on a line.
    """
    return convex_outline(with_lifted_brows(landmarks, lift))


def convex_outline(points: FloatArray) -> FloatArray:
    """Return the convex hull of points (n, 2) in order around it, (k, 2).

    Raises:
        ForgeryError: where they lie on a line, or are no numbers.
    """
    if not np.isfinite(points).all():
        raise ForgeryError("expected landmarks that are numbers to draw an outline around, but some are not")
    try:
        return points[ConvexHull(points).vertices]
    except QhullError as error:
        raise ForgeryError("expected landmarks with an outline around them, but they lie on a line") from error


def hull_mask(landmarks: NDArray[np.floating], height_width: tuple[int, int], lift: float = LIFT) -> Mask:
    """Return 1 inside the hull of the face and 0 outside, float32 (h, w)."""
    return fill(face_hull(landmarks, lift), height_width).astype(np.float32)


def bent(polygon: FloatArray, amount: float, side: float, random: np.random.Generator) -> FloatArray:
    """Return the outline after an elastic deformation, (m, 2), sampled about every six pixels.

    A smooth field moves every point: drawn on six by six nodes over the polygon's surroundings, each by up to
    ``amount`` sides along either axis, cubic between them. To move the outline is to move the region.
    """
    around = np.concatenate([polygon, polygon[:1]])
    steps = np.maximum(1, np.ceil(np.linalg.norm(np.diff(around, axis=0), axis=1) / _STEP).astype(int))
    along = np.concatenate([np.arange(count) / count for count in steps])
    edge = np.repeat(np.arange(len(polygon)), steps)
    points = around[edge] + along[:, None] * (around[edge + 1] - around[edge])
    low, span = polygon.min(axis=0), np.maximum(np.ptp(polygon, axis=0), 1e-9)
    at = ((points - low) / span * (_NODES - 1)).T
    field = random.uniform(-amount * side, amount * side, (2, _NODES, _NODES))
    moved = np.stack([map_coordinates(each, at, order=3, mode="nearest") for each in field], axis=1)
    return np.asarray(points + moved, dtype=np.float64)


def grown(mask: NDArray[np.uint8], pixels: int) -> NDArray[np.uint8]:
    """Dilate a mask by so many pixels (a square), or erode it by a negative number of them."""
    if pixels == 0:
        return mask
    extreme = maximum_filter1d if pixels > 0 else minimum_filter1d
    size = 2 * abs(pixels) + 1
    return np.asarray(extreme(extreme(mask, size, axis=0), size, axis=1), dtype=np.uint8)


def softened(mask: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Blur a mask of 0 to 255 by about a Gaussian of ``sigma`` pixels (Pillow's three box filters)."""
    if sigma <= 0:
        return mask
    return np.asarray(Image.fromarray(mask).filter(ImageFilter.GaussianBlur(sigma)))
