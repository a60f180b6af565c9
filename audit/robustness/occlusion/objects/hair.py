"""Hair: a fringe that falls over forehead and brows."""

from __future__ import annotations

import numpy as np

from ..coverage import Floats, Plane
from ..paint import Painting, arc, beside, chosen, plane, shaded
from .model import Model

COLOURS = np.array(
    [
        [0.08, 0.06, 0.05],
        [0.20, 0.12, 0.07],
        [0.33, 0.20, 0.11],
        [0.62, 0.46, 0.26],
        [0.36, 0.17, 0.10],
        [0.60, 0.58, 0.56],
    ]
)
LOCKS = 13


def draw_hair(painting: Painting, model: Model) -> None:
    """Draw a fringe that ends between brows and eyes, with locks down the temples."""
    colour = chosen(COLOURS, model.draw(0), model.draw(1))
    right, left = model.point(0), model.point(16)
    brows = model.shape[:, 17:27]
    low = np.minimum(brows[..., 1].max(axis=1) + 0.07, -0.16)
    crown = np.stack([model.middle, brows[..., 1].mean(axis=1) - 1.42], axis=-1)
    cap = _cap(model, right, left, crown, low)
    painting.fill(painting.mask(beside(cap, 0.0, 0.07), blur=0.05), np.zeros_like(colour), 0.30)
    strands = _strands(painting, model, crown)
    painting.fill(painting.mask(cap), shaded(colour, strands))
    for lock in range(LOCKS):
        share = (lock + 0.5) / LOCKS
        width = left[:, 0] - right[:, 0]
        x = right[:, 0] + width * share + width * 0.05 * (model.draws[:, 8 + lock] - 0.5)
        fall = low + 0.09 * (model.draws[:, 8 + LOCKS + lock] - 0.2) + 0.20 * np.abs(2 * share - 1) ** 3
        top = np.stack([crown[:, 0] + (x - crown[:, 0]) * 0.55, crown[:, 1] + 0.35], axis=-1)
        tip = np.stack([x + width * 0.03 * (model.draw(5) - 0.5), fall], axis=-1)
        bend = (top + tip) / 2 + np.stack([0.10 * (x - crown[:, 0]), np.zeros_like(x)], axis=-1)
        line = arc(np.stack([top, bend, tip], axis=1), 4)
        radius = np.interp(np.linspace(0, 1, line.shape[1]), [0, 0.6, 1], [0.10, 0.125, 0.02])
        strand, across = painting.within(line, radius)
        tint = 0.86 + 0.28 * model.draws[:, (8 + lock * 3) % 48, None, None].astype(np.float32)
        painting.fill(strand, shaded(colour, (strands * tint * (1.08 - 0.3 * across**2)).astype(np.float32)), 0.9)


def _cap(model: Model, right: Floats, left: Floats, crown: Floats, low: Floats) -> Floats:
    """Outline all of the hair but the locks: over the skull, down the temples, and across above the brows."""
    width = (left - right) / 2
    middle = (left + right) / 2
    angle = np.linspace(np.pi * 1.02, 2 * np.pi * 0.99, 17)
    height = middle[:, 1] - crown[:, 1]
    dome = np.stack(
        [
            middle[:, :1] + np.cos(angle) * (width[:, :1] + 0.14),
            middle[:, 1:] + np.sin(angle) * height[:, None],
        ],
        axis=-1,
    )
    reach = model.draw(6, 0.35, 0.75)
    tips = [
        np.stack([edge[:, 0] + sign * 0.02, edge[:, 1] + reach], axis=-1) for edge, sign in ((left, 1.0), (right, -1.0))
    ]
    inner = [
        np.stack([edge[:, 0] - sign * 0.16, np.full_like(low, -0.02)], axis=-1)
        for edge, sign in ((left, 1.0), (right, -1.0))
    ]
    above = low - 0.06
    across = [np.stack([right[:, 0] + (left[:, 0] - right[:, 0]) * share, above + 0.06 * abs(2 * share - 1)], axis=-1)
              for share in (0.85, 0.7, 0.5, 0.3, 0.15)]  # fmt: skip
    return np.concatenate([dome, np.stack([tips[0], inner[0], *across, inner[1], tips[1]], axis=1)], axis=1)


def _strands(painting: Painting, model: Model, crown: Floats) -> Plane:
    """Return the brightness of fine strands that run down from above the crown, with a sheen across them."""
    x = painting.x - plane(crown[:, 0])
    y = painting.y - plane(crown[:, 1]) + 1.2
    angle = np.arctan2(x, y)
    light = np.full_like(angle, 0.92)
    for place, (rate, strength) in enumerate(((23, 0.10), (61, 0.10), (113, 0.08), (197, 0.06))):
        bend = 0.25 * np.sin(2.3 * painting.y + 6.3 * plane(model.draws[:, 40 + place]))
        light += strength * np.sin(rate * angle + bend * 3 + 6.3 * plane(model.draws[:, 36 + place]))
    sheen = np.exp(-(((painting.y - plane(crown[:, 1]) - 0.75 - 0.2 * x**2) / 0.16) ** 2))
    return np.asarray(light + 0.28 * sheen, dtype=np.float32)
