"""A medical mask: from the bridge of the nose to below the chin, with pleats and loops around the ears."""

from __future__ import annotations

import numpy as np

from ..paint import Painting, arc, beside, between, chosen, plane, shaded, smooth
from .model import Model

CLOTH = np.array(
    [
        [0.60, 0.78, 0.86],
        [0.90, 0.92, 0.93],
        [0.55, 0.76, 0.72],
        [0.16, 0.17, 0.19],
        [0.88, 0.72, 0.76],
        [0.52, 0.66, 0.85],
    ]
)


def draw_medical_mask(painting: Painting, model: Model) -> None:
    """Draw a medical mask; it hides mouth, chin, lower cheeks and most of the nose."""
    cloth = chosen(CLOTH, model.draw(0), model.draw(1))
    point = model.point
    top = beside(point(28), 0.0, 0.04)
    ends = [beside(between(point(2), top, 0.06), 0.0, -0.06), beside(between(point(14), top, 0.06), 0.0, -0.06)]
    slopes = [beside(between(end, top, 0.58), 0.0, 0.05) for end in ends]
    wings = [between(end, top, 0.9) for end in ends]
    around = [point(30) + (point(index) - point(30)) * 1.04 for index in range(3, 14)]
    around[4:7] = [beside(each, 0.0, 0.07) for each in around[4:7]]
    edge = [ends[0], slopes[0], wings[0], top, wings[1], slopes[1], ends[1], *around[::-1]]
    outline = smooth(np.stack(edge, axis=1), 4)
    _loops(painting, model, ends)
    body = painting.mask(outline)
    painting.fill(painting.mask(beside(outline, 0.0, 0.05), blur=0.04), np.zeros_like(cloth), 0.25)
    side = (painting.x - plane(model.middle)) / plane(model.half_width)
    light = 1.06 - 0.34 * side**2 - 0.05 * (painting.y - 1.0) + 0.10 * np.exp(-((side / 0.16) ** 2))
    painting.fill(body, shaded(cloth, light.astype(np.float32)))
    low = between(point(8), point(57), 0.15)
    for share in (0.34, 0.5, 0.66, 0.82):
        level = between(top, low, share)
        left, right = (between(end, jaw, share) for end, jaw in ((ends[0], around[2]), (ends[1], around[-3])))
        fold = arc(np.stack([left, beside(between(left, level, 0.5), 0.0, 0.04), beside(level, 0.0, 0.06),
                             beside(between(right, level, 0.5), 0.0, 0.04), right], axis=1), 4)  # fmt: skip
        dark, _ = painting.within(fold, 0.012)
        painting.fill(dark * body, shaded(cloth, np.full_like(body, 0.62)), 0.75)
        pale, _ = painting.within(beside(fold, 0.0, 0.03), 0.016)
        painting.fill(pale * body, shaded(cloth, np.full_like(body, 1.25)), 0.4)
    seam, _ = painting.within(arc(beside(np.stack(edge[:7], axis=1), 0.0, 0.05), 4), 0.011)
    painting.fill(seam * body, shaded(cloth, np.full_like(body, 0.72)), 0.7)
    wire, _ = painting.within(arc(beside(np.stack(edge[1:6], axis=1), 0.0, 0.10), 4), 0.02)
    painting.fill(wire * body, shaded(cloth, np.full_like(body, 1.3)), 0.45)


def _loops(painting: Painting, model: Model, ends: list[np.ndarray]) -> None:
    """Draw what holds the mask: from its upper and lower corners back to the ears."""
    white = np.full((len(model.shape), 3), 0.93, dtype=np.float32)
    for end, sign, ear, low in ((ends[0], -1.0, 0, 4), (ends[1], 1.0, 16, 12)):
        far = np.stack([model.point(ear)[:, 0] + sign * 0.10, model.point(ear)[:, 1] + 0.12], axis=-1)
        for corner in (end, model.point(low)):
            bend = beside(between(corner, far, 0.5), sign * 0.02, 0.03)
            loop, across = painting.within(arc(np.stack([corner, bend, far], axis=1), 5), 0.018)
            painting.fill(loop, shaded(white, 1.0 - 0.3 * across**2))
