"""A face with its landmarks, and what a maker of forgeries returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....core.errors import CountenanceError
from ....explain.landmarks import to_68

Pixels = NDArray[np.uint8]
Mask = NDArray[np.float32]

CROP = 1.24
"""Side of the square of a face, in extents of its landmarks."""
INSIDE = 0.8
"""Least share of the landmarks that must lie in the picture; a jaw may reach over the edge."""
FLAT = 0.05
"""Least spread of the landmarks across their longest direction, as a share of that along it."""


class ForgeryError(CountenanceError):
    """A forgery cannot be made of what was given; the message says why."""


@dataclass(frozen=True, eq=False)
class Photo:
    """One face.

    Attributes:
        pixels: uint8, RGB, (h, w, 3).
        landmarks: float32, (68, 2), in pixels of it, x right and y down, pixel (0, 0) covering [0, 1) x [0, 1).
    """

    pixels: Pixels
    landmarks: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] != 3:
            raise ValueError(
                f"Expected `pixels` to be uint8 (h, w, 3), but got {self.pixels.dtype} {self.pixels.shape}"
            )
        if self.landmarks.shape != (68, 2) or not np.isfinite(self.landmarks).all():
            raise ValueError(
                f"Expected `landmarks` to be 68 finite points, but got shape {self.landmarks.shape}; "
                "`photo_of` takes 478 points, too"
            )

    @property
    def extent(self) -> float:
        """The longer side of the landmarks' bounding box, in pixels."""
        return float(np.ptp(self.landmarks, axis=0).max())

    @property
    def side(self) -> float:
        """Side of the square of the face in pixels, which lengths of a recipe are shares of: 1.24 extents."""
        return CROP * self.extent


@dataclass(frozen=True, eq=False)
class Forged:
    """One forgery, before the codec.

    Attributes:
        pixels: uint8, RGB, (h, w, 3).
        mask: float32, (h, w), 0 to 1: the share of foreign pixels, as blended; positive wherever a pixel may differ.
        landmarks: float32, (68, 2), of the forged face.
    """

    pixels: Pixels
    mask: Mask
    landmarks: NDArray[np.float32]


def photo_of(pixels: Pixels, points: NDArray[np.floating]) -> Photo:
    """Return the photo of a face with 68 or 478 landmarks.

    Args:
        pixels: uint8, RGB, (h, w, 3).
        points: (68 or 478, 2 or 3), in pixels, pixel (0, 0) covering [0, 1) x [0, 1).

    Raises:
        ForgeryError: for another number of points, points that are not numbers, or that cannot be those of a face in
            this picture: most of them beside it, or all on a line.
    """
    points = np.asarray(points)
    if points.ndim != 2 or points.shape[0] not in (68, 478) or points.shape[1] < 2:
        raise ForgeryError(f"expected 68 or 478 landmarks, but got the shape {points.shape}")
    if not np.isfinite(points[:, :2]).all():
        raise ForgeryError("expected landmarks that are numbers, but the face has none or some are missing")
    photo = Photo(np.ascontiguousarray(pixels), to_68(points.astype(np.float64)).astype(np.float32))
    if photo.extent < 8:
        raise ForgeryError(f"expected landmarks that span 8 pixels or more, but they span {photo.extent:.1f}")
    height, width = photo.pixels.shape[:2]
    inside = ((photo.landmarks >= 0) & (photo.landmarks <= (width, height))).all(axis=1).mean()
    if inside < INSIDE:
        raise ForgeryError("expected landmarks in pixels of the picture, but most or many of them lie beside it")
    spread = np.linalg.svd(photo.landmarks - photo.landmarks.mean(axis=0), compute_uv=False)
    if spread[1] < FLAT * spread[0]:
        raise ForgeryError("expected the landmarks of a face, but they lie on a line")
    return photo


def face_crop(photo: Photo, size: int, extent: float = CROP) -> Photo:
    """Return the square around the landmarks, low-pass filtered and resized (Pillow's antialiased bicubic filter).

    What lies beyond the picture repeats its edge.

    Args:
        photo: of any size.
        size: side of the result in pixels.
        extent: side of the square in extents of the landmarks.
    """
    half = extent * photo.extent / 2
    low, high = photo.landmarks.min(axis=0), photo.landmarks.max(axis=0)
    corner = (low + high) / 2 - half
    height, width = photo.pixels.shape[:2]
    over = max(0.0, -corner.min(), corner[0] + 2 * half - width, corner[1] + 2 * half - height)
    pad = int(np.ceil(over))
    pixels = np.pad(photo.pixels, ((pad, pad), (pad, pad), (0, 0)), mode="edge") if pad else photo.pixels
    x, y = (corner + pad).tolist()
    box = (max(0.0, x), max(0.0, y), min(pixels.shape[1], x + 2 * half), min(pixels.shape[0], y + 2 * half))
    picture = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC, box=box)
    moved = (photo.landmarks - corner) * (size / (2 * half))
    return Photo(np.asarray(picture), moved.astype(np.float32))
