"""The strip below a picture that says what it is."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .photo import Pixels

SYNTHETIC_MARK, COPY_MARK = "SYNTHETIC", "COPY"
_BACKGROUND, _INK = (20, 20, 20), (255, 255, 255)


def strip_height(side: int) -> int:
    """Return the height of the strip below a picture ``side`` pixels wide: an eighth, in whole blocks of the codec."""
    return max(16, side // 8 // 16 * 16)


def marked(pixels: Pixels, text: str) -> Pixels:
    """Return a picture with a dark strip below it in which ``text`` stands, uint8 (h + strip, w, 3).

    Args:
        pixels: uint8 (h, w, 3); it stays as it is.
        text: a word or two.
    """
    height, width = pixels.shape[:2]
    strip = Image.new("RGB", (width, strip_height(height)), _BACKGROUND)
    font = ImageFont.load_default(size=0.62 * strip.height)
    if font.getlength(text) > 0.96 * width:  # a narrow picture
        font = ImageFont.load_default(size=0.62 * strip.height * 0.96 * width / font.getlength(text))
    ImageDraw.Draw(strip).text((width / 2, strip.height / 2), text, fill=_INK, font=font, anchor="mm")
    return np.concatenate([pixels, np.asarray(strip)])
