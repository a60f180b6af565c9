"""The hull, how it is filled, and the codec."""

from __future__ import annotations

import numpy as np
import pytest

from countenance.audit.forgery.making import (
    ForgeryError,
    Photo,
    face_crop,
    face_hull,
    hull_mask,
    photo_of,
    through_codec,
)
from countenance.audit.forgery.making.hull import bent, grown, softened
from countenance.audit.forgery.making.raster import fill
from countenance.explain.polygons import rasterise


def test_fill_is_the_rule_of_the_polygons() -> None:
    random = np.random.default_rng(1)
    for turn in range(150):
        polygon = random.uniform(-20, 60, (int(random.integers(3, 40)), 2))
        if turn % 2:  # corners and edges exactly on pixel centres
            polygon = np.round(polygon * 2) / 2
        assert (fill(polygon, (45, 40)) == rasterise(polygon - 0.5, 40, 45)).all()


def test_the_hull_holds_every_landmark_and_rises_with_the_lift(photos: list[Photo]) -> None:
    photo = photos[0]
    low, high = (hull_mask(photo.landmarks, photo.pixels.shape[:2], lift) for lift in (0.0, 0.35))
    inside = np.floor(photo.landmarks[27:]).astype(int)
    assert (low[inside[:, 1], inside[:, 0]] == 1).all()
    assert (high >= low).all()
    assert high.sum() > 1.1 * low.sum()
    assert len(face_hull(photo.landmarks)) >= 8


def test_bending_by_nothing_keeps_the_shape_and_a_bound_holds() -> None:
    square = np.array([[10.0, 10], [50, 10], [50, 50], [10, 50]])
    still = bent(square, 0.0, 64, np.random.default_rng(0))
    assert (fill(still, (64, 64)) == fill(square, (64, 64))).all()
    moved = bent(square, 0.03, 64, np.random.default_rng(0))
    assert 0 < np.abs(moved - still).max() < 2 * 0.03 * 64  # a cubic may overshoot its nodes a little


def test_growing_and_shrinking_a_mask() -> None:
    mask = np.zeros((20, 20), dtype=np.uint8)
    mask[8:12, 8:12] = 255
    assert (grown(mask, 2) > 0).sum() == 64
    assert (grown(mask, -1) > 0).sum() == 4
    assert grown(mask, 0) is mask
    assert softened(mask, 0.0) is mask
    assert 0 < softened(mask, 2.0).max() < 255


def test_the_codec_gives_the_same_pixels_every_time(photos: list[Photo]) -> None:
    once, again = through_codec(photos[0].pixels), through_codec(photos[0].pixels.copy())
    assert once.tobytes() == again.tobytes()
    assert 0 < np.abs(once.astype(int) - photos[0].pixels).mean() < 4
    worse = through_codec(photos[0].pixels, 30)
    assert np.abs(worse.astype(int) - photos[0].pixels).mean() > np.abs(once.astype(int) - photos[0].pixels).mean()


def test_a_crop_keeps_the_landmarks_on_the_face(photos: list[Photo]) -> None:
    crop = face_crop(photos[0], 64)
    assert crop.pixels.shape == (64, 64, 3)
    assert crop.extent == pytest.approx(64 / 1.24, rel=1e-3)
    beyond = face_crop(photos[0], 96, extent=4.0)
    assert beyond.extent == pytest.approx(96 / 4, rel=1e-3)
    assert (beyond.pixels[0] == beyond.pixels[1]).all()  # the edge again


def test_photos_that_cannot_be_used_are_told(photos: list[Photo]) -> None:
    pixels = photos[0].pixels
    with pytest.raises(ForgeryError, match="expected 68 or 478"):
        photo_of(pixels, np.zeros((5, 2)))
    with pytest.raises(ForgeryError, match="that are numbers"):
        photo_of(pixels, np.full((68, 2), np.nan))
    with pytest.raises(ForgeryError, match="8 pixels"):
        photo_of(pixels, np.zeros((68, 2)))
    with pytest.raises(ValueError, match="uint8"):
        Photo(pixels.astype(float), photos[0].landmarks)  # type: ignore[arg-type]
