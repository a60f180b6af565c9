"""Skin tone from pixels: the individual typology angle of two patches on the cheeks.

``ITA = atan2(L* - 50, b*)`` in degrees, on CIELAB under D65, cut into the six bands of Chardon, Cretois and Hourseau
(1991, International Journal of Cosmetic Science 13:191). A photograph is no colorimeter: light, white balance, make-up
and the camera move it, so it serves to group pictures and is no measured skin colour.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .regions import Floats, cheek_polygons

BANDS = ("very light", "light", "intermediate", "tan", "brown", "dark")
"""The bands of Chardon et al. 1991, from the largest angle to the smallest."""
LIMITS = (55.0, 41.0, 28.0, 10.0, -30.0)
"""Degrees above which a picture stands in the first, second, ... band; at or below the last it is in ``dark``."""

NO_LANDMARKS = "no landmarks"
TOO_FEW_PIXELS = "too few pixels of cheek"
CLIPPED = "the cheeks are over- or underexposed"
GREY = "the picture has no colour"
_LEAST_PIXELS = 20
_LEAST_CHROMA = (
    2.0  # of the median colour; grey pictures have 0, and on them the angle is +90 or -90 by lightness alone
)
_DARKEST, _BRIGHTEST = 1, 254  # values of an 8-bit channel at or beyond which a sensor may have been clipped

# IEC 61966-2-1 (sRGB) to CIE XYZ under D65, and the white point of D65 for the 2 degree observer.
_RGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


@dataclass(frozen=True)
class CheekTone:
    """The tone of the cheeks of one picture.

    Attributes:
        ita: individual typology angle of both patches together, in degrees from -180 to 180, on skin about -80 to 80.
        between_cheeks: right cheek less left cheek, in degrees; ``nan`` where one of them cannot be used.
    """

    ita: float
    between_cheeks: float


def to_lab(rgb: NDArray[np.uint8]) -> Floats:
    """Return CIELAB under D65 of sRGB pixels, shape (n, 3): L* from 0 to 100, a* and b*."""
    shares = rgb.astype(np.float64) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    relative = linear @ _RGB_TO_XYZ.T / _WHITE
    edge = 6 / 29
    bent = np.where(relative > edge**3, np.cbrt(relative), relative / (3 * edge**2) + 4 / 29)
    x, y, z = bent[:, 0], bent[:, 1], bent[:, 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def chroma_of_pixels(rgb: NDArray[np.uint8]) -> float:
    """Return how far the median colour of some pixels, shape (n, 3), n > 0, is from grey: the root of a*^2 + b*^2."""
    _, red, yellow = np.median(to_lab(rgb), axis=0)
    return float(np.hypot(red, yellow))


def ita_of_pixels(rgb: NDArray[np.uint8]) -> float:
    """Return the individual typology angle, in degrees, of the median colour of some pixels, shape (n, 3), n > 0."""
    lightness, _, yellow = np.median(to_lab(rgb), axis=0)
    return float(np.degrees(np.arctan2(lightness - 50, yellow)))


def cheek_tone(image: Image.Image, points: Floats) -> CheekTone | str:
    """Return the tone of the cheeks, or the reason why it cannot be told.

    Pixels with a channel at 0, 1, 254 or 255 are left out; when they are more than half, the rest would not speak for
    the cheeks, and nothing is told.

    Args:
        image: the whole picture, 8-bit sRGB.
        points: landmarks in its pixels, shape (5 or 68 or 478, 2); NaN where there are none.
    """
    if not np.isfinite(points).all():
        return NO_LANDMARKS
    patches = [_pixels_inside(image, polygon) for polygon in cheek_polygons(points)]
    found = sum(map(len, patches))
    usable = [patch[((patch > _DARKEST) & (patch < _BRIGHTEST)).all(axis=1)] for patch in patches]
    if found < _LEAST_PIXELS:
        return TOO_FEW_PIXELS
    if 2 * sum(map(len, usable)) < found:
        return CLIPPED
    if chroma_of_pixels(np.concatenate(usable)) < _LEAST_CHROMA:
        return GREY
    each = [ita_of_pixels(patch) if 2 * len(patch) >= _LEAST_PIXELS else np.nan for patch in usable]
    return CheekTone(ita_of_pixels(np.concatenate(usable)), float(each[0] - each[1]))


def _pixels_inside(image: Image.Image, polygon: Floats) -> NDArray[np.uint8]:
    """Return the pixels of the image whose centres lie in a polygon, shape (n, 3); none outside the image."""
    low = np.maximum(np.floor(polygon.min(axis=0)), 0).astype(int)
    high = np.minimum(np.ceil(polygon.max(axis=0)) + 1, image.size).astype(int)
    if (high <= low).any():
        return np.zeros((0, 3), dtype=np.uint8)
    part = np.asarray(image.crop((low[0], low[1], high[0], high[1])), dtype=np.uint8)
    mask = Image.new("L", (part.shape[1], part.shape[0]))
    ImageDraw.Draw(mask).polygon([(x - 0.5, y - 0.5) for x, y in (polygon - low).tolist()], fill=1)
    return part[np.asarray(mask, dtype=np.bool_)]


def bands_of(ita: Floats) -> NDArray[np.int64]:
    """Return the place in :data:`BANDS` of each angle, shape (n,), -1 for NaN."""
    place = np.searchsorted(-np.asarray(LIMITS), -ita, side="right")
    # An angle of exactly a limit is in the band below it.
    return np.where(np.isfinite(ita), place, -1).astype(np.int64)
