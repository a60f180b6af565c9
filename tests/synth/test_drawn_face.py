"""What is drawn agrees with the landmarks that come with it, and moves as the action units say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from countenance.core.errors import UsageError
from countenance.synth.action_units import MIRROR, NAMES, ActionUnits
from countenance.synth.draw import draw_face, face_box
from countenance.synth.expression import EXPRESSIONS, draw_expression
from countenance.synth.face import Face, Light, draw_face_parameters
from countenance.synth.person import Look, Person, draw_person
from countenance.synth.pose import Pose
from countenance.synth.shape import Geometry
from countenance.synth.tag import TAG_COLOUR, tag_box
from countenance.synth.tones import MONK_HEX, monk, skin_paint, tone_group

PLAIN = Person("plain", Geometry(), Look(hair="buzz", rouge=0.0, presentation="masculine"))


def face(units: dict[int, float] | None = None, **changes: object) -> Face:
    return replace(Face(PLAIN, units=ActionUnits(units or {}), noise=0.0), **changes)


def points(units: dict[int, float] | None = None) -> np.ndarray:
    return draw_face(face(units), 224).landmarks


def grey(image: np.ndarray, at: np.ndarray, reach: int = 1) -> float:
    x, y = np.floor(at).astype(int)
    return float(image[y - reach : y + reach + 1, x - reach : x + reach + 1].mean())


@pytest.mark.parametrize(
    "unit, landmark, axis, sign",
    [
        (1, 21, 1, -1),
        (1, 22, 1, -1),
        (2, 18, 1, -1),
        (2, 25, 1, -1),
        (4, 21, 1, 1),
        (4, 22, 0, -1),
        (5, 43, 1, -1),
        (6, 41, 1, -1),
        (7, 46, 1, -1),
        (9, 33, 1, -1),
        (10, 51, 1, -1),
        (12, 48, 1, -1),
        (12, 54, 1, -1),
        (12, 48, 0, -1),
        (12, 54, 0, 1),
        (15, 48, 1, 1),
        (16, 57, 1, 1),
        (17, 57, 1, -1),
        (20, 54, 0, 1),
        (23, 54, 0, -1),
        (24, 51, 1, 1),
        (25, 66, 1, 1),
        (26, 8, 1, 1),
        (27, 8, 1, 1),
    ],
)
def test_a_unit_pulls_its_landmark(unit: int, landmark: int, axis: int, sign: int) -> None:
    moved = points({unit: 1.0}) - points()
    assert sign * moved[landmark, axis] > 0.8  # pixels of a 224 px picture


def test_every_unit_moves_something_and_more_of_it_moves_further() -> None:
    rest = points()
    for unit in NAMES:
        half, full = (np.abs(points({unit: amount}) - rest).max() for amount in (0.5, 1.0))
        assert 0.3 < half < full


def test_a_symmetric_frontal_face_is_symmetric() -> None:
    centred = points({12: 1.0, 1: 0.5}) - 112
    np.testing.assert_allclose(centred[list(MIRROR)] * (-1, 1), centred, atol=1e-9)
    assert sorted(MIRROR) == list(range(68))


def test_asymmetry_moves_the_image_right_half_more() -> None:
    lopsided = draw_face(Face(PLAIN, units=ActionUnits({12: 0.8}, 0.4)), 224).landmarks - points()
    assert np.linalg.norm(lopsided[54]) > 1.5 * np.linalg.norm(lopsided[48])


@pytest.mark.parametrize("unit, dark_at", [(25, 0.88), (26, 0.5), (27, 0.45)])
def test_the_mouth_opens_on_teeth_above_a_dark_inside(unit: int, dark_at: float) -> None:
    shut = draw_face(face(), 224)
    open_ = draw_face(face({unit: 1.0}), 224)
    assert shut.landmarks[66, 1] - shut.landmarks[62, 1] == pytest.approx(0, abs=1e-6)
    gap = open_.landmarks[66, 1] - open_.landmarks[62, 1]
    assert gap > 5
    teeth, depth = open_.landmarks[62] + (0, 2.5), open_.landmarks[62] + (0, dark_at * gap)
    assert grey(open_.image, depth, 0) < 0.6 * grey(open_.image, teeth, 0)


def test_a_jaw_drop_opens_less_than_a_mouth_stretch() -> None:
    gaps = [points({unit: 1.0})[66, 1] - points({unit: 1.0})[62, 1] for unit in (25, 26, 27)]
    assert gaps == sorted(gaps)


def test_pupils_are_dark_at_the_eye_centres_and_the_white_is_light_beside_them() -> None:
    drawn = draw_face(face({5: 0.5}), 224)
    for ring in (range(36, 42), range(42, 48)):
        eye = drawn.landmarks[list(ring)]
        centre = eye.mean(0)
        corner = eye[np.argmax(np.abs(eye[:, 0] - 112))]
        white = 0.68 * corner + 0.32 * centre
        assert grey(drawn.image, centre, 0) < 60
        assert grey(drawn.image, white, 0) > grey(drawn.image, centre, 0) + 40


def test_brows_are_darker_than_the_skin_above_them() -> None:
    drawn = draw_face(face(), 224)
    for index in (18, 19, 20, 23, 24, 25):
        at = drawn.landmarks[index]
        assert grey(drawn.image, at) < 0.75 * grey(drawn.image, at - (0, 16))


def test_the_brow_moves_in_the_picture_as_its_landmarks_do() -> None:
    rest, raised = draw_face(face(), 224), draw_face(face({1: 1.0, 2: 1.0}), 224)
    for index in (19, 24):
        assert grey(raised.image, raised.landmarks[index]) < 0.75 * grey(rest.image, raised.landmarks[index])


def test_lips_differ_from_the_skin_inside_the_lip_landmarks() -> None:
    painted = replace(PLAIN, look=Look(hair="bun", rouge=1.0, presentation="feminine"))
    drawn = draw_face(replace(face(), person=painted), 224)
    lower = (drawn.landmarks[66] + drawn.landmarks[57]) / 2
    skin = drawn.landmarks[4] * 0.4 + drawn.landmarks[48] * 0.6

    def redness(at: np.ndarray) -> float:
        x, y = at.astype(int)
        r, g, b = drawn.image[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).mean(0)
        return float(r - (g + b) / 2)

    assert redness(lower) > redness(skin) + 20


def test_light_falls_from_where_it_stands() -> None:
    def halves(right: float) -> float:
        image = draw_face(face(light=Light(right=right, above=0.3, strength=0.9)), 224).image.astype(float)
        return float(image[120:150, 140:165].mean() - image[120:150, 59:84].mean())

    assert halves(0.9) > 15
    assert halves(-0.9) < -15


def test_yaw_moves_the_nose_towards_its_side() -> None:
    turned = draw_face(face(pose=Pose(yaw=0.25)), 224).landmarks
    eyes = turned[36:48].mean(0)
    assert turned[30, 0] - eyes[0] > 3
    assert turned[27, 0] - turned[0, 0] > turned[16, 0] - turned[27, 0]


def test_pitch_and_roll_turn_the_face() -> None:
    rest, down, tilted = (draw_face(face(pose=p), 224).landmarks for p in (Pose(), Pose(pitch=0.2), Pose(roll=0.2)))
    assert down[30, 1] > rest[30, 1] + 2
    assert tilted[45, 1] - tilted[36, 1] > 8


def test_landmarks_and_box_stay_inside_the_picture() -> None:
    rng = np.random.default_rng(5)
    for index in range(140):
        shown = draw_face_parameters(rng, draw_person(rng, "p"), EXPRESSIONS[index % 7])
        drawn = draw_face(shown, 64)
        assert drawn.image.shape == (64, 64, 3)
        assert drawn.image.dtype == np.uint8
        assert drawn.landmarks.shape == (68, 2)
        assert (drawn.landmarks > 0).all()
        assert (drawn.landmarks < 64).all()
        x0, y0, x1, y1 = drawn.box
        assert 0 <= x0 < x1 <= 64
        assert 0 <= y0 < y1 <= 64
        assert x1 - x0 == pytest.approx(y1 - y0)
        inside = (drawn.landmarks >= (x0, y0)) & (drawn.landmarks <= (x1, y1))
        assert inside.all(1).mean() > 0.95


def test_landmarks_scale_with_the_picture() -> None:
    small, large = draw_face(face({12: 1.0}), 112), draw_face(face({12: 1.0}), 224)
    np.testing.assert_allclose(small.landmarks * 2, large.landmarks, atol=1e-9)
    assert np.abs(np.array(small.box) * 2 - large.box).max() < 1e-9


def test_the_same_face_gives_the_same_bytes_and_another_seed_another_face() -> None:
    def drawn(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return draw_face(draw_face_parameters(rng, draw_person(rng, "p"), "happy")).image

    assert (drawn(1) == drawn(1)).all()
    assert (drawn(1) != drawn(2)).any()


def test_a_person_keeps_the_shape_of_the_face() -> None:
    rng = np.random.default_rng(3)
    one, other = draw_person(rng, "a"), draw_person(rng, "b")
    pictures = [draw_face_parameters(rng, one, "neutral") for _ in range(2)]
    assert pictures[0].person == pictures[1].person
    assert pictures[0].pose != pictures[1].pose
    assert one.geometry != other.geometry


def test_the_tag_lies_inside_the_box_and_off_the_landmarks() -> None:
    rng = np.random.default_rng(8)
    for index in range(42):
        shown = draw_face_parameters(rng, draw_person(rng, "p"), EXPRESSIONS[index % 7], tag=True)
        drawn = draw_face(shown)
        x0, y0, x1, y1 = tag_box(drawn.box)
        bx0, by0, bx1, by1 = drawn.box
        assert bx0 <= x0 < x1 <= bx1
        assert by0 <= y0 < y1 <= by1
        on_tag = (drawn.landmarks > (x0, y0)) & (drawn.landmarks < (x1, y1))
        assert not on_tag.all(1).any()
        corner = drawn.image[int(y0) + 2, int(x0) + 2] / 255
        assert np.abs(corner - TAG_COLOUR).max() < 0.03
        assert face_box(shown) == drawn.box


def test_monk_tones_keep_their_order_and_groups() -> None:
    light = [skin_paint(tone) @ [0.2126, 0.7152, 0.0722] for tone in range(1, 11)]
    assert light[3:] == sorted(light[3:], reverse=True)
    assert max(light[:3]) - min(light[:3]) < 0.05  # the scale's first three differ in hue more than in light
    assert [tone_group(tone) for tone in (1, 3, 4, 6, 7, 10)] == ["light", "light", "medium", "medium", "dark", "dark"]
    assert len(MONK_HEX) == 10
    assert monk(1)[0] == pytest.approx(0xF6 / 255)


def test_expressions_vary_around_their_prototype() -> None:
    rng = np.random.default_rng(4)
    smiles = [draw_expression(rng, "happy")[0] for _ in range(40)]
    corners = np.array([units[12] for units in smiles])
    assert corners.min() > 0.5
    assert corners.std() > 0.04
    rests = [draw_expression(rng, "neutral")[0] for _ in range(40)]
    assert max(max(units.intensity.values()) for units in rests) < 0.3


@pytest.mark.parametrize(
    "make",
    [
        lambda: ActionUnits({3: 0.5}),
        lambda: ActionUnits({12: 1.5}),
        lambda: ActionUnits({12: 0.5}, 0.9),
        lambda: Look(monk_tone=11),
        lambda: Look(hair="mullet"),
        lambda: draw_face(face(), 16),
        lambda: draw_expression(np.random.default_rng(0), "contempt"),
    ],
)
def test_a_wrong_argument_says_what_was_expected(make: object) -> None:
    with pytest.raises(UsageError, match=r"Expected .* but got"):
        make()  # type: ignore[operator]
