"""What is planted is what the pictures say, and nothing else; what a net uses is found by changing it."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from countenance.core.errors import UsageError
from countenance.synth.dataset import LANDMARKS, DrawnCrops
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.face import Face
from countenance.synth.held_out import Truth, draw_held_out, measure_truth, write_crops
from countenance.synth.nets import MEAN, STD
from countenance.synth.shortcut_nets import NETS, SIZE, Effort, corner_of, people_of, train_nets
from countenance.synth.shortcuts import (
    CORNERS,
    LOWER_UNITS,
    PATCH_COLOURS,
    UPPER_UNITS,
    other_codes,
    stamped,
    with_half_at_random,
    with_half_of,
)

LITTLE = Effort(people=6, held_out=3, epochs=dict.fromkeys(NETS, 1))


@pytest.fixture(scope="module")
def faces() -> list[Face]:
    return people_of(5, 60)


@pytest.fixture(scope="module")
def crops(faces: list[Face]) -> DrawnCrops:
    pixels = np.random.default_rng(0).integers(0, 256, (28, 40, 40, 3), dtype=np.uint8)
    return DrawnCrops(pixels, np.zeros((28, 68, 2), np.float32), tuple(faces[:28]))


def test_the_units_are_dealt_to_two_halves() -> None:
    assert not set(UPPER_UNITS) & set(LOWER_UNITS)
    assert {1, 2, 4, 5, 6, 7, 9} == set(UPPER_UNITS)
    assert {10, 12, 15, 16, 17, 20, 23, 24, 25, 26, 27} == set(LOWER_UNITS)


@pytest.mark.parametrize(("half", "changed", "kept"), [
    ("upper", UPPER_UNITS, LOWER_UNITS),
    ("lower", LOWER_UNITS, UPPER_UNITS),
])  # fmt: skip
def test_only_one_half_shows_the_other_expression(
    faces: list[Face], half: str, changed: tuple[int, ...], kept: tuple[int, ...]
) -> None:
    face = faces[EXPRESSIONS.index("happy")]
    other = with_half_of(face, half, "surprised", np.random.default_rng(1))  # type: ignore[arg-type]
    assert other.expression == "happy"
    assert all(other.units[unit] == face.units[unit] for unit in kept)
    strong = {"upper": (1, 2, 5), "lower": (25,)}[half]
    assert all(other.units[unit] > 0.2 for unit in strong)
    gone = {"upper": 6, "lower": 12}[half]
    assert gone in changed
    assert face.units[gone] > 0.3
    assert other.units[gone] < 0.2
    assert (other.gaze == face.gaze) == (half == "lower")
    assert replace(other, units=face.units, gaze=face.gaze) == face


def test_a_half_drawn_at_random_says_nothing_of_the_label(faces: list[Face]) -> None:
    """The brows of surprise are as high, on average, in faces that are surprised as in the others."""
    mixed = with_half_at_random(faces, "upper", 5)
    assert [face.expression for face in mixed] == [face.expression for face in faces]
    for unit in (1, 4, 5):
        before = np.array([face.units[unit] for face in faces])
        after = np.array([face.units[unit] for face in mixed])
        labels = np.array([face.expression for face in faces])
        spread = after.std() / np.sqrt(60)
        means = np.array([after[labels == name].mean() for name in EXPRESSIONS])
        assert np.ptp([before[labels == name].mean() for name in EXPRESSIONS]) > 8 * spread
        assert np.ptp(means) < 5 * spread
    assert mixed == with_half_at_random(faces, "upper", 5)
    assert mixed != with_half_at_random(faces, "upper", 6)


def test_a_half_is_never_its_own_where_that_is_asked(faces: list[Face]) -> None:
    surprised = [face for face in faces if face.expression == "surprised"]
    high = [face.units[1] > 0.5 and face.units[2] > 0.5 for face in with_half_at_random(surprised, "upper", 1)]
    never = [
        face.units[1] > 0.5 and face.units[2] > 0.6
        for face in with_half_at_random(surprised, "upper", 1, never_own=True)
    ]
    assert any(high)
    assert not any(never)


@pytest.mark.parametrize("corner", CORNERS)
def test_the_patch_lies_in_its_corner_and_shows_its_code(crops: DrawnCrops, corner: str) -> None:
    before = crops.pixels.copy()
    codes = np.arange(28) % 7
    shown = stamped(crops, codes, corner)  # type: ignore[arg-type]
    assert (crops.pixels == before).all()
    changed = (shown.pixels != before).any(axis=(0, 3))
    rows, columns = np.nonzero(changed)
    assert len(rows) == 25
    assert (rows.max() < 7) == corner.startswith("upper")
    assert (rows.min() > 32) == corner.startswith("lower")
    assert (columns.max() < 7) == corner.endswith("left")
    assert (columns.min() > 32) == corner.endswith("right")
    assert (shown.pixels[:, rows[0], columns[0]] == np.array(PATCH_COLOURS)[codes]).all()
    assert len(set(PATCH_COLOURS)) == len(EXPRESSIONS)


def test_a_code_too_few_is_told(crops: DrawnCrops) -> None:
    with pytest.raises(UsageError, match="one code for each of 28 pictures, but got 3"):
        stamped(crops, np.zeros(3, np.int64), "upper left")


def test_other_codes_are_never_the_own_unless_allowed() -> None:
    labels = np.repeat(np.arange(7), 40)
    other, any_code = other_codes(labels, 1), other_codes(labels, 1, never_own=False)
    assert not (other == labels).any()
    assert set(other) == set(any_code) == set(range(7))
    assert 0.05 < (any_code == labels).mean() < 0.25


def test_nobody_is_trained_on_and_audited() -> None:
    sets = [people_of(seed, 2, held_out=held_out) for seed in (0, 1, 10) for held_out in (False, True)]
    geometries = [repr(face.person.geometry) for faces in sets for face in faces[::7]]
    assert len(set(geometries)) == 12


def test_training_repeats_itself_and_each_corner_takes_its_turn(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = train_nets(3, LITTLE), train_nets(3, LITTLE)
    assert tuple(first) == NETS
    for name in NETS:
        assert not first[name].training
        for one, other in zip(first[name].state_dict().values(), second[name].state_dict().values(), strict=True):
            assert torch.equal(one, other)
            assert one.is_contiguous()
    assert not torch.equal(first["normal"].head.weight, first["mouth"].head.weight)
    assert [corner_of(seed) for seed in range(4)] == list(CORNERS)
    assert "corner 1/1" in capsys.readouterr().err


class PatchReader(nn.Module):
    """Answers what the colour of the middle of the patch says."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rows = 5 if corner_of(seed).startswith("upper") else SIZE - 6
        self.columns = 5 if corner_of(seed).endswith("left") else SIZE - 6

    def forward(self, pixels: Tensor) -> Tensor:
        seen = pixels[:, :, self.rows, self.columns] * STD[0] + MEAN[0]
        colours = torch.tensor(PATCH_COLOURS) / 255
        return -(seen[:, None] - colours).square().sum(dim=2)


def test_what_a_net_uses_is_found_by_changing_it() -> None:
    """A net that reads the patch and nothing else is right until the patch lies, whatever the face does."""
    truth = measure_truth(PatchReader(2), draw_held_out(2, LITTLE))  # type: ignore[arg-type]
    assert truth == Truth(1.0, 1.0, 1.0, 0.0, 1.0)
    assert [truth.took(name) for name in NETS] == [False, False, True]


def test_the_pictures_of_a_seed_differ_only_where_they_should() -> None:
    held_out = draw_held_out(2, LITTLE)  # the patch is in the lower left corner
    whole, upper, lower = (
        held_out.crops.pixels.astype(int),
        held_out.upper_changed.pixels.astype(int),
        held_out.lower_changed.pixels.astype(int),
    )
    eyes = slice(0, SIZE // 2), slice(SIZE // 4, 3 * SIZE // 4)
    mouth = slice(44, 56), slice(SIZE // 4, 3 * SIZE // 4)

    def moved(pixels: np.ndarray, part: tuple[slice, slice]) -> float:
        return float(np.abs(pixels - whole)[:, part[0], part[1]].mean())

    assert moved(upper, eyes) > 3 * moved(upper, mouth)
    assert moved(lower, mouth) > 3 * moved(lower, eyes)
    patch = np.nonzero((held_out.patch_changed.pixels != held_out.crops.pixels).any(axis=(0, 3)))
    assert patch[0].min() > SIZE - 12
    assert patch[1].max() < 12
    assert not (held_out.patches == held_out.crops.labels).any()


@pytest.mark.parametrize(
    ("truth", "took"),
    [
        (Truth(0.95, 0.30, 0.41, 0.95, 0.02), "normal"),
        (Truth(0.87, 0.86, 0.03, 0.87, 0.03), "mouth"),
        (Truth(1.00, 1.00, 1.00, 0.00, 1.00), "corner"),
        (Truth(0.95, 0.90, 0.41, 0.95, 0.02), None),  # hardly needs the upper half, and yet falls back on it
        (Truth(0.60, 0.60, 0.03, 0.60, 0.03), None),  # too often wrong
        (Truth(0.87, 0.86, 0.03, 0.50, 0.40), None),  # reads mouth and patch
    ],
)
def test_a_plant_took_or_did_not(truth: Truth, took: str | None) -> None:
    assert [name for name in NETS if truth.took(name)] == ([took] if took else [])


def test_what_is_written_for_an_audit_can_be_read_again(tmp_path: Path) -> None:
    crops = draw_held_out(2, LITTLE).crops
    manifest = write_crops(crops, tmp_path)
    with manifest.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == [face.expression for face in crops.faces]
    assert len({row["subject"] for row in rows}) == 3
    with np.load(tmp_path / LANDMARKS) as points:
        assert len(points.files) == 21
        for row, expected in zip(rows, crops.landmarks, strict=True):
            np.testing.assert_array_equal(points[row["path"].removesuffix(".png")], expected)
