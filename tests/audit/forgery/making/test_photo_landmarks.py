from __future__ import annotations

import numpy as np
import pytest

from countenance.audit.forgery.making import ForgeryError, photo_of
from countenance.explain.canonical import canonical_face


def landmarks(side: float) -> np.ndarray:
    points = np.asarray(canonical_face(68).points, dtype=np.float64)
    low, span = points.min(0), np.ptp(points, axis=0).max()
    return 0.1 * side + 0.8 * side * (points - low) / span


def test_landmarks_of_another_frame_are_refused() -> None:
    picture = np.zeros((64, 64, 3), dtype=np.uint8)
    assert photo_of(picture, landmarks(64)).extent > 8
    photo_of(picture, landmarks(64) + np.array([0.0, 8.0]))  # a chin over the edge
    with pytest.raises(ForgeryError, match="lie beside it"):
        photo_of(picture, landmarks(64) + 1000)
    with pytest.raises(ForgeryError, match="lie beside it"):
        photo_of(picture, 4 * landmarks(64))


def test_landmarks_on_a_line_are_refused() -> None:
    points = landmarks(64)
    points[:, 1] = points[:, 0]
    with pytest.raises(ForgeryError, match="on a line"):
        photo_of(np.zeros((64, 64, 3), dtype=np.uint8), points)
