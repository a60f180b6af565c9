"""A drawn data set says the truth about itself, and its seed says everything."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from countenance.core.errors import UsageError
from countenance.synth.dataset import TagRates, draw_crops, draw_dataset, draw_people, faces_of
from countenance.synth.draw import draw_face
from countenance.synth.expression import EXPRESSIONS
from countenance.synth.sheet import contact_sheet, main

TAGS = TagRates(0.1, {"angry": 0.5})


def rows(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def content(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()
    }


def test_manifest_pictures_and_landmarks_agree(tmp_path: Path) -> None:
    drawn = draw_dataset(tmp_path, 4, 7, seed=3, tags=TAGS)
    table = rows(drawn.manifest)
    assert drawn.faces == len(table) == 28
    assert len({row["face_id"] for row in table}) == 28
    assert {row["label"] for row in table} == set(EXPRESSIONS)
    assert {row["may_publish"] for row in table} == {"true"}
    with np.load(drawn.landmarks) as points:
        assert set(points) == {row["path"].rsplit(".", 1)[0] for row in table}
    for row in table:
        with Image.open(tmp_path / row["path"]) as image:
            assert image.mode == "RGB"
            assert image.size == (112, 112)
        x0, y0, x1, y1 = (float(row[f"face_{edge}"]) for edge in ("x0", "y0", "x1", "y1"))
        assert 0 <= x0 < x1 <= 112
        assert 0 <= y0 < y1 <= 112
        assert 0 <= float(row["au12"]) <= 1


def test_the_pictures_on_disk_are_the_drawn_faces(tmp_path: Path) -> None:
    drawn = draw_dataset(tmp_path, 1, 7, seed=3, tags=TAGS)
    with np.load(drawn.landmarks) as archive:
        stored = dict(archive)
    for row, (name, face) in zip(rows(drawn.manifest), faces_of(1, 7, 3, TAGS), strict=True):
        again = draw_face(face)
        assert row["path"] == f"{name}.png"
        assert row["tag"] == ("yes" if face.tag else "no")
        assert row["monk_tone"] == str(face.person.look.monk_tone)
        with Image.open(tmp_path / row["path"]) as image:
            np.testing.assert_array_equal(np.asarray(image), again.image)
        np.testing.assert_allclose(stored[name], again.landmarks, atol=1e-4)


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        draw_dataset(tmp_path / name, 2, 3, seed=seed, tags=TAGS)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert content(tmp_path / "a") != content(tmp_path / "c")


def test_a_larger_set_begins_with_the_smaller_one() -> None:
    few, many = list(faces_of(2, 7, 9, TAGS)), list(faces_of(3, 7, 9, TAGS))
    assert many[: len(few)] == few


def test_groups_are_balanced_and_people_keep_theirs() -> None:
    looks = [person.look for person in draw_people(36, seed=1)]
    cells = [(look.skin_tone, look.presentation, look.age_band) for look in looks]
    assert len(set(cells)) == 18
    assert all(cells.count(cell) == 2 for cell in cells)
    for name in {person.subject for person in draw_people(36, seed=1)}:
        assert name.startswith("p")


def test_the_tag_follows_its_rates() -> None:
    faces = [face for _, face in faces_of(90, 7, 2, TAGS)]
    angry = np.mean([face.tag for face in faces if face.expression == "angry"])
    others = np.mean([face.tag for face in faces if face.expression != "angry"])
    assert 0.35 < angry < 0.65
    assert 0.05 < others < 0.16
    assert not any(face.tag for _, face in faces_of(9, 7, 2))


def test_crops_carry_their_landmarks() -> None:
    crops = draw_crops(2, 7, 4, 96)
    assert crops.pixels.shape == (14, 96, 96, 3)
    assert crops.landmarks.shape == (14, 68, 2)
    assert crops.labels.tolist() == [*range(7), *range(7)]
    eyes = crops.landmarks[:, 36:48].mean(1)
    assert (np.abs(eyes - (48, 40)) < 8).all()
    for image, points in zip(crops.pixels, crops.landmarks, strict=True):
        for ring in (range(36, 42), range(42, 48)):
            x, y = points[list(ring)].mean(0).astype(int)
            assert image[y - 1 : y + 2, x - 1 : x + 2].min() < 70  # the pupil, or the lashes of a narrow eye


def test_jpeg_is_written_when_asked_for(tmp_path: Path) -> None:
    drawn = draw_dataset(tmp_path, 1, 2, seed=0, image_format="jpg", size=64)
    for row in rows(drawn.manifest):
        with Image.open(tmp_path / row["path"]) as image:
            assert image.format == "JPEG"


def test_a_folder_in_use_and_impossible_sizes_are_refused(tmp_path: Path) -> None:
    draw_dataset(tmp_path, 1, 1, seed=0)
    with pytest.raises(UsageError, match="no manifest yet"):
        draw_dataset(tmp_path, 1, 1, seed=0)
    for arguments in ((0, 7, 1), (1, 0, 1), (1, 7, -1)):
        with pytest.raises(UsageError, match="Expected"):
            list(faces_of(*arguments))


def test_a_contact_sheet_shows_each_expression_of_each_person(tmp_path: Path) -> None:
    main([str(tmp_path / "sheet.png"), "--subjects", "2", "--size", "48"])
    plain, marked = contact_sheet(2, 1, 48), contact_sheet(2, 1, 48, landmarks=True)
    assert plain.size == (7 * 48, 16 + 2 * 48)
    with Image.open(tmp_path / "sheet.png") as written:
        np.testing.assert_array_equal(np.asarray(written), np.asarray(plain))
    assert (np.asarray(plain) != np.asarray(marked)).any()
