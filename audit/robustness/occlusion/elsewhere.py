"""The null of an occlusion: the same thing, of the same size, form and colour, at a random place of the crop.

What hides the mouth hides pixels, and hiding as many pixels anywhere costs something too. A thing that is moved around
the edges by a random number of rows and columns, and mirrored or not, keeps everything but its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """Where to things are moved, face by face.

    Attributes:
        down: shape (n,), share of the height, 0..1.
        across: shape (n,), share of the width, 0..1.
        mirrored: shape (n,).
    """

    down: Floats
    across: Floats
    mirrored: NDArray[np.bool_]

    @classmethod
    def of(cls, draws: Floats) -> Shift:
        """Return shifts of three uniform draws each, (n, 3)."""
        return cls(draws[:, 0], draws[:, 1], draws[:, 2] < 0.5)

    def __call__(self, planes: NDArray[Any]) -> NDArray[Any]:
        """Move planes (n, h, w, ...), around the edges."""
        height, width = planes.shape[1:3]
        moved = np.empty_like(planes)
        each = zip(self.down.tolist(), self.across.tolist(), self.mirrored.tolist(), strict=True)
        for place, (down, across, mirrored) in enumerate(each):
            plane = planes[place, :, ::-1] if mirrored else planes[place]
            moved[place] = np.roll(plane, (int(down * height), int(across * width)), axis=(0, 1))
        return moved
