"""Hair: what hangs behind the head, and what lies over the forehead."""

from __future__ import annotations

import numpy as np
from PIL import Image

from .action_units import Points
from .canvas import Mask, Pixels, curve, moved
from .scene import Scene

_BEHIND: dict[str, list[tuple[float, float]]] = {
    "bob": [(0.0, -1.62), (0.85, -1.42), (1.33, -0.75), (1.46, 0.2), (1.42, 0.95), (1.22, 1.32), (0.7, 1.3)],
    "long": [(0.0, -1.62), (0.85, -1.40), (1.30, -0.72), (1.40, 0.3), (1.45, 1.3), (1.52, 2.6), (0.4, 2.7)],
    "wavy": [
        (0.0, -1.66), (0.88, -1.46), (1.38, -0.8), (1.44, -0.1), (1.62, 0.45), (1.52, 1.0), (1.72, 1.5),
        (1.62, 2.1), (1.75, 2.7), (0.4, 2.7),
    ],
    "afro": [(0, -1.98), (0.75, -1.85), (1.35, -1.45), (1.68, -0.8), (1.72, -0.1), (1.50, 0.5), (1.05, 0.8)],
    "curly": [(0, -1.78), (0.75, -1.62), (1.22, -1.25), (1.42, -0.7), (1.42, -0.1), (1.28, 0.3), (1.0, 0.4)],
}  # fmt: skip

# Outer edge over the skull (top to ear) and hairline (middle of the forehead to ear), image-right half.
_OVER: dict[str, tuple[list[tuple[float, float]], list[tuple[float, float]]]] = {
    "buzz": (
        [(0.0, -1.50), (0.60, -1.40), (1.00, -1.05), (1.15, -0.60), (1.16, -0.18)],
        [(0.0, -1.03), (0.40, -1.02), (0.72, -0.92), (0.90, -0.66), (0.96, -0.45), (1.06, -0.16)],
    ),
    "short": (
        [(0.0, -1.68), (0.66, -1.58), (1.08, -1.20), (1.24, -0.62), (1.20, 0.02)],
        [(0.0, -1.00), (0.36, -1.06), (0.66, -0.98), (0.86, -0.76), (0.93, -0.48), (1.06, 0.06)],
    ),
    "parted": (
        [(0.0, -1.74), (0.70, -1.62), (1.12, -1.20), (1.25, -0.62), (1.20, 0.05)],
        [(0.0, -0.98), (0.40, -1.08), (0.68, -1.00), (0.87, -0.76), (0.94, -0.46), (1.06, 0.08)],
    ),
    "curly": (
        [(0.0, -1.78), (0.72, -1.64), (1.18, -1.25), (1.36, -0.68), (1.26, -0.10)],
        [(0.0, -0.94), (0.38, -0.99), (0.66, -0.90), (0.85, -0.70), (0.96, -0.42), (1.08, -0.08)],
    ),
    "afro": (
        [(0.0, -1.98), (0.75, -1.85), (1.35, -1.40), (1.62, -0.75), (1.40, -0.15)],
        [(0.0, -0.98), (0.40, -0.97), (0.70, -0.86), (0.88, -0.64), (0.98, -0.38), (1.10, -0.10)],
    ),
    "receding": (
        [(0.0, -1.52), (0.60, -1.45), (1.04, -1.10), (1.20, -0.60), (1.19, 0.04)],
        [(0.0, -1.30), (0.34, -1.30), (0.66, -1.34), (0.90, -0.98), (0.97, -0.55), (1.07, 0.06)],
    ),
    "bun": (
        [(0.0, -1.60), (0.64, -1.50), (1.06, -1.12), (1.20, -0.60), (1.17, -0.10)],
        [(0.0, -1.07), (0.42, -1.02), (0.74, -0.86), (0.92, -0.58), (1.00, -0.36), (1.09, -0.06)],
    ),
    "bob": (
        [(0.0, -1.64), (0.80, -1.45), (1.28, -0.85), (1.40, 0.1), (1.36, 0.9), (1.17, 1.25)],
        [(0.0, -1.12), (0.36, -1.04), (0.72, -0.82), (0.95, -0.42), (1.04, 0.15), (1.03, 0.7), (1.02, 1.2)],
    ),
    "long": (
        [(0.0, -1.64), (0.80, -1.42), (1.26, -0.80), (1.36, 0.2), (1.40, 1.2), (1.42, 2.5)],
        [(0.0, -1.16), (0.34, -1.06), (0.72, -0.80), (0.96, -0.40), (1.05, 0.2), (1.06, 1.0), (0.98, 2.5)],
    ),
    "wavy": (
        [(0.0, -1.68), (0.84, -1.48), (1.34, -0.85), (1.44, 0.0), (1.50, 0.6), (1.50, 1.3), (1.60, 2.5)],
        [(0.0, -1.14), (0.34, -1.05), (0.70, -0.82), (0.97, -0.44), (1.02, 0.1), (1.10, 0.6), (1.02, 1.1),
         (1.12, 1.7), (1.0, 2.5)],
    ),
}  # fmt: skip
_FRIZZY = ("curly", "afro", "buzz")


def draw_hair_behind(scene: Scene) -> None:
    """Draw what shows behind head and neck."""
    style, canvas = scene.look.hair, scene.canvas
    if style == "bun":
        knot = scene.area(_around(0.0, -1.62, 0.42, 0.30))
        canvas.fill(knot, _strands(scene) * np.float32(0.85))
    if style not in _BEHIND:
        return
    half = curve(_scaled(scene, _BEHIND[style]), steps=5)
    outline = np.concatenate((half, (half * (-1.0, 1.0))[::-1]))
    if style in ("afro", "curly"):
        outline = _bumpy(scene, outline)
    mask = canvas.mask(scene.place(outline), blur=0.02 * scene.unit)
    canvas.fill(mask, _strands(scene) * np.float32(0.62))


def draw_hair_over(scene: Scene) -> None:
    """Draw the hair over forehead and temples, with its shadow on the skin."""
    style, canvas = scene.look.hair, scene.canvas
    if style == "bald":
        if scene.look.age > 0:
            _fringe(scene)
        return
    outer, line = (_scaled(scene, part) for part in _OVER[style])
    outer, line = curve(outer, steps=5), curve(line, steps=5)
    shift = {"parted": 0.42, "bob": 0.18, "long": -0.12, "wavy": 0.2}.get(style, 0.0)
    shift *= 1.0 if scene.look.texture_seed % 2 else -1.0
    right, left = line.copy(), line * (-1.0, 1.0)
    for half in (right, left):
        half[:, 0] += shift * np.exp(-((half[:, 0] / 0.55) ** 2))
        if style in ("parted", "short"):
            half[:, 1] += 0.10 * np.sign(shift or 1.0) * half[:, 0] * np.exp(-((half[:, 0] / 0.8) ** 2))
    top = np.concatenate(((outer * (-1.0, 1.0))[::-1], outer[1:]))
    rim = np.concatenate((right[::-1], left[1:]))
    if style in ("afro", "curly"):
        top = _bumpy(scene, top)
    outline = scene.place(np.concatenate((top, rim)))
    shadow = canvas.stroke(scene.place(moved(rim[4:-4], (0.0, 0.05))), 0.12 * scene.unit, blur=0.06 * scene.unit)
    canvas.tint(shadow, (0.60, 0.52, 0.50), 0.35 if style == "buzz" else 0.6)
    if style == "buzz":
        canvas.fill(canvas.mask(outline, blur=0.05 * scene.unit), _strands(scene) * np.float32(0.75), 0.85)
        return
    canvas.fill(canvas.mask(outline, blur=0.022 * scene.unit), _strands(scene))


def _fringe(scene: Scene) -> None:
    for side in (-1.0, 1.0):
        patch = np.array([[1.02, -0.62], [1.16, -0.55], [1.22, -0.10], [1.16, 0.20], [1.06, 0.0]]) * (
            side,
            1.0,
        )
        scene.canvas.fill(scene.area(_wide(scene, patch), blur=0.04), _strands(scene), 0.85)


def _wide(scene: Scene, points: Points) -> Points:
    return points * (scene.geometry.face_width, 1.0)


def _scaled(scene: Scene, points: list[tuple[float, float]]) -> Points:
    """Fit a half outline to the person's skull."""
    fitted = np.array(points) * (scene.geometry.face_width, 1.0)
    high = fitted[:, 1] < -0.5
    fitted[high, 1] = -0.5 + (fitted[high, 1] + 0.5) * scene.geometry.forehead
    return fitted


def _around(x: float, y: float, rx: float, ry: float) -> Points:
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    return np.stack((x + rx * np.cos(angle), y + ry * np.sin(angle)), 1)


def _bumpy(scene: Scene, outline: Points) -> Points:
    waves = np.sin(np.linspace(0, 46, len(outline)) + scene.look.texture_seed % 7)
    return outline * (1 + 0.025 * waves[:, None])


def _strands(scene: Scene) -> Pixels:
    """Give the hair's colour for every pixel: strands that run from the crown, or curls, under the lamp."""
    rng = np.random.default_rng(scene.look.texture_seed)
    x, y = scene.x, scene.y
    if scene.look.hair in _FRIZZY:
        grain = _cloud(rng, scene.canvas.size, 30) * 0.6 + _cloud(rng, scene.canvas.size, 14) * 0.4
        sheen = np.zeros_like(x)
    else:
        angle = np.arctan2(x, np.maximum(y + 2.1, 0.05)) * 38 + 0.35 * np.sin(3.1 * y)
        knots = rng.random(256).astype(np.float32)
        grain = np.interp(angle + 128, np.arange(256), knots).astype(np.float32)
        sheen = np.exp(-(((np.hypot(x, y + 0.2) - 1.18) / 0.16) ** 2))
    light = scene.face.light
    lit = 1 + 0.30 * light.strength * (light.right * x * 0.6 - light.above * (y + 0.3) * 0.45)
    tone = (0.72 + 0.46 * grain) * np.clip(lit, 0.55, 1.5)
    colour = scene.hair * tone[..., None].astype(np.float32)
    shine = (0.16 * sheen * grain * np.clip(lit, 0, 1.4))[..., None].astype(np.float32)
    return np.asarray(np.clip(colour + shine * (0.35 + scene.hair), 0, 1), dtype=np.float32)


def _cloud(rng: np.random.Generator, size: int, cells: int) -> Pixels:
    """Give a smooth random map of the whole picture, 0 to 1."""
    coarse = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32) / np.float32(255)


def stubble_mask(scene: Scene, mask: Mask, cells: int = 100) -> Mask:
    """Break a mask up into the grain of short hair."""
    grain = _cloud(np.random.default_rng(scene.look.texture_seed + 1), scene.canvas.size, cells)
    return mask.times((0.66 + 0.45 * grain).clip(0, 1))
