"""How does a face become a picture with its landmarks?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from .canvas import curve, ellipse, moved
from .eyes import draw_brows, draw_eyes
from .face import Face
from .folds import draw_folds
from .hair import draw_hair_behind, draw_hair_over
from .mouth import draw_mouth, draw_nose
from .pose import UNIT
from .relief import light_skin, shade_of
from .scene import Scene
from .tag import draw_tag
from .tones import BACKGROUNDS, CLOTHES, rgb
from .wear import draw_beard, draw_glasses

DEFAULT_SIZE = 112
SMALLEST_SIZE = 32


@dataclass(frozen=True)
class DrawnFace:
    """A picture and what is known of it.

    Attributes:
        image: (size, size, 3) RGB bytes.
        landmarks: (68, 2) pixels (x, y), iBUG order counted from 0; the first pixel's centre is (0.5, 0.5).
        box: (x0, y0, x1, y1) of the face in pixels, a square inside the picture.
    """

    image: NDArray[np.uint8]
    landmarks: NDArray[np.float64]
    box: tuple[float, float, float, float]


def draw_face(face: Face, size: int = DEFAULT_SIZE) -> DrawnFace:
    """Draw a face.

    Args:
        face: what to draw; the same face and size give the same bytes.
        size: side of the square picture in pixels, 32 or more.
    """
    if size < SMALLEST_SIZE:
        raise UsageError(f"Expected `size` to be {SMALLEST_SIZE} or more, but got {size}. Draw larger, then resize.")
    scene = Scene(face, size)
    _draw_background(scene)
    draw_hair_behind(scene)
    shade, gloss = shade_of(scene)
    scene.shade = shade
    _draw_body(scene)
    _draw_ears(scene)
    head = scene.canvas.mask(scene.place(_head_outline(scene)), blur=0.012 * scene.unit)
    light_skin(scene, head, shade, gloss)
    _draw_flush(scene)
    draw_folds(scene)
    draw_nose(scene)
    draw_mouth(scene)
    draw_eyes(scene)
    draw_beard(scene)
    draw_brows(scene)
    draw_hair_over(scene)
    draw_glasses(scene)
    _finish(scene)
    box = face_box(face, size)
    if face.tag:
        draw_tag(scene.canvas, box)
    return DrawnFace(scene.canvas.image(), scene.place(scene.points), box)


def face_box(face: Face, size: int = DEFAULT_SIZE) -> tuple[float, float, float, float]:
    """Give the square box of the face, kept inside the picture, without drawing it."""
    side = 3.7 * UNIT * face.pose.scale * size
    side = float(min(side, size))
    x = (0.5 + face.pose.shift[0]) * size - side / 2
    y = (0.485 + face.pose.shift[1]) * size - side / 2
    x, y = (float(np.clip(v, 0.0, size - side)) for v in (x, y))
    return x, y, x + side, y + side


def _head_outline(scene: Scene) -> NDArray[np.float64]:
    jaw = curve(scene.points[:17], steps=4)
    dome = np.array([[1.12, -0.35], [1.06, -0.78], [0.80, -1.18], [0.42, -1.40], [0.0, -1.47]])
    dome[:, 0] *= scene.geometry.face_width
    dome[:, 1] = -0.3 + (dome[:, 1] + 0.3) * scene.geometry.forehead
    arch = np.concatenate((dome, (dome[:-1] * (-1.0, 1.0))[::-1]))
    return np.concatenate((jaw, curve(np.concatenate((jaw[-1:], arch, jaw[:1])), steps=4)[1:-1]))


def _draw_background(scene: Scene) -> None:
    face, size = scene.face, scene.canvas.size
    base = rgb(BACKGROUNDS[face.background % len(BACKGROUNDS)])
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    fall = 1.0 + 0.10 * face.light.right * axis[None, :] - 0.12 * axis[:, None] - 0.06 * axis[None, :] ** 2
    scene.canvas.pixels[:] = np.clip(base * fall[..., None].astype(np.float32), 0, 1)


def _draw_body(scene: Scene) -> None:
    canvas, place, unit = scene.canvas, scene.place, scene.unit
    light = scene.face.light
    thick = 0.66 if scene.look.presentation == "feminine" else 0.80
    neck = np.array([[thick, 1.0], [thick * 0.95, 1.7], [thick * 1.1, 2.0], [1.5, 2.25], [1.7, 2.9]])
    outline = np.concatenate((neck, (neck * (-1.0, 1.0))[::-1]))
    skin = scene.skin * np.float32(0.80)
    across = np.clip(1 + 0.35 * light.strength * light.right * scene.x, 0.6, 1.25)[..., None].astype(np.float32)
    body = canvas.mask(place(outline))
    canvas.fill(body, skin * across)
    inside = body.spread(canvas.size)
    jaw = moved(curve(scene.points[3:14]), (0.0, 0.12))
    canvas.tint(canvas.stroke(place(jaw), 0.34 * unit, blur=0.10 * unit).times(inside), (0.58, 0.48, 0.46), 0.8)
    cloth = rgb(CLOTHES[scene.look.clothes % len(CLOTHES)])
    drop = 0.28 if scene.look.presentation == "feminine" else 0.14
    top = np.array([[0.0, 2.06 + drop], [0.42, 2.02 + drop / 2], [0.78, 1.93], [1.25, 2.02], [1.95, 2.25], [2.3, 3.0]])
    shirt = np.concatenate((top, (top[1:] * (-1.0, 1.0))[::-1]))
    canvas.fill(canvas.mask(place(shirt), blur=0.01 * unit), cloth * across)
    collar = np.concatenate(((top[:3] * (-1.0, 1.0))[::-1], top[1:3]))
    canvas.tint(canvas.stroke(place(curve(collar)), 0.05 * unit, blur=0.01 * unit), (0.7, 0.7, 0.7), 0.8)


def _draw_ears(scene: Scene) -> None:
    width, size = scene.geometry.face_width, scene.geometry.ear_size
    for side in (-1.0, 1.0):
        toward = 1 + 0.25 * side * scene.face.light.right * scene.face.light.strength
        at = scene.place(np.array([[side * 1.15 * width, 0.20]]))[0]
        ring = ellipse(at, (0.135 * size * scene.unit, 0.29 * size * scene.unit))
        scene.canvas.fill(scene.canvas.mask(ring), scene.skin * np.float32(0.86 * toward))
        inner = ellipse(moved(at, (side * 0.02 * scene.unit, 0)), (0.07 * size * scene.unit, 0.19 * size * scene.unit))
        scene.canvas.tint(scene.canvas.mask(inner, blur=0.03 * scene.unit), (0.68, 0.54, 0.52), 0.8)


def _draw_flush(scene: Scene) -> None:
    """Redden cheeks and nose a little, and darken around the eyes."""
    canvas, unit = scene.canvas, scene.unit
    rosy = 0.35 * (1 - scene.darkness) + 0.10 + 0.2 * (scene.look.rouge > 0.5)
    for x, y, rx, ry in ((-0.68, 0.55, 0.26, 0.18), (0.68, 0.55, 0.26, 0.18), (0.0, 0.52, 0.13, 0.11)):
        at = scene.place(np.array([[x, y]]))[0]
        canvas.tint(canvas.mask(ellipse(at, (rx * unit, ry * unit)), blur=0.12 * unit), (1.04, 0.84, 0.82), rosy)
    for corner in ((36, 39), (42, 45)):
        at = scene.place((moved(scene.rest[list(corner)].mean(0), (0.0, -0.03)))[None])[0]
        canvas.tint(canvas.mask(ellipse(at, (0.30 * unit, 0.19 * unit)), blur=0.08 * unit), (0.84, 0.76, 0.75), 0.5)


def _finish(scene: Scene) -> None:
    """Set exposure, colour of the light, and noise."""
    light, pixels = scene.face.light, scene.canvas.pixels
    warm = np.array([1 + 0.035 * light.warmth, 1.0, 1 - 0.05 * light.warmth], dtype=np.float32)
    pixels *= warm * np.float32(light.exposure)
    noise = np.random.default_rng(scene.face.noise_seed).standard_normal(pixels.shape[:2], dtype=np.float32)
    pixels += np.float32(scene.face.noise) * noise[..., None]


__all__ = ["DEFAULT_SIZE", "DrawnFace", "draw_face", "face_box"]
