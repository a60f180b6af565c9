"""The canonical face as lines and as a region of the canvas."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .canonical import CANVAS_HEIGHT, CANVAS_WIDTH, CanonicalFace, canonical_face
from .landmarks import REGIONS, FloatArray
from .polygons import BoolArray, rasterise

_OPEN = ("right_brow", "left_brow", "nose_bridge", "nose_base")
_CLOSED = ("right_eye", "left_eye", "outer_lip", "inner_lip")


def face_lines(steps: int = 6) -> list[FloatArray]:
    """Return the canonical face as smooth polylines ``(k, 2)`` in canvas pixels, the outline first.

    Args:
        steps: points drawn between two landmarks.
    """
    face = canonical_face(68)
    lines = [_smooth(_outline(face), steps)]
    lines += [_smooth(_region(face, name), steps) for name in _OPEN]
    return lines + [_smooth(_region(face, name), steps, closed=True) for name in _CLOSED]


@lru_cache(maxsize=1)
def face_region() -> BoolArray:
    """Return the pixels of the canvas that belong to the face: jaw line, and temples up to the top edge.

    The 68 points end at the brows. On this canvas the forehead reaches the top edge; hair, ears, neck and
    background lie outside.
    """
    region = rasterise(_smooth(_outline(canonical_face(68)), 6), CANVAS_WIDTH, CANVAS_HEIGHT)
    region.setflags(write=False)
    return region


def _region(face: CanonicalFace, name: str) -> FloatArray:
    points: FloatArray = face.points[list(REGIONS[name])]
    return points


def _outline(face: CanonicalFace) -> FloatArray:
    """Return the jaw line between the two temples, which meet the top edge above the brows' outer ends."""
    jaw = _region(face, "jaw")
    corners = []
    for side, brow in ((jaw[0], "right_brow_1"), (jaw[-1], "left_brow_5")):
        inner = face.point(brow)[0]
        corners.append([[side[0] + 0.7 * (inner - side[0]), -1.0], [side[0] + 0.2 * (inner - side[0]), side[1] / 2]])
    right, left = corners
    return np.concatenate([np.array(right), jaw, np.array(left[::-1])])


def _smooth(points: FloatArray, steps: int, closed: bool = False) -> FloatArray:
    """Draw a Catmull-Rom spline through points; through their mean ends if open."""
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
    else:
        padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    share = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for before, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        pieces.append(
            start
            + 0.5 * share * (end - before)
            + share**2 * (before - 2.5 * start + 2 * end - 0.5 * after)
            + share**3 * (1.5 * (start - end) + 0.5 * (after - before))
        )
    last = points[:1] if closed else points[-1:]
    smooth: FloatArray = np.concatenate([*pieces, last])
    return smooth
