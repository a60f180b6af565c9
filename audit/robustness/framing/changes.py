"""What is done to the frame of a face: which part of the picture is cut out, and how it is turned.

A change moves the edges of the face's box, turns the picture about the centre of the box, or mirrors the crop. All of
them but the turn are what a face detector's error would do: the picture itself stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from ....core.numbers import Fraction
from ..conditions import Condition

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in whole pixels of the picture."""
KIND, STRENGTH = "change", "amount"
IDENTITY, MIRROR = "identity", "mirror"
FAMILIES: dict[str, tuple[str, ...]] = {
    "shift": ("shift_left", "shift_right", "shift_up", "shift_down"),
    "loose_box": ("loose_box",),
    "tight_box": ("tight_box",),
    "aspect": ("wide_box", "tall_box"),
    "rotation": ("rotation_left", "rotation_right"),
    MIRROR: (MIRROR,),
}
"""The members of each family: the same change in different directions."""
_PLURAL = {
    "shift": "boxes moved aside",
    "loose_box": "loose boxes",
    "tight_box": "tight boxes",
    "aspect": "boxes of another shape",
    "rotation": "rotation in the plane",
    MIRROR: "mirroring",
}
_ONE = {
    "shift_left": "box moved left by {}",
    "shift_right": "box moved right by {}",
    "shift_up": "box moved up by {}",
    "shift_down": "box moved down by {}",
    "loose_box": "box {} looser",
    "tight_box": "box {} tighter",
    "wide_box": "box {} wider",
    "tall_box": "box {} taller",
    "rotation_left": "turned left by {}",
    "rotation_right": "turned right by {}",
    "shift": "box moved aside by {}",
    "aspect": "box {} wider or taller",
    "rotation": "turned by {}",
}
_GRID = (np.arange(61) + 0.5) / 61  # where the share of the crop beyond the picture is looked up


@dataclass(frozen=True)
class Frame:
    """Where a crop is taken from: the box, and by how many degrees the picture is turned about the box's centre."""

    box: Box
    degrees: float = 0.0

    def share_beyond(self, width: int, height: int) -> float:
        """Return the share of the crop that lies beyond a picture of this size, 0 to 1 (on a grid of 61 x 61)."""
        x0, y0, x1, y1 = self.box
        if self.degrees == 0:
            covered = max(0, min(x1, width) - max(x0, 0)) * max(0, min(y1, height) - max(y0, 0))
            return 1 - covered / ((x1 - x0) * (y1 - y0))
        x, y = np.meshgrid(_GRID * (x1 - x0) - (x1 - x0) / 2, _GRID * (y1 - y0) - (y1 - y0) / 2)
        angle = radians(self.degrees)  # turned to the left: what is seen at (x, y) lay turned to the right
        at_x = (x0 + x1) / 2 + x * cos(angle) - y * sin(angle)
        at_y = (y0 + y1) / 2 + x * sin(angle) + y * cos(angle)
        inside = (at_x >= 0) & (at_x <= width) & (at_y >= 0) & (at_y <= height)
        return float(1 - inside.mean())


def frame_of(name: str, amount: float, box: Box) -> Frame:
    """Return where a changed crop is taken from; of the identity and of the mirror, the box itself.

    Args:
        name: a member of :data:`FAMILIES`, or the identity.
        amount: of a rotation degrees; otherwise a share of the box's width (sideways) or height.
        box: in whole pixels.
    """
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    moves = {
        "shift_left": (-width, 0, -width, 0),
        "shift_right": (width, 0, width, 0),
        "shift_up": (0, -height, 0, -height),
        "shift_down": (0, height, 0, height),
        "loose_box": (-width / 2, -height / 2, width / 2, height / 2),
        "tight_box": (width / 2, height / 2, -width / 2, -height / 2),
        "wide_box": (-width / 2, 0, width / 2, 0),
        "tall_box": (0, -height / 2, 0, height / 2),
    }
    if name in FAMILIES["rotation"]:
        return Frame(box, amount if name == "rotation_left" else -amount)
    if name in (IDENTITY, MIRROR):
        return Frame(box)
    found = [round(edge + amount * move) for edge, move in zip(box, moves[name], strict=True)]
    return Frame((found[0], found[1], max(found[2], found[0] + 1), max(found[3], found[1] + 1)))


def family_of(name: str) -> str:
    """Return the family of a change."""
    return next(family for family, members in FAMILIES.items() if name in members)


def conditions_of(amounts: dict[str, Sequence[Fraction]], *, mirror: bool) -> list[Condition]:
    """Return every change to try, the identity first; ``amounts`` by family, in ascending order."""
    found = [Condition(KIND, IDENTITY, title="cut out again without a change")]
    for family, members in FAMILIES.items():
        for amount in amounts.get(family, ()):
            found += [Condition(KIND, name, STRENGTH, str(amount), title_of(name, amount)) for name in members]
    if mirror:
        found.append(Condition(KIND, MIRROR, title="mirrored"))
    return found


def title_of(name: str, amount: Fraction | None = None) -> str:
    """Say a change, or a family of changes, in words; with its amount where one is given."""
    if amount is None:
        return _PLURAL[name]
    told = f"{amount} degrees" if "rotation" in name else f"{float(amount) * 100:g} %"
    return _ONE[name].format(told)


def whole_box(box: NDArray[np.float64] | None, width: int, height: int) -> Box:
    """Return the box rounded to whole pixels, as faces are cut out; of ``None`` the whole picture."""
    if box is None:
        return 0, 0, width, height
    x0, y0, x1, y1 = (round(float(edge)) for edge in box)
    return x0, y0, x1, y1
