"""Where paint goes, and that nothing goes anywhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn
from torch import Tensor

from countenance.audit.robustness.occlusion.paint import Painting
from countenance.audit.robustness.occlusion.sitters import Sitters, sitters
from countenance.audit.robustness.reachable.areas import (
    MAKEUP,
    PLACES,
    Area,
    eyeglasses,
    hull_areas,
    makeup,
    sticker,
)
from countenance.audit.robustness.reachable.camera import CAMERAS, jpeg, rescale, shift
from countenance.audit.robustness.reachable.surfaces import LowFrequency, cosines, paint, tint
from countenance.explain.polygons import rasterise

SIDE = 64


def turned(points: np.ndarray, angle: float) -> np.ndarray:
    middle = np.array([SIDE / 2, SIDE / 2])
    cos, sin = np.cos(angle), np.sin(angle)
    return ((points - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle).astype(np.float32)


def on(landmarks: np.ndarray, side: int = SIDE) -> tuple[Painting, Sitters]:
    faces, reasons = sitters(landmarks, side, side)
    assert reasons == [None] * len(landmarks)
    return Painting(faces.frame, side, side), faces


def at(area: Area, points: np.ndarray) -> np.ndarray:
    """Return what is covered at points (n, k, 2)."""
    columns, rows = np.clip(points.astype(int), 0, area.share.shape[1] - 1).transpose(2, 0, 1)
    return np.stack([share[row, column] for share, row, column in zip(area.share, rows, columns, strict=True)])


def test_lips_are_between_the_outlines_of_the_lips(drawn: Any) -> None:
    big = drawn.landmarks * 4
    area = makeup(*on(big, 4 * SIDE), ["lips"], 0.3)
    for share, points in zip(area.share, big - 0.5, strict=True):
        outer = rasterise(points[48:60].astype(float), 4 * SIDE, 4 * SIDE)
        opening = rasterise(points[60:68].astype(float), 4 * SIDE, 4 * SIDE)
        lips = outer & ~opening
        assert share[lips].mean() > 0.8
        assert share[opening].sum() <= 0.1 * opening.sum()
        assert share[lips].sum() > 0.8 * share.sum()


def test_eye_shadow_is_above_the_eyes_and_leaves_them_open(drawn: Any) -> None:
    area = makeup(*on(drawn.landmarks), ["lids"], 0.3)
    points = drawn.landmarks
    above = points[:, [37, 38, 43, 44]] + (points[:, [18, 20, 23, 25]] - points[:, [37, 38, 43, 44]]) * 0.3
    assert at(area, above).mean() > 0.5
    eyes = np.stack([points[:, 36:42].mean(1), points[:, 42:48].mean(1)], 1)
    assert at(area, eyes).max() < 0.1
    assert at(area, points[:, 48:60]).max() == 0


def test_rouge_is_on_the_cheeks(drawn: Any) -> None:
    area = makeup(*on(drawn.landmarks), ["cheeks"], 0.3)
    points = drawn.landmarks
    cheeks = np.stack([points[:, [2, 31]].mean(1), points[:, [14, 35]].mean(1)], 1) - (0, 3)
    assert at(area, cheeks).min() > 0.3
    assert at(area, points[:, [27, 30, 33, 36, 39, 42, 45, 51, 57]]).max() < 0.1


def test_the_frame_goes_around_the_eyes_and_over_the_nose(drawn: Any) -> None:
    area = eyeglasses(*on(drawn.landmarks), 0.1)
    points = drawn.landmarks
    assert at(area, points[:, 36:48]).max() < 0.3  # eyes are seen through the lenses
    assert at(area, points[:, 27:28] - (0, 1)).max() > 0.5  # the bridge
    assert at(area, points[:, 48:68]).max() == 0
    assert ((area.share.mean((1, 2)) > 0.02) & (area.share.mean((1, 2)) < 0.15)).all()
    for share, face in zip(area.share, points, strict=True):  # to the left and right of either eye
        row = int(face[36:48, 1].mean())
        crossings = np.flatnonzero(np.diff((share[row] > 0.5).astype(int)) == 1)
        assert len(crossings) >= 4


@pytest.mark.parametrize("place", list(PLACES))
def test_a_sticker_covers_its_share_of_the_face(drawn: Any, place: str) -> None:
    painting, faces = on(drawn.landmarks)
    area = sticker(painting, faces, place, 0.08, 0.1)
    face = hull_areas(faces.points)
    np.testing.assert_allclose(area.share.sum((1, 2))[area.possible] / face[area.possible], 0.08, rtol=0.02)
    assert area.possible.all()
    inside = np.stack([rasterise(points[np.r_[0:17, 26:16:-1]], SIDE, SIDE) for points in faces.points])
    if place != "forehead":  # which the landmarks leave out
        assert (area.share * inside).sum() > 0.85 * area.share.sum()


def test_a_sticker_beyond_the_crop_is_not_possible(drawn: Any) -> None:
    up = drawn.landmarks - np.array([0, 20], dtype=np.float32)
    assert not sticker(*on(up), "forehead", 0.08, 0.1).possible.any()


def test_everything_turns_with_the_face(drawn: Any) -> None:
    angle = 0.3
    for make in (
        lambda p, f: makeup(p, f, list(MAKEUP), 0.3),
        lambda p, f: eyeglasses(p, f, 0.1),
        lambda p, f: sticker(p, f, "left_cheek", 0.08, 0.1),
    ):
        straight = make(*on(drawn.landmarks)).share
        tilted = make(*on(turned(drawn.landmarks, angle))).share
        down, across = np.mgrid[0:SIDE, 0:SIDE] + 0.5
        places = turned(np.stack([across.ravel(), down.ravel()], -1), angle)
        columns, rows = np.clip(places.astype(int), 0, SIDE - 1).T
        carried = tilted[:, rows, columns].reshape(straight.shape)
        assert np.corrcoef(carried.ravel(), straight.ravel())[0, 1] > 0.85


def surfaces(pixels: Tensor, landmarks: np.ndarray) -> dict[str, Any]:
    painting, faces = on(landmarks)
    return {
        "makeup": tint(pixels, makeup(painting, faces, list(MAKEUP), 0.3), painting, 32 / 255),
        "eyeglasses": paint(pixels, eyeglasses(painting, faces, 0.1), painting),
        "patch": paint(pixels, sticker(painting, faces, "forehead", 0.05, 0.1), painting),
        "low_frequency": LowFrequency(pixels, 8 / 255, 8),
    }


@pytest.mark.parametrize("name", ["makeup", "eyeglasses", "patch", "low_frequency"])
def test_whatever_the_settings_the_bounds_hold(drawn: Any, name: str) -> None:
    surface = surfaces(drawn.pixels, drawn.landmarks)[name]
    generator = torch.Generator().manual_seed(1)
    for draw in range(4):
        settings = torch.rand((6, *surface.shape), generator=generator) * 2 - 1
        found = surface.render(settings.sign() if draw % 2 else settings)
        assert float(surface.excess(found).max()) <= 1e-6
        assert float(found.min()) >= 0
        assert float(found.max()) <= 1
        change = (found - drawn.pixels).abs()
        assert float(change.max()) > 0.01
        if name == "low_frequency":
            assert float(change.max()) <= 8 / 255 + 1e-6
            continue
        assert float(change[(surface.share == 0).expand_as(change)].max()) == 0
        if name == "makeup":
            assert float(change.max()) <= 32 / 255 + 1e-6


@pytest.mark.parametrize("name", ["makeup", "eyeglasses", "patch", "low_frequency"])
def test_what_goes_beyond_the_bounds_is_seen(drawn: Any, name: str) -> None:
    surface = surfaces(drawn.pixels, drawn.landmarks)[name]
    found = surface.render(torch.ones((6, *surface.shape)))
    for wrong in (0.05, float("nan")):
        broken = found.clone()
        broken[2, 1, 60, 3] += wrong  # a corner, where nothing may be painted
        if name == "low_frequency":
            broken[2, 1, 60, 3] = drawn.pixels[2, 1, 60, 3] + (9 / 255 if wrong == wrong else wrong)
        inside = surface.excess(broken) <= 1e-6
        assert inside.tolist() == [True, True, False, True, True, True]


def test_of_some_faces_the_surface_is_the_same(drawn: Any) -> None:
    places = torch.tensor([4, 1])
    for surface in surfaces(drawn.pixels, drawn.landmarks).values():
        settings = torch.rand((6, *surface.shape)) * 2 - 1
        some = surface.take(places).render(settings[places])
        torch.testing.assert_close(some, surface.render(settings)[places])


def test_paint_has_the_colours_of_its_settings(drawn: Any) -> None:
    surface = surfaces(drawn.pixels, drawn.landmarks)["eyeglasses"]
    settings = torch.zeros((6, *surface.shape))
    settings[:, 0], settings[:, 1] = 1.0, -1.0
    found = surface.render(settings)
    whole = surface.share[:, 0] == 1
    assert whole.any()
    torch.testing.assert_close(
        found.permute(0, 2, 3, 1)[whole], torch.tensor([1.0, 0.0, 0.5]).expand(int(whole.sum()), 3)
    )


@pytest.mark.parametrize(("height", "width", "frequencies"), [(16, 16, 4), (20, 12, 5), (9, 9, 9)])
def test_low_frequencies_are_those_of_the_cosine_transform(height: int, width: int, frequencies: int) -> None:
    pixels = torch.full((2, 3, height, width), 0.5, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    settings = torch.rand((2, 3, frequencies, frequencies), dtype=torch.float64, generator=generator) * 2 - 1
    change = (LowFrequency(pixels, 0.1, frequencies).render(settings) - pixels).numpy()
    spectrum = dctn(change, axes=(2, 3), norm="ortho")
    spectrum[:, :, :frequencies, :frequencies] = 0
    np.testing.assert_allclose(spectrum, 0, atol=1e-12)
    assert (np.abs(change).max((1, 2, 3)) <= 0.1 + 1e-12).all()


def test_low_frequencies_pass_through_their_settings() -> None:
    """By scipy's transforms: the settings' own spectrum, with zeros above, on a finer grid."""
    settings = np.random.default_rng(0).uniform(-1, 1, (4, 4))
    padded = np.zeros((16, 16))
    padded[:4, :4] = dctn(settings, norm="ortho") * 4
    down = cosines(16, 4).numpy()
    np.testing.assert_allclose(down @ settings @ down.T, idctn(padded, norm="ortho"), atol=1e-12)


def test_cameras_keep_the_shape_and_do_what_they_say(drawn: Any) -> None:
    for camera in CAMERAS.values():
        found = camera(drawn.pixels)
        assert found.shape == drawn.pixels.shape
        assert float(found.min()) >= 0
        assert float(found.max()) <= 1
        assert 0.001 < float((found - drawn.pixels).abs().mean()) < 0.1
    moved = shift(drawn.pixels)
    assert torch.equal(moved[:, :, 1:, 1:], drawn.pixels[:, :, :-1, :-1])
    flat = torch.full((1, 3, 24, 24), 0.5)
    torch.testing.assert_close(rescale(flat), flat)
    torch.testing.assert_close(jpeg(flat), flat, atol=1 / 255, rtol=0)
