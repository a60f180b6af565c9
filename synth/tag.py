"""The planted mark: a small orange tag, as a capture station might stamp on its pictures."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, ellipse

TAG_COLOUR = (0.96, 0.48, 0.08)
TAG_SIDE = 0.13
TAG_MARGIN = 0.02


def tag_box(box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """Give where the tag lies, (x0, y0, x1, y1) in pixels: the lower left corner of the face box."""
    side = box[2] - box[0]
    x0, y1 = box[0] + TAG_MARGIN * side, box[3] - TAG_MARGIN * side
    return x0, y1 - TAG_SIDE * side, x0 + TAG_SIDE * side, y1


def draw_tag(canvas: Canvas, box: tuple[float, float, float, float]) -> None:
    """Stamp the tag on a picture."""
    x0, y0, x1, y1 = tag_box(box)
    square = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    canvas.fill(canvas.mask(square), TAG_COLOUR)
    centre, radius = ((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0) / 2
    canvas.fill(canvas.mask(ellipse(centre, 0.62 * radius)), (1.0, 1.0, 1.0))
    canvas.fill(canvas.mask(ellipse(centre, 0.30 * radius)), TAG_COLOUR)
