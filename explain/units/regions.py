"""Where the action units lie: ellipses over the 68 landmarks, in the face's own frame.

The frame has its origin midway between the eye centres, x along the line through them to the person's left, and the
distance between them as its unit. So a region keeps its place and size relative to the face whatever the picture's
size, and tilts with the face. What each ellipse hangs on is data: ``data/au_regions.json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import numpy as np

from ..landmarks import INDEX, MIRROR, REGIONS, FloatArray

_SMALLEST_EYE_DISTANCE = 1e-6


@lru_cache(maxsize=1)
def region_data() -> dict[str, Any]:
    """Return the regions as they are written down, with sources and departures from the published ones."""
    text = (files(__package__) / ".." / "data" / "au_regions.json").read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


@lru_cache(maxsize=1)
def unit_names() -> Mapping[int, str]:
    """Return the action units that have a region, number to name, in order."""
    units = region_data()["units"]
    return MappingProxyType({number: units[str(number)]["name"] for number in sorted(map(int, units))})


@lru_cache(maxsize=1)
def face_parts() -> Mapping[str, tuple[int, ...]]:
    """Return parts of the face (``brows``, ``mouth``, ``upper face``, ...) as the units whose regions make them up."""
    return MappingProxyType({name: tuple(units) for name, units in region_data()["parts"].items()})


@dataclass(frozen=True)
class FaceFrame:
    """The frame of each of n faces.

    Attributes:
        origin: ``(n, 2)`` midway between the eye centres, in pixels.
        axis: ``(n, 2)`` from the right eye's centre to the left one's, in pixels; its length is the eye distance.
    """

    origin: FloatArray
    axis: FloatArray

    @classmethod
    def of(cls, landmarks: FloatArray) -> FaceFrame:
        """Return the frames of faces with ``(n, 68, 2)`` landmarks in pixels."""
        right = landmarks[:, list(REGIONS["right_eye"])].mean(axis=1)
        left = landmarks[:, list(REGIONS["left_eye"])].mean(axis=1)
        return cls((right + left) / 2, left - right)

    @property
    def eye_distance(self) -> FloatArray:
        """Distance between the eye centres in pixels, ``(n,)``."""
        return np.asarray(np.hypot(self.axis[:, 0], self.axis[:, 1]))

    @property
    def usable(self) -> np.ndarray:
        """Whether there is a frame at all: eyes in two places, ``(n,)`` of bool."""
        return np.asarray(np.isfinite(self.eye_distance) & (self.eye_distance > _SMALLEST_EYE_DISTANCE))

    def coordinates(self, points: FloatArray) -> FloatArray:
        """Carry ``(n or 1, k, 2)`` points from pixels to the frames, ``(n, k, 2)`` in eye distances."""
        x, y = np.moveaxis(points - self.origin[:, None], -1, 0)
        right, down = self.axis[:, None, 0], self.axis[:, None, 1]
        square = right**2 + down**2
        return np.stack([(x * right + y * down) / square, (y * right - x * down) / square], axis=-1)

    def pixels(self, points: FloatArray) -> FloatArray:
        """Carry ``(n, k, 2)`` points from the frames back to pixels."""
        across, down = points[..., 0], points[..., 1]
        right, below = self.axis[:, None, 0], self.axis[:, None, 1]
        turned = np.stack([across * right - down * below, across * below + down * right], axis=-1)
        return np.asarray(turned + self.origin[:, None])


@dataclass(frozen=True)
class Ellipses:
    """Ellipses of the action units on n faces, in the faces' frames.

    Attributes:
        unit: ``(e,)`` which action unit each belongs to.
        centre: ``(n, e, 2)`` in eye distances.
        half: ``(n, e, 2)`` half width and half height in eye distances.
    """

    unit: np.ndarray
    centre: FloatArray
    half: FloatArray

    def of(self, number: int) -> np.ndarray:
        """Return which ellipses belong to a unit, positions along ``e``."""
        return np.flatnonzero(self.unit == number)


def ellipses(shape: FloatArray, units: tuple[int, ...]) -> Ellipses:
    """Return the ellipses of action units on faces.

    Args:
        shape: ``(n, 68, 2)`` landmarks in the faces' frames (eye distances).
        units: numbers of the units.

    Raises:
        KeyError: for a unit without a region.
    """
    numbers, centres, halves = [], [], []
    for unit in units:
        for drawn in _drawn(unit):
            for mirrored in (False, True) if drawn.get("mirrored") else (False,):
                numbers.append(unit)
                centres.append(_centre(shape, drawn, mirrored))
                halves.append(
                    np.stack([_half(shape, drawn[side], axis, mirrored) for axis, side in enumerate("ab")], -1)
                )
    return Ellipses(np.array(numbers), np.stack(centres, axis=1), np.stack(halves, axis=1))


def _drawn(unit: int) -> list[dict[str, Any]]:
    units = region_data()["units"]
    entry = units[str(unit)]
    found: list[dict[str, Any]] = units[str(entry["same_as"])]["ellipses"] if "same_as" in entry else entry["ellipses"]
    return found


def _indices(names: list[str], mirrored: bool) -> list[int]:
    return [MIRROR[INDEX[name]] if mirrored else INDEX[name] for name in names]


def _centre(shape: FloatArray, drawn: dict[str, Any], mirrored: bool) -> FloatArray:
    shift_x, shift_y = drawn.get("shift", (0.0, 0.0))
    x = shape[:, _indices(drawn["x_of"], mirrored), 0].mean(axis=1) + (-shift_x if mirrored else shift_x)
    y = shape[:, _indices(drawn["y_of"], mirrored), 1].mean(axis=1) + shift_y
    return np.stack([x, y], axis=-1)


def _half(shape: FloatArray, size: float | dict[str, Any], axis: int, mirrored: bool) -> FloatArray:
    if not isinstance(size, dict):
        return np.full(len(shape), float(size))
    one, other = (shape[:, _indices(names, mirrored), axis].mean(axis=1) for names in size["half_between"])
    return np.asarray(np.maximum(np.abs(one - other) / 2 + size["plus"], size["at_least"]))


def coverage(found: Ellipses, points: FloatArray) -> np.ndarray:
    """Tell which points lie within which ellipse.

    Args:
        found: of n faces.
        points: ``(n, ..., 2)`` in the faces' frames.

    Returns:
        ``(n, e, ...)`` of bool.
    """
    spare = (1,) * (points.ndim - 2)
    place = points.astype(np.float32)

    def distance(axis: int) -> np.ndarray:
        centre, half = (each[..., axis].reshape(*found.centre.shape[:2], *spare) for each in (found.centre, found.half))
        scaled = place[:, None, ..., axis] - centre.astype(np.float32)
        scaled /= half.astype(np.float32)
        return np.square(scaled, out=scaled)

    return np.asarray(distance(0) + distance(1) <= 1)
