"""Sunglasses: two opaque lenses in a frame, with arms to the ears."""

from __future__ import annotations

import numpy as np

from ..coverage import Floats
from ..paint import Painting, arc, beside, chosen, plane, shaded
from .model import Model

LENSES = np.array([[0.05, 0.05, 0.06], [0.13, 0.08, 0.05], [0.06, 0.10, 0.08], [0.07, 0.09, 0.16]])
FRAMES = np.array([[0.04, 0.04, 0.04], [0.28, 0.16, 0.07], [0.62, 0.60, 0.56], [0.45, 0.05, 0.07], [0.85, 0.84, 0.80]])
RIM = 0.055


def draw_sunglasses(painting: Painting, model: Model) -> None:
    """Draw sunglasses; the lenses hide the eyes wholly, and the frame most of the brows."""
    frame = chosen(FRAMES, model.draw(0), model.draw(1))
    lens = chosen(LENSES, model.draw(2), model.draw(3))
    sides = [_lens(model, left=False), _lens(model, left=True)]
    shadow = np.maximum(
        *(painting.mask(_blob(beside(centre, 0.0, 0.07), half, model), blur=0.05) for centre, half in sides)
    )
    painting.fill(shadow, np.zeros_like(frame), 0.28)
    for (centre, half), ear, sign in zip(sides, (0, 16), (-1.0, 1.0), strict=True):
        hinge = centre + np.stack([sign * half[:, 0] * 0.96, -half[:, 1] * 0.55], axis=-1)
        end = np.stack([model.point(ear)[:, 0] + sign * 0.04, hinge[:, 1] + 0.02], axis=-1)
        arm, across = painting.within(np.stack([hinge, end], axis=1), np.array([0.055, 0.04]))
        painting.fill(arm, shaded(frame, 1.05 - 0.35 * across**2))
    _bridge(painting, sides, frame)
    for centre, half in sides:
        rim = painting.mask(_blob(centre, half + RIM, model))
        painting.fill(rim, shaded(frame, 1.15 - 0.35 * (painting.y - plane(centre[:, 1]))))
        glass = painting.mask(_blob(centre, half, model))
        depth = (painting.y - plane(centre[:, 1] - half[:, 1])) / plane(2 * half[:, 1])
        painting.fill(glass, shaded(lens, 0.7 + 1.5 * np.clip(depth, 0, 1) ** 2))
        slant = painting.x - plane(centre[:, 0]) + 0.7 * (painting.y - plane(centre[:, 1]))
        gleam = np.exp(-(((slant + 0.22) / 0.05) ** 2)) + 0.7 * np.exp(-(((slant + 0.09) / 0.025) ** 2))
        lit = painting.mask(_blob(centre, half * 0.9, model)) * gleam
        painting.fill(lit.astype(np.float32), np.ones_like(lens), 0.22)


def _lens(model: Model, *, left: bool) -> tuple[Floats, Floats]:
    """Return centre and half extent of a lens: from beside the nose to beyond the eye's outer corner."""
    bridge, outer = model.point(27)[:, 0], model.point(45 if left else 36)[:, 0]
    sign = 1.0 if left else -1.0
    inner, outer = bridge + sign * 0.13, outer + sign * 0.17
    outer = np.where(sign * (outer - inner) < 0.3, inner + sign * 0.3, outer)
    brow = model.shape[:, 22:27] if left else model.shape[:, 17:22]
    top = np.clip(brow[..., 1].mean(axis=1) + 0.04, -0.42, -0.22)
    bottom = np.full_like(top, 0.34)
    centre = np.stack([(inner + outer) / 2, (top + bottom) / 2], axis=-1)
    return centre, np.stack([np.abs(outer - inner) / 2, (bottom - top) / 2], axis=-1)


def _blob(centre: Floats, half: Floats, model: Model) -> Floats:
    """Return a rounded outline (n, 40, 2), rounder or squarer from face to face and narrower below."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    power = model.draw(4, 0.55, 0.9)[:, None]
    x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** power
    y = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    x = x * (1 - 0.12 * np.clip(y, 0, 1))
    return np.asarray(centre[:, None] + np.stack([x, y], axis=-1) * half[:, None])


def _bridge(painting: Painting, sides: list[tuple[Floats, Floats]], frame: np.ndarray) -> None:
    (right, half_right), (left, half_left) = sides
    start = right + half_right * (0.95, -0.35)
    end = left - half_left * (0.95, 0.35)
    top = beside((start + end) / 2, 0.0, -0.07)
    bar, across = painting.within(arc(np.stack([start, top, end], axis=1), 4), 0.045)
    painting.fill(bar, shaded(frame, 1.1 - 0.35 * across**2))
