"""Names, mirror images and correspondences of facial landmarks.

Three sets are known: 68 points in iBUG order, 478 points of the MediaPipe face mesh, and 5 points (eye
centres, nose tip, mouth corners). "Right" and "left" are the person's own: the right eye is on the left of
the picture. Points of a region are numbered from 1, in iBUG order.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

REGIONS: Mapping[str, range] = MappingProxyType(
    {
        "jaw": range(0, 17),
        "right_brow": range(17, 22),
        "left_brow": range(22, 27),
        "nose_bridge": range(27, 31),
        "nose_base": range(31, 36),
        "right_eye": range(36, 42),
        "left_eye": range(42, 48),
        "outer_lip": range(48, 60),
        "inner_lip": range(60, 68),
    }
)
"""Regions of the 68 points, as 0-based index ranges."""

NAMES: tuple[str, ...] = tuple(
    f"{region}_{number}" for region, indices in REGIONS.items() for number in range(1, len(indices) + 1)
)
"""The 68 names in order, ``jaw_1`` to ``inner_lip_8``."""

INDEX: Mapping[str, int] = MappingProxyType({name: index for index, name in enumerate(NAMES)})
"""Name to 0-based index in the 68 points."""

MIRROR: tuple[int, ...] = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46),
    *(39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
)
"""For each of the 68 points the index of its mirror image."""

MESH_TO_68: tuple[tuple[int, ...], ...] = (
    *((127,), (234,), (93,), (132, 58), (58, 172), (136,), (150,), (176,), (152,)),
    *((400,), (379,), (365,), (397, 288), (361,), (323,), (454,), (356,)),
    *((70,), (63,), (105,), (66,), (107,)),
    *((336,), (296,), (334,), (293,), (300,)),
    *((168, 6), (197, 195), (5,), (4,), (75,), (97,), (2,), (326,), (305,)),
    *((33,), (160,), (158,), (133,), (153,), (144,)),
    *((362,), (385,), (387,), (263,), (373,), (380,)),
    *((61,), (39,), (37,), (0,), (267,), (269,), (291,), (321,), (314,), (17,), (84,), (91,)),
    *((78,), (82,), (13,), (312,), (308,), (317,), (14,), (87,)),
)
"""For each of the 68 points the face-mesh points whose mean stands for it.

Source: index list of PeizhiYan/Mediapipe_2_Dlib_Landmarks (MIT).
"""

FACE_OVAL: tuple[int, ...] = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The 36 face-mesh points on the outline of the face (the boundary of its tessellation), from the top."""

MESH_POINTS = 468
"""Points of the face mesh proper; the ten after them follow the irises and are left out of warps."""

FIVE_POINTS: tuple[tuple[int, ...], ...] = (
    tuple(REGIONS["right_eye"]),
    tuple(REGIONS["left_eye"]),
    (30,),
    (48,),
    (54,),
)
"""The five points as means over the 68: right eye, left eye, nose tip, right and left mouth corner."""

COUNTS = (5, 68, 478)
"""Numbers of landmarks per face that are understood."""


def _means(points: FloatArray, groups: tuple[tuple[int, ...], ...]) -> FloatArray:
    return np.stack([points[..., list(group), :].mean(axis=-2) for group in groups], axis=-2)


def to_68(points: FloatArray) -> FloatArray:
    """Return the 68 points that stand for ``points``.

    Args:
        points: ``(..., 68, d)`` or ``(..., 478, d)`` landmarks, ``d >= 2``.

    Returns:
        ``(..., 68, 2)``; a third coordinate is dropped.

    Raises:
        ValueError: if the number of points is neither 68 nor 478.
    """
    points = np.asarray(points, dtype=np.float64)[..., :2]
    count = points.shape[-2]
    if count == 68:
        return points
    if count == 478:
        return _means(points, MESH_TO_68)
    raise ValueError(f"Expected `points` to hold 68 or 478 landmarks, but got {count}")


def to_5(points: FloatArray) -> FloatArray:
    """Return the five points (eye centres, nose tip, mouth corners) of 5, 68 or 478 landmarks.

    Args:
        points: ``(..., k, d)`` with k in 5, 68, 478 and ``d >= 2``.

    Returns:
        ``(..., 5, 2)``, the person's right side first.
    """
    points = np.asarray(points, dtype=np.float64)[..., :2]
    if points.shape[-2] == 5:
        return points
    return _means(to_68(points), FIVE_POINTS)
