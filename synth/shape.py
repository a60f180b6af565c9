"""Where are the 68 landmarks of a drawn face?

Face coordinates: origin midway between the eyes, unit = the eye distance of an average drawn face, x to the
image right, y down. The proportions are this project's own, near those of an adult face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .action_units import MIRROR, ActionUnits, Points, pull

# Image-right half and the middle line of an average neutral face.
_HALF: dict[int, tuple[float, float]] = {
    8: (0.0, 1.80), 9: (0.27, 1.765), 10: (0.53, 1.64), 11: (0.75, 1.45), 12: (0.91, 1.21), 13: (1.01, 0.93),
    14: (1.07, 0.63), 15: (1.10, 0.32), 16: (1.11, 0.02),
    22: (0.19, -0.365), 23: (0.40, -0.435), 24: (0.62, -0.455), 25: (0.82, -0.40), 26: (0.96, -0.27),
    27: (0.0, -0.05), 28: (0.0, 0.13), 29: (0.0, 0.31), 30: (0.0, 0.49),
    33: (0.0, 0.70), 34: (0.11, 0.68), 35: (0.215, 0.63),
    42: (-0.225, 0.035), 43: (-0.085, -0.105), 44: (0.095, -0.105), 45: (0.235, 0.0), 46: (0.095, 0.085),
    47: (-0.085, 0.09),
    51: (0.0, -0.085), 52: (0.095, -0.105), 53: (0.25, -0.065), 54: (0.43, 0.0),
    55: (0.25, 0.10), 56: (0.105, 0.145), 57: (0.0, 0.155),
    62: (0.0, 0.012), 63: (0.12, 0.002), 64: (0.375, 0.0), 65: (0.12, 0.004), 66: (0.0, 0.014),
}  # fmt: skip
_EYE, _MOUTH, _NOSE_BASE = range(42, 48), (*range(51, 58), *range(62, 67)), (33, 34, 35)
_MOUTH_LINE = 1.11


@dataclass(frozen=True)
class Geometry:
    """The stable shape of one person's face, as factors and shifts of the average (1 and 0 are average).

    Lengths are in eye distances, factors have no unit, ``eye_tilt`` is in radians (outer corner up).
    """

    face_width: float = 1.0
    face_length: float = 1.0
    jaw_width: float = 1.0
    chin_width: float = 1.0
    forehead: float = 1.0
    eye_spacing: float = 1.0
    eye_size: float = 1.0
    eye_openness: float = 1.0
    eye_tilt: float = 0.0
    brow_height: float = 0.0
    brow_arch: float = 0.0
    brow_thickness: float = 1.0
    nose_length: float = 1.0
    nose_width: float = 1.0
    nose_relief: float = 1.0
    mouth_width: float = 1.0
    mouth_height: float = 0.0
    upper_lip: float = 1.0
    lower_lip: float = 1.0
    ear_size: float = 1.0


def neutral_landmarks(geometry: Geometry) -> Points:
    """Give the (68, 2) landmarks of a face at rest, in face coordinates."""
    g = geometry
    half = {index: np.array(point) for index, point in _HALF.items()}
    for index in range(8, 17):
        x, y = half[index]
        jaw = np.clip(y / 0.95, 0.0, 1.0)
        chin = np.clip((y - 1.1) / 0.5, 0.0, 1.0)
        half[index][0] = x * g.face_width * (1 + jaw * (g.jaw_width - 1)) * (1 + chin * (g.chin_width - 1))
    for index in range(22, 27):
        lift = {23: 0.6, 24: 1.0, 25: 0.7}.get(index, 0.0) * g.brow_arch
        half[index] = half[index] * (0.5 + 0.5 * g.eye_spacing, 1.0) + (0.0, -g.brow_height - lift)
    cos, sin = np.cos(g.eye_tilt), np.sin(g.eye_tilt)
    for index in _EYE:
        x, y = half[index] * g.eye_size * (1.0, g.eye_openness)
        half[index] = np.array([0.5 * g.eye_spacing + cos * x + sin * y, cos * y - sin * x])
    for index in (28, 29, 30, *_NOSE_BASE):
        half[index][1] *= g.nose_length
    for index in _NOSE_BASE:
        half[index][0] *= g.nose_width
    for index in _MOUTH:
        x, y = half[index]
        lip = (g.upper_lip if y < 0 else g.lower_lip) if index < 60 else 1.0
        half[index] = np.array([x * g.mouth_width, y * lip + _MOUTH_LINE + g.mouth_height])
    points = np.zeros((68, 2))
    for index, (x, y) in half.items():
        points[index] = (x, y)
        points[MIRROR[index]] = (-x, y)
    below = points[:, 1] > 0.1
    points[below, 1] = 0.1 + (points[below, 1] - 0.1) * g.face_length
    return points


def landmarks(geometry: Geometry, units: ActionUnits) -> Points:
    """Give the (68, 2) landmarks of a person showing the action units, in face coordinates."""
    return pull(neutral_landmarks(geometry), units)
