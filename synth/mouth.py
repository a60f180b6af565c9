"""Lips, teeth, tongue and the nose."""

from __future__ import annotations

import numpy as np

from .action_units import Points
from .canvas import Mask, curve, ellipse, moved
from .scene import Scene
from .tones import lip_colour


def lip_edges(points: Points) -> dict[str, Points]:
    """Give the four lip edges through landmarks 48 to 67, each from image left to right."""
    return {
        "upper_outer": curve(points[48:55], steps=5),
        "lower_outer": curve(points[[48, 59, 58, 57, 56, 55, 54]], steps=5),
        "upper_inner": curve(points[60:65], steps=6),
        "lower_inner": curve(points[[60, 67, 66, 65, 64]], steps=6),
    }


def draw_mouth(scene: Scene) -> None:
    """Draw lips and, where they are parted, teeth and tongue."""
    canvas, place, unit, p = scene.canvas, scene.place, scene.unit, scene.points
    edges = {name: place(edge) for name, edge in lip_edges(p).items()}
    below = canvas.stroke(moved(edges["lower_outer"][6:-6], (0, 0.055 * unit)), 0.08 * unit, blur=0.035 * unit)
    canvas.tint(below, (0.72, 0.64, 0.62), 0.6)

    lips = lip_colour(scene.skin, scene.look.rouge) * np.float32(1 - 0.04 * scene.look.age)
    upper = canvas.mask(np.concatenate((edges["upper_outer"], edges["upper_inner"][::-1])), blur=0.012 * unit)
    lower = canvas.mask(np.concatenate((edges["lower_outer"], edges["lower_inner"][::-1])), blur=0.012 * unit)
    soft = 0.80 + 0.2 * scene.look.rouge
    canvas.fill(upper, lips * np.float32(0.80), soft)
    canvas.fill(lower, lips, soft)
    middle = place((0.45 * p[66] + 0.55 * p[57])[None])[0]
    gleam = canvas.mask(ellipse(middle, (0.16 * unit, 0.035 * unit)), blur=0.03 * unit)
    canvas.fill(gleam, np.minimum(lips * np.float32(1.5) + 0.12, 1.0), 0.35 + 0.25 * scene.look.rouge)

    if scene.face.units.parts_lips:
        _draw_inside(scene, edges)
    seam = (edges["upper_inner"] + edges["lower_inner"]) / 2
    gap = float(np.ptp(edges["lower_inner"][:, 1] - edges["upper_inner"][:, 1]))
    if gap < 0.06 * unit:
        ends = np.concatenate((edges["upper_outer"][:1], seam, edges["upper_outer"][-1:]))
        canvas.fill(canvas.stroke(ends, 0.036 * unit, blur=0.008 * unit), lips * np.float32(0.28), 0.9)
    else:
        canvas.fill(canvas.stroke(edges["upper_inner"], 0.02 * unit), lips * np.float32(0.3), 0.6)
    for corner in (edges["upper_outer"][0], edges["upper_outer"][-1]):
        tuck = canvas.mask(ellipse(corner, 0.045 * unit), blur=0.025 * unit)
        canvas.tint(tuck, (0.45, 0.35, 0.34), 0.75)


def _draw_inside(scene: Scene, edges: dict[str, Points]) -> None:
    canvas, unit, units = scene.canvas, scene.unit, scene.face.units
    top, bottom = edges["upper_inner"], edges["lower_inner"]
    opening = canvas.mask(np.concatenate((top, bottom[::-1])))
    whole = opening.spread(canvas.size)
    canvas.fill(opening, (0.15, 0.045, 0.05))
    gap = float((bottom[:, 1] - top[:, 1]).max())
    middle = (top[len(top) // 2] + bottom[len(bottom) // 2]) / 2
    if gap > 0.2 * unit:
        tongue = ellipse((middle[0], bottom[:, 1].max()), (0.24 * unit, 0.32 * gap))
        canvas.fill(canvas.mask(tongue, blur=0.02 * unit).times(whole), (0.66, 0.30, 0.31), 0.9)
    enamel = np.array([0.95, 0.93, 0.88], dtype=np.float32) * np.float32(1 - 0.05 * scene.look.age)
    deep = min(0.8 * gap, 0.15 * unit)
    if units[26] > 0.3 or units[27] > 0:
        deep = min(deep, 0.075 * unit)
    _draw_row(scene, top, deep, whole, enamel)
    bared = max(units[16], 0.7 * units[20])
    if bared > 0.2:
        _draw_row(scene, bottom, -min(0.35 * gap, 0.09 * unit) * bared, whole, enamel * np.float32(0.92))
    rim = canvas.stroke(top, 0.05 * unit, blur=0.02 * unit)
    canvas.tint(rim.times(whole), (0.5, 0.42, 0.42), 0.6)


def _draw_row(scene: Scene, edge: Points, deep: float, whole: np.ndarray, enamel: np.ndarray) -> None:
    """Draw a row of teeth hanging `deep` pixels from a lip's edge; it darkens towards the corners."""
    row = scene.canvas.mask(np.concatenate((edge, moved(edge, (0.0, deep))[::-1])), blur=0.006 * scene.unit)
    off = (np.arange(scene.canvas.size) + 0.5 - edge[:, 0].mean()) / (np.ptp(edge[:, 0]) / 2 + 1e-6)
    fade = np.clip(1.08 - 0.55 * np.abs(off) ** 2.5, 0.2, 1).astype(np.float32)
    visible = row.times(whole)
    scene.canvas.fill(Mask(visible.rows, visible.columns, visible.cover * fade[visible.columns]), enamel)


def draw_nose(scene: Scene) -> None:
    """Draw nostrils, wings and the shadow under the tip along landmarks 31 to 35."""
    canvas, place, unit, p = scene.canvas, scene.place, scene.unit, scene.points
    under = place(moved(curve(p[31:36]), (0.0, 0.035)))
    canvas.tint(canvas.stroke(under, 0.09 * unit, blur=0.04 * unit), (0.62, 0.50, 0.48), 0.75)
    canvas.tint(canvas.stroke(place(curve(p[31:36])), 0.028 * unit, blur=0.012 * unit), (0.5, 0.36, 0.34), 0.7)
    for wing, inner, side in ((31, 32, -1.0), (35, 34, 1.0)):
        hole = place((0.45 * p[wing] + 0.55 * p[inner] + (0.0, -0.005))[None])[0]
        canvas.fill(canvas.mask(ellipse(hole, (0.062 * unit, 0.03 * unit)), blur=0.012 * unit), scene.ink, 0.8)
        edge = p[wing] + np.array([[-0.02, -0.15], [0.035, -0.10], [0.035, -0.03], [-0.03, 0.015]]) * (
            side,
            1.0,
        )
        canvas.tint(scene.line(edge, 0.035, blur=0.014), (0.55, 0.42, 0.40), 0.65)
