"""Expression splices: mouth or eyes of another photo of the same person."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ....explain.landmarks import REGIONS
from .hull import convex_outline, face_hull, grown
from .photo import Forged, Photo
from .raster import FloatArray, fill
from .swapping import Blend, blended_in
from .warp import carried, read_at, reduced_to, similarity
from .window import around

Part = Literal["mouth", "eyes"]

PARTS: dict[Part, tuple[str, ...]] = {
    "mouth": ("outer_lip",),
    "eyes": ("right_brow", "left_brow", "right_eye", "left_eye"),
}
"""Regions of the 68 points that a splice carries over."""
GROWTH: dict[Part, float] = {"mouth": 0.055, "eyes": 0.03}
"""How far a splice reaches beyond them, in sides of the face."""
EDGE = 0.015
# what an expression moves least: the corners of the eyes, and the nose
STABLE = [36, 39, 42, 45, *REGIONS["nose_bridge"], *REGIONS["nose_base"]]


def splice(
    target: Photo,
    other: Photo,
    part: Part = "mouth",
    random: np.random.Generator | None = None,
    blend: Blend = "poisson",
) -> Forged:
    """Put mouth, or eyes and brows, of another photo of the same person on this one.

    The other photo is laid over this one by the similarity of eye corners and nose, so the part keeps its own shape.

    Args:
        target: the photo that is changed.
        other: another photo of the same person, with another expression.
        part: what is carried over.
        random: draws how far the splice reaches beyond the part; the middle without it.
        blend: see :func:`face_swap`.

    Raises:
        ForgeryError: where the landmarks do not say where the part lies.
    """
    reach = GROWTH[part] * (1.0 if random is None else float(random.uniform(0.85, 1.15))) * target.side
    near = reduced_to(other, target.extent)
    ours, theirs = target.landmarks.astype(np.float64), near.landmarks.astype(np.float64)
    matrix, shift = similarity(theirs[STABLE], ours[STABLE])
    laid_over = theirs @ matrix + shift
    points = [index for region in PARTS[part] for index in REGIONS[region]]
    window = around(np.concatenate([ours[points], laid_over[points]]), reach + 3, target.pixels.shape[:2])
    inside = _region(ours, laid_over, part, reach, window.corner, window.height_width)
    back, start = similarity(ours[STABLE], theirs[STABLE])
    source = read_at(near.pixels, carried(back, start, window))
    here = window.of(target.pixels).astype(np.float32)
    skin = inside & ~_region(ours, laid_over, part, 1.0, window.corner, window.height_width)
    if skin.any():  # lips, teeth and eyes differ by the expression; the light is told by the skin around them
        source = source + (here[skin].mean(axis=0) - source[skin].mean(axis=0))
    landmarks = target.landmarks.copy()
    moved = [*points, *(REGIONS["inner_lip"] if part == "mouth" else ())]
    landmarks[moved] = laid_over[moved]
    return blended_in(target, source, inside, window, blend, landmarks, EDGE * target.side)


def _region(
    ours: FloatArray,
    theirs: FloatArray,
    part: Part,
    reach: float,
    corner: FloatArray,
    height_width: tuple[int, int],
) -> NDArray[np.bool_]:
    """Return where a splice may be seen: around the part in both photos, inside the face in both, clear of the nose."""
    inside = np.zeros(height_width, dtype=np.bool_)
    for names in (PARTS[part],) if part == "mouth" else (("right_brow", "right_eye"), ("left_brow", "left_eye")):
        chosen = [index for name in names for index in REGIONS[name]]
        both = np.concatenate([ours[chosen], theirs[chosen]])
        inside |= fill(_offset(both, reach) - corner, height_width)
    for points in (ours, theirs):
        face = fill(face_hull(points) - corner, height_width).astype(np.uint8)
        inside &= grown(face, -2).astype(np.bool_)
    if part == "mouth":  # the lip of a smile comes close to the nose, whose tip must not be doubled
        inside &= ~fill(_offset(ours[[*REGIONS["nose_base"], 30]], 1.0) - corner, height_width)
    return inside


def _offset(points: FloatArray, reach: float) -> FloatArray:
    """Return the convex outline of discs of radius ``reach`` around the points, (k, 2)."""
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = reach * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    cloud = (points[:, None] + ring).reshape(-1, 2)
    return convex_outline(cloud)
