"""Carry pictures and maps of faces to the canonical face by their landmarks.

With 68 or 478 landmarks the warp is piecewise affine over a Delaunay triangulation of the canonical points,
made once. Only canonical triangles are inverted, so closed lips and triangles that fold over in a face do no
harm; their share is reported. With 5 landmarks there is nothing to triangulate: the best similarity
transform is used, which follows head size, position and roll but neither proportions nor expression.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.spatial import Delaunay
from torch import Tensor

from .canonical import CANVAS_HEIGHT, CANVAS_WIDTH, PLACEMENT, canonical_face, with_border
from .landmarks import COUNTS, FloatArray


class CanonicalWarp:
    """A warp from pictures with ``count`` landmarks to the canonical canvas; holds no face, use it for all.

    Args:
        count: landmarks per face: 5, 68 or 478 (of which the ten on the irises are left out).
        width: of the canvas in pixels; the canonical points scale with it.
        height: of the canvas in pixels.
    """

    def __init__(self, count: int, width: int = CANVAS_WIDTH, height: int = CANVAS_HEIGHT) -> None:
        if count not in COUNTS:
            raise ValueError(f"Expected `count` to be one of {COUNTS}, but got {count}")
        self.count, self.width, self.height = count, width, height
        # Pixel centres have integer coordinates, so it is the half-pixel border that scales.
        self._scale = np.array([width / CANVAS_WIDTH, height / CANVAS_HEIGHT])
        if count != 5:
            self._triangulate()

    @property
    def approximate(self) -> bool:
        """Whether the warp aligns the face as a whole only (5 landmarks)."""
        return self.count == 5

    def _triangulate(self) -> None:
        points = (canonical_face(self.count).points + 0.5) * self._scale - 0.5
        corners = with_border(points, self.width, self.height)
        mesh = Delaunay(corners)
        x, y = np.meshgrid(np.arange(self.width, dtype=np.float64), np.arange(self.height, dtype=np.float64))
        pixels = np.stack([x.ravel(), y.ravel()], axis=1)
        triangle = mesh.find_simplex(pixels)
        if (triangle < 0).any():
            raise RuntimeError("a canvas pixel lies outside every canonical triangle")
        inverse, origin = mesh.transform[triangle, :2], mesh.transform[triangle, 2]
        two = np.einsum("pij,pj->pi", inverse, pixels - origin)
        weights = np.concatenate([two, 1 - two.sum(axis=1, keepdims=True)], axis=1)
        columns = mesh.simplices[triangle]
        rows = np.arange(0, 3 * len(pixels) + 1, 3)
        shape = (len(pixels), len(corners))
        matrix = csr_array((weights.astype(np.float32).ravel(), columns.ravel(), rows), shape=shape)
        matrix.sort_indices()
        self._matrix = matrix
        self._triangles = mesh.simplices
        self._orientation = np.sign(_doubled_area(corners[mesh.simplices]))
        self._coverage = np.bincount(triangle, minlength=len(mesh.simplices)) / len(pixels)

    def source_positions(self, landmarks: FloatArray, width: int, height: int) -> NDArray[np.float32]:
        """Return for each canvas pixel where in the picture it comes from.

        Args:
            landmarks: ``(n, count, 2)`` in pixels of the picture, pixel centres at integers.
            width: of the picture.
            height: of the picture.

        Returns:
            ``(n, canvas height, canvas width, 2)`` x and y in pixels of the picture.
        """
        planes = self._planes(self._checked(landmarks), width, height, np.ones(2), np.zeros(2))
        return planes.reshape(len(landmarks), 2, self.height, self.width).permute(0, 2, 3, 1).numpy()

    def _planes(self, landmarks: FloatArray, width: int, height: int, scale: FloatArray, shift: FloatArray) -> Tensor:
        """Return ``(n, 2, canvas pixels)`` float32: source x, then source y, each times ``scale`` plus ``shift``.

        What is scaled are the points, hundreds of times fewer than pixels: the weights of a pixel's three corners
        add up to one, so scale and shift go through the product. One plane per coordinate is what ``grid_sample``
        reads fastest, and one transpose of two dimensions makes them: to rearrange (pixels, n, 2) to (n, pixels, 2)
        took longer than the product itself.
        """
        if self.count == 5:
            return torch.from_numpy(self._by_similarity(landmarks, scale, shift))
        points = with_border(landmarks, width, height) * scale + shift
        side_by_side = points.transpose(1, 0, 2).reshape(points.shape[1], -1).astype(np.float32)
        positions = torch.from_numpy(np.asarray(self._matrix @ side_by_side, dtype=np.float32))
        return positions.t().contiguous().reshape(len(points), 2, self.height * self.width)

    def __call__(self, images: Tensor, landmarks: FloatArray) -> Tensor:
        """Warp pictures or maps to the canvas, bilinear; what lies outside repeats the picture's edge.

        Args:
            images: ``(n, c, h, w)`` of any float type.
            landmarks: ``(n, count, 2)`` in pixels of these pictures, pixel centres at integers.

        Returns:
            ``(n, c, canvas height, canvas width)`` of the same type and device.
        """
        if images.ndim != 4 or images.shape[0] != len(landmarks):
            raise ValueError(
                f"Expected `images` to be (n, c, h, w) with one face per set of landmarks, "
                f"but got {tuple(images.shape)} and {len(landmarks)} sets"
            )
        height, width = images.shape[-2:]
        scale = np.array([2 / max(width - 1, 1), 2 / max(height - 1, 1)])
        planes = self._planes(self._checked(landmarks), width, height, scale, np.full(2, -1.0))
        grid = planes.reshape(len(landmarks), 2, self.height, self.width).to(images).permute(0, 2, 3, 1)
        return torch.nn.functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)

    def folded_share(self, landmarks: FloatArray, width: int, height: int) -> FloatArray:
        """Return the share of the canvas, per face, whose triangle is flat or turned over in the picture.

        Args:
            landmarks: ``(n, count, 2)`` in pixels of the picture.
            width: of the picture.
            height: of the picture.

        Returns:
            ``(n,)``, 0..1; 0 with 5 landmarks, where nothing can fold.
        """
        landmarks = self._checked(landmarks)
        if self.count == 5:
            return np.zeros(len(landmarks))
        corners = with_border(landmarks, width, height)[:, self._triangles]
        turned = _doubled_area(corners) * self._orientation <= 1e-9 * width * height
        return np.asarray(turned @ self._coverage, dtype=np.float64)

    def _checked(self, landmarks: FloatArray) -> FloatArray:
        landmarks = np.asarray(landmarks, dtype=np.float64)
        if landmarks.ndim != 3 or landmarks.shape[1] != self.count or landmarks.shape[2] < 2:
            raise ValueError(f"Expected `landmarks` to be (n, {self.count}, 2), but got {landmarks.shape}")
        if not np.isfinite(landmarks[..., :2]).all():
            raise ValueError("Expected `landmarks` to be finite, but a coordinate is not")
        return landmarks[..., :2]

    def _by_similarity(self, landmarks: FloatArray, scale: FloatArray, shift: FloatArray) -> NDArray[np.float32]:
        """Fit picture = a (shape) + b with a rotation and one scale, by least squares over the five points.

        As complex numbers a similarity is one multiplication, and its fit one division.
        """
        shape = canonical_face(5).shape @ np.array([1, 1j])
        faces = landmarks @ np.array([1, 1j])
        centre, middle = shape.mean(), faces.mean(axis=1, keepdims=True)
        turn = ((faces - middle) @ np.conj(shape - centre)) / np.sum(np.abs(shape - centre) ** 2)
        scale_x, scale_y = self._scale
        x = ((np.arange(self.width) + 0.5) / scale_x - 0.5 - PLACEMENT.offset_x) / PLACEMENT.scale_x
        y = ((np.arange(self.height) + 0.5) / scale_y - 0.5 - PLACEMENT.offset_y) / PLACEMENT.scale_y
        canvas = x[None, :] + 1j * y[:, None]
        source = turn[:, None, None] * (canvas - centre) + middle[:, :, None]
        planes = np.stack([source.real, source.imag], axis=1).reshape(len(landmarks), 2, self.height * self.width)
        return (planes * scale[:, None] + shift[:, None]).astype(np.float32)


@lru_cache(maxsize=4)
def canonical_warp(count: int) -> CanonicalWarp:
    """Return the warp to the 224 x 275 canvas for a landmark set, made once."""
    return CanonicalWarp(count)


def _doubled_area(triangles: FloatArray) -> FloatArray:
    """Return twice the signed area of triangles ``(..., 3, 2)``."""
    first = triangles[..., 1, :] - triangles[..., 0, :]
    second = triangles[..., 2, :] - triangles[..., 0, :]
    area: FloatArray = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
    return area
