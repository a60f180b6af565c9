"""Which pixels lie in which polygon, all edges at once: filled outlines, and triangles of a mesh with their numbers.

The rule is that of ``explain.polygons.rasterise``: a pixel belongs to the polygon that its centre lies in, and an edge
owns the centres exactly on it on the polygon's left and upper side only. Here outlines have a hundred corners and
meshes hundreds of triangles a face, so no edge is met in a loop: in each row an edge changes the winding number, or
the triangle's number, where it crosses the row, and the running sum of the changes is what holds at a pixel.

Coordinates are pixels, x right and y down, pixel (0, 0) covering [0, 1) x [0, 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def fill(polygon: FloatArray, height_width: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels whose centre lies inside a polygon, (h, w), by the non-zero winding rule.

    Args:
        polygon: (k, 2) corners, closed by itself, in either direction.
        height_width: size of the picture.
    """
    winding = _sums(polygon, np.roll(polygon, -1, axis=0), np.ones(len(polygon)), height_width)
    return np.asarray(winding != 0)


def triangle_numbers(
    points: FloatArray, triangles: NDArray[np.integer], height_width: tuple[int, int]
) -> NDArray[np.int32]:
    """Return for each pixel the triangle that its centre lies in, (h, w); -1 outside all of them.

    Args:
        points: (p, 2) corners.
        triangles: (t, 3) of them, of which no two overlap.
        height_width: size of the picture.
    """
    corners = points[triangles]
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    turn = np.sign(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])
    number = np.repeat(turn * np.arange(1, len(triangles) + 1), 3)
    start, end = corners.reshape(-1, 2), np.roll(corners, -1, axis=1).reshape(-1, 2)
    return -_sums(start, end, number, height_width) - 1


def _sums(start: FloatArray, end: FloatArray, weight: FloatArray, height_width: tuple[int, int]) -> NDArray[np.int32]:
    """Return the sum of the weights of the edges left of each pixel centre: positive for an edge that goes down."""
    height, width = height_width
    down = end[:, 1] > start[:, 1]
    upper, lower = np.where(down[:, None], start, end) - 0.5, np.where(down[:, None], end, start) - 0.5
    rows = np.clip(np.ceil(np.stack([upper[:, 1], lower[:, 1]])), 0, height).astype(np.int64)
    first, count = rows[0], rows[1] - rows[0]
    rise = lower[:, 1] - upper[:, 1]
    slope = (lower[:, 0] - upper[:, 0]) / np.where(rise > 0, rise, 1)
    edge = np.repeat(np.arange(len(start)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count - first, count)
    crossing = upper[edge, 0] + (row - upper[edge, 1]) * slope[edge]
    column = np.clip(np.ceil(crossing), 0, width).astype(np.int64)
    changes = np.bincount(row * (width + 1) + column, np.where(down, weight, -weight)[edge], height * (width + 1))
    whole = changes.reshape(height, width + 1)[:, :width].astype(np.int32)
    return np.cumsum(whole, axis=1, dtype=np.int32)
