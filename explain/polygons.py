"""Polygons on the pixel grid: which pixels lie inside, and the outline of a set of pixels.

Both are exact: no antialiasing, no tolerance. Pixel centres have integer coordinates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .landmarks import FloatArray

BoolArray = NDArray[np.bool_]


def rasterise(polygon: FloatArray, width: int, height: int) -> BoolArray:
    """Return the pixels whose centre lies inside a polygon, by the non-zero winding rule.

    An edge owns the pixel centres exactly on it on the polygon's left and upper side only, so two polygons
    that share an edge share no pixel and leave none out.

    Args:
        polygon: ``(k, 2)`` corners in pixels, k >= 3; closed by itself, in either direction.
        width: of the grid, in pixels.
        height: of the grid, in pixels.

    Returns:
        ``(height, width)`` of bool.

    Raises:
        ValueError: if there are fewer than three corners or one is not finite.
    """
    polygon = np.asarray(polygon, dtype=np.float64)
    if polygon.ndim != 2 or polygon.shape[0] < 3 or polygon.shape[1] != 2 or not np.isfinite(polygon).all():
        raise ValueError(f"Expected `polygon` to be at least 3 finite (x, y) corners, but got {polygon.shape}")
    x = np.arange(width, dtype=np.float64)
    winding = np.zeros((height, width), dtype=np.int32)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        sign = 1 if y1 > y0 else -1
        (xa, ya), (xb, yb) = ((x0, y0), (x1, y1)) if sign > 0 else ((x1, y1), (x0, y0))
        first, last = max(0, int(np.ceil(ya))), min(height, int(np.ceil(yb)))
        if last <= first:
            continue
        rows = np.arange(first, last, dtype=np.float64)
        crossing = xa + (rows - ya) * ((xb - xa) / (yb - ya))
        winding[first:last] += sign * (crossing[:, None] <= x[None, :])
    inside: BoolArray = winding != 0
    return inside


def rasterise_union(polygons: list[FloatArray], width: int, height: int) -> BoolArray:
    """Return the pixels inside at least one of several polygons, ``(height, width)`` of bool."""
    inside = np.zeros((height, width), dtype=np.bool_)
    for polygon in polygons:
        inside |= rasterise(polygon, width, height)
    return inside


def outlines(mask: BoolArray, tolerance: float = 1.25) -> list[FloatArray]:
    """Trace the boundary between the pixels of a mask and the rest.

    Args:
        mask: ``(height, width)`` of bool.
        tolerance: how far, in pixels, a simplified line may run from the pixel edges; 0 follows them exactly.
            The stairs of a slanting edge lie up to one pixel off their chord.

    Returns:
        Closed polylines ``(k, 2)``, first point repeated at the end, outer ones clockwise on the screen and
        holes counter-clockwise, the longest first. Pixel edges lie at half-integer coordinates.
    """
    return sorted((_simplify(loop, tolerance) for loop in _loops(mask)), key=_length, reverse=True)


def _loops(mask: BoolArray) -> list[FloatArray]:
    """Chain the directed pixel edges that have the mask on their right-hand side as drawn (y down)."""
    padded = np.pad(np.asarray(mask, dtype=np.bool_), 1)
    following: dict[tuple[int, int], list[tuple[int, int]]] = {}
    # For each side: where its neighbour lies, and the corner offsets of the edge between the two.
    sides = (
        ((-1, 0), (0, 0), (0, 1)),
        ((0, 1), (0, 1), (1, 1)),
        ((1, 0), (1, 1), (1, 0)),
        ((0, -1), (1, 0), (0, 0)),
    )
    for (down, right), (y0, x0), (y1, x1) in sides:
        edge = padded & ~np.roll(padded, (-down, -right), axis=(0, 1))
        for y, x in np.argwhere(edge).tolist():
            following.setdefault((x + x0, y + y0), []).append((x + x1, y + y1))
    loops = []
    while following:
        start = next(iter(following))
        path, heading = [start], (0, 0)
        while not (len(path) > 1 and path[-1] == start):
            here = path[-1]
            there = _turn(here, following[here], heading)
            following[here].remove(there)
            if not following[here]:
                del following[here]
            heading = (there[0] - here[0], there[1] - here[1])
            path.append(there)
        loops.append(np.array(path, dtype=np.float64) - 1.5)
    return loops


def _turn(here: tuple[int, int], choices: list[tuple[int, int]], heading: tuple[int, int]) -> tuple[int, int]:
    """Where two pixels touch at a corner only, turn right, so that the loops stay apart."""
    if len(choices) == 1:
        return choices[0]
    right = (-heading[1], heading[0])
    wanted = (here[0] + right[0], here[1] + right[1])
    return wanted if wanted in choices else choices[0]


def _length(line: FloatArray) -> float:
    return float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())


def _simplify(loop: FloatArray, tolerance: float) -> FloatArray:
    """Leave out points by Douglas and Peucker's rule; straight runs go first, at no cost."""
    step = np.diff(loop, axis=0)
    turns = np.any(step != np.roll(step, 1, axis=0), axis=1)
    corners = loop[:-1][turns]
    closed = np.concatenate([corners, corners[:1]])
    if tolerance <= 0 or len(corners) <= 4:
        return closed
    far = int(np.argmax(np.linalg.norm(corners - corners[0], axis=1)))
    keep = {0, far, len(closed) - 1}
    spans = [(0, far), (far, len(closed) - 1)]
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        chord = closed[last] - closed[first]
        between = closed[first + 1 : last] - closed[first]
        area = np.abs(between[:, 0] * chord[1] - between[:, 1] * chord[0])
        distance = area / max(float(np.linalg.norm(chord)), 1e-12)
        worst = int(np.argmax(distance))
        if distance[worst] > tolerance:
            middle = first + 1 + worst
            keep.add(middle)
            spans += [(first, middle), (middle, last)]
    return closed[sorted(keep)]
