"""Where the parts of each face lie in its crop, and whether something can be placed by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....explain.canonical import canonical_face
from ....explain.landmark_fit import misfits
from ....explain.landmarks import to_5, to_68
from ....explain.units.regions import FaceFrame
from ....explain.warp import canonical_warp
from .coverage import Floats

SMALLEST_EYE_DISTANCE = 8.0
"""Distance between the eyes in pixels of the crop below which a drawn thing is a smudge: a lens is 6 pixels then."""

NO_LANDMARKS = "the face has no landmarks"
TOO_SMALL = f"its eyes are less than {SMALLEST_EYE_DISTANCE:g} pixels apart in the crop"
CUT_OFF = "most of what would be hidden lies outside the crop"


@dataclass(frozen=True, eq=False)
class Sitters:
    """Some faces with usable landmarks.

    Attributes:
        places: which faces of the batch they are, shape (n,).
        points: the 68 landmarks in pixels of the crop, pixel (0, 0) covering [0, 1) x [0, 1), shape (n, 68, 2).
        frame: of each face.
        shape: the 68 landmarks in the faces' frames (unit: eye distance), shape (n, 68, 2).
    """

    places: NDArray[np.int64]
    points: Floats
    frame: FaceFrame
    shape: Floats

    def take(self, chosen: NDArray[np.int64]) -> Sitters:
        """Return some of them, by position."""
        frame = FaceFrame(self.frame.origin[chosen], self.frame.axis[chosen])
        return Sitters(self.places[chosen], self.points[chosen], frame, self.shape[chosen])

    def inside(self, hidden: Sequence[int], height: int, width: int) -> NDArray[np.bool_]:
        """Tell of which faces at least half of these landmarks lie in the crop, shape (n,)."""
        points = self.points[:, list(hidden)]
        within = ((points >= 0) & (points < (width, height))).all(axis=2)
        return np.asarray(within.mean(axis=1) >= 0.5)


def sitters(landmarks: NDArray[np.float32], height: int, width: int) -> tuple[Sitters, list[str | None]]:
    """Return the faces whose landmarks can be used, and of every face None or why they cannot.

    Five points are made 68 by the affine map of the mean face (102 neutral faces) that fits them best.

    Args:
        landmarks: (n, 5 or 68 or 478, 2) in pixels of the crop, NaN where a face has none.
        height: of the crops.
        width: of the crops.
    """
    found = np.asarray(landmarks, dtype=np.float64)
    reasons: list[str | None] = [NO_LANDMARKS] * len(found)
    seen = np.flatnonzero(np.isfinite(found).all(axis=(1, 2)))
    if len(seen):
        fits, _ = misfits(canonical_warp(found.shape[1]), found[seen] - 0.5, width, height)
        distance = np.linalg.norm(np.diff(to_5(found[seen])[:, :2], axis=1)[:, 0], axis=1)
        for place, misfit, apart in zip(seen.tolist(), fits, distance.tolist(), strict=True):
            reasons[place] = TOO_SMALL if apart < SMALLEST_EYE_DISTANCE else misfit
    usable = np.array([place for place, reason in enumerate(reasons) if reason is None], dtype=np.int64)
    points = _as_68(found[usable])
    frame = FaceFrame.of(points)
    return Sitters(usable, points, frame, frame.coordinates(points)), reasons


def _as_68(points: Floats) -> Floats:
    if points.shape[1] != 5:
        return to_68(points)
    ones = np.ones((5, 1))
    fitted = np.linalg.pinv(np.hstack([canonical_face(5).shape, ones])) @ points
    return np.asarray(np.hstack([canonical_face(68).shape, np.ones((68, 1))]) @ fitted)
