"""A scarf pulled up over mouth and chin."""

from __future__ import annotations

import numpy as np

from ..paint import Painting, arc, beside, between, chosen, plane, shaded, smooth
from .model import Model

WOOL = np.array(
    [[0.62, 0.13, 0.15], [0.16, 0.24, 0.42], [0.42, 0.43, 0.45], [0.20, 0.36, 0.24], [0.78, 0.62, 0.30],
     [0.50, 0.28, 0.48], [0.86, 0.83, 0.76], [0.20, 0.20, 0.23]]
)  # fmt: skip
STRIPES = np.array([[0.92, 0.90, 0.84], [0.15, 0.16, 0.20], [0.80, 0.35, 0.22], [0.35, 0.52, 0.62]])


def draw_scarf(painting: Painting, model: Model) -> None:
    """Draw a scarf from below the nose to the lower edge of the picture; half of them have stripes."""
    wool = chosen(WOOL, model.draw(0), model.draw(1))
    stripe = chosen(STRIPES, model.draw(2), model.draw(3))
    point = model.point
    nose = beside(point(33), 0.0, 0.04)
    ears = [beside(between(point(2), point(3), 0.5), -0.16, 0.0), beside(between(point(14), point(13), 0.5), 0.16, 0.0)]
    edge = [
        ears[0],
        beside(between(ears[0], nose, 0.5), 0.0, 0.02),
        nose,
        beside(between(ears[1], nose, 0.5), 0.0, 0.02),
        ears[1],
    ]
    top = arc(np.stack(edge, axis=1), 6)
    sides = [beside(point(5), -0.42, 0.40), beside(point(11), 0.42, 0.40)]
    low = [beside(point(6), -1.05, 3.5), beside(point(10), 1.05, 3.5)]
    outline = smooth(np.stack([*edge, sides[1], low[1], low[0], sides[0]], axis=1))
    painting.fill(painting.mask(beside(outline, 0.0, -0.06), blur=0.05), np.zeros_like(wool), 0.35)
    body = painting.mask(outline)
    side = (painting.x - plane(model.middle)) / plane(model.half_width)
    depth = painting.y - plane(nose[:, 1])
    sag = depth + 0.36 * side**2
    wave = 0.06 * np.sin(3.1 * side + 6.3 * plane(model.draw(4)))
    folds = np.sin(7.2 * (sag + wave) + 6.3 * plane(model.draw(5)))
    knit = 0.035 * np.sin(60 * sag) * np.sin(60 * side)
    light = 0.95 + 0.20 * folds - 0.15 * np.clip(np.abs(side), 0, 1.4) ** 2 + knit
    cloth = np.broadcast_to(wool[:, None, None], (*body.shape, 3))
    striped = plane((model.draw(6) < 0.5).astype(np.float64))
    band = (np.sin(13 * (sag + wave)) > 0.55) * striped
    cloth = cloth * (1 - band[..., None]) + stripe[:, None, None] * band[..., None]
    painting.fill(body, (cloth * light[..., None]).astype(np.float32))
    hem, across = painting.within(beside(top, 0.0, 0.045), 0.05)
    painting.fill(hem * body, (cloth * (1.12 - 0.3 * across[..., None] ** 2)).astype(np.float32), 0.8)
    crease, _ = painting.within(beside(top, 0.0, 0.12), 0.012)
    painting.fill(painting.blurred(crease, 0.012) * body, shaded(wool, np.full_like(body, 0.45)), 0.7)
