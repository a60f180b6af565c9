"""Folds of the skin: what an action unit creases, and what age has creased already."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from .action_units import Points
from .canvas import curve, ellipse, moved, ribbon
from .scene import Scene


@dataclass
class _Folds:
    """Fold lines waiting to be drawn together: knots in face coordinates, strength 0..1, width."""

    lines: list[tuple[Points, float, float]] = field(default_factory=list)

    def add(self, knots: ArrayLike, strength: float, width: float) -> None:
        """Note a fold; a faint one is left out."""
        if strength >= 0.04:
            self.lines.append((curve(knots), min(strength, 1.0), width))


def draw_folds(scene: Scene) -> None:
    """Draw forehead lines, frown lines, nose wrinkles, crow's feet, cheek folds and the chin."""
    folds = _Folds()
    _forehead(scene, folds)
    _frown(scene, folds)
    _cheeks(scene, folds)
    _chin(scene, folds)
    paths = scene.place(np.concatenate([line for line, _, _ in folds.lines]))
    outlines, start = [], 0
    for line, _, width in folds.lines:
        path = paths[start : start + len(line)]
        start += len(line)
        outlines.append(ribbon(path, scene.taper(len(line)) * width * scene.unit))
    covers = [strength * (0.72 + 0.28 * scene.darkness) for _, strength, _ in folds.lines]
    beside = [moved(outline, (0.0, 0.03 * scene.unit)) for outline in outlines]
    canvas = scene.canvas
    canvas.tint(canvas.mask(*beside, blur=0.025 * scene.unit, covers=covers), (1.16, 1.14, 1.12), 0.7)
    canvas.tint(canvas.mask(*outlines, blur=0.02 * scene.unit, covers=covers), (0.50, 0.36, 0.32), 0.9)


def _cheeks(scene: Scene, folds: _Folds) -> None:
    units, age = scene.face.units, scene.look.age
    for side, eye, low, corner, wing in ((-1.0, 36, 41, 48, 31), (1.0, 45, 46, 54, 35)):
        p = scene.points
        smile = max(units[12], 0.8 * units[10], 0.75 * units[9])
        start, mouth = p[wing] + (side * 0.04, -0.06), p[corner]
        fold = [
            start,
            moved(start, (side * (0.10 + 0.06 * smile), 0.09)),
            moved(mouth, (side * (0.15 + 0.04 * units[12]), -0.10)),
            moved(mouth, (side * 0.17, 0.02 + 0.06 * age)),
        ]
        folds.add(fold, 0.10 + 0.35 * age + 0.60 * smile, 0.05)
        bag = p[[eye, low, 40 if side < 0 else 47]] + [
            (side * -0.02, 0.10),
            (0.0, 0.11),
            (side * -0.03, 0.12),
        ]
        folds.add(bag, 0.12 + 0.33 * age + 0.40 * max(units[6], units[7], units[9]), 0.04)
        feet = units[6] * (0.35 + 0.35 * age) + 0.30 * age
        for dx, dy, turn in ((0.06, -0.03, -0.08), (0.07, 0.03, 0.0), (0.06, 0.08, 0.07)):
            at = p[eye] + (side * dx, dy)
            folds.add([at, moved(at, (side * 0.08, turn * 0.6)), moved(at, (side * 0.15, turn))], feet, 0.025)
        droop = [
            moved(mouth, (side * 0.05, 0.05)),
            moved(mouth, (side * 0.09, 0.14)),
            moved(mouth, (side * 0.09, 0.24)),
        ]
        folds.add(droop, 0.28 * age + 0.55 * units[15], 0.035)


def _forehead(scene: Scene, folds: _Folds) -> None:
    units, age = scene.face.units, scene.look.age
    inner, outer = units[1], units[2]
    lifted = max(inner, outer)
    if lifted < 0.15 and age == 0:
        return
    reach = 0.35 + 0.30 * outer + 0.15 * age
    strength = 0.65 * max(lifted - 0.15, 0.0) + 0.28 * age
    bend = 0.05 if outer >= inner * 0.8 else -0.04
    for step in range(3):
        y = -0.66 - 0.13 * step - 0.06 * lifted
        half = reach * (1 - 0.10 * step)
        arc = [
            (-half, y + bend),
            (-0.5 * half, y - 0.01),
            (0.0, y + 0.015),
            (0.5 * half, y - 0.01),
            (half, y + bend),
        ]
        folds.add(arc, strength * (1 - 0.15 * step), 0.032)


def _frown(scene: Scene, folds: _Folds) -> None:
    units, p = scene.face.units, scene.points
    frown = units[4] * (1 - 0.45 * units[1]) + 0.18 * scene.look.age
    for side, brow in ((-1.0, 21), (1.0, 22)):
        x = abs(p[brow, 0]) * 0.55
        top, foot = p[brow, 1] - 0.10, p[brow, 1] + 0.14
        folds.add(
            [(side * x * 1.15, top), (side * x, (top + foot) / 2), (side * x * 0.95, foot)],
            0.95 * frown,
            0.035,
        )
        for step, y in enumerate((-0.04, 0.10)):
            slant = [(side * 0.04, y), (side * 0.12, y + 0.05), (side * (0.17 + 0.03 * step), y + 0.15)]
            folds.add(slant, units[9] * (0.9 - 0.2 * step), 0.05)
    folds.add([(-0.13, -0.12), (0.0, -0.10), (0.13, -0.12)], 0.8 * units[9], 0.045)


def _chin(scene: Scene, folds: _Folds) -> None:
    units, p = scene.face.units, scene.points
    y = p[57, 1] + 0.13
    folds.add([(-0.2, y + 0.03), (0.0, y), (0.2, y + 0.03)], 0.15 + 0.15 * scene.look.age + 0.45 * units[17], 0.04)
    if units[17] > 0.3:
        chin = np.array([0.0, p[8, 1] - 0.20])
        offsets = np.array([(-0.10, -0.02), (0.0, 0.04), (0.10, -0.02), (-0.05, 0.09), (0.06, 0.09)])
        pits = [ellipse(at, 0.022 * scene.unit, 10) for at in scene.place(chin + offsets)]
        scene.canvas.tint(scene.canvas.mask(*pits, blur=0.018 * scene.unit), (0.62, 0.54, 0.52), 0.8 * units[17])
