"""Cutting a changed frame out of a picture, by the same steps as the face itself was cut out."""

from __future__ import annotations

from math import ceil, hypot
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....core.images import crop_face
from .changes import Box, Frame

Fill = Literal["black", "edge"]
"""What stands beyond the edge of the picture: black, as where a box reaches over it, or its outermost pixels again."""
FINE_ENOUGH = 4
"""A picture is turned at this many times the size of the crop at most, which it is reduced to first."""


def cut_frame(image: Image.Image, frame: Frame, height_width: tuple[int, int], fill: Fill) -> NDArray[np.uint8]:
    """Cut a frame out and resize it as faces are (Pillow's bilinear filter with antialiasing).

    Without a turn, and with the face's own box, the result is the face as the audit reads it, bit for bit. A turn
    interpolates bicubically at the picture's own resolution before the reduction.

    Args:
        image: RGB.
        frame: where the crop is taken from.
        height_width: size of the crop in pixels.
        fill: what stands beyond the edge of the picture.

    Returns:
        The crop, shape (h, w, 3).
    """
    part = _turned(image, frame, height_width, fill) if frame.degrees else region(image, frame.box, fill)
    return crop_face(part, None, height_width)[0]


def region(image: Image.Image, box: Box, fill: Fill) -> Image.Image:
    """Return the part of the picture in a box, which may reach over its edges and overlaps it."""
    if fill == "black":
        return image.crop(box)
    x0, y0, x1, y1 = box
    inner = image.crop((max(x0, 0), max(y0, 0), min(x1, image.width), min(y1, image.height)))
    if inner.size == (x1 - x0, y1 - y0):
        return inner
    beyond = ((max(-y0, 0), max(y1 - image.height, 0)), (max(-x0, 0), max(x1 - image.width, 0)), (0, 0))
    return Image.fromarray(np.pad(np.asarray(inner), beyond, mode="edge"))


def _turned(image: Image.Image, frame: Frame, height_width: tuple[int, int], fill: Fill) -> Image.Image:
    """Return the box with the picture turned about its centre, at most a few times as fine as the crop."""
    x0, y0, x1, y1 = frame.box
    margin = ceil((hypot(x1 - x0, y1 - y0) - min(x1 - x0, y1 - y0)) / 2) + 2
    around = region(image, (x0 - margin, y0 - margin, x1 + margin, y1 + margin), fill)
    factor = max(1, min((x1 - x0) // height_width[1], (y1 - y0) // height_width[0]) // FINE_ENOUGH)
    if factor > 1:
        around = around.reduce(factor)
    centre = ((margin + (x1 - x0) / 2) / factor, (margin + (y1 - y0) / 2) / factor)
    turned = around.rotate(frame.degrees, Image.Resampling.BICUBIC, center=centre)
    edges = (margin, margin, margin + x1 - x0, margin + y1 - y0)
    left, top, right, bottom = (round(edge / factor) for edge in edges)
    return turned.crop((left, top, right, bottom))
