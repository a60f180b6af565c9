"""The angle of the cheeks: known colours, known places, and what is left out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from countenance.core.derive.regions import cheek_polygons, turn_of_head
from countenance.core.derive.skin_tone import (
    BANDS,
    CLIPPED,
    GREY,
    NO_LANDMARKS,
    TOO_FEW_PIXELS,
    CheekTone,
    bands_of,
    cheek_tone,
    ita_of_pixels,
    to_lab,
)
from countenance.explain.canonical import canonical_face
from countenance.explain.landmarks import MESH_TO_68, to_5

Floats = NDArray[np.float64]
SIDE = 400


def mean_face(count: int) -> Floats:
    """The mean London face, 100 pixels between the eyes, in the middle of a picture."""
    return canonical_face(count).shape * 100 + (200, 120)


def painted(colour: tuple[int, int, int], other: tuple[int, int, int] = (10, 200, 10)) -> Image.Image:
    """A picture whose cheek patches have one colour and everything else another."""
    image = Image.new("RGB", (SIDE, SIDE), other)
    for polygon in cheek_polygons(mean_face(68)):
        middle = polygon.mean(axis=0)
        ImageDraw.Draw(image).polygon([tuple(middle + 1.3 * (corner - middle)) for corner in polygon], fill=colour)
    return image


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [  # values as printed for sRGB under D65 by Lindbloom's calculator
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((119, 119, 119), (50.03, 0, 0)),
    ],
)
def test_cielab_of_known_colours(rgb: tuple[int, int, int], lab: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(to_lab(np.array([rgb], dtype=np.uint8))[0], lab, atol=0.02)


@pytest.mark.parametrize("rgb", [(244, 208, 177), (198, 134, 66), (90, 56, 37), (60, 40, 30)])
def test_the_angle_is_that_of_lightness_and_yellowness(rgb: tuple[int, int, int]) -> None:
    lightness, _, yellow = to_lab(np.array([rgb], dtype=np.uint8))[0]
    expected = np.degrees(np.arctan((lightness - 50) / yellow))
    assert ita_of_pixels(np.tile(np.array(rgb, dtype=np.uint8), (9, 1))) == pytest.approx(expected)


def test_a_median_is_not_moved_by_a_few_pixels() -> None:
    pixels = np.tile(np.array([200, 150, 120], dtype=np.uint8), (99, 1))
    before = ita_of_pixels(pixels)
    pixels[:30] = 5
    assert ita_of_pixels(pixels) == before


def test_the_bands_of_chardon() -> None:
    angles = np.array([80, 55.01, 55, 41, 40.9, 28, 27.9, 10, 9.9, -29.9, -30, -75, np.nan])
    named = [BANDS[place] if place >= 0 else None for place in bands_of(angles)]
    assert named[:4] == ["very light", "very light", "light", "intermediate"]
    assert named[4:8] == ["intermediate", "tan", "tan", "brown"]
    assert named[8:] == ["brown", "brown", "dark", "dark", None]


def test_only_the_cheeks_count() -> None:
    colour = (180, 120, 90)
    expected = ita_of_pixels(np.array([colour], dtype=np.uint8))
    for count in (68, 478, 5):
        found = cheek_tone(painted(colour), mean_face(count))
        assert isinstance(found, CheekTone)
        assert found.ita == pytest.approx(expected)
        assert found.between_cheeks == pytest.approx(0)


def test_cheeks_that_differ_are_told_apart() -> None:
    image = painted((180, 120, 90))
    half = painted((220, 170, 140)).crop((0, 0, SIDE // 2, SIDE))
    image.paste(half, (0, 0))  # the right cheek is on the left of the picture
    found = cheek_tone(image, mean_face(68))
    assert isinstance(found, CheekTone)
    light, dark = (ita_of_pixels(np.array([each], dtype=np.uint8)) for each in ((220, 170, 140), (180, 120, 90)))
    assert found.between_cheeks == pytest.approx(light - dark)
    assert dark <= found.ita <= light


def test_one_cheek_outside_the_picture_leaves_the_other() -> None:
    image = painted((180, 120, 90)).crop((SIDE // 2, 0, SIDE, SIDE))
    found = cheek_tone(image, mean_face(68) - (SIDE // 2, 0))
    assert isinstance(found, CheekTone)
    assert np.isnan(found.between_cheeks)
    assert found.ita == pytest.approx(ita_of_pixels(np.array([(180, 120, 90)], dtype=np.uint8)))


def test_why_a_tone_is_not_told() -> None:
    assert cheek_tone(painted((180, 120, 90)), np.full((68, 2), np.nan)) == NO_LANDMARKS
    assert cheek_tone(painted((180, 120, 90)), mean_face(68) / 20) == TOO_FEW_PIXELS
    assert cheek_tone(painted((180, 120, 90)), mean_face(68) + SIDE) == TOO_FEW_PIXELS
    assert cheek_tone(painted((255, 254, 250)), mean_face(68)) == CLIPPED
    assert cheek_tone(painted((60, 20, 1)), mean_face(68)) == CLIPPED


@pytest.mark.parametrize("colour", [(120, 120, 120), (200, 200, 200), (40, 41, 40)])
def test_a_grey_picture_has_no_tone(colour: tuple[int, int, int]) -> None:
    """On grey the angle is 90 or -90 degrees, by lightness alone."""
    assert cheek_tone(painted(colour), mean_face(68)) == GREY
    assert abs(ita_of_pixels(np.array([(120, 120, 120)], dtype=np.uint8))) > 80


def test_clipped_pixels_are_left_out() -> None:
    image = painted((180, 120, 90))
    pixels = np.array(image)
    pixels[::3] = 255
    assert cheek_tone(Image.fromarray(pixels), mean_face(68)) == cheek_tone(image, mean_face(68))


@pytest.mark.parametrize("count", [5, 68, 478])
def test_the_patches_move_turn_and_grow_with_the_face(count: int) -> None:
    points = mean_face(count)
    turn = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    moved = cheek_polygons(1.7 * points @ turn.T + (5, -9))
    np.testing.assert_allclose(moved, 1.7 * cheek_polygons(points) @ turn.T + (5, -9))


def test_the_patches_of_all_sets_of_landmarks_are_in_one_place() -> None:
    centres = {count: cheek_polygons(mean_face(count)).mean(axis=1) for count in (5, 68, 478)}
    for count in (5, 478):
        assert np.linalg.norm(centres[count] - centres[68], axis=1).max() < 6  # of 100 pixels between the eyes
    right, left = centres[68]
    assert right[0] < 200 < left[0]
    eyes, mouth = mean_face(68)[36:48, 1].max(), mean_face(68)[48, 1]
    assert eyes < right[1] < mouth


def test_the_places_of_the_mesh_are_those_of_the_68_points() -> None:
    from countenance.core.derive import regions

    mesh = {place: MESH_TO_68[place] for place in (36, 45, 30, 31, 35, 48, 54, 40, 41, 46, 47)}
    for (lid68, wing68, mouth68), (lid, wing, mouth) in zip(regions._CHEEKS[68], regions._CHEEKS[478], strict=True):
        assert sorted(lid) == sorted(mesh[lid68[0]] + mesh[lid68[1]])
        assert ((wing,), (mouth,)) == (mesh[wing68], mesh[mouth68])
    assert [(place,) for place in regions._HEAD[478]] == [mesh[place] for place in regions._HEAD[68]]


@pytest.mark.parametrize("count", [5, 68, 478])
def test_the_turn_of_the_head(count: int) -> None:
    """A head of some depth is turned about its upright axis and seen from far away."""
    flat = canonical_face(count).shape
    deep = np.concatenate([flat, np.zeros((count, 1))], axis=1)
    nose = {5: 2, 68: 30, 478: 4}[count]
    deep[nose, 2] = 0.5
    angles = np.radians([-30, -15, 0, 15, 30])
    seen = np.stack([np.stack([deep[:, 0] * np.cos(a) + deep[:, 2] * np.sin(a), deep[:, 1]], axis=1) for a in angles])
    turns = turn_of_head(seen)
    assert (np.diff(turns) > 0.1).all()
    assert turns[2] == pytest.approx(0, abs=0.02)
    np.testing.assert_allclose(turns, -turns[::-1], atol=0.05)
    tilt = np.array([[0.9, -0.436], [0.436, 0.9]])
    np.testing.assert_allclose(turn_of_head(3 * seen @ tilt.T + 7), turns, atol=1e-9)
    none = turn_of_head(np.full((1, count, 2), np.nan))
    assert np.isnan(none).all()
    assert np.isnan(turn_of_head(np.ones((1, count, 2)))).all()


def test_five_points_of_the_mean_face_stand_where_the_68_do() -> None:
    np.testing.assert_allclose(to_5(mean_face(68)), mean_face(5), atol=8)
