"""The dense map against a slow re-implementation, triangle by triangle and pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import Delaunay

from countenance.audit.forgery.making import Photo
from countenance.audit.forgery.making.raster import triangle_numbers
from countenance.audit.forgery.making.warp import carried, read_at, reduced_to, similarity, sources_of
from countenance.audit.forgery.making.window import Window


def _barycentric(point: np.ndarray, corners: np.ndarray) -> np.ndarray:
    system = np.concatenate([corners.T, np.ones((1, 3))])
    return np.linalg.solve(system, np.append(point, 1.0))


def test_every_pixel_follows_the_affine_map_of_its_triangle(photos: list[Photo]) -> None:
    random = np.random.default_rng(2)
    goal = photos[0].landmarks.astype(np.float64)
    source = photos[1].landmarks + random.uniform(-2, 2, (68, 2))
    window = Window(20, 30, 90, 110)
    positions, inside = sources_of(source, goal, window)
    mesh = Delaunay(goal)
    met = 0
    for row in range(0, 80, 5):
        for column in range(0, 70, 5):
            centre = np.array([window.left + column + 0.5, window.top + row + 0.5])
            within = None
            for corners in mesh.simplices:  # slowly: the triangle that holds the centre
                weights = _barycentric(centre, goal[corners])
                if (weights >= -1e-9).all():
                    within = weights @ source[corners]
                    break
            assert inside[row, column] == (within is not None)
            if within is not None:
                assert positions[:, row, column] == pytest.approx(within, abs=1e-3)
                met += 1
    assert met > 60


def test_affine_inside_and_corners_to_corners() -> None:
    goal = np.array([[4.0, 4], [36, 6], [10, 33], [34, 34]])
    source = np.array([[10.0, 12], [70, 9], [22, 60], [66, 72]])
    positions, inside = sources_of(source, goal, Window(0, 0, 40, 40))
    second = np.abs(np.diff(positions, 2, axis=2))
    number = triangle_numbers(goal, Delaunay(goal).simplices, (40, 40))
    same = inside[:, 2:] & (number[:, 2:] == number[:, 1:-1]) & (number[:, :-2] == number[:, 1:-1])
    assert same.sum() > 300
    assert second[:, same].max() < 1e-3  # a straight line of pixels comes from a straight line at one speed
    inward = goal + (goal.mean(axis=0) - goal) * 1e-9
    for corner, image in zip(inward, source, strict=True):  # a window whose first pixel has its centre on the corner
        at, held = sources_of(source, goal + 0.5 - corner, Window(0, 0, 1, 1))
        assert held[0, 0]
        assert at[:, 0, 0] == pytest.approx(image, abs=1e-4)


def test_every_pixel_has_at_most_one_triangle() -> None:
    random = np.random.default_rng(3)
    for turn in range(20):
        points = random.uniform(-5, 45, (int(random.integers(4, 60)), 2))
        if turn % 2:
            points = np.unique(np.round(points * 2) / 2, axis=0)  # corners and edges exactly on pixel centres
        mesh = Delaunay(points)
        found = triangle_numbers(points, mesh.simplices, (40, 40))
        y, x = np.mgrid[:40, :40] + 0.5
        expected = mesh.find_simplex(np.stack([x, y], axis=-1))
        for row, column in np.argwhere(found != expected).tolist():  # only on an edge may the two rules differ
            centre = np.array([column + 0.5, row + 0.5])
            some = max(found[row, column], expected[row, column])
            assert np.abs(_barycentric(centre, points[mesh.simplices[some]])).min() < 1e-6


def test_the_same_corners_leave_a_picture_as_it_is(photos: list[Photo]) -> None:
    points = photos[0].landmarks.astype(np.float64)
    window = Window(0, 0, 128, 128)
    positions, inside = sources_of(points, points, window)
    read = read_at(photos[0].pixels, positions)
    assert np.abs(read[inside] - photos[0].pixels[inside]).max() < 0.05


def test_a_decoded_picture_may_be_read_only() -> None:
    picture = np.full((9, 9, 3), 7, dtype=np.uint8)
    picture.flags.writeable = False
    assert (read_at(picture, np.full((2, 3, 3), 4.5, dtype=np.float32)) == 7).all()


def test_beyond_the_picture_its_edge_is_read() -> None:
    picture = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    positions = np.array([[[-9.0, 0.5, 2.5, 99]], [[0.5, 0.5, 1.5, 99]]], dtype=np.float32)
    expected = picture[[0, 0, 1, 1], [0, 0, 2, 2]]
    assert read_at(picture, positions)[0] == pytest.approx(expected.astype(float), abs=1e-4)


def test_a_similarity_is_found_again() -> None:
    points = np.random.default_rng(0).uniform(0, 50, (9, 2))
    turn = 1.3 * np.array([[np.cos(0.2), np.sin(0.2)], [-np.sin(0.2), np.cos(0.2)]])
    matrix, shift = similarity(points, points @ turn + (3, -4))
    assert matrix == pytest.approx(turn)
    assert shift == pytest.approx([3, -4])
    positions = carried(matrix, shift, Window(5, 7, 9, 10))
    assert positions[:, 0, 0] == pytest.approx(np.array([5.5, 7.5]) @ turn + (3, -4), abs=1e-4)


def test_a_much_larger_source_is_reduced_first(photos: list[Photo]) -> None:
    photo = photos[0]
    assert reduced_to(photo, photo.extent * 0.8) is photo
    half = reduced_to(photo, photo.extent / 2)
    assert half.pixels.shape == (64, 64, 3)
    assert half.extent == pytest.approx(photo.extent / 2)
