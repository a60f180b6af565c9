"""Which way does an action unit pull the landmarks?

Names and muscles follow the Facial Action Coding System (Ekman, Friesen and Hager 2002). The sizes of the
pulls are this project's own drawing decisions, tuned by eye: they are not measurements of people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError

Points = NDArray[np.float64]

NAMES: Mapping[int, str] = MappingProxyType(
    {
        1: "inner brow raiser",
        2: "outer brow raiser",
        4: "brow lowerer",
        5: "upper lid raiser",
        6: "cheek raiser",
        7: "lid tightener",
        9: "nose wrinkler",
        10: "upper lip raiser",
        12: "lip corner puller",
        15: "lip corner depressor",
        16: "lower lip depressor",
        17: "chin raiser",
        20: "lip stretcher",
        23: "lip tightener",
        24: "lip pressor",
        25: "lips part",
        26: "jaw drop",
        27: "mouth stretch",
    }
)

MIRROR: tuple[int, ...] = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *range(54, 47, -1),
    *range(59, 54, -1),
    *range(64, 59, -1),
    *range(67, 64, -1),
)
"""Index of the landmark on the other side of the face, for each of the 68 (iBUG order, counted from 0)."""

# Outward and downward pull at full intensity, in eye distances, for the image-right half and the middle.
_PULLS: Mapping[int, Mapping[int, tuple[float, float]]] = {
    1: {22: (0.0, -0.20), 23: (0.0, -0.14), 24: (0.0, -0.05)},
    2: {26: (0.0, -0.10), 25: (0.0, -0.18), 24: (0.0, -0.17), 23: (0.0, -0.08), 22: (0.0, -0.02)},
    4: {22: (-0.07, 0.17), 23: (-0.06, 0.13), 24: (-0.03, 0.06), 25: (0.0, 0.01), 26: (0.0, -0.01)},
    5: {43: (0.0, -0.075), 44: (0.0, -0.075)},
    6: {46: (0.0, -0.05), 47: (0.0, -0.035), 43: (0.0, 0.008), 44: (0.0, 0.015), 45: (0.0, 0.01)},
    7: {46: (0.0, -0.04), 47: (0.0, -0.04), 43: (0.0, 0.03), 44: (0.0, 0.03)},
    9: {
        35: (0.03, -0.09), 34: (0.01, -0.08), 33: (0.0, -0.06), 30: (0.0, -0.04),
        22: (-0.04, 0.09), 23: (-0.02, 0.08), 24: (0.0, 0.04),
        43: (0.0, 0.025), 44: (0.0, 0.02), 46: (0.0, -0.03), 47: (0.0, -0.04),
        51: (0.0, -0.05), 52: (0.0, -0.06), 53: (0.0, -0.05), 62: (0.0, -0.04), 63: (0.0, -0.04),
    },
    10: {
        51: (0.0, -0.07), 52: (0.01, -0.10), 53: (0.02, -0.10), 54: (0.01, -0.01),
        62: (0.0, -0.07), 63: (0.02, -0.09), 64: (0.01, -0.01), 35: (0.02, -0.02),
    },
    12: {
        54: (0.17, -0.17), 64: (0.17, -0.165), 53: (0.10, -0.075), 55: (0.10, -0.065),
        52: (0.03, 0.01), 51: (0.0, 0.025), 63: (0.08, -0.03), 65: (0.08, -0.02),
        62: (0.0, 0.025), 66: (0.0, 0.03), 56: (0.03, 0.0), 57: (0.0, 0.01), 35: (0.02, 0.0),
        3: (0.01, 0.0), 4: (0.01, 0.0), 12: (0.02, 0.0), 13: (0.02, 0.0),
    },
    15: {
        54: (0.02, 0.17), 64: (0.02, 0.165), 53: (0.0, 0.05), 55: (0.02, 0.08), 63: (0.0, 0.02),
        65: (0.0, 0.03), 51: (0.0, -0.01), 57: (0.0, -0.01),
    },
    16: {55: (0.03, 0.07), 56: (0.02, 0.09), 57: (0.0, 0.09), 65: (0.02, 0.08), 66: (0.0, 0.08)},
    17: {
        55: (0.0, -0.02), 56: (0.0, -0.06), 57: (0.0, -0.07), 65: (0.0, -0.05), 66: (0.0, -0.06),
        51: (0.0, -0.03), 52: (0.0, -0.03), 62: (0.0, -0.05), 63: (0.0, -0.04), 8: (0.0, -0.03),
        9: (0.0, -0.02),
    },
    20: {
        54: (0.17, 0.04), 64: (0.17, 0.04), 53: (0.11, 0.02), 55: (0.11, 0.0), 63: (0.08, 0.0),
        65: (0.08, 0.0), 52: (0.03, 0.01), 56: (0.03, -0.01),
    },
    23: {
        54: (-0.05, 0.0), 64: (-0.05, 0.0), 51: (0.0, 0.025), 52: (0.0, 0.03), 53: (-0.02, 0.03),
        55: (-0.02, -0.025), 56: (0.0, -0.03), 57: (0.0, -0.03),
    },
    24: {
        54: (-0.02, 0.01), 64: (-0.02, 0.01), 51: (0.0, 0.03), 52: (0.0, 0.035), 53: (0.0, 0.03),
        55: (0.0, -0.035), 56: (0.0, -0.04), 57: (0.0, -0.045),
    },
    25: {
        51: (0.0, -0.01), 52: (0.0, -0.01), 62: (0.0, -0.02), 63: (0.0, -0.02), 65: (0.0, 0.10),
        66: (0.0, 0.11), 55: (0.0, 0.05), 56: (0.0, 0.085), 57: (0.0, 0.09),
    },
    26: {
        54: (-0.09, 0.07), 64: (-0.09, 0.07), 65: (0.03, 0.19), 66: (0.0, 0.21), 55: (-0.01, 0.14),
        56: (0.0, 0.20), 57: (0.0, 0.21),
        53: (-0.03, -0.01), 52: (0.0, -0.02), 51: (0.0, -0.03), 62: (0.0, -0.04),
        63: (0.02, -0.02), 8: (0.0, 0.17), 9: (0.0, 0.165),
        10: (-0.01, 0.14), 11: (-0.015, 0.10), 12: (-0.015, 0.05), 13: (-0.01, 0.02),
    },
    27: {
        65: (0.04, 0.32), 66: (0.0, 0.35), 55: (-0.05, 0.25), 56: (-0.01, 0.34), 57: (0.0, 0.35),
        54: (-0.14, 0.11), 64: (-0.12, 0.11), 53: (-0.08, -0.02), 52: (-0.01, -0.04), 51: (0.0, -0.06),
        62: (0.0, -0.07), 63: (0.03, -0.03), 8: (0.0, 0.27), 9: (-0.01, 0.26), 10: (-0.02, 0.23),
        11: (-0.03, 0.17), 12: (-0.03, 0.09), 13: (-0.02, 0.04),
    },
}  # fmt: skip

_MIDDLE = frozenset(i for i, j in enumerate(MIRROR) if i == j)
_INNER_PAIRS = ((61, 67), (62, 66), (63, 65))
_OUTER_OF_INNER = ((61, 50, -1), (62, 51, -1), (63, 52, -1), (65, 56, 1), (66, 57, 1), (67, 58, 1))


def _displacements() -> dict[int, tuple[Points, Points]]:
    """Give for each unit the pulls on the image-left and on the image-right half, each (68, 2)."""
    table = {}
    for unit, pulls in _PULLS.items():
        left, right = np.zeros((68, 2)), np.zeros((68, 2))
        for index, (out, down) in pulls.items():
            if index in _MIDDLE:
                left[index] = right[index] = (0.0, down / 2)
            elif index in range(9):
                left[index] = (-out, down)
                right[MIRROR[index]] = (out, down)
            else:
                right[index] = (out, down)
                left[MIRROR[index]] = (-out, down)
        table[unit] = (left, right)
    return table


_TABLE = _displacements()


class UnknownActionUnit(UsageError):
    """An action unit that these faces cannot draw, or an intensity outside 0 to 1."""


@dataclass(frozen=True)
class ActionUnits:
    """Intensities of action units, each 0 (absent) to 1 (as strong as drawn here); absent ones are 0.

    Args:
        intensity: intensity per action unit number of `NAMES`.
        asymmetry: -0.5 to 0.5; the image-right half moves by ``1 + asymmetry``, the left by
            ``1 - asymmetry``.
    """

    intensity: Mapping[int, float] = field(default_factory=dict)
    asymmetry: float = 0.0

    def __post_init__(self) -> None:
        for unit, value in self.intensity.items():
            if unit not in NAMES:
                raise UnknownActionUnit(f"Expected an action unit of {sorted(NAMES)}, but got AU{unit}. Leave it out.")
            if not 0.0 <= value <= 1.0:
                raise UnknownActionUnit(f"Expected the intensity of AU{unit} to be 0 to 1, but got {value}. Scale it.")
        if not -0.5 <= self.asymmetry <= 0.5:
            raise UnknownActionUnit(f"Expected `asymmetry` to be -0.5 to 0.5, but got {self.asymmetry}.")

    def __getitem__(self, unit: int) -> float:
        """Give the intensity of one unit; 0 where it was not named."""
        return float(self.intensity.get(unit, 0.0))

    @property
    def parts_lips(self) -> bool:
        """Whether the inner lips come apart: AU25, 26 or 27 is present."""
        return any(self[unit] > 0 for unit in (25, 26, 27))


def pull(points: Points, units: ActionUnits) -> Points:
    """Move neutral landmarks as the action units do.

    Args:
        points: (68, 2) in eye distances, y down.
        units: intensities.

    Returns:
        (68, 2). The inner lips touch unless AU25, 26 or 27 parts them, and stay inside the outer lips;
        the lids do not cross.
    """
    moved = points.copy()
    strength = {unit: value for unit, value in units.intensity.items() if value > 0}
    if 4 in strength and 1 in strength:
        # Together they draw the brows in and *up*: the frontalis wins over the corrugator.
        strength[4] *= 1 - 0.85 * min(1.0, strength[1])
    for unit, value in strength.items():
        left, right = _TABLE[unit]
        moved += value * ((1 - units.asymmetry) * left + (1 + units.asymmetry) * right)
    _keep_lips_apart(moved, units.parts_lips)
    _keep_lids_apart(moved)
    return moved


def _keep_lips_apart(points: Points, parted: bool) -> None:
    for upper, lower in _INNER_PAIRS:
        if not parted or points[lower, 1] < points[upper, 1]:
            points[[upper, lower], 1] = points[[upper, lower], 1].mean()
    for inner, outer, side in _OUTER_OF_INNER:
        thickness = side * (points[outer, 1] - points[inner, 1])
        points[outer, 1] += side * max(0.0, 0.035 - thickness)


def _keep_lids_apart(points: Points) -> None:
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        short = 0.05 - (points[lower, 1] - points[upper, 1])
        if short > 0:
            points[upper, 1] -= short / 2
            points[lower, 1] += short / 2
