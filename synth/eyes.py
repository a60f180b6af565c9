"""Eyes, lids and brows."""

from __future__ import annotations

import numpy as np

from .action_units import Points
from .canvas import curve, ellipse, moved, ribbon
from .scene import Scene
from .tones import IRIS, mix, rgb

_SIDES = ((36, 37, 38, 39, 40, 41), (45, 44, 43, 42, 47, 46))
_BROWS = ((17, 18, 19, 20, 21), (26, 25, 24, 23, 22))


def eye_outline(points: Points, ring: tuple[int, ...]) -> tuple[Points, Points]:
    """Give the upper and lower lid edge through the six eye landmarks, from the outer to the inner corner."""
    outer, upper1, upper2, inner, lower2, lower1 = ring
    return (
        curve(points[[outer, upper1, upper2, inner]], steps=8),
        curve(points[[outer, lower1, lower2, inner]], steps=8),
    )


def draw_eyes(scene: Scene) -> None:
    """Draw both eyes with their lids."""
    for ring in _SIDES:
        _draw_eye(scene, ring)


def _draw_eye(scene: Scene, ring: tuple[int, ...]) -> None:
    canvas, p, place, unit = scene.canvas, scene.points, scene.place, scene.unit
    side = 1.0 if ring[0] == 45 else -1.0
    upper, lower = eye_outline(p, ring)
    outline = place(np.concatenate((upper, lower[::-1])))
    opening = canvas.mask(outline)
    feminine = scene.look.presentation == "feminine"

    crease = upper + np.linspace(-0.06, -0.085, len(upper))[:, None] * (0.0, 1.0)
    lid = canvas.mask(place(np.concatenate((upper, crease[::-1]))), blur=0.03 * unit)
    canvas.tint(lid, (0.86, 0.78, 0.77) if feminine else (0.92, 0.86, 0.84), 0.6)

    white = mix(np.array([0.95, 0.94, 0.92], dtype=np.float32), scene.skin, 0.10 + 0.08 * scene.darkness)
    canvas.fill(opening, white)
    whole = opening.spread(canvas.size)

    rest = scene.rest[list(ring)]
    half = np.ptp(rest[:, 0]) / 2
    centre = rest.mean(0) + np.array(scene.face.gaze) * (0.30 * half, 0.22 * half)
    at = place(centre[None])[0]
    iris = rgb(IRIS[scene.look.iris])
    radius = 0.122 * unit * scene.geometry.eye_size
    for size, colour, opacity in (
        (1.0, iris * np.float32(0.42), 1.0),
        (0.82, iris * np.float32(1.15), 1.0),
        (0.58, mix(iris, np.ones(3, dtype=np.float32), 0.12), 0.6),
        (0.46, np.array([0.03, 0.03, 0.035], dtype=np.float32), 1.0),
    ):
        canvas.fill(canvas.mask(ellipse(at, radius * size)).times(whole), colour, opacity)
    shadow = canvas.mask(place(np.concatenate((upper, moved(upper, (0.0, 0.07))[::-1]))), blur=0.025 * unit)
    canvas.tint(shadow.times(whole), (0.45, 0.42, 0.42), 0.8)
    glint = at + np.array([0.40 * np.sign(scene.face.light.right or -1.0), -0.42]) * radius
    canvas.fill(canvas.mask(ellipse(glint, 0.30 * radius)).times(whole), (1.0, 1.0, 1.0), 0.95)
    for along in (0, -1):
        corner = canvas.mask(ellipse(place(upper[[along]])[0], 0.05 * unit), blur=0.02 * unit)
        canvas.tint(corner.times(whole), (0.80, 0.55, 0.50), 0.6)

    wing = upper.copy()
    if feminine:
        wing = np.concatenate((moved(upper[:1], (0.055 * side, -0.035)), upper))
    lash = place(wing)
    taper = np.interp(np.linspace(0, 1, len(lash)), [0, 0.15, 0.5, 0.9, 1], [0.5, 1.0, 1.0, 0.6, 0.3])
    canvas.fill(canvas.stroke(lash, taper * (0.062 if feminine else 0.045) * unit), scene.ink, 0.95)
    canvas.fill(canvas.stroke(place(lower), 0.022 * unit, blur=0.008 * unit), scene.ink, 0.45)
    fold = canvas.stroke(place(crease[2:-2]), 0.024 * unit, blur=0.012 * unit)
    canvas.tint(fold, (0.50, 0.40, 0.38), 0.65)


def draw_brows(scene: Scene) -> None:
    """Draw both brows along their five landmarks, thickest in the inner third."""
    colour = scene.hair
    if scene.look.hair_colour in ("grey", "white"):
        colour = mix(colour, scene.skin * np.float32(0.3), 0.15 + 0.5 * (1 - scene.darkness))
    colour = mix(colour * np.float32(0.72), scene.skin * np.float32(0.25), 0.40)
    thick = 0.088 * scene.geometry.brow_thickness
    for ring in _BROWS:
        line = curve(scene.points[list(ring)], steps=5)
        profile = np.interp(np.linspace(0, 1, len(line)), [0, 0.3, 0.75, 1.0], [0.30, 0.85, 1.1, 0.85])
        outline = ribbon(scene.place(line), profile * thick * scene.unit)
        scene.canvas.fill(scene.canvas.mask(outline, blur=0.022 * scene.unit), colour, 0.92)
