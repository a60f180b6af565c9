"""Where the cheeks, the eyes and the nose lie, by 5, 68 or 478 landmarks.

Indices of the 68 points are iBUG's, counted from 0; those of the 478 points of the face mesh stand for the same places
(index list of PeizhiYan/Mediapipe_2_Dlib_Landmarks, MIT). "Right" is the person's own, on the left of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Lower lid (mean of two points), wing of the nose, corner of the mouth; the right side of the face, then the left.
_CHEEKS: Mapping[int, tuple[tuple[tuple[int, ...], int, int], ...]] = {
    68: (((40, 41), 31, 48), ((46, 47), 35, 54)),
    478: (((144, 153), 75, 61), ((373, 380), 305, 291)),
}
# Outer corners of the right and left eye (with five points the centres of the eyes), tip of the nose.
_HEAD: Mapping[int, tuple[int, int, int]] = {5: (0, 1, 2), 68: (36, 45, 30), 478: (33, 263, 4)}
# Of five points, the lower lid lies this share of the way from the eyes' line to the mouth; the wing of the nose is a
# mean of eye and mouth corner, moved towards the other eye by a share of the eye distance (mean of 102 London faces).
_LID_OF_FIVE, _WING_DOWN, _WING_INWARD = 0.058, 0.60, 0.24
SIZE = 0.5
OUTWARD = 0.5


def cheek_polygons(points: Floats) -> Floats:
    """Return a patch on each cheek, away from the fold of the nose, the beard and the shadow of the lid.

    Lower lid ``a``, wing of the nose ``b`` and corner of the mouth ``c`` make a parallelogram with ``a + c - b``, the
    point outward on the cheek. The patch is that parallelogram at half its size, moved half way from its centre to the
    outward corner.

    Args:
        points: landmarks of one face, shape (5 or 68 or 478, 2), in pixels of the image.

    Returns:
        Corners of the right and the left patch, shape (2, 4, 2), in pixels of the image.
    """
    patches = []
    for lid, wing, mouth in _lid_wing_mouth(np.asarray(points, dtype=np.float64)):
        outward = lid + mouth - wing
        corners = np.stack([lid, wing, mouth, outward])
        middle = corners.mean(axis=0)
        centre = middle + OUTWARD * (outward - middle)
        patches.append(centre + SIZE * (corners - middle))
    return np.stack(patches)


def _lid_wing_mouth(points: Floats) -> list[tuple[Floats, Floats, Floats]]:
    if len(points) == 5:
        down = points[3:5].mean(axis=0) - points[:2].mean(axis=0)
        found = []
        for eye, other, mouth in ((points[0], points[1], points[3]), (points[1], points[0], points[4])):
            wing = (1 - _WING_DOWN) * eye + _WING_DOWN * mouth + _WING_INWARD * (other - eye)
            found.append((eye + _LID_OF_FIVE * down, wing, mouth))
        return found
    return [(points[list(lid)].mean(axis=0), points[wing], points[mouth]) for lid, wing, mouth in _CHEEKS[len(points)]]


def turn_of_head(points: Floats) -> Floats:
    """Return how far the tip of the nose lies off the middle between the eyes, from -1 to 1 or a little beyond.

    ``(a - b) / (a + b)`` with ``a`` and ``b`` the distances, along the line of the eyes, from the outer corner of the
    right and of the left eye to the tip of the nose: 0 when the face looks into the camera, above 0 when the nose
    points to the right of the picture (the person's left). Tilting the head to the shoulder does not change it.

    It rises with the yaw of the head and is no angle: faces of other shape, other lenses and an off-centre nose give
    another number at the same turn. With five points the centres of the eyes stand for the outer corners.

    Args:
        points: landmarks, shape (n, 5 or 68 or 478, 2), NaN where a face has none.

    Returns:
        Shape (n,), NaN where there are no landmarks or both eyes are in one place.
    """
    right, left, nose = (points[:, place] for place in _HEAD[points.shape[1]])
    axis = left - right
    length = (axis**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        along = ((nose - right) * axis).sum(axis=1) / length  # 0 at the right corner, 1 at the left one
    return np.where(length > 0, 2 * along - 1, np.nan)
