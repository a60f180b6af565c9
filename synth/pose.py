"""Where in the picture does a point of the face fall?

A face is a shallow relief: each point gets a depth, is turned by yaw, pitch and roll, and is projected in
parallel. Landmarks and everything drawn go through the same projection, so that they agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .action_units import Points

UNIT = 0.245
"""Eye distance of an average drawn face as a fraction of the picture's side."""
CENTRE = (0.5, 0.43)
"""Where the point between the eyes falls, as fractions of the picture's side."""
_PIVOT = 0.55


@dataclass(frozen=True)
class Pose:
    """How the head is turned and placed.

    Args:
        yaw: radians, positive turns the face to the image right.
        pitch: radians, positive turns the face down.
        roll: radians, positive tilts the head clockwise in the picture.
        scale: factor on the average size.
        shift: (x, y) shift as fractions of the picture's side.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)


def depth(x: NDArray[np.floating], y: NDArray[np.floating], relief: float = 1.0) -> NDArray[np.floating]:
    """Give the depth of the face surface at face coordinates, towards the viewer, in eye distances."""
    head = np.sqrt(np.maximum(0.0, 1 - (x / 1.42) ** 2 - ((y - 0.25) / 2.4) ** 2))
    rise = np.minimum(np.maximum((y + 0.15) / 0.68, 0.0), 1.0)
    along = rise * rise * (3 - 2 * rise) * np.exp(-((np.maximum(y - 0.5, 0.0) / 0.13) ** 2))
    nose: NDArray[np.floating] = 0.36 * relief * along * np.exp(-((x / 0.18) ** 2))
    surface: NDArray[np.floating] = head + nose
    return surface


class Projection:
    """Maps face coordinates to pixels and back, for one pose and picture size.

    Pixel coordinates count from the picture's top left corner; the first pixel's centre is (0.5, 0.5).
    """

    def __init__(self, pose: Pose, size: int, relief: float = 1.0) -> None:
        self.size = size
        self.unit = UNIT * size * pose.scale
        self.relief = relief
        cx, sx = np.cos(pose.pitch), np.sin(pose.pitch)
        cy, sy = np.cos(pose.yaw), np.sin(pose.yaw)
        cz, sz = np.cos(pose.roll), np.sin(pose.roll)
        turn = np.array([[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]])
        nod = np.array([[1.0, 0.0, 0.0], [0.0, cx, sx], [0.0, -sx, cx]])
        tilt = np.array([[cz, -sz, 0.0], [sz, cz, 0.0], [0.0, 0.0, 1.0]])
        self.rotation = tilt @ nod @ turn
        self.origin = np.array([CENTRE[0] + pose.shift[0], CENTRE[1] + pose.shift[1]]) * size

    def __call__(self, points: Points, lift: float = 0.0) -> Points:
        """Project (n, 2) face coordinates, `lift` eye distances off the surface, to (n, 2) pixels."""
        x, y = points[:, 0], points[:, 1]
        z = depth(x, y, self.relief) - _PIVOT + lift
        flat = points @ self.rotation[:2, :2].T + z[:, None] * self.rotation[:2, 2]
        return np.asarray(self.origin + self.unit * flat, dtype=np.float64)

    def grid(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Give the face coordinates (x, y) of every pixel's centre, each (size, size).

        The relief is inverted by two rounds of substitution, which is exact enough for shading.
        """
        axis = (np.arange(self.size, dtype=np.float32) + 0.5).astype(np.float32)
        u = ((axis - self.origin[0]) / self.unit)[None, :].astype(np.float32)
        v = ((axis - self.origin[1]) / self.unit)[:, None].astype(np.float32)
        r = self.rotation
        a, b, c, d = np.linalg.inv(r[:2, :2]).ravel().astype(np.float32)
        kx, ky = np.float32(r[0, 2]), np.float32(r[1, 2])
        x, y = a * u + b * v, c * u + d * v
        for _ in range(2):
            z = (depth(x, y, self.relief) - _PIVOT).astype(np.float32)
            x, y = a * (u - kx * z) + b * (v - ky * z), c * (u - kx * z) + d * (v - ky * z)
        return x, y
