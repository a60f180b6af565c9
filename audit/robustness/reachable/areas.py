"""Where a face can be touched: makeup, the frame of glasses, stickers; by landmarks, in the face's own frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from ....explain.canonical import canonical_face
from ..occlusion.coverage import Floats, Plane
from ..occlusion.paint import Painting, arc, smooth
from ..occlusion.sitters import Sitters

RIM = 0.10
"""Width of the frame of the glasses in eye distances: 6 mm where the eyes are 63 mm apart."""
IN_CROP = 0.9
"""Share of a sticker that must lie in the crop."""
_MAKEUP_BOX = (-1.2, -0.7, 1.2, 1.7)
_GLASSES_BOX = (-1.3, -0.6, 1.3, 0.6)
_LIDS, _LIPS = (*range(17, 27), *range(36, 48)), tuple(range(48, 60))


@dataclass(frozen=True, eq=False)
class Area:
    """Where n faces may be painted.

    Attributes:
        share: how much of each pixel is covered, (n, h, w), 0..1.
        box: left, upper, right and lower end of what the grid of colours spans, in the faces' frames, (n, 4).
        cells: rows and columns of that grid.
        possible: whether enough of it lies in the crop, (n,).
    """

    share: Plane
    box: Floats
    cells: tuple[int, int]
    possible: NDArray[np.bool_]


def makeup(painting: Painting, faces: Sitters, regions: Sequence[str], detail: float) -> Area:
    """Return soft-edged regions that are made up: ``lips``, ``lids`` (eye shadow up to below the brows), ``cheeks``."""
    share = np.zeros_like(painting.opacity)
    for region in regions:
        share = np.maximum(share, MAKEUP[region](painting, faces.shape))
    hidden = tuple(index for region in regions for index in (_LIPS if region == "lips" else _LIDS))
    possible = faces.inside(hidden, painting.height, painting.width)
    return Area(share, _everywhere(_MAKEUP_BOX, len(share)), _cells(_MAKEUP_BOX, detail), possible)


def _lips(painting: Painting, shape: Floats) -> Plane:
    outer = painting.mask(smooth(shape[:, 48:60], 4), blur=0.015)
    opening = painting.mask(smooth(shape[:, 60:68], 4))
    return np.asarray(outer * (1 - opening), dtype=np.float32)


def _lids(painting: Painting, shape: Floats) -> Plane:
    found = np.zeros_like(painting.opacity)
    for eye, brow, outward in ((shape[:, 36:42], shape[:, 17:22], -1.0), (shape[:, 42:48], shape[:, 22:27], 1.0)):
        upper = eye[:, :4]
        near = np.linspace(0.1, 0.9, 4)
        over = np.stack([_along(brow, place) for place in near], axis=1)
        top = upper + 0.52 * (over - upper)
        outer = 0 if outward < 0 else 3
        top[:, outer] += (0.10 * outward, 0.02)
        outline = smooth(np.concatenate([upper, top[:, ::-1]], axis=1), 3)
        painted = painting.mask(outline, blur=0.03)
        opening = painting.mask(smooth(eye, 3))
        found = np.maximum(found, painted * (1 - opening))
    return found


def _along(line: Floats, share: float) -> Floats:
    """Return the point (n, 2) that lies at a share of the points of a line (n, k, 2)."""
    place = share * (line.shape[1] - 1)
    low = int(place)
    high = min(low + 1, line.shape[1] - 1)
    return np.asarray(line[:, low] + (line[:, high] - line[:, low]) * (place - low))


def _cheeks(painting: Painting, shape: Floats) -> Plane:
    found = np.zeros_like(painting.opacity)
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    for corner, jaw, nose in ((36, 2, 31), (45, 14, 35)):
        across = 0.5 * shape[:, nose] + 0.5 * shape[:, jaw]
        middle = np.stack([across[:, 0], 0.42 * shape[:, corner, 1] + 0.58 * shape[:, nose, 1]], axis=-1)
        wide = 0.34 * np.abs(shape[:, jaw, 0] - shape[:, nose, 0])
        rim = np.stack([wide[:, None] * np.cos(angle), np.broadcast_to(0.17 * np.sin(angle), (len(wide), 24))], axis=-1)
        found = np.maximum(found, painting.mask(middle[:, None] + rim, blur=0.08))
    return found


MAKEUP = MappingProxyType({"lips": _lips, "lids": _lids, "cheeks": _cheeks})
"""What draws each region of makeup."""


def eyeglasses(painting: Painting, faces: Sitters, detail: float) -> Area:
    """Return the frame of glasses: two rims, a bridge, and arms to the ears; the lenses stay as they are."""
    shape = faces.shape
    share = np.zeros_like(painting.opacity)
    lenses = [_lens(shape, -1.0), _lens(shape, 1.0)]
    for (centre, half), ear, outward in zip(lenses, (0, 16), (-1.0, 1.0), strict=True):
        rim = painting.mask(_rounded(centre, half + RIM)) * (1 - painting.mask(_rounded(centre, half)))
        hinge = centre + np.stack([outward * (half[:, 0] + RIM / 2), -0.5 * half[:, 1]], axis=-1)
        end = np.stack([shape[:, ear, 0] + 0.05 * outward, hinge[:, 1]], axis=-1)
        end[:, 0] = np.where(outward * (end[:, 0] - hinge[:, 0]) < 0, hinge[:, 0], end[:, 0])
        arm, _ = painting.within(np.stack([hinge, end], axis=1), RIM / 2)
        share = np.maximum(share, np.maximum(rim, arm * (1 - painting.mask(_rounded(centre, half)))))
    (right, half_right), (left, half_left) = lenses
    start, end = right + half_right * (1.0, -0.45), left - half_left * (1.0, 0.45)
    bridge, _ = painting.within(arc(np.stack([start, (start + end) / 2 - (0.0, 0.05), end], axis=1), 4), RIM / 2)
    for centre, half in lenses:
        bridge = bridge * (1 - painting.mask(_rounded(centre, half)))
    share = np.maximum(share, bridge).astype(np.float32)
    possible = faces.inside(tuple(range(36, 48)), painting.height, painting.width)
    return Area(share, _everywhere(_GLASSES_BOX, len(share)), _cells(_GLASSES_BOX, detail), possible)


def _lens(shape: Floats, outward: float) -> tuple[Floats, Floats]:
    """Return centre and half extent of a lens, from beside the nose to beyond the outer corner of the eye."""
    bridge, corner = shape[:, 27, 0], shape[:, 45 if outward > 0 else 36, 0]
    inner, outer = bridge + 0.16 * outward, corner + 0.13 * outward
    outer = np.where(outward * (outer - inner) < 0.4, inner + 0.4 * outward, outer)
    wide = np.abs(outer - inner) / 2
    tall = np.full_like(wide, 0.27)
    return np.stack([(inner + outer) / 2, np.full_like(wide, 0.04)], axis=-1), np.stack([wide, tall], axis=-1)


def _rounded(centre: Floats, half: Floats) -> Floats:
    """Return a rectangle with round corners, narrower below, (n, 48, 2)."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    x, y = (np.sign(each) * np.abs(each) ** 0.6 for each in (np.cos(angle), np.sin(angle)))
    outline = np.stack([x * (1 - 0.08 * np.clip(y, 0, 1)), y], axis=-1)
    return np.asarray(centre[:, None] + outline * half[:, None])


PLACES: Mapping[str, str] = MappingProxyType(
    {
        "forehead": "the forehead",
        "right_cheek": "the right cheek",
        "left_cheek": "the left cheek",
        "nose": "the nose",
        "chin": "the chin",
    }
)
"""Where a sticker may be, in words; right and left are the person's own."""


def sticker(painting: Painting, faces: Sitters, place: str, share: float, detail: float) -> Area:
    """Return a square that covers a share of the face's area (the hull of its 68 landmarks: brows to chin).

    It tilts with the face. It is not possible where a tenth of it or more would lie outside the crop.
    """
    shape = faces.shape
    side = np.sqrt(share * hull_areas(shape))
    middle = _middle(shape, place, side)
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    covered = painting.mask(middle[:, None] + corners * side[:, None, None])
    pixels = (side * faces.frame.eye_distance) ** 2
    box = np.concatenate([middle - side[:, None] / 2, middle + side[:, None] / 2], axis=1)
    usual = sqrt(share * float(hull_areas(canonical_face(68).shape[None])[0]))
    cells = max(2, ceil(usual / detail - 1e-9) + 1)
    return Area(covered, box, (cells, cells), covered.sum(axis=(1, 2)) >= IN_CROP * pixels)


def _middle(shape: Floats, place: str, side: Floats) -> Floats:
    brows = shape[:, 17:27]
    if place == "forehead":
        inner = brows[:, 4:6].mean(axis=1)  # as low as the brows let it be: many crops end close above them
        return np.stack([inner[:, 0], inner[:, 1] - side / 2], axis=-1)
    around = {"right_cheek": (2, 3, 31, 48, 36), "left_cheek": (14, 13, 35, 54, 45), "nose": (30,), "chin": (8, 57)}
    return np.asarray(shape[:, list(around[place])].mean(axis=1))


def hull_areas(shape: Floats) -> Floats:
    """Return the area of the hull of points (n, k, 2), shape (n,)."""
    return np.array([ConvexHull(each).volume for each in shape])  # of points in a plane, volume is the area


def _everywhere(box: tuple[float, float, float, float], count: int) -> Floats:
    return np.tile(np.array(box), (count, 1))


def _cells(box: tuple[float, float, float, float], detail: float) -> tuple[int, int]:
    left, upper, right, lower = box
    return max(2, ceil((lower - upper) / detail - 1e-9) + 1), max(2, ceil((right - left) / detail - 1e-9) + 1)
