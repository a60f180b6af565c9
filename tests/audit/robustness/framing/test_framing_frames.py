from __future__ import annotations

from dataclasses import replace
from math import cos, radians, sin
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from countenance.audit.robustness.framing.changes import FAMILIES, Frame, conditions_of, frame_of
from countenance.audit.robustness.framing.cutting import cut_frame, region
from countenance.audit.robustness.framing.reframing import Reframing
from countenance.core.errors import AuditError
from countenance.core.faces import FaceBatch, Faces
from countenance.core.numbers import Fraction

BOX = (10, 20, 50, 100)  # 40 wide, 80 high


@pytest.mark.parametrize(
    ("name", "amount", "box", "degrees"),
    [
        ("identity", 0.0, BOX, 0.0),
        ("mirror", 0.0, BOX, 0.0),
        ("shift_left", 0.1, (6, 20, 46, 100), 0.0),
        ("shift_right", 0.1, (14, 20, 54, 100), 0.0),
        ("shift_up", 0.1, (10, 12, 50, 92), 0.0),
        ("shift_down", 0.1, (10, 28, 50, 108), 0.0),
        ("loose_box", 0.2, (6, 12, 54, 108), 0.0),
        ("tight_box", 0.2, (14, 28, 46, 92), 0.0),
        ("wide_box", 0.2, (6, 20, 54, 100), 0.0),
        ("tall_box", 0.2, (10, 12, 50, 108), 0.0),
        ("rotation_left", 15.0, BOX, 15.0),
        ("rotation_right", 15.0, BOX, -15.0),
    ],
)
def test_where_a_changed_crop_is_taken_from(name: str, amount: float, box: Any, degrees: float) -> None:
    assert frame_of(name, amount, BOX) == Frame(box, degrees)


def test_every_change_is_tried_and_none_twice() -> None:
    amounts = {"shift": [Fraction("0.1")], "rotation": [Fraction("5"), Fraction("10")]}
    found = conditions_of(amounts, mirror=True)
    names = [condition.name for condition in found]
    assert names[0] == "identity"
    assert names[-1] == "mirror"
    assert sorted(names[1:-1]) == sorted([*FAMILIES["shift"], *FAMILIES["rotation"] * 2])
    assert len(set(found)) == len(found)
    assert "turned left by 10 degrees" in [condition.title for condition in found]
    assert "box moved up by 10 %" in [condition.title for condition in found]


def test_a_box_never_becomes_empty() -> None:
    frame = frame_of("tight_box", 0.9, (0, 0, 3, 3))
    assert frame.box[2] > frame.box[0]
    assert frame.box[3] > frame.box[1]


def test_share_beyond_the_picture() -> None:
    assert Frame((0, 0, 10, 10)).share_beyond(10, 10) == 0
    assert Frame((-5, 0, 5, 10)).share_beyond(10, 10) == pytest.approx(0.5)
    assert Frame((-5, -5, 5, 5)).share_beyond(10, 10) == pytest.approx(0.75)
    assert Frame((20, 0, 30, 10)).share_beyond(10, 10) == 1


def test_share_beyond_the_picture_of_a_turned_box_is_the_black_of_its_crop() -> None:
    white = Image.new("RGB", (200, 200), (255, 255, 255))
    for box, degrees in (((0, 0, 200, 200), 45.0), ((-40, 20, 120, 180), 30.0), ((60, 60, 140, 140), 45.0)):
        frame = Frame(box, degrees)
        black = (cut_frame(white, frame, (80, 80), "black") < 128).mean()
        assert frame.share_beyond(200, 200) == pytest.approx(black, abs=0.02)


def waves(width: int, height: int) -> np.ndarray:
    """A smooth picture whose value is known everywhere."""
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return np.stack([wave(x, y, channel) for channel in range(3)], axis=-1)


def wave(x: np.ndarray, y: np.ndarray, channel: int) -> np.ndarray:
    return 127 + 60 * np.sin(x / (23 + 5 * channel)) + 50 * np.cos(y / (31 - 4 * channel))


@pytest.mark.parametrize("degrees", [10.0, -25.0, 90.0])
def test_a_turned_crop_shows_the_picture_turned_about_the_boxs_centre(degrees: float) -> None:
    image = Image.fromarray(np.rint(waves(240, 200)).astype(np.uint8))
    box, side = (70, 60, 150, 140), 40
    crop = cut_frame(image, Frame(box, degrees), (side, side), "black").astype(float)
    steps = (np.arange(side) + 0.5) * 80 / side - 40
    dx, dy = np.meshgrid(steps, steps)
    angle = radians(degrees)  # to the left: what is now above was to the right, with y down
    x = 110 + cos(angle) * dx - sin(angle) * dy
    y = 100 + sin(angle) * dx + cos(angle) * dy
    expected = np.stack([wave(x, y, channel) for channel in range(3)], axis=-1)
    assert np.abs(crop - expected).max() < 3


def test_turned_left_moves_what_is_right_of_the_centre_up() -> None:
    pixels = np.zeros((100, 100, 3), dtype=np.uint8)
    pixels[47:53, 75:85] = 255
    crop = cut_frame(Image.fromarray(pixels), Frame((0, 0, 100, 100), 90.0), (50, 50), "black")
    row, column = np.unravel_index(crop[..., 0].argmax(), (50, 50))
    assert row < 15
    assert 20 < column < 30


def test_a_large_picture_is_reduced_before_it_is_turned() -> None:
    small, large = (
        Image.fromarray(np.rint(waves(800, 800)).astype(np.uint8)).resize(size) for size in ((400, 400), (1600, 1600))
    )
    of_small = cut_frame(small, Frame((100, 100, 300, 300), 20.0), (50, 50), "black").astype(float)
    of_large = cut_frame(large, Frame((400, 400, 1200, 1200), 20.0), (50, 50), "black").astype(float)
    assert np.abs(of_small - of_large).max() < 6


def test_beyond_the_picture_is_black_or_its_edge_again() -> None:
    image = Image.fromarray(np.rint(waves(30, 30)).astype(np.uint8))
    box = (-10, 5, 20, 45)
    black, edge = (np.asarray(region(image, box, fill)) for fill in ("black", "edge"))
    whole = np.asarray(image)
    np.testing.assert_array_equal(black[:25, 10:], whole[5:, :20])
    np.testing.assert_array_equal(edge[:25, 10:], whole[5:, :20])
    assert not black[:, :10].any()
    assert not black[25:].any()
    np.testing.assert_array_equal(edge[3, :10], np.repeat(whole[8, :1], 10, axis=0))
    np.testing.assert_array_equal(edge[25:, 15], np.repeat(whole[29:, 5], 15, axis=0))


def pictures(folder: Path, boxes: np.ndarray | None, count: int = 5) -> Faces:
    random = np.random.default_rng(3)
    for number in range(count):
        pixels = random.integers(0, 256, (60, 70, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((140, 120)).save(folder / f"{number}.png")
    ids = [str(number) for number in range(count)]
    frame = pd.DataFrame({"face_id": ids, "path": [f"{name}.png" for name in ids], "subject": ids})
    frame = frame.assign(label=None, split="", may_publish=False)
    return Faces(frame, folder, (32, 32), boxes, workers=2)


BOXES = np.array(
    [[20.3, 10.6, 90.2, 80.9], [-8.0, 30, 60, 98], [70, 60, 150.4, 140.4], [0, 0, 140, 120], [50, 40, 81, 71]]
)


@pytest.mark.parametrize("boxes", [BOXES, None])
def test_without_a_change_the_face_comes_back_bit_for_bit(tmp_path: Path, boxes: np.ndarray | None) -> None:
    faces = pictures(tmp_path, boxes)
    batch = next(iter(faces.batches(5)))
    conditions = conditions_of({"shift": [Fraction("0.1")]}, mirror=True)
    reframing = Reframing(faces, conditions, (32, 32))
    torch.testing.assert_close(reframing(conditions[0], batch).pixels, batch.pixels, rtol=0, atol=0)
    torch.testing.assert_close(reframing(conditions[-1], batch).pixels, batch.pixels.flip(3), rtol=0, atol=0)


@pytest.mark.parametrize(("name", "amount"), [("shift_left", "0.2"), ("loose_box", "0.4"), ("tight_box", "0.1")])
def test_a_changed_box_is_what_the_audit_would_read_there(tmp_path: Path, name: str, amount: str) -> None:
    faces = pictures(tmp_path, BOXES)
    moved = np.array(
        [frame_of(name, float(amount), tuple(np.round(box).astype(int))).box for box in BOXES], dtype=float
    )
    expected = next(iter(replace(faces, boxes=moved).batches(5))).pixels
    family = "shift" if name.startswith("shift") else name
    conditions = conditions_of({family: [Fraction(amount)]}, mirror=False)
    condition = next(each for each in conditions if each.name == name)
    found = Reframing(faces, conditions, (32, 32))(condition, next(iter(faces.batches(5))))
    torch.testing.assert_close(found.pixels, expected, rtol=0, atol=0)


def test_crops_do_not_depend_on_how_many_are_kept_or_on_the_batch(tmp_path: Path) -> None:
    faces = pictures(tmp_path, BOXES)
    conditions = conditions_of({"shift": [Fraction("0.1")], "rotation": [Fraction("10")]}, mirror=True)
    whole = next(iter(faces.batches(5)))
    much, little = Reframing(faces, conditions, (32, 32)), Reframing(faces, conditions, (32, 32), kept=1)
    alone = [FaceBatch(whole.rows[i : i + 1], whole.pixels[i : i + 1]) for i in range(5)]
    for condition in [*conditions, conditions[2]]:
        expected = much(condition, whole).pixels
        torch.testing.assert_close(little(condition, whole).pixels, expected, rtol=0, atol=0)
        single = torch.cat([little(condition, part).pixels for part in alone])
        torch.testing.assert_close(single, expected, rtol=0, atol=0)
    assert much.beyond == little.beyond


def test_how_far_crops_lie_beyond_their_pictures_is_noted(tmp_path: Path) -> None:
    boxes = np.array([[130.0, 10, 150, 30]] * 5)  # half of it beyond the picture of 140 pixels already
    faces = pictures(tmp_path, boxes)
    conditions = conditions_of({"shift": [Fraction("0.25"), Fraction("0.5")]}, mirror=False)
    reframing = Reframing(faces, conditions, (32, 32))
    batch = next(iter(faces.batches(5)))
    done = {(each.name, each.size): reframing(each, batch) for each in conditions}
    assert done["shift_right", "0.25"].possible is None
    assert done["shift_right", "0.5"].possible is not None
    assert not done["shift_right", "0.5"].possible.any()
    torch.testing.assert_close(done["shift_right", "0.5"].pixels, batch.pixels)
    shares = {(each.name, each.size): set(reframing.beyond[each].values()) for each in conditions}
    assert shares["shift_right", "0.25"] == {0.75}
    assert shares["shift_right", "0.5"] == {1.0}
    assert shares["shift_left", "0.5"] == {0.0}


def test_a_face_that_is_no_row_has_only_its_own_pixels(tmp_path: Path) -> None:
    faces = pictures(tmp_path, BOXES)
    pixels = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    conditions = conditions_of({"shift": [Fraction("0.25")]}, mirror=False)
    reframing = Reframing(faces, conditions, (32, 32))
    batch = FaceBatch(np.array([2**40, 2**40 + 1]), pixels)
    torch.testing.assert_close(reframing(conditions[0], batch).pixels, pixels, rtol=0, atol=0.5 / 255 + 1e-6)
    left = reframing(conditions[1], batch).pixels
    torch.testing.assert_close(left[..., 8:], pixels[..., :24], rtol=0, atol=0.5 / 255 + 1e-6)
    torch.testing.assert_close(left[..., :8], left[..., 8:9].expand(-1, -1, -1, 8))
    assert not reframing.beyond[conditions[1]]


def test_a_picture_that_went_missing_is_told(tmp_path: Path) -> None:
    faces = pictures(tmp_path, BOXES)
    batch = next(iter(faces.batches(5)))
    (tmp_path / "3.png").unlink()
    conditions = conditions_of({}, mirror=False)
    with pytest.raises(AuditError, match="row 4 became unusable: the file is missing"):
        Reframing(faces, conditions, (32, 32))(conditions[0], batch)


def test_without_a_change_real_faces_come_back_bit_for_bit(london: Any) -> None:
    conditions = conditions_of({}, mirror=False)
    batch = next(iter(london.faces.batches(6, np.arange(0, 204, 40))))
    found = Reframing(london.faces, conditions, london.target.size)(conditions[0], batch)
    torch.testing.assert_close(found.pixels, batch.pixels, rtol=0, atol=0)
