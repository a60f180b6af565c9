"""What is planted in nets whose explanations are put to the test? One part of the picture that alone tells the label.

Two ways to make a net use one part only: take the information out of all others (the mouth alone tells), or add a part
that tells it more easily than the face does (a patch in a corner). The same changes, made on pictures that a net was
not trained on, show what it really uses: that is the truth which explanations are held against.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from .action_units import NAMES, ActionUnits
from .dataset import DrawnCrops
from .expression import EXPRESSIONS, draw_expression
from .face import Face

UPPER_UNITS: tuple[int, ...] = (1, 2, 4, 5, 6, 7, 9)
"""Action units of brows, lids, cheeks and nose."""

LOWER_UNITS: tuple[int, ...] = tuple(unit for unit in NAMES if unit not in UPPER_UNITS)
"""Action units of mouth and chin."""

Half = Literal["upper", "lower"]
Corner = Literal["upper left", "upper right", "lower left", "lower right"]
CORNERS: tuple[Corner, ...] = ("upper left", "upper right", "lower left", "lower right")

PATCH_SIDE = 0.13
PATCH_MARGIN = 0.02
PATCH_COLOURS: tuple[tuple[int, int, int], ...] = (
    (128, 128, 128),
    (245, 205, 40),
    (40, 80, 200),
    (205, 35, 40),
    (150, 60, 190),
    (60, 150, 60),
    (250, 135, 35),
)
"""One colour for each of `EXPRESSIONS`, in their order."""


def with_half_of(face: Face, half: Half, expression: str, rng: np.random.Generator) -> Face:
    """Draw one half of a face as another expression has it; label, person and everything else stay.

    Args:
        face: whose picture.
        half: ``upper`` (brows, lids, cheeks, nose and gaze) or ``lower`` (mouth and chin).
        expression: one of `EXPRESSIONS`, whose action units that half gets.
        rng: source of chance for their intensities.
    """
    drawn, gaze = draw_expression(rng, expression, face.person.expressiveness)
    replaced = UPPER_UNITS if half == "upper" else LOWER_UNITS
    units = {unit: (drawn if unit in replaced else face.units)[unit] for unit in NAMES}
    return replace(
        face,
        units=ActionUnits({unit: value for unit, value in units.items() if value > 0}, face.units.asymmetry),
        gaze=gaze if half == "upper" else face.gaze,
    )


def with_half_at_random(faces: Iterable[Face], half: Half, seed: int, *, never_own: bool = False) -> list[Face]:
    """Draw one half of each face as an expression drawn at random has it, so that this half says nothing of the label.

    Args:
        faces: whose pictures.
        half: ``upper`` or ``lower``.
        seed: 0 or more.
        never_own: leave out the face's own expression. Then every such half is wrong; but it says a little of the
            label, namely which it is not.
    """
    changed = []
    for number, face in enumerate(faces):
        rng = np.random.default_rng([seed, 3, number])
        choices = [name for name in EXPRESSIONS if not (never_own and name == face.expression)]
        changed.append(with_half_of(face, half, choices[int(rng.integers(len(choices)))], rng))
    return changed


def stamped(crops: DrawnCrops, codes: NDArray[np.int64], corner: Corner) -> DrawnCrops:
    """Stamp a small square on a corner of each crop, its colour given by a code.

    Args:
        crops: left as they are.
        codes: (n,) positions in `EXPRESSIONS`.
        corner: where.
    """
    if len(codes) != len(crops.pixels):
        raise UsageError(f"Expected one code for each of {len(crops.pixels)} pictures, but got {len(codes)}.")
    pixels, size = crops.pixels.copy(), crops.pixels.shape[1]
    near, far = round(PATCH_MARGIN * size), round((PATCH_MARGIN + PATCH_SIDE) * size)
    first, last = slice(near, far), slice(size - far, size - near)
    rows, columns = first if corner.startswith("upper") else last, first if corner.endswith("left") else last
    pixels[:, rows, columns] = np.array(PATCH_COLOURS, dtype=np.uint8)[codes][:, None, None]
    return replace(crops, pixels=pixels)


def other_codes(labels: NDArray[np.int64], seed: int, *, never_own: bool = True) -> NDArray[np.int64]:
    """Draw a code at random for each label, (n,): never the label's own unless asked to allow it."""
    rng = np.random.default_rng([seed, 4])
    if never_own:
        return (labels + rng.integers(1, len(EXPRESSIONS), len(labels))) % len(EXPRESSIONS)
    return rng.integers(0, len(EXPRESSIONS), len(labels))
