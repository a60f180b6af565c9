"""Beard and glasses."""

from __future__ import annotations

import numpy as np

from .action_units import Points
from .canvas import curve, moved, ribbon
from .hair import stubble_mask
from .mouth import lip_edges
from .scene import Scene
from .tones import mix


def draw_beard(scene: Scene) -> None:
    """Draw stubble, moustache, goatee or a full beard around the lips, which it leaves free."""
    kind, p = scene.look.beard, scene.points
    if kind == "none":
        return
    colour = mix(scene.hair * np.float32(0.9), scene.skin * np.float32(0.3), 0.25)
    if kind in ("full", "stubble"):
        jaw = p[2:15].copy()
        jaw[1:-1] += (jaw[1:-1] - (0.0, 0.6)) * 0.015
        cheek = np.array([[0.98, 0.55], [0.80, 0.86], [0.60, 0.93], [0.34, 0.83], [0.0, 0.80]])
        cheek = np.concatenate((cheek, (cheek[:-1] * (-1.0, 1.0))[::-1]))
        cheek[:, 0] *= scene.geometry.face_width
        _paint(scene, [np.concatenate((curve(jaw), cheek))], colour, 0.34 if kind == "stubble" else 0.9)
    if kind in ("moustache", "goatee"):
        _paint(scene, [_moustache(p)], colour, 0.88)
    if kind == "goatee":
        chin = np.array([p[59] + (0.0, 0.06), p[57] + (0.0, 0.09), p[55] + (0.0, 0.06), p[9], p[8] + (0.0, 0.02), p[7]])
        _paint(scene, [curve(chin, closed=True)], colour, 0.88)


def _moustache(p: Points) -> Points:
    top = curve(
        [
            p[48] + (-0.06, 0.02),
            p[49] + (0.0, -0.10),
            p[33] + (0.0, 0.06),
            p[53] + (0.0, -0.10),
            p[54] + (0.06, 0.02),
        ]
    )
    return np.concatenate((top, curve(p[48:55])[::-1]))


def _paint(scene: Scene, outlines: list[Points], colour: np.ndarray, opacity: float) -> None:
    canvas = scene.canvas
    mask = canvas.mask(*(scene.place(o) for o in outlines), blur=0.045 * scene.unit)
    edges = lip_edges(scene.points)
    lips = scene.place(np.concatenate((edges["upper_outer"], edges["lower_outer"][::-1])))
    free = 1 - canvas.mask(lips, blur=0.02 * scene.unit).spread(canvas.size)
    lit = np.clip(1 + 0.7 * scene.shade, 0.45, 1.35)[..., None].astype(np.float32)
    canvas.fill(stubble_mask(scene, mask.times(free)), colour * lit, opacity)


def draw_glasses(scene: Scene) -> None:
    """Draw a frame with clear lenses in front of the eyes."""
    kind, canvas, unit = scene.look.glasses, scene.canvas, scene.unit
    if kind == "none":
        return
    dark = scene.look.texture_seed % 3 != 0
    colour = np.array([0.10, 0.09, 0.10] if dark else [0.42, 0.30, 0.18], dtype=np.float32)
    for ring, side in (((36, 39), -1.0), ((42, 45), 1.0)):
        centre = moved(scene.rest[list(ring)].mean(0), (0.0, 0.05))
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        power = 1.0 if kind == "round" else 0.55
        cos, sin = np.cos(angle), np.sin(angle)
        shape = np.stack((np.sign(cos) * np.abs(cos) ** power, np.sign(sin) * np.abs(sin) ** power), 1)
        rim = scene.place(centre + shape * ((0.40, 0.36) if kind == "round" else (0.41, 0.30)), lift=0.08)
        lens = canvas.mask(rim)
        canvas.fill(lens, (0.85, 0.92, 0.97), 0.05)
        shadow = np.concatenate((rim + 1.2, rim[:1] + 1.2))
        canvas.tint(canvas.mask(ribbon(shadow, 0.06 * unit), blur=0.03 * unit), (0.7, 0.65, 0.62), 0.4)
        frame = np.concatenate((rim, rim[:2]))
        canvas.fill(canvas.mask(ribbon(frame, (0.055 if dark else 0.035) * unit)), colour, 0.95)
        edge = scene.place(
            np.array([moved(centre, (side * 0.40, -0.06)), (side * 1.12 * scene.geometry.face_width, -0.02)]),
            lift=0.05,
        )
        canvas.fill(canvas.stroke(edge, 0.05 * unit), colour, 0.9)
    inner = scene.rest[[39, 42]].mean(0)
    bridge = scene.place(curve(inner + np.array([[-0.13, 0.02], [0.0, -0.03], [0.13, 0.02]])), lift=0.08)
    canvas.fill(canvas.stroke(bridge, 0.05 * unit), colour, 0.95)
