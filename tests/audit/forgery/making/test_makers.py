"""Swaps, morphs and splices: what changes, what does not, and who is given whose face."""

from __future__ import annotations

import numpy as np
import pytest

from countenance.audit.forgery.making import (
    METHODS,
    UNTOUCHED,
    ForgeryError,
    Photo,
    donors,
    face_swap,
    forge,
    look_of,
    morph,
    other_photos,
    photo_of,
    splice,
    through_codec,
)
from countenance.audit.forgery.making import poisson as poisson_module
from countenance.audit.forgery.making.partners import MOST_LOOKED_AT
from countenance.audit.forgery.making.splicing import STABLE
from countenance.audit.forgery.making.swapping import matched
from countenance.synth.action_units import ActionUnits
from countenance.synth.draw import draw_face
from countenance.synth.face import Face
from countenance.synth.stand_ins import FACES


def random(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def drawn(expression: str, units: dict[int, float]) -> Photo:
    """One drawn person with an expression."""
    face = draw_face(Face(FACES[0].person, expression, ActionUnits(units), noise=0.0), 160)
    return photo_of(face.image, face.landmarks)


@pytest.mark.parametrize("name", list(METHODS))
def test_every_kind_changes_the_face_and_nothing_outside_its_mask(photos: list[Photo], name: str) -> None:
    for seed in range(3):
        face, other = photos[seed], photos[(seed + 1) % 3]
        forged = forge(name, face, other, random(seed))
        assert forged.pixels.shape == face.pixels.shape
        assert forged.pixels.dtype == np.uint8
        assert forged.mask.min() == 0
        assert forged.mask.max() <= 1
        assert (forged.pixels == face.pixels)[forged.mask == 0].all()
        changed = np.abs(forged.pixels.astype(int) - face.pixels)[forged.mask > 0.3]
        assert changed.mean() > 0.3
        again = forge(name, face, other, random(seed))
        assert again.pixels.tobytes() == forged.pixels.tobytes()


def test_the_control_is_the_same_bytes_through_the_codec(photos: list[Photo]) -> None:
    control = forge(UNTOUCHED, photos[0], None, random())
    assert control.mask.sum() == 0
    assert through_codec(control.pixels).tobytes() == through_codec(photos[0].pixels).tobytes()


@pytest.mark.parametrize("blend", ["poisson", "feather"])
def test_a_swap_shows_the_donors_surface_in_the_targets_place(photos: list[Photo], blend: str) -> None:
    target, donor = photos[0], photos[1]
    forged = face_swap(target, donor, random(), blend)  # type: ignore[arg-type]
    assert (forged.landmarks == target.landmarks).all()
    # a mark on the donor's nose arrives on the target's
    marked = donor.pixels.copy()
    x, y = donor.landmarks[30].astype(int)
    marked[y - 3 : y + 3, x - 3 : x + 3] = (0, 255, 0)
    with_mark = face_swap(target, Photo(marked, donor.landmarks), random(), blend)  # type: ignore[arg-type]
    difference = np.abs(with_mark.pixels.astype(int) - forged.pixels).sum(axis=2)
    place = np.unravel_index(difference.argmax(), difference.shape)
    assert np.hypot(place[1] - target.landmarks[30, 0], place[0] - target.landmarks[30, 1]) < 8


def test_a_swap_with_oneself_hardly_changes_anything(photos: list[Photo]) -> None:
    forged = face_swap(photos[2], photos[2], random(), "poisson")
    assert np.abs(forged.pixels.astype(int) - photos[2].pixels).max() <= 3


def test_a_morph_lies_between(photos: list[Photo]) -> None:
    none, half, whole = (morph(photos[0], photos[1], random(), share) for share in (0.0, 0.5, 1.0))
    assert np.abs(none.pixels.astype(int) - photos[0].pixels).mean() < 0.5
    middle = (none.landmarks + whole.landmarks) / 2
    assert half.landmarks == pytest.approx(middle, abs=0.01)
    assert (half.landmarks[:17] == photos[0].landmarks[:17]).all()
    solid = half.mask > 0.99

    def apart(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.abs(one.astype(float) - other)[solid].mean())

    assert apart(half.pixels, none.pixels) < apart(whole.pixels, none.pixels)
    assert apart(half.pixels, whole.pixels) < apart(whole.pixels, none.pixels)


def test_a_spliced_mouth_is_the_other_photos() -> None:
    neutral, smiling = drawn("neutral", {}), drawn("happy", {6: 0.8, 12: 1.0, 25: 0.9})
    forged = splice(neutral, smiling, "mouth")
    lips = slice(48, 68)
    to_smile = np.abs(forged.landmarks[lips] - smiling.landmarks[lips]).max()
    assert to_smile < 1.5
    assert (forged.landmarks[:48] == neutral.landmarks[:48]).all()
    inside = forged.mask > 0.99
    to_other = np.abs(forged.pixels.astype(int) - smiling.pixels)[inside].mean()
    to_own = np.abs(forged.pixels.astype(int) - neutral.pixels)[inside].mean()
    assert to_other < 0.5 * to_own
    corners = np.floor(smiling.landmarks[[48, 54]]).astype(int)
    assert (forged.mask[corners[:, 1], corners[:, 0]] > 0).all()  # no mouth is cut off


def test_spliced_eyes_leave_the_mouth() -> None:
    neutral, surprised = drawn("neutral", {}), drawn("surprised", {1: 0.9, 2: 0.9, 5: 0.8, 26: 0.7})
    forged = splice(neutral, surprised, "eyes")
    mouth = np.floor(neutral.landmarks[48:68]).astype(int)
    assert (forged.mask[mouth[:, 1], mouth[:, 0]] == 0).all()
    brows = np.floor(surprised.landmarks[18:26]).astype(int)
    assert (forged.mask[brows[:, 1], brows[:, 0]] > 0.5).mean() > 0.7


def test_matching_brings_mean_and_spread() -> None:
    lot = random()
    source, target = lot.uniform(0, 90, (30, 30, 3)), lot.uniform(100, 180, (30, 30, 3))
    inside = lot.random((30, 30)) < 0.6
    found = matched(source.astype(np.float32), target.astype(np.float32), inside)
    assert found[inside].mean(axis=0) == pytest.approx(target[inside].mean(axis=0), abs=0.1)
    assert found[inside].std(axis=0) == pytest.approx(target[inside].std(axis=0), rel=0.01)


def test_donors_are_other_people_of_the_same_groups_and_near_in_looks() -> None:
    lot = random(1)
    people = np.repeat(np.arange(40), 2)
    groups = np.stack([people % 2, people % 3], axis=1)
    looks = lot.normal(size=(80, 5))
    chosen = donors(people, groups, looks, random(2))
    assert (people[chosen] != people).all()
    assert (groups[chosen] == groups).all()
    away = np.linalg.norm(looks[chosen] - looks, axis=1)
    for face in range(80):
        same = (people != people[face]) & (groups == groups[face]).all(axis=1)
        assert away[face] <= np.sort(np.linalg.norm(looks[same] - looks[face], axis=1))[4] + 1e-9
    assert (donors(people, groups, looks, random(2)) == chosen).all()
    assert (donors(np.zeros(3, dtype=np.int64), groups[:3], looks[:3], random()) == -1).all()


def test_another_photo_is_the_one_with_the_most_different_mouth() -> None:
    photos = [drawn("neutral", {}), drawn("happy", {12: 0.4}), drawn("happy", {12: 1.0, 25: 0.9})]
    points = np.stack([photo.landmarks for photo in photos] + [photos[0].landmarks])
    chosen = other_photos(np.array([5, 5, 5, 9]), points, "mouth")
    assert chosen.tolist() == [2, 2, 0, -1]


def test_looks_tell_colour_and_pose(photos: list[Photo]) -> None:
    plain = look_of(photos[0])
    bright = Photo(np.minimum(photos[0].pixels, 230) + np.uint8(25), photos[0].landmarks)
    assert look_of(bright)[:3] - plain[:3] == pytest.approx([1, 1, 1], abs=0.1)
    turned = photos[0].landmarks.copy()
    turned[30, 0] += 0.1 * np.ptp(turned[[0, 16], 0])
    assert abs(look_of(Photo(photos[0].pixels, turned))[3] - plain[3]) == pytest.approx(1, abs=0.1)


def test_what_is_missing_is_told(photos: list[Photo]) -> None:
    with pytest.raises(ForgeryError, match="another person"):
        forge("morph", photos[0], None, random())
    with pytest.raises(ForgeryError, match="another photo of the same person"):
        forge("mouth_splice", photos[0], None, random())
    with pytest.raises(ForgeryError, match="expected a kind of forgery"):
        forge("deepfake", photos[0], None, random())


def test_no_donor_is_given_to_many() -> None:
    """One face that is like all others would be in most forgeries; two faces at most are given it while others last."""
    people = np.arange(40)
    groups = np.stack([people % 2], axis=1)
    looks = random(1).normal(size=(40, 5))
    looks[:2] = 0  # in the middle of all
    free = donors(people, groups, looks, random(2))
    held = donors(people, groups, looks, random(2), most_uses=2)
    assert np.bincount(free).max() > 3
    assert np.bincount(held).max() == 2
    assert (groups[held] == groups).all()
    alone = np.array([0, 1, 1, 1, 1])  # one person of a group of her own must give her face to all others
    told = donors(alone, np.zeros((5, 0), dtype=np.int64), looks[:5], random(2), most_uses=2)
    assert told[1:].tolist() == [0, 0, 0, 0]


def test_of_many_photos_some_are_looked_through() -> None:
    """Time must not grow with the square of somebody's photos."""
    points = np.repeat(drawn("neutral", {}).landmarks[None], 200, axis=0)
    points[100, 48:60] += 4
    points[199, 48:60] += 9  # the last one is among those at even distances
    chosen = other_photos(np.zeros(200, dtype=np.int64), points, "mouth")
    assert len(np.unique(chosen)) <= MOST_LOOKED_AT
    assert (chosen[:199] == 199).all()
    assert chosen[199] != 199


def test_what_changes_no_pixel_is_no_forgery(photos: list[Photo]) -> None:
    photo = photos[0]
    with pytest.raises(ForgeryError, match="the photo itself"):
        forge("mouth_splice", photo, Photo(photo.pixels.copy(), photo.landmarks), random(), must_change=True)
    kept = forge("mouth_splice", photo, photo, random())  # unless it is asked for, as controls do
    assert kept.pixels.tobytes() == photo.pixels.tobytes()
    tiny = Photo(photo.pixels, photo.landmarks * np.float32(9 / photo.extent))  # a face of nine pixels
    with pytest.raises(ForgeryError, match="the photo itself"):
        forge("mouth_splice", tiny, photos[1], random(), must_change=True)
    assert forge(UNTOUCHED, photo, None, random(), must_change=True).mask.sum() == 0


@pytest.mark.parametrize("name", list(METHODS))
def test_landmarks_of_no_face_are_refused(photos: list[Photo], name: str) -> None:
    """A line, a point, or a face whose corners of the eyes and nose are one: told, and nothing else is raised."""
    line = np.stack([np.linspace(20, 90, 68), np.full(68, 40.0)], axis=1).astype(np.float32)
    point = np.full((68, 2), 40.0, dtype=np.float32)
    collapsed = photos[1].landmarks.copy()
    collapsed[STABLE] = collapsed[30]
    refused = 0
    for points in (line, point, collapsed):
        odd = Photo(photos[1].pixels, points)
        for one, other in ((odd, photos[0]), (photos[0], odd)):
            try:
                forge(name, one, other, random(), must_change=True)
            except ForgeryError:  # and no other error
                refused += 1
    assert refused >= 2


def test_a_blend_that_does_not_settle_is_refused(photos: list[Photo], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poisson_module, "MOST_CYCLES", 1)
    with pytest.raises(ForgeryError, match="did not settle"):
        forge("face_swap_poisson", photos[0], photos[1], random())
