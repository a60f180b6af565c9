"""What do all parts of a drawing share? The canvas, the projection, the landmarks and the skin's colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .canvas import Canvas, Mask, Pixels, curve, ribbon
from .face import Face
from .pose import Projection
from .shape import landmarks, neutral_landmarks
from .tones import HAIR, mix, rgb, skin_paint


class Scene:
    """One face on its way to a picture.

    Attributes:
        points: (68, 2) landmarks in face coordinates.
        rest: the same at rest, for what does not move (eyeballs, skull).
        x, y: face coordinates of each pixel.
        unit: eye distance in pixels.
    """

    def __init__(self, face: Face, size: int) -> None:
        self.face = face
        self.look = face.person.look
        self.geometry = face.person.geometry
        self.canvas = Canvas(size)
        self.place = Projection(face.pose, size, self.geometry.nose_relief)
        self.unit = self.place.unit
        self.points = landmarks(self.geometry, face.units)
        self.rest = neutral_landmarks(self.geometry)
        self.x, self.y = self.place.grid()
        self.skin = skin_paint(self.look.monk_tone)
        self.hair = rgb(HAIR[self.look.hair_colour])
        self.shade: Pixels = np.zeros((size, size), dtype=np.float32)

    @property
    def darkness(self) -> float:
        """How dark the skin is, 0 to 1."""
        return float(np.clip(1 - self.skin.mean() / 0.85, 0, 1))

    @property
    def ink(self) -> Pixels:
        """The colour of lash lines and deep folds: a dark brown, darker on dark skin."""
        return mix(np.array([0.20, 0.12, 0.10], dtype=np.float32), self.skin * np.float32(0.18), 0.6)

    def area(self, outline: ArrayLike, blur: float = 0.0) -> Mask:
        """Cover a smooth closed outline given in face coordinates; blur in eye distances."""
        return self.canvas.mask(self.place(curve(outline, closed=True)), blur=blur * self.unit)

    def line(self, knots: ArrayLike, width: ArrayLike, blur: float = 0.0) -> Mask:
        """Cover a smooth line given in face coordinates, tapering to both ends; sizes in eye distances."""
        path = self.place(curve(knots))
        outline = ribbon(path, np.asarray(width) * self.taper(len(path)) * self.unit)
        return self.canvas.mask(outline, blur=blur * self.unit)

    @staticmethod
    def taper(count: int) -> NDArray[np.float64]:
        """Give the width along a line that thins out to both ends, (count,) in 0..1."""
        return np.asarray(np.sin(np.linspace(0.15, np.pi - 0.15, count)) ** 0.7)
