"""What is known of each face that something is drawn onto."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..coverage import Floats
from ..paint import Colours

DRAWS = 48
"""Random numbers that vary a drawn thing."""


@dataclass(frozen=True, eq=False)
class Model:
    """n faces that something is drawn onto.

    Attributes:
        shape: the 68 landmarks in the faces' frames, (n, 68, 2).
        draws: uniform numbers 0..1 of each face, (n, 48): they vary colour and form.
        skin: colour of the cheeks in the picture, (n, 3), 0..1; a hand takes it.
    """

    shape: Floats
    draws: Floats
    skin: Colours

    def point(self, index: int) -> Floats:
        """Return a landmark, (n, 2)."""
        return self.shape[:, index]

    def draw(self, place: int, low: float = 0.0, high: float = 1.0) -> Floats:
        """Return one random number of each face between two limits, (n,)."""
        return low + (high - low) * self.draws[:, place]

    @property
    def middle(self) -> Floats:
        """x of the face's midline: mean of nose bridge and chin, (n,)."""
        return np.asarray((self.shape[:, 27, 0] + self.shape[:, 30, 0] + self.shape[:, 8, 0]) / 3)

    @property
    def half_width(self) -> Floats:
        """Half the width of the jaw line, (n,)."""
        return np.asarray(np.maximum((self.shape[:, 15, 0] - self.shape[:, 1, 0]) / 2, 0.3))
