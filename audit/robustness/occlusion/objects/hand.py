"""A hand held over the mouth: four fingers across it, the thumb up the cheek."""

from __future__ import annotations

import numpy as np

from ..coverage import Floats
from ..paint import Colours, Painting, arc, beside, between, shaded
from .model import Model


def draw_hand(painting: Painting, model: Model) -> None:
    """Draw a hand in the colour of the face's own cheeks; it hides the mouth and comes from either side."""
    side = np.where(model.draw(0) < 0.5, -1.0, 1.0)
    skin = np.clip(model.skin * (0.94 + 0.12 * model.draws[:, 1, None]), 0, 1).astype(np.float32)
    mouth = model.shape[:, 48:60].mean(axis=1)
    nose = model.shape[:, 33]
    across = model.half_width

    def place(x: float, y: float) -> Floats:
        """x from the midline towards the side the hand comes from; y from the mouth; both in hand's breadths."""
        return np.stack([mouth[:, 0] + side * x * across, mouth[:, 1] + y + model.draw(2, -0.03, 0.05)], axis=-1)

    lift = np.clip(mouth[:, 1] - nose[:, 1], 0.25, 0.6)[:, None] * np.array([0.0, 1.0])
    tips = (0.72, 0.86, 0.82, 0.66)
    levels = (-0.72, -0.14, 0.42, 0.94)
    fingers = []
    for tip, level in zip(tips, levels, strict=True):
        end = place(-tip, 0.0) + level * lift * (1.0 if level < 0 else 0.86) - (0.0, 0.02)
        bend = place(-0.02, 0.0) + level * lift * 1.02 - (0.0, 0.015)
        root = place(0.72, 0.0) + level * lift * 0.98 - (0.0, -0.16)
        fingers.append(np.stack([root, bend, end], axis=1))
    wrist = arc(np.stack([place(0.9, 0.35), place(1.5, 0.95), place(2.4, 1.9)], axis=1), 3)
    shadow = np.zeros_like(painting.opacity)
    for finger in fingers:
        shadow = np.maximum(shadow, painting.within(beside(finger, 0.0, 0.06), 0.16)[0])
    painting.fill(painting.blurred(shadow, 0.05), np.zeros_like(skin), 0.30)
    thumb = np.stack([place(1.02, 0.25), place(0.98, -0.30), place(0.80, -0.82)], axis=1)
    _limb(painting, thumb, np.array([0.22, 0.165, 0.115]), skin)
    palm = between(fingers[1][:, :1], fingers[2][:, :1], 0.5)
    back, deep = painting.within(np.concatenate([palm, wrist], axis=1), np.linspace(0.56, 0.48, 1 + wrist.shape[1]))
    painting.fill(back, shaded(skin, (0.97 - 0.33 * deep**3).astype(np.float32)))
    for finger in fingers[::-1]:
        _limb(painting, finger, np.array([0.165, 0.150, 0.112]), skin)
        _nail(painting, finger, skin)
        for share in (0.0, 0.42):
            _crease(painting, finger, share, skin)
    for finger in fingers:
        root = finger[:, 0]
        knuckle, near = painting.within(np.stack([root, beside(root, 0.001, 0.0)], axis=1), 0.10)
        painting.fill(knuckle * (1 - near**2), shaded(skin, np.full_like(near, 1.10)), 0.5)


def _limb(painting: Painting, line: Floats, radii: Floats, skin: Colours) -> None:
    """Draw a rounded finger: dark outline, then skin that darkens towards its edges."""
    curve = arc(line, 4)
    radius = np.interp(np.linspace(0, 1, curve.shape[1]), np.linspace(0, 1, len(radii)), radii)
    outline, _ = painting.within(curve, radius + 0.014)
    painting.fill(outline, shaded(skin, np.full_like(outline, 0.52)), 0.8)
    limb, across = painting.within(curve, radius)
    lit = 1.06 - 0.36 * across**2.5
    painting.fill(limb, shaded(skin, lit.astype(np.float32)))


def _nail(painting: Painting, finger: Floats, skin: Colours) -> None:
    end, before = finger[:, 2], finger[:, 1]
    along = (end - before) / np.maximum(np.linalg.norm(end - before, axis=1, keepdims=True), 1e-6)
    nail, across = painting.within(np.stack([end - along * 0.035, end + along * 0.045], axis=1), 0.058)
    pale = np.clip(skin * 0.75 + 0.25 * np.array([1.0, 0.85, 0.82]), 0, 1).astype(np.float32)
    painting.fill(nail, shaded(pale, (1.05 - 0.15 * across**4).astype(np.float32)), 0.85)


def _crease(painting: Painting, finger: Floats, share: float, skin: Colours) -> None:
    """Draw the folds of a joint, across the finger."""
    middle = finger[:, 1] + (finger[:, 2] - finger[:, 1]) * share
    along = finger[:, 2] - finger[:, 1]
    along = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    over = np.stack([-along[:, 1], along[:, 0]], axis=-1)
    for shift in (-0.025, 0.02):
        line = np.stack([middle - over * 0.07 + along * shift, middle + over * 0.07 + along * shift], axis=1)
        fold, _ = painting.within(line, 0.008)
        painting.fill(fold, shaded(skin, np.full_like(fold, 0.66)), 0.6)
