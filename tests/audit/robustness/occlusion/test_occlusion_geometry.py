from __future__ import annotations

import numpy as np
import pytest
import torch

from countenance.audit.robustness.occlusion.coverage import coverage
from countenance.audit.robustness.occlusion.elsewhere import Shift
from countenance.audit.robustness.occlusion.paint import Painting, arc, smooth
from countenance.audit.robustness.occlusion.patches import (
    hidden_count,
    patch_mask,
    patch_of,
    ranks,
    relevance_of_patches,
)
from countenance.explain.units.regions import FaceFrame


def slow_coverage(polygon: np.ndarray, height: int, width: int, fine: int = 32) -> np.ndarray:
    """Count points of a fine grid that lie inside, by the number of edges that a ray to the right crosses."""
    y, x = np.mgrid[0 : height * fine, 0 : width * fine] / fine + 0.5 / fine
    winding = np.zeros(x.shape, dtype=int)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 == y1:
            continue
        crossed = (y >= min(y0, y1)) & (y < max(y0, y1)) & (x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x)
        winding += np.where(crossed, 1 if y1 > y0 else -1, 0)
    return (winding != 0).reshape(height, fine, width, fine).mean(axis=(1, 3))


@pytest.mark.parametrize("turned", [False, True])
def test_coverage_is_that_of_a_fine_grid(turned: bool) -> None:
    random = np.random.default_rng(0)
    angle = np.sort(random.uniform(0, 2 * np.pi, 9))
    stars = [
        np.stack([6 + r * np.cos(angle), 5 + r * np.sin(angle)], axis=-1)
        for r in (random.uniform(1, 5, 9), random.uniform(2, 9, 9))
    ]
    polygons = np.stack(stars)[:, ::-1] if turned else np.stack(stars)
    found = coverage(polygons, 11, 13)
    for mask, polygon in zip(found, polygons, strict=True):
        expected = slow_coverage(polygon, 11, 13)
        assert np.abs(mask - expected).max() < 0.13  # four lines a pixel
        assert mask.sum() == pytest.approx(expected.sum(), rel=0.01)


def test_coverage_of_a_rectangle_is_exact_and_cut_off_at_the_edges() -> None:
    corners = np.array([[[2.25, 1.0], [5.5, 1.0], [5.5, 3.5], [2.25, 3.5]], [[-9, -9], [99, -9], [99, 2], [-9, 2]]])
    one, other = coverage(corners, 5, 7)
    assert one[1].tolist() == [0, 0, 0.75, 1, 1, 0.5, 0]
    assert one[3].tolist() == [0, 0, 0.375, 0.5, 0.5, 0.25, 0]
    assert one[[0, 4]].sum() == 0
    assert other.tolist() == [[1.0] * 7] * 2 + [[0.0] * 7] * 3


def test_corners_that_repeat_change_nothing() -> None:
    corners = np.array([[1.0, 1.0], [6.0, 2.0], [3.0, 6.0]])
    assert np.array_equal(coverage(corners[None], 8, 8), coverage(corners[[0, 0, 1, 2, 2, 2]][None], 8, 8))


@pytest.mark.parametrize("grid", [2, 7, 14])
@pytest.mark.parametrize("side", [48, 112, 97])
def test_patches_cut_a_side_into_equal_parts(side: int, grid: int) -> None:
    lengths = np.bincount(patch_of(side, grid), minlength=grid)
    assert lengths.sum() == side
    assert lengths.max() - lengths.min() <= 1
    assert (np.diff(patch_of(side, grid)) >= 0).all()


def test_a_share_hides_exactly_so_many_patches() -> None:
    draws = np.random.default_rng(0).random((5, 196))
    order = ranks(np.zeros((5, 196)), draws)
    for share in (0.1, 0.25, 0.6, 1.0):
        mask = patch_mask(order, hidden_count(share, 14), 112, 112)
        patches = mask.reshape(5, 14, 8, 14, 8)
        assert set(np.unique(mask)) <= {0.0, 1.0}
        assert np.array_equal(patches.min(axis=(2, 4)), patches.max(axis=(2, 4)))  # a patch is hidden as a whole
        assert (patches.max(axis=(2, 4)).sum(axis=(1, 2)) == round(share * 196)).all()
    smaller, larger = (patch_mask(order, count, 112, 112) for count in (20, 59))
    assert (smaller <= larger).all()  # what is hidden stays hidden
    assert len({tuple(each) for each in order.tolist()}) == 5


def test_the_most_relevant_patches_come_first_and_equals_by_the_draws() -> None:
    relevance = np.array([[0.1, 0.9, 0.5, 0.5]])
    draws = np.array([[0.1, 0.2, 0.8, 0.3]])
    assert ranks(relevance, draws).tolist() == [[3, 0, 2, 1]]
    assert ranks(-relevance, draws).tolist() == [[0, 3, 2, 1]]


def test_relevance_of_a_patch_is_the_mean_of_its_pixels() -> None:
    maps = torch.rand((2, 10, 13), generator=torch.Generator().manual_seed(0))
    found = relevance_of_patches(maps, 4).reshape(2, 4, 4)
    down, across = patch_of(10, 4), patch_of(13, 4)
    for row in range(4):
        for column in range(4):
            slow = maps.numpy()[:, down == row][:, :, across == column].mean(axis=(1, 2))
            assert found[:, row, column] == pytest.approx(slow, abs=1e-6)


def test_moved_elsewhere_a_thing_keeps_all_but_its_place() -> None:
    random = np.random.default_rng(3)
    planes = random.random((40, 6, 8, 3)).astype(np.float32)
    draws = random.random((40, 3))
    moved = Shift.of(draws)(planes)
    for before, after in zip(planes, moved, strict=True):
        assert np.array_equal(np.sort(before.reshape(-1, 3), axis=0), np.sort(after.reshape(-1, 3), axis=0))
    places = [np.argwhere(after[..., 0] == before[0, 0, 0]) for before, after in zip(planes, moved, strict=True)]
    assert len({tuple(place[0]) for place in places}) > 20
    again = Shift.of(draws[:5])(planes[:5])
    assert np.array_equal(again, moved[:5])


def test_curves_go_through_their_points() -> None:
    points = np.random.default_rng(0).random((3, 5, 2))
    assert smooth(points, 4)[:, ::4] == pytest.approx(points)
    curve = arc(points, 6)
    assert curve.shape == (3, 25, 2)
    assert curve[:, ::6] == pytest.approx(points)


def test_a_stroke_is_as_wide_as_it_should_be() -> None:
    frame = FaceFrame(np.array([[20.0, 20.0], [30.0, 25.0]]), np.array([[10.0, 0.0], [0.0, 20.0]]))
    painting = Painting(frame, 50, 60)
    line = np.repeat(np.array([[[-0.5, 0.2], [0.6, 0.2]]]), 2, axis=0)
    inside, across = painting.within(line, 0.25)
    area = inside.sum(axis=(1, 2)) / frame.eye_distance**2
    assert area == pytest.approx([1.1 * 0.5 + np.pi * 0.25**2] * 2, rel=0.02)
    assert across[inside >= 1].max() < 1
    assert across[0][22, 22] < 0.3  # near the line
    assert (across[inside == 0] >= 1).all()


def test_paint_lies_over_paint() -> None:
    frame = FaceFrame(np.array([[4.0, 4.0]]), np.array([[4.0, 0.0]]))
    painting = Painting(frame, 8, 8)
    everywhere = np.ones((1, 8, 8), dtype=np.float32)
    painting.fill(everywhere, np.array([[1.0, 0.0, 0.0]], dtype=np.float32), 0.5)
    painting.fill(everywhere, np.array([[0.0, 1.0, 0.0]], dtype=np.float32), 0.5)
    assert painting.opacity == pytest.approx(0.75)
    assert painting.colour[0, 0, 0].tolist() == pytest.approx([0.25, 0.5, 0.0])
