from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from countenance.explain.landmarks import FloatArray
from countenance.explain.polygons import outlines, rasterise, rasterise_union

SQUARE = np.array([[1.0, 1], [4, 1], [4, 3], [1, 3]])


def test_square_owns_its_left_and_upper_edge() -> None:
    expected = np.zeros((5, 6), dtype=bool)
    expected[1:3, 1:4] = True
    np.testing.assert_array_equal(rasterise(SQUARE, 6, 5), expected)
    np.testing.assert_array_equal(rasterise(SQUARE[::-1], 6, 5), expected)


def test_polygons_that_share_an_edge_share_no_pixel_and_leave_none_out() -> None:
    first = np.array([[0.0, 0], [10, 0], [0, 10]])
    second = np.array([[10.0, 0], [10, 10], [0, 10]])
    one, two = rasterise(first, 12, 12), rasterise(second, 12, 12)
    assert not (one & two).any()
    assert np.count_nonzero(one | two) == 100


def winding_by_angle(polygon: FloatArray, x: float, y: float) -> int:
    """The winding number from its definition: the turns that the corners make around a point."""
    angles = np.arctan2(polygon[:, 1] - y, polygon[:, 0] - x)
    steps = (np.roll(angles, -1) - angles + np.pi) % (2 * np.pi) - np.pi
    return round(float(steps.sum() / (2 * np.pi)))


corner = st.tuples(st.integers(-40, 200), st.integers(-40, 200)).map(lambda c: (c[0] / 10 + 0.031, c[1] / 10 + 0.017))


@settings(max_examples=60, deadline=None)
@given(st.lists(corner, min_size=3, max_size=8, unique=True))
def test_inside_is_where_the_winding_number_is_not_zero(corners: list[tuple[float, float]]) -> None:
    polygon = np.array(corners)
    inside = rasterise(polygon, 16, 14)
    for y in range(14):
        for x in range(16):
            edges = zip(polygon, np.roll(polygon, -1, axis=0), strict=True)
            if min(distance_to_segment((x, y), a, b) for a, b in edges) > 1e-6:
                assert inside[y, x] == (winding_by_angle(polygon, x, y) != 0)


def distance_to_segment(point: tuple[float, float], a: FloatArray, b: FloatArray) -> float:
    p, ab = np.array(point, dtype=float), b - a
    share = np.clip((p - a) @ ab / (ab @ ab), 0, 1)
    return float(np.linalg.norm(p - a - share * ab))


def test_pillow_draws_the_same_but_for_the_edge() -> None:
    polygon = np.array([[10.2, 5.1], [80.7, 20.3], [60.4, 90.8], [30.9, 50.2]])
    picture = Image.new("1", (100, 100))
    ImageDraw.Draw(picture).polygon([tuple(point) for point in polygon.tolist()], fill=1)
    ours, theirs = rasterise(polygon, 100, 100), np.asarray(picture)
    assert np.count_nonzero(ours ^ theirs) / np.count_nonzero(ours) < 0.08


@pytest.mark.parametrize("bad", [np.zeros((2, 2)), np.zeros((3, 3)), np.array([[0, 0], [1, np.nan], [1, 1.0]])])
def test_bad_polygons_are_refused(bad: FloatArray) -> None:
    with pytest.raises(ValueError, match="polygon"):
        rasterise(bad, 5, 5)


def signed_area(line: FloatArray) -> float:
    (x, y), (u, v) = line[:-1].T, line[1:].T
    return float((x * v - u * y).sum() / 2)


def test_exact_outlines_enclose_exactly_the_mask() -> None:
    """Their signed area is the number of pixels, holes counted off; drawing them gives the mask back."""
    random = np.random.default_rng(3)
    for _ in range(20):
        mask = random.random((12, 15)) < 0.5
        loops = outlines(mask, tolerance=0)
        assert all((loop[0] == loop[-1]).all() for loop in loops)
        assert sum(map(signed_area, loops)) == np.count_nonzero(mask)
        winding = np.zeros(mask.shape, dtype=int)
        for loop in loops:
            winding += np.where(rasterise(loop[:-1], 15, 12), int(np.sign(signed_area(loop))), 0)
        np.testing.assert_array_equal(winding > 0, mask)


def test_simplified_outline_is_short_and_close() -> None:
    mask = rasterise_union([np.array([[10.0, 10], [90, 30], [70, 95], [20, 70]])], 110, 110)
    (loop,) = outlines(mask)
    assert len(loop) <= 9
    assert abs(signed_area(loop) - np.count_nonzero(mask)) / np.count_nonzero(mask) < 0.02


def test_an_empty_mask_has_no_outline() -> None:
    assert outlines(np.zeros((4, 4), dtype=bool)) == []
