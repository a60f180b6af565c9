"""The canonical face: one drawn place for every landmark, on which maps of different faces are compared.

The canvas is 224 pixels wide and 275 high, as in the global-explanation work of Gaya-Morey et al. (2024,
arXiv 2401.11835), so that published heatmaps and masks can be scored beside ours. Pixel centres have
integer coordinates, x to the right and y down.

The shapes are means of 102 neutral London faces (``data/README.md``). They are carried to the canvas by an
axis-aligned affine map, whose four numbers were found by maximising the overlap of this project's masks with
the published ones, because the published canvas states no landmark positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from .landmarks import COUNTS, FACE_OVAL, INDEX, MESH_POINTS, REGIONS, FloatArray, to_5

CANVAS_WIDTH = 224
CANVAS_HEIGHT = 275


@dataclass(frozen=True)
class Placement:
    """An axis-aligned affine map from shape coordinates (unit: eye distance) to canvas pixels."""

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    def __call__(self, shape: FloatArray) -> FloatArray:
        """Carry ``(..., 2)`` shape coordinates to canvas pixels."""
        return shape * (self.scale_x, self.scale_y) + (self.offset_x, self.offset_y)


PLACEMENT = Placement(81.0, 101.5, 111.5, 85.3)
"""Where every landmark set is placed.

Both shapes are in one frame (eye distance, eye centres), so one map puts the same anatomy in the same place
whichever landmarks found it: London faces warped by 68 and by 478 points correlate at .979 a face. A map
fitted to the 478 points alone, to maximise the overlap of masks drawn over them, gives .953: its eyes lie
five pixels above those of the masks, which are drawn over the 68.
"""


@dataclass(frozen=True)
class CanonicalFace:
    """Landmarks of the canonical face for one landmark set.

    Attributes:
        count: landmarks per face in this set: 5, 68 or 478.
        shape: ``(count, 2)``, unit = eye distance, origin midway between the eye centres.
        points: ``(count, 2)`` canvas pixels.
    """

    count: int
    shape: FloatArray
    points: FloatArray

    def point(self, name: str) -> FloatArray:
        """Return the canvas position ``(2,)`` of a named landmark of the 68-point set.

        Raises:
            KeyError: if the name is unknown or this set does not have 68 points.
        """
        if self.count != 68:
            raise KeyError(f"Expected a named landmark of the 68-point face, but this face has {self.count}")
        if name not in INDEX:
            raise KeyError(f"Expected a landmark such as 'jaw_1' or 'right_eye_4', but got {name!r}")
        position: FloatArray = self.points[INDEX[name]]
        return position


@cache
def canonical_face(count: int = 68) -> CanonicalFace:
    """Return the canonical face with 5, 68 or 478 landmarks.

    Raises:
        ValueError: for any other count.
    """
    if count not in COUNTS:
        raise ValueError(f"Expected `count` to be one of {COUNTS}, but got {count}")
    shape = to_5(_read_shape(68)) if count == 5 else _read_shape(count)
    points = PLACEMENT(shape)
    for array in (shape, points):
        array.setflags(write=False)
    return CanonicalFace(count, shape, points)


def _read_shape(count: int) -> FloatArray:
    text = (files(__package__) / "data" / f"shape{count}.csv").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line and not line.startswith("#")]
    shape = np.array([[float(value) for value in row.split(",")] for row in rows[1:]])
    if shape.shape != (count, 2):
        raise ValueError(f"Expected shape{count}.csv to hold {count} points, but got {shape.shape}")
    return shape


def mesh_indices(count: int) -> tuple[int, ...]:
    """Return the landmarks that take part in a piecewise warp; the iris points of the 478 do not."""
    return tuple(range(MESH_POINTS if count == 478 else count))


def top_indices(count: int) -> tuple[int, ...]:
    """Return the landmarks whose x is carried to the top edge, to give forehead and hair some support.

    For 68 points the jaw line, which is all of the outline there is. For 478 points the upper half of the
    face oval: the lower half has the same x again and would only fold.
    """
    if count == 68:
        return tuple(REGIONS["jaw"])
    if count == 478:
        heights = canonical_face(478).points[:, 1]
        middle = float(np.mean(heights[list(FACE_OVAL)]))
        return tuple(index for index in FACE_OVAL if heights[index] < middle)
    raise ValueError(f"Expected `count` to be 68 or 478, but got {count}")


def with_border(points: FloatArray, width: int, height: int) -> FloatArray:
    """Add the points of the top edge and the four corners to landmarks, one pixel outside the picture.

    On the edge itself they would leave part of the outermost pixels outside every triangle.

    Args:
        points: ``(..., 68 or 478, 2)`` landmarks in pixels.
        width: of the picture, in pixels.
        height: of the picture, in pixels.

    Returns:
        ``(..., k, 2)``: the mesh points, the points of the top edge, the corners (top left, top right,
        bottom right, bottom left).
    """
    count = points.shape[-2]
    top = points[..., list(top_indices(count)), :].copy()
    top[..., 1] = -1.0
    # A landmark beyond the picture's side would cross the corner and turn the topmost triangles over.
    top[..., 0] = np.clip(top[..., 0], -1.0, width)
    corners = np.array([(-1, -1), (width, -1), (width, height), (-1, height)], dtype=np.float64)
    corners = np.broadcast_to(corners, (*points.shape[:-2], 4, 2))
    return np.concatenate([points[..., list(mesh_indices(count)), :], top, corners], axis=-2)
