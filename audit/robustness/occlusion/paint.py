"""Paint soft-edged, shaded shapes onto transparent pictures that lie over faces."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ....explain.units.regions import FaceFrame
from .coverage import Floats, Plane, coverage

Colours = NDArray[np.float32]


class Painting:
    """Transparent pictures over n faces; shapes are given in the faces' own frames.

    A frame has its origin midway between the eye centres, x along the line through them to the right of an upright
    picture, y down the face, and the distance between the eyes as its unit.

    Args:
        frame: of each face, in pixels of the crop, pixel (0, 0) covering [0, 1) x [0, 1).
        height: of the crops.
        width: of the crops.

    Attributes:
        colour: (n, h, w, 3) colour times opacity.
        opacity: (n, h, w), 0..1.
        x: (n, h, w) place of each pixel's centre in the frame.
        y: (n, h, w) likewise.
    """

    def __init__(self, frame: FaceFrame, height: int, width: int) -> None:
        self.frame = frame
        self.height, self.width = height, width
        count = len(frame.origin)
        across, down = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        centres = np.stack([across.ravel(), down.ravel()], axis=-1)[None]
        places = frame.coordinates(centres).reshape(count, height, width, 2).astype(np.float32)
        self.x: Plane = np.ascontiguousarray(places[..., 0])
        self.y: Plane = np.ascontiguousarray(places[..., 1])
        self.colour: Colours = np.zeros((count, height, width, 3), dtype=np.float32)
        self.opacity: Plane = np.zeros((count, height, width), dtype=np.float32)

    def mask(self, outline: Floats, blur: float = 0.0) -> Plane:
        """Return how much of each pixel lies inside an outline.

        Args:
            outline: (n, k, 2) in the frames.
            blur: standard deviation of a soft edge, in eye distances.
        """
        return self.blurred(coverage(self.frame.pixels(outline), self.height, self.width), blur)

    def blurred(self, mask: Plane, blur: float) -> Plane:
        """Return a mask (n, h, w) with an edge as soft as ``blur`` eye distances."""
        if blur <= 0:
            return mask
        spread = blur * self.frame.eye_distance
        return np.stack([gaussian_filter(each, sigma) for each, sigma in zip(mask, spread, strict=True)])

    def within(self, line: Floats, radius: float | Floats) -> tuple[Plane, Plane]:
        """Return a rounded stroke along a line, and where across it each pixel lies.

        Args:
            line: (n, m, 2) in the frames, m at least 2.
            radius: half its width in eye distances: a number, or (m,) along the line.

        Returns:
            How much of each pixel lies inside, (n, h, w); and the distance from the line in radii, 0..1 inside.
        """
        radii = np.broadcast_to(np.asarray(radius, dtype=np.float32), line.shape[1])
        window = self._window(line, float(radii.max()))
        x, y = self.x[window], self.y[window]
        nearest = np.full(x.shape, np.inf, dtype=np.float32)
        gap = np.full(x.shape, -np.inf, dtype=np.float32)
        for place in range(line.shape[1] - 1):
            start, end = (line[:, each, :, None, None].astype(np.float32) for each in (place, place + 1))
            run = end - start
            square = np.maximum((run**2).sum(1), np.float32(1e-9))
            from_x, from_y = x - start[:, 0], y - start[:, 1]
            along = np.clip((from_x * run[:, 0] + from_y * run[:, 1]) / square, 0.0, 1.0)
            distance = np.hypot(from_x - along * run[:, 0], from_y - along * run[:, 1])
            wide = radii[place] + along * (radii[place + 1] - radii[place])
            ratio = distance / wide
            closer = ratio < nearest
            nearest = np.where(closer, ratio, nearest)
            gap = np.where(closer, wide - distance, gap)
        inside, across = np.zeros_like(self.opacity), np.ones_like(self.opacity)
        pixels = gap * self.frame.eye_distance[:, None, None].astype(np.float32)
        inside[window], across[window] = np.clip(pixels + np.float32(0.5), 0.0, 1.0), np.minimum(nearest, 1.0)
        return inside, across

    def _window(self, line: Floats, reach: float) -> tuple[slice, slice, slice]:
        """Return the part of the pictures that holds a stroke on every one of them: the rest needs no arithmetic."""
        points, pad = self.frame.pixels(line), (reach * self.frame.eye_distance).max() + 2
        low, high = points.min(axis=(0, 1)) - pad, points.max(axis=(0, 1)) + pad
        (left, top), (right, bottom) = np.clip(np.stack([low, high]), 0, (self.width, self.height)).astype(np.int64)
        return slice(None), slice(int(top), int(bottom) + 1), slice(int(left), int(right) + 1)

    def fill(self, mask: Plane, colour: Colours, opacity: float = 1.0) -> None:
        """Lay a colour over what is painted.

        Args:
            mask: (n, h, w), 0..1.
            colour: (n, 3), or (n, h, w, 3) when it is shaded; cut off at 0 and 1.
            opacity: of the paint.
        """
        shades = colour[:, None, None] if colour.ndim == 2 else colour
        share = (mask * np.float32(opacity))[..., None]
        self.colour = self.colour * (1 - share) + np.clip(shades, 0.0, 1.0) * share
        self.opacity = self.opacity + share[..., 0] * (1 - self.opacity)


def shaded(colour: Colours, brightness: Plane) -> Colours:
    """Return a colour (n, 3) under a brightness (n, h, w), shape (n, h, w, 3)."""
    return colour[:, None, None] * brightness[..., None]


def smooth(points: Floats, steps: int = 6) -> Floats:
    """Return a closed curve through points (n, k, 2): a Catmull-Rom spline of ``steps`` points to each, (n, k s, 2)."""
    curve: Floats = np.einsum("pk,nkd->npd", _closed(points.shape[1], steps), points)
    return curve


def arc(points: Floats, steps: int = 8) -> Floats:
    """Return an open curve through points (n, k, 2), its ends included: (n, (k - 1) s + 1, 2)."""
    first = 2 * points[:, :1] - points[:, 1:2]
    last = 2 * points[:, -1:] - points[:, -2:-1]
    curve = smooth(np.concatenate([first, points, last], axis=1), steps)
    inner: Floats = curve[:, steps : steps * points.shape[1] + 1]
    return inner


@lru_cache(maxsize=64)
def _closed(count: int, steps: int) -> Floats:
    weights = np.zeros((count * steps, count))
    for place in range(count):
        for step in range(steps):
            t = step / steps
            parts = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2)
            for offset, part in zip((-1, 0, 1, 2), parts, strict=True):
                weights[place * steps + step, (place + offset) % count] += part / 2
    return weights


def plane(values: Floats) -> Plane:
    """Return a number of each face, (n,), as (n, 1, 1): to be computed with pixels."""
    return np.asarray(values[:, None, None], dtype=np.float32)


def between(start: Floats, end: Floats, share: float) -> Floats:
    """Return the points (n, 2) that lie a share of the way from one to another."""
    moved: Floats = start + (end - start) * share
    return moved


def beside(points: Floats, x: float, y: float) -> Floats:
    """Return points (n, ..., 2) moved by so many eye distances."""
    moved: Floats = points + np.array([x, y])
    return moved


def chosen(palette: Floats, draw: Floats, spread: Floats | None = None) -> Colours:
    """Return a colour for each face.

    Args:
        palette: (c, 3), 0..1.
        draw: (n,) uniform 0..1, decides which.
        spread: (n,) uniform 0..1, makes it up to a sixth darker or lighter.
    """
    colour = palette[(draw * len(palette)).astype(np.int64)]
    if spread is not None:
        colour = colour * (1 + (spread[:, None] - 0.5) / 3)
    return np.clip(colour, 0.0, 1.0).astype(np.float32)
