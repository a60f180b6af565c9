"""Piecewise-affine warps: the pixels of one face carried to the landmarks of another, in one dense map.

The corners of the destination are triangulated (Delaunay); each triangle has one affine map to the source, each pixel
the map of the triangle that its centre lies in, and the source is read once, bilinearly. Only triangles of the
destination must not fold, and those of a Delaunay triangulation cannot.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import Delaunay, QhullError

from .photo import ForgeryError, Photo, Pixels
from .raster import FloatArray, triangle_numbers
from .window import Window

Planes = NDArray[np.float32]
MOST_REDUCTION = 1.5
"""A source whose face is larger than this many times the destination's is reduced first, with antialiasing."""


def sources_of(source: FloatArray, destination: FloatArray, window: Window) -> tuple[Planes, NDArray[np.bool_]]:
    """Return where the pixels of a window come from.

    Args:
        source: (k, 2) corners in pixels of the source.
        destination: (k, 2) the same corners in pixels of the destination, not all on one line.
        window: of the destination.

    Returns:
        (2, height, width) x and y in the source, and (height, width) whether the pixel's centre lies in the mesh;
        one outside is carried by the similarity that fits all corners best.

    Raises:
        ForgeryError: where the corners span no mesh.
    """
    try:
        mesh = Delaunay(destination)
    except QhullError as error:
        raise ForgeryError("expected landmarks that span a mesh, but they lie on a line") from error
    number = triangle_numbers(destination - window.corner, mesh.simplices, window.height_width)
    corners, images = destination[mesh.simplices], source[mesh.simplices]
    edges = corners[:, 1:] - corners[:, :1]
    area = edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]
    adjugate = np.stack(
        [np.stack([edges[:, 1, 1], -edges[:, 0, 1]], 1), np.stack([-edges[:, 1, 0], edges[:, 0, 0]], 1)], 1
    )
    # a triangle without area holds no pixel centre
    matrices = adjugate / np.where(area == 0, 1, area)[:, None, None] @ (images[:, 1:] - images[:, :1])
    shifts = images[:, 0] - np.einsum("ti,tij->tj", corners[:, 0], matrices)
    turn, shift = similarity(destination, source)
    # the last entry is what -1 picks
    matrices, shifts = np.concatenate([matrices, turn[None]]), np.concatenate([shifts, shift[None]])
    x, y = _centres(window)
    positions: Planes = np.empty((2, *window.height_width), dtype=np.float32)
    for axis in (0, 1):
        across, along, start = (each.astype(np.float32) for each in (*matrices[:, :, axis].T, shifts[:, axis]))
        np.multiply(across[number], x, out=positions[axis])
        positions[axis] += along[number] * y
        positions[axis] += start[number]
    return positions, number >= 0


def carried(matrix: FloatArray, shift: FloatArray, window: Window) -> Planes:
    """Return where the pixels of a window come from under one map, ``x @ matrix + shift``, (2, height, width)."""
    x, y = _centres(window)
    planes = [x * matrix[0, axis] + y * matrix[1, axis] + shift[axis] for axis in (0, 1)]
    return np.stack(planes).astype(np.float32)


def _centres(window: Window) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return x of the columns' centres, (width,), and y of the rows', (height, 1)."""
    height, width = window.height_width
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    return x + np.float32(window.left + 0.5), (y + np.float32(window.top + 0.5))[:, None]


def read_at(picture: Pixels, positions: Planes) -> NDArray[np.float32]:
    """Read a picture between its pixels, bilinearly; what lies beyond repeats its edge.

    Args:
        picture: uint8 (h, w, 3).
        positions: (2, m, n) x and y in pixels of it, pixel (0, 0) covering [0, 1) x [0, 1).

    Returns:
        float32 (m, n, 3), 0 to 255.
    """
    height, width = picture.shape[:2]
    (left, right), (top, bottom) = (
        (min(max(0, int(plane.min()) - 2), size - 1), max(1, min(size, int(plane.max()) + 3)))
        for plane, size in zip(positions, (width, height), strict=True)
    )
    part = torch.from_numpy(picture[top:bottom, left:right].copy())  # a decoded picture may be read-only
    # one plane per coordinate is what grid_sample reads fastest
    grid = torch.from_numpy(positions.copy())
    grid[0].sub_(left).mul_(2 / (right - left)).sub_(1)
    grid[1].sub_(top).mul_(2 / (bottom - top)).sub_(1)
    found = torch.nn.functional.grid_sample(
        part.permute(2, 0, 1)[None].float(),
        grid.permute(1, 2, 0)[None],
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return np.asarray(found[0].permute(1, 2, 0).contiguous().numpy(), dtype=np.float32)


def reduced_to(photo: Photo, extent: float) -> Photo:
    """Return a photo whose face is not much larger than ``extent`` pixels, so that a warp reads every pixel of it.

    Raises:
        ForgeryError: where all its landmarks are one.
    """
    if not photo.extent > 0:
        raise ForgeryError("expected landmarks in different places, but they are one")
    factor = extent / photo.extent
    if factor * MOST_REDUCTION >= 1:
        return photo
    height, width = photo.pixels.shape[:2]
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    pixels = np.asarray(Image.fromarray(photo.pixels).resize(size, Image.Resampling.BILINEAR))
    scale = np.array([size[0] / width, size[1] / height], dtype=np.float32)
    return Photo(pixels, photo.landmarks * scale)


def similarity(source: FloatArray, destination: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the rotation with scale (2, 2) and the shift (2,) that carry points best, by least squares.

    As complex numbers a similarity is one multiplication and one addition.

    Args:
        source: (k, 2) points.
        destination: (k, 2) where they should be; ``source @ matrix + shift`` comes nearest to it.

    Raises:
        ForgeryError: where all points of the source are one.
    """
    one, two = source @ np.array([1, 1j]), destination @ np.array([1, 1j])
    centred = one - one.mean()
    spread = float((np.abs(centred) ** 2).sum())
    if not spread > 1e-9:
        raise ForgeryError("expected landmarks in different places to lay one face over another, but they are one")
    turn = ((two - two.mean()) * np.conj(centred)).sum() / spread
    matrix = np.array([[turn.real, turn.imag], [-turn.imag, turn.real]])
    return matrix, destination.mean(axis=0) - source.mean(axis=0) @ matrix
