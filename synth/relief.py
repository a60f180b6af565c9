"""How does the light fall on the face? Shading from a relief of ridges, sockets and cheeks."""

from __future__ import annotations

import numpy as np

from .canvas import Mask, Pixels
from .pose import depth
from .scene import Scene


def shade_of(scene: Scene) -> tuple[Pixels, Pixels]:
    """Shade the relief under the face's lamp.

    Returns:
        Two (size, size) maps: the shade, below 0 in shadow and above 0 in light, about -1 to 0.6; and the
        gloss, 0 to 1.
    """
    height = _height(scene)
    pose, light = scene.face.pose, scene.face.light
    height = height - np.float32(np.sin(pose.yaw) * 0.8) * scene.x - np.float32(np.sin(pose.pitch) * 0.8) * scene.y
    slope_y, slope_x = np.gradient(height * np.float32(scene.unit))
    length = np.sqrt(1 + slope_x**2 + slope_y**2)
    lamp = np.array([1.05 * light.right, -0.95 * light.above, 1.0])
    lamp /= np.linalg.norm(lamp)
    lit = (-lamp[0] * slope_x - lamp[1] * slope_y + lamp[2]) / length
    half = lamp + np.array([0.0, 0.0, 1.0])
    half /= np.linalg.norm(half)
    gloss = np.clip((-half[0] * slope_x - half[1] * slope_y + half[2]) / length, 0, 1) ** 28
    return (lit - lamp[2]).astype(np.float32), gloss.astype(np.float32)


def light_skin(scene: Scene, mask: Mask, shade: Pixels, gloss: Pixels) -> None:
    """Colour a piece of skin: warm shadows, light that bleaches, gloss that shows more on dark skin."""
    strength = 0.55 + 0.75 * scene.face.light.strength
    dark = np.clip(-shade * np.float32(strength), 0, 1)[..., None]
    bright = np.clip(shade * np.float32(strength * 1.3), 0, 1)[..., None]
    deep = scene.skin * (np.array([0.36, 0.27, 0.25], dtype=np.float32) + np.float32(0.18 * scene.darkness))
    pale = scene.skin + (1 - scene.skin) * np.array([0.50, 0.42, 0.34], dtype=np.float32) * (1 - 0.25 * scene.darkness)
    colour = scene.skin + dark * (deep - scene.skin) + bright * (pale - scene.skin)
    shine = np.float32(0.10 + 0.16 * scene.darkness) * gloss[..., None]
    colour = colour + shine * (np.array([1.0, 0.95, 0.88], dtype=np.float32) - colour)
    scene.canvas.fill(mask, colour)


def _height(scene: Scene) -> Pixels:
    p, units, masculine = scene.points, scene.face.units, scene.look.presentation == "masculine"
    x, y = scene.x, scene.y
    height = np.float32(0.95) * depth(x, y, scene.geometry.nose_relief).astype(np.float32)
    mouth = (p[48] + p[54]) / 2
    bumps: list[tuple[float, float, float, float, float]] = [
        (p[30, 0], p[30, 1] + 0.03, 0.11, 0.09, 0.07),
        (mouth[0], (p[51, 1] + p[57, 1]) / 2, 0.42, 0.27, 0.09),
        (0.0, p[57, 1] + 0.11, 0.22, 0.05, -0.045),
        (0.0, p[8, 1] - 0.19, 0.22, 0.15, 0.10 + 0.05 * units[17]),
        (0.0, (p[33, 1] + p[51, 1]) / 2, 0.045, 0.09, -0.022),
        (0.0, -0.90, 0.60, 0.30, 0.07),
        (0.0, -0.27, 0.09, 0.14, 0.05 * units[4] - 0.02),
    ]
    smile, ageing = 0.6 * units[12] + 0.4 * units[6], scene.look.age
    for side, (outer, inner, brow, wing, corner) in ((-1, (36, 39, 19, 31, 48)), (1, (45, 42, 24, 35, 54))):
        eye = (p[outer] + p[inner]) / 2
        rest = (scene.rest[outer] + scene.rest[inner]) / 2
        bumps += [
            (rest[0] * 0.97, eye[1] - 0.07, 0.27, 0.15, -0.12),
            (rest[0], rest[1], 0.17, 0.12, 0.075),
            (p[brow, 0], p[brow, 1] + 0.03, 0.34, 0.09, 0.05 + 0.025 * masculine + 0.02 * units[4]),
            (side * 0.70, 0.42, 0.24, 0.20, 0.06 + 0.02 * ageing),
            (side * 0.66, 0.55 - 0.06 * units[6], 0.22, 0.17, 0.17 * smile + 0.05 * units[9]),
            (p[wing, 0] * 0.92, p[wing, 1] - 0.03, 0.07, 0.075, 0.07),
            (p[corner, 0] + side * 0.16, p[corner, 1] + 0.02, 0.10, 0.16, 0.03 + 0.04 * ageing),
            (side * 0.80, 0.98, 0.18, 0.25, -0.05 - 0.03 * ageing),
        ]
    for cx, cy, sx, sy, amount in bumps:
        height += np.float32(amount) * np.exp(
            -(((x - np.float32(cx)) / np.float32(sx)) ** 2) - ((y - np.float32(cy)) / np.float32(sy)) ** 2
        )
    return height
