"""Whether landmarks can be those of the face in the crop.

Landmarks in another frame (shares of the picture instead of pixels, pixels of another picture, x and y changed over)
warp every map to a wrong place. What is then measured is told of the model and comes from the landmarks, so such faces
are left out with a reason. The limits are wide: they find mistakes of the frame and not of the landmark finder.
"""

from __future__ import annotations

import numpy as np

from .landmarks import FloatArray
from .warp import CanonicalWarp

SMALLEST_EXTENT = 0.1
"""Share of the crop's side that landmarks of a face span at the least; London faces span .8 of it."""

LARGEST_FOLD = 0.2
"""Share of the canvas that may come from triangles which are flat or turned over; .013 in the worst London face, and
.67 or more in each of them with x and y changed over."""

TOO_SMALL = "its landmarks span less than a tenth of the crop"
OUTSIDE = "most of its landmarks lie outside the crop"
FOLDED = "its landmarks turn over or fold more than a fifth of the face"
MISFITS = frozenset({TOO_SMALL, OUTSIDE, FOLDED})
"""Every reason given here."""


def misfits(warp: CanonicalWarp, landmarks: FloatArray, width: int, height: int) -> tuple[list[str | None], FloatArray]:
    """Say of each face why its landmarks do not fit its crop.

    Args:
        warp: for this number of landmarks.
        landmarks: ``(n, count, 2)`` in pixels of the crop, pixel centres at integers, finite.
        width: of the crop.
        height: of the crop.

    Returns:
        For each face None or the reason; and the share of the canvas that is folded, ``(n,)``, 0..1.
    """
    folded = warp.folded_share(landmarks, width, height)
    side = np.array([width, height])
    extent = ((landmarks.max(axis=1) - landmarks.min(axis=1)) / side).max(axis=1)
    inside = ((landmarks >= -0.5) & (landmarks <= side - 0.5)).all(axis=2).mean(axis=1)
    turned = _turned_over(landmarks) if warp.count == 5 else folded > LARGEST_FOLD
    reasons: list[str | None] = []
    for small, share, wrong in zip(extent < SMALLEST_EXTENT, inside, turned, strict=True):
        reasons.append(TOO_SMALL if small else OUTSIDE if share < 0.5 else FOLDED if wrong else None)
    return reasons, folded


def _turned_over(five: FloatArray) -> np.ndarray:
    """Tell where right eye, left eye and mouth lie the other way round than in a face, whichever way it is tilted."""
    right, left, mouth = five[:, 0], five[:, 1], five[:, 3:].mean(axis=1)
    along, down = left - right, mouth - right
    return np.asarray(along[:, 0] * down[:, 1] - along[:, 1] * down[:, 0] <= 0)
