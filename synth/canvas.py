"""How does a soft-edged shape get onto the picture?

Shapes are drawn four times too large inside their own bounding box, averaged down, and laid over the picture
with that coverage. Only the box is touched, which keeps a face at a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFilter

from .action_units import Points

Pixels = NDArray[np.float32]
_FINE = 4


@dataclass(frozen=True)
class Mask:
    """Coverage 0..1 of a shape inside a box of the picture."""

    rows: slice
    columns: slice
    cover: Pixels

    def times(self, other: Pixels) -> Mask:
        """Multiply by a map of the whole picture, (size, size)."""
        return Mask(self.rows, self.columns, self.cover * other[self.rows, self.columns])

    def spread(self, size: int) -> Pixels:
        """Give the coverage of the whole picture, (size, size), 0 outside the box."""
        whole = np.zeros((size, size), dtype=np.float32)
        whole[self.rows, self.columns] = self.cover
        return whole


class Canvas:
    """A square RGB picture in 0..1 that shapes are laid on."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.pixels: Pixels = np.zeros((size, size, 3), dtype=np.float32)

    def mask(self, *outlines: Points, blur: float = 0.0, covers: Sequence[float] = ()) -> Mask:
        """Draw filled polygons as one coverage.

        Args:
            outlines: polygons, each (n, 2) in pixels.
            blur: sigma of the soft edge in pixels.
            covers: coverage 0..1 of each polygon, where a later one lies over an earlier; 1 if left out.
        """
        margin = int(3 * blur) + 2
        ends = [(o[:, 0].min(), o[:, 1].min(), o[:, 0].max(), o[:, 1].max()) for o in outlines]
        last = self.size - 1
        x0 = min(max(int(min(e[0] for e in ends)) - margin, 0), last)
        y0 = min(max(int(min(e[1] for e in ends)) - margin, 0), last)
        x1 = max(min(int(max(e[2] for e in ends)) + margin + 1, self.size), x0 + 1)
        y1 = max(min(int(max(e[3] for e in ends)) + margin + 1, self.size), y0 + 1)
        width, height = x1 - x0, y1 - y0
        fine = Image.new("L", (width * _FINE, height * _FINE))
        pen = ImageDraw.Draw(fine)
        corner = np.array((x0 + 0.5 / _FINE, y0 + 0.5 / _FINE))
        for index, outline in enumerate(outlines):
            fill = round(255 * covers[index]) if covers else 255
            pen.polygon(((outline - corner) * _FINE).ravel().tolist(), fill=fill)
        coarse = fine.reduce(_FINE)
        if blur > 0:
            coarse = coarse.filter(ImageFilter.GaussianBlur(blur))
        cover = np.frombuffer(coarse.tobytes(), dtype=np.uint8).reshape(height, width) * np.float32(1 / 255)
        return Mask(slice(y0, y1), slice(x0, x1), cover)

    def stroke(self, line: Points, width: ArrayLike, blur: float = 0.0) -> Mask:
        """Draw a line (n, 2) in pixels whose width (pixels, one number or n) may change along it."""
        return self.mask(ribbon(line, width), blur=blur)

    def fill(self, mask: Mask, colour: ArrayLike, opacity: float = 1.0) -> None:
        """Lay a colour, (3,) or (size, size, 3) in 0..1, over the picture."""
        paint = np.asarray(colour, dtype=np.float32)
        if paint.ndim == 3:
            paint = paint[mask.rows, mask.columns]
        part = self.pixels[mask.rows, mask.columns]
        part += (np.float32(opacity) * mask.cover)[..., None] * (paint - part)

    def tint(self, mask: Mask, factor: ArrayLike, opacity: float = 1.0) -> None:
        """Multiply the picture by a colour factor (3,): below 1 darkens, above 1 lightens."""
        change = np.asarray(factor, dtype=np.float32) - np.float32(1)
        part = self.pixels[mask.rows, mask.columns]
        part *= 1 + (np.float32(opacity) * mask.cover)[..., None] * change

    def image(self) -> NDArray[np.uint8]:
        """Give the picture as (size, size, 3) bytes."""
        return np.round(np.clip(self.pixels, 0, 1) * 255).astype(np.uint8)


@lru_cache(maxsize=256)
def _spline_weights(count: int, closed: bool, steps: int) -> NDArray[np.float64]:
    """Give the matrix that turns knots into samples of the Catmull-Rom curve through them."""
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    basis = np.hstack((-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3))
    rows = []
    for start in range(count if closed else count - 1):
        block = np.zeros((steps, count))
        for offset in range(4):
            index = start - 1 + offset
            weight = basis[:, offset] / 2
            if closed:
                block[:, index % count] += weight
            elif index < 0:  # the curve is continued straight beyond its ends
                block[:, 0] += 2 * weight
                block[:, 1] -= weight
            elif index >= count:
                block[:, count - 1] += 2 * weight
                block[:, count - 2] -= weight
            else:
                block[:, index] += weight
        rows.append(block)
    if not closed:
        rows.append(np.eye(count)[-1:])
    return np.vstack(rows)


def curve(knots: ArrayLike, closed: bool = False, steps: int = 6) -> Points:
    """Give a smooth curve through (n, 2) knots (Catmull and Rom 1974); it passes through every knot."""
    points = np.asarray(knots, dtype=np.float64)
    return np.asarray(_spline_weights(len(points), closed, steps) @ points)


def moved(points: Points, by: tuple[float, float]) -> Points:
    """Shift points (..., 2) by (x, y)."""
    shifted: Points = points + np.array(by)
    return shifted


def ribbon(line: Points, width: ArrayLike) -> Points:
    """Give the outline of a line (n, 2) drawn with a width, one number or (n,)."""
    normal = np.empty_like(line)
    normal[1:-1] = line[2:] - line[:-2]
    normal[0], normal[-1] = line[1] - line[0], line[-1] - line[-2]
    normal = normal[:, ::-1] * (-0.5, 0.5)
    length = np.hypot(normal[:, 0], normal[:, 1]) * 2 + 1e-9
    normal *= (np.asarray(width) / length)[:, None]
    return np.concatenate((line + normal, (line - normal)[::-1]))


def ellipse(centre: ArrayLike, radius: ArrayLike, count: int = 28) -> Points:
    """Give the outline of an ellipse with axes along x and y."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    ring = np.stack((np.cos(angle), np.sin(angle)), 1)
    return np.asarray(np.asarray(centre) + np.asarray(radius) * ring, dtype=np.float64)
