"""Measures of the picture that explain differences between groups: sharpness, brightness, size of the face.

They are controls: groups are compared within their levels. None is a standard quality score, and none says how good a
picture is for people.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHARPNESS_SIDE = 128


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the luma of sRGB pixels (ITU-R BT.601 weights), 0 to 1, shape of the picture."""
    weighted: NDArray[np.float64] = rgb.astype(np.float64) @ np.array([0.299, 0.587, 0.114]) / 255
    return weighted


def sharpness(face: Image.Image) -> float:
    """Return the variance of the Laplacian of the luma of a face, which falls when the picture is blurred.

    Source: Pech-Pacheco et al. 2000 (ICPR). The face is brought to 128 x 128 pixels first, so that faces of different
    size can be compared; one that was smaller is blurred by that, and counts as such. Noise, beards and wrinkles
    raise it too.

    Args:
        face: the crop, RGB.

    Returns:
        0 or more, in squared luma (luma from 0 to 1).
    """
    same = face.resize((SHARPNESS_SIDE, SHARPNESS_SIDE), Image.Resampling.BILINEAR)
    grey = luma(np.asarray(same, dtype=np.uint8))
    inner = grey[1:-1, 1:-1]
    return float((grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner).var())


def brightness(face: Image.Image) -> float:
    """Return the mean luma of a face's crop, 0 to 1. It holds light, skin, hair and what of the wall is in the box."""
    return float(luma(np.asarray(face, dtype=np.uint8)).mean())


def face_size(width: float, height: float) -> float:
    """Return the side of a square as large as the box, in pixels of the picture as stored."""
    return float(np.sqrt(width * height))
