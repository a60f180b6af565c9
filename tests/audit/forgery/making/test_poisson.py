"""The Poisson solve against a sparse LU factorisation of the same equations, over masks of every kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

from countenance.audit.forgery.making import Photo, hull_mask
from countenance.audit.forgery.making.poisson import membrane, poisson_blend, unknown_pixels

Float = NDArray[np.float32]
HALF_A_LEVEL = 0.5


def by_lu(target: Float, source: Float, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Solve ``4 u - sum of neighbours = 0`` inside, ``u = target - source`` around, one unknown a pixel."""
    inside = unknown_pixels(mask)
    count = int(inside.sum())
    number = np.full(mask.shape, -1)
    number[inside] = np.arange(count)
    y, x = np.nonzero(inside)
    difference = target.astype(np.float64) - source
    rows, columns, values = [np.arange(count)], [np.arange(count)], [np.full(count, 4.0)]
    known = np.zeros((count, target.shape[2]))
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        neighbour = number[y + down, x + right]
        free = neighbour >= 0
        rows.append(np.arange(count)[free])
        columns.append(neighbour[free])
        values.append(np.full(int(free.sum()), -1.0))
        known[~free] += difference[y[~free] + down, x[~free] + right]
    shape = (count, count)
    matrix = csc_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape)
    result = target.astype(np.float64)
    result[inside] = source[inside] + splu(matrix).solve(known)
    return result


def masks(random: np.random.Generator, kind: str, height: int, width: int) -> NDArray[np.bool_]:
    mask = np.zeros((height, width), dtype=np.bool_)
    if kind == "everything":
        mask[:] = True
    elif kind == "specks":
        mask = random.random((height, width)) < random.uniform(0.05, 0.95)
    elif kind == "clouds":  # with holes, in parts, touching the border
        mask = gaussian_filter(random.standard_normal((height, width)), random.uniform(0.5, 6)) > 0
    elif kind == "lines":
        mask[height // 2], mask[:, width // 3] = True, True
    elif kind == "pinholes":
        mask[:] = True
        mask[random.integers(0, height, 5), random.integers(0, width, 5)] = False
    return mask


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(["nothing", "everything", "specks", "clouds", "lines", "pinholes"]),
    seed=st.integers(0, 10**6),
    height=st.integers(3, 70),
    width=st.integers(3, 70),
    smooth=st.booleans(),
)
def test_any_mask(kind: str, seed: int, height: int, width: int, smooth: bool) -> None:
    random = np.random.default_rng(seed)
    mask = masks(random, kind, height, width)
    target, source = random.integers(0, 256, (2, height, width, 3)).astype(np.float32)
    if smooth:
        target, source = gaussian_filter(target, (3, 3, 0)), gaussian_filter(source, (3, 3, 0))
    result = poisson_blend(target, source, mask)
    outside = ~unknown_pixels(mask)
    assert (result[outside] == target[outside]).all()
    if not outside.all():
        assert np.abs(result - by_lu(target, source, mask)).max() < HALF_A_LEVEL


def test_faces(photos: list[Photo]) -> None:
    for one, other in ((0, 1), (1, 2), (2, 0)):
        mask = hull_mask(photos[one].landmarks, photos[one].pixels.shape[:2]) > 0
        target, source = (photos[place].pixels.astype(np.float32) for place in (one, other))
        error = np.abs(poisson_blend(target, source, mask) - by_lu(target, source, mask))
        assert error.max() < HALF_A_LEVEL
        assert error[mask].mean() < 0.1


def test_a_shifted_source_is_the_target_again(photos: list[Photo]) -> None:
    """Gradients know no brightness: a source that is the target plus a constant blends to the target."""
    target = photos[0].pixels.astype(np.float32)
    mask = hull_mask(photos[0].landmarks, target.shape[:2]) > 0
    assert np.abs(poisson_blend(target, target + 37, mask) - target).max() < HALF_A_LEVEL


def test_a_plane_is_harmonic() -> None:
    y, x = np.mgrid[:40, :50].astype(np.float32)
    plane = np.stack([2 * x - y, x + y, 3 * y])
    inside = np.zeros((40, 50), dtype=np.bool_)
    inside[5:30, 8:44] = True
    hidden = np.where(inside, np.float32(-999), plane)  # what lies inside is not read
    assert np.abs(membrane(hidden, inside) - plane).max() < HALF_A_LEVEL


@pytest.mark.parametrize("corner", [(0, 0), (0, 30), (30, 0), (30, 30)])
def test_outermost_pixels_stay_the_targets(corner: tuple[int, int]) -> None:
    mask = np.zeros((40, 40), dtype=np.bool_)
    mask[corner[0] : corner[0] + 10, corner[1] : corner[1] + 10] = True
    target, source = np.zeros((40, 40, 1), dtype=np.float32), np.full((40, 40, 1), 90, dtype=np.float32)
    source[::2] = 10
    result = poisson_blend(target, source, mask)
    edge = np.ones_like(mask)
    edge[1:-1, 1:-1] = False
    assert (result[edge] == 0).all()
    assert np.abs(result[mask & ~edge]).max() > 1
