"""The part of a picture that a forgery touches: makers work on it alone, and the rest is copied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .photo import Forged, Mask, Pixels


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels inside a picture, ``left`` to ``right`` and ``top`` to ``bottom``, ends excluded."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def corner(self) -> NDArray[np.float64]:
        """The upper left corner (x, y)."""
        return np.array([self.left, self.top], dtype=np.float64)

    @property
    def height_width(self) -> tuple[int, int]:
        """Its size in pixels."""
        return self.bottom - self.top, self.right - self.left

    def of(self, picture: Pixels) -> Pixels:
        """Return this part of a picture, a view."""
        return picture[self.top : self.bottom, self.left : self.right]

    def blended(
        self, whole: Pixels, source: Pixels, share: NDArray[np.uint8], landmarks: NDArray[np.float32]
    ) -> Forged:
        """Return ``share / 255 * source + (1 - share / 255) * whole`` here, rounded, and ``whole`` elsewhere.

        Whole-number shares are what a mask saved as PNG can hold, and Pillow mixes by them exactly.

        Args:
            whole: the picture, uint8 (h, w, 3).
            source: what is blended in, uint8 (height, width, 3) of the window.
            share: uint8, (height, width) of the window.
            landmarks: of the result, (68, 2).
        """
        pixels = whole.copy()
        mixed = Image.composite(Image.fromarray(source), Image.fromarray(self.of(whole)), Image.fromarray(share))
        self.of(pixels)[...] = np.asarray(mixed)
        mask: Mask = np.zeros(whole.shape[:2], dtype=np.float32)
        np.divide(share, 255, out=mask[self.top : self.bottom, self.left : self.right], dtype=np.float32)
        return Forged(pixels, mask, landmarks)


def around(points: NDArray[np.floating], margin: float, height_width: tuple[int, ...]) -> Window:
    """Return the window around points, with a margin, inside a picture; one pixel where it would be empty."""
    height, width = height_width
    left, top = np.floor(points.min(axis=0) - margin).astype(int).tolist()
    right, bottom = np.ceil(points.max(axis=0) + margin).astype(int).tolist()
    left, top = min(max(0, left), width - 1), min(max(0, top), height - 1)
    return Window(left, top, max(left + 1, min(width, right)), max(top + 1, min(height, bottom)))
