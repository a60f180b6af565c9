"""Which pixels of a crop belong to the face."""

from __future__ import annotations

import numpy as np

from ..landmarks import REGIONS, FloatArray, to_68
from ..polygons import BoolArray, rasterise
from .regions import FaceFrame

FOREHEAD = 1.15
"""Height of the forehead above the ends of the jaw line, in eye distances. The 68 points end at the brows, so this is
an estimate: a hairline three quarters of the way from brows to crown."""


def face_in_crop(landmarks: FloatArray, height: int, width: int) -> BoolArray:
    """Return the pixels within the jaw line and half an ellipse above its ends.

    Args:
        landmarks: ``(n, 68 or 478, 2)`` in pixels of the crop, pixel centres at integers, with usable frames.
        height: of the crop.
        width: of the crop.

    Returns:
        ``(n, height, width)``.
    """
    points = to_68(landmarks)
    frame = FaceFrame.of(points)
    jaw = frame.coordinates(points[:, list(REGIONS["jaw"])])
    middle, reach = (jaw[:, :1] + jaw[:, -1:]) / 2, (jaw[:, -1:] - jaw[:, :1]) / 2
    angle = np.linspace(0, np.pi, 25)[1:-1, None]
    arch = middle + np.cos(angle) * reach - np.sin(angle) * np.array([0.0, FOREHEAD])
    outline = frame.pixels(np.concatenate([jaw, arch], axis=1))
    return np.stack([rasterise(polygon, width, height) for polygon in outline])
