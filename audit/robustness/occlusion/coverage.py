"""How much of each pixel lies inside a polygon: soft edges for things that are drawn onto faces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Plane = NDArray[np.float32]
LINES = 4


def coverage(polygons: Floats, height: int, width: int) -> Plane:
    """Return the share of each pixel that lies inside a polygon, for one polygon on each of n pictures at once.

    Along a row the share is exact, down a column it is the mean over four lines of the pixel. The sum of what every
    edge adds to the pixels on its right is the winding number (the accumulation buffer of font rasterisers).

    Args:
        polygons: (n, k, 2) corners in pixels, pixel (0, 0) covering [0, 1) x [0, 1); closed by themselves, in either
            direction; corners may repeat.
        height: of the pictures.
        width: of the pictures.

    Returns:
        (n, height, width), 0..1.
    """
    count = len(polygons)
    x0, y0 = polygons[..., 0], polygons[..., 1]
    x1, y1 = np.roll(x0, -1, axis=1), np.roll(y0, -1, axis=1)
    lines = (np.arange(height * LINES) + 0.5) / LINES
    above = lines >= np.minimum(y0, y1)[..., None]
    picture, edge, line = np.nonzero(above & (lines < np.maximum(y0, y1)[..., None]))
    here = (picture, edge)
    run = (x1[here] - x0[here]) / (y1[here] - y0[here])
    crossing = np.clip(x0[here] + (lines[line] - y0[here]) * run, 0.0, width)
    sign = np.where(y1[here] > y0[here], 1.0, -1.0) / LINES
    column = crossing.astype(np.int64)
    inside = crossing - column
    at = (picture * height + line // LINES) * (width + 2) + column
    size = count * height * (width + 2)
    steps = np.bincount(at, sign * (1 - inside), size)
    steps += np.bincount(at + 1, sign * inside, size)
    winding = np.cumsum(steps.reshape(count, height, width + 2), axis=2)[..., :width]
    return np.clip(np.abs(winding), 0.0, 1.0).astype(np.float32)
