"""The one way through which every picture goes, genuine or forged, so that no codec tells them apart."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from .photo import Pixels

QUALITY = 90


def encoded(pixels: Pixels, quality: int = QUALITY, **extra: object) -> bytes:
    """Return an RGB picture as JPEG (Pillow's encoder, 4:2:0, the standard tables).

    Args:
        pixels: uint8 (h, w, 3).
        quality: 1 to 95.
        extra: further options of Pillow's encoder, such as ``comment`` and ``exif``.
    """
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling="4:2:0", **extra)
    return stream.getvalue()


def through_codec(pixels: Pixels, quality: int = QUALITY) -> Pixels:
    """Return a picture as it is after being saved as JPEG and read again, uint8 (h, w, 3).

    The same pixels always give the same pixels.
    """
    return np.asarray(Image.open(BytesIO(encoded(pixels, quality))))
