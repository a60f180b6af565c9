"""Regions of the face, outlined by landmarks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from scipy.spatial import ConvexHull

from ....explain.landmarks import REGIONS as PARTS
from .coverage import Floats, Plane
from .paint import Painting
from .sitters import Sitters

_AROUND = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_FAR = 50.0

HULLS: Mapping[str, tuple[tuple[int, ...], ...]] = MappingProxyType(
    {
        "brows": (tuple(PARTS["right_brow"]), tuple(PARTS["left_brow"])),
        "eyes": (tuple(PARTS["right_eye"]), tuple(PARTS["left_eye"])),
        "nose": ((*PARTS["nose_bridge"], *PARTS["nose_base"]),),
        "mouth": (tuple(PARTS["outer_lip"]),),
    }
)
"""For each region of single parts the landmarks of each part."""

HALVES: Mapping[str, float] = MappingProxyType({"upper_half": -1.0, "lower_half": 1.0})
"""For each half of the picture which way from the dividing line it lies: up the face or down."""

REGION_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "brows": "hidden brows",
        "eyes": "hidden eyes",
        "nose": "a hidden nose",
        "mouth": "a hidden mouth",
        "upper_half": "a hidden upper half",
        "lower_half": "a hidden lower half",
    }
)
"""Every region, with words that follow "under"."""


def hidden_landmarks(region: str) -> tuple[int, ...]:
    """Return the landmarks that a region covers."""
    if region in HULLS:
        return tuple(index for part in HULLS[region] for index in part)
    upper = ("right_brow", "left_brow", "right_eye", "left_eye")
    parts = upper if region == "upper_half" else ("nose_base", "outer_lip")
    return tuple(index for part in parts for index in PARTS[part])


def region_mask(region: str, faces: Sitters, height: int, width: int, margin: float) -> Plane:
    """Return how much of each pixel a region covers.

    A part is the convex hull of its landmarks, widened by a margin all around. The halves are all of the picture above
    or below a line across the face, half way from the eyes to the base of the nose, which tilts with the face.

    Args:
        region: one of :data:`REGION_TITLES`.
        faces: n faces.
        height: of the crops.
        width: of the crops.
        margin: in eye distances.

    Returns:
        (n, height, width), 0..1.
    """
    painting = Painting(faces.frame, height, width)
    if region in HALVES:
        line = faces.shape[:, list(PARTS["nose_base"]), 1].mean(axis=1) / 2
        corners = np.array([[-_FAR, 0.0], [_FAR, 0.0], [_FAR, _FAR], [-_FAR, _FAR]]) * (1.0, HALVES[region])
        return painting.mask(corners[None] + np.stack([np.zeros_like(line), line], axis=-1)[:, None])
    found: Plane = np.zeros((len(faces.shape), height, width), dtype=np.float32)
    for part in HULLS[region]:
        found = np.maximum(found, painting.mask(widened(faces.shape[:, list(part)], margin)))
    return found


def widened(points: Floats, margin: float) -> Floats:
    """Return the convex hull of points (n, k, 2), widened by a margin: corners (n, k 16, 2), the last one repeated."""
    rim = np.stack([np.cos(_AROUND), np.sin(_AROUND)], axis=-1) * max(margin, 1e-3)
    around = (points[:, :, None] + rim).reshape(len(points), -1, 2)
    corners = np.empty_like(around)
    for place, each in enumerate(around):
        hull = each[ConvexHull(each).vertices]
        corners[place, : len(hull)], corners[place, len(hull) :] = hull, hull[-1]
    return corners
