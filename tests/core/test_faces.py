from __future__ import annotations

import gc
import threading
import tracemalloc
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from countenance.core import faces as module
from countenance.core.errors import AuditError
from countenance.core.faces import PREFETCHED_BATCHES, Faces, decoding_workers
from countenance.core.landmarks import ArrayLandmarks
from countenance.core.plan import AttributeSpec


def numbered(folder: Path, count: int, side: int = 8) -> Faces:
    """Faces whose every pixel is their own number."""
    for number in range(count):
        Image.new("RGB", (side, side), (number, number, number)).save(folder / f"{number:03d}.png")
    frame = pd.DataFrame(
        {"face_id": [f"{n:03d}" for n in range(count)], "path": [f"{n:03d}.png" for n in range(count)]}
    )
    frame = frame.assign(label=None, subject=frame["face_id"], split="", may_publish=False)
    return Faces(frame=frame, folder=folder, height_width=(side, side))


def with_workers(faces: Faces, workers: int) -> Faces:
    return module.replace(faces, workers=workers)


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("size", [1, 3, 4, 13, 100])
def test_batches_cover_every_face_once_and_in_order(tmp_path: Path, size: int, workers: int) -> None:
    faces = with_workers(numbered(tmp_path, 13), workers)
    batches = list(faces.batches(size))
    rows = np.concatenate([batch.rows for batch in batches])
    np.testing.assert_array_equal(rows, np.arange(13))
    assert all(len(batch) == size for batch in batches[:-1])
    for batch in batches:
        assert batch.pixels.shape == (len(batch), 3, 8, 8)
        assert str(batch.pixels.dtype) == "torch.float32"
        np.testing.assert_array_equal(batch.pixels[:, 1, 4, 4].numpy(), (batch.rows / 255).astype(np.float32))


def test_some_rows_in_the_order_asked_for(tmp_path: Path) -> None:
    faces = numbered(tmp_path, 6)
    wanted = np.array([5, 0, 3])
    batches = list(faces.batches(2, wanted))
    np.testing.assert_array_equal(np.concatenate([batch.rows for batch in batches]), wanted)
    np.testing.assert_allclose(batches[1].pixels.max().item(), 3 / 255)
    assert list(faces.batches(2, np.array([], dtype=np.int64))) == []


def test_pixels_are_0_to_1_in_the_order_red_green_blue(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (255, 0, 51)).save(tmp_path / "000.png")
    faces = module.replace(numbered(tmp_path, 1), folder=tmp_path)
    Image.new("RGB", (8, 8), (255, 0, 51)).save(tmp_path / "000.png")
    (batch,) = faces.batches(4)
    np.testing.assert_allclose(batch.pixels[0, :, 0, 0].numpy(), [1, 0, 0.2], rtol=1e-6)


def test_unusable_images_are_left_out_and_told_by_row(tmp_path: Path) -> None:
    faces = with_workers(numbered(tmp_path, 7), 2)
    (tmp_path / "001.png").write_bytes(b"")
    (tmp_path / "004.png").unlink()
    (tmp_path / "005.png").write_bytes(b"hello")
    found: dict[int, str] = {}
    batches = list(faces.batches(2, faults=found))
    np.testing.assert_array_equal(np.concatenate([batch.rows for batch in batches]), [0, 2, 3, 6])
    assert [len(batch) for batch in batches] == [1, 2, 1]  # the third batch had none left
    assert sorted(found) == [1, 4, 5]
    assert found[1] == "the file is empty"
    assert found[4] == "the file is missing"


def test_an_image_that_breaks_during_the_audit_stops_it_with_its_row_in_the_manifest(tmp_path: Path) -> None:
    faces = numbered(tmp_path, 5).take(np.array([1, 3, 4]))
    (tmp_path / "003.png").unlink()
    with pytest.raises(AuditError, match="row 4 became unusable during the audit: the file is missing"):
        list(faces.batches(2))


def test_padded_boxes_are_counted_and_a_box_outside_sets_its_row_aside(tmp_path: Path) -> None:
    boxes = np.array([[0.0, 0, 8, 8], [-1, 0, 8, 8], [20, 20, 30, 30], [0, 0, 8, 8.6]])
    faces = module.replace(numbered(tmp_path, 4), boxes=boxes)
    padded: list[int] = []
    found: dict[int, str] = {}
    (batch,) = faces.batches(8, faults=found, padded=padded)
    assert padded == [1, 3]
    assert "lies outside the image (8 x 8)" in found[2]
    np.testing.assert_array_equal(batch.rows, [0, 1, 3])


def test_take_keeps_boxes_landmarks_and_the_rows_of_the_manifest(tmp_path: Path) -> None:
    points = np.arange(6 * 5 * 2, dtype=np.float64).reshape(6, 5, 2)
    boxes = np.stack([[k, 0, k + 8, 8] for k in range(6)]).astype(float) / 4
    faces = module.replace(numbered(tmp_path, 6), boxes=boxes, source=ArrayLandmarks(points))
    some = faces.take(np.array([5, 2, 3])).take(np.array([2, 0]))
    assert len(some) == 2
    assert some.frame["face_id"].tolist() == ["003", "005"]
    assert list(some.frame.index) == [0, 1]
    np.testing.assert_array_equal(some.rows_of_source, [3, 5])
    (batch,) = some.batches(4, landmarks=True)
    assert batch.landmarks is not None
    for place, row in enumerate((3, 5)):
        box = np.round(boxes[row])
        np.testing.assert_allclose(batch.landmarks[place], (points[row] - box[:2]) / (box[2:] - box[:2]) * 8)
    assert len(faces) == 6


def test_landmarks_without_a_box_are_scaled_from_the_whole_image(tmp_path: Path) -> None:
    faces = module.replace(numbered(tmp_path, 1, side=16), height_width=(8, 4))
    faces = module.replace(faces, source=ArrayLandmarks(np.full((1, 5, 2), 8.0)))
    (batch,) = faces.batches(1, landmarks=True)
    assert batch.landmarks is not None
    np.testing.assert_array_equal(batch.landmarks[0, 0], [2, 4])


def test_landmarks_that_nobody_gave_are_an_error_and_aligned_ones_the_template(tmp_path: Path) -> None:
    faces = numbered(tmp_path, 1)
    assert faces.landmarks_kind == "none"
    with pytest.raises(AuditError, match="names no landmarks"):
        list(faces.batches(1, landmarks=True))
    aligned = module.replace(faces, aligned=True)
    assert aligned.landmarks_kind == "aligned"
    (batch,) = aligned.batches(1, landmarks=True)
    assert batch.landmarks is not None
    assert batch.landmarks.shape == (1, 5, 2)


def test_without_images_there_are_no_batches() -> None:
    with pytest.raises(AuditError, match="predictions only"):
        list(Faces(frame=pd.DataFrame({"face_id": ["a"]})).batches(1))


def test_image_hashes_are_of_the_bytes_and_empty_where_there_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HASHED_AT_ONCE", 3)
    faces = with_workers(numbered(tmp_path, 4), 3)
    (tmp_path / "002.png").unlink()
    before = faces.image_hashes()
    assert before[2] == ""
    assert len(set(before)) == 4
    (tmp_path / "001.png").write_bytes((tmp_path / "001.png").read_bytes() + b"\0")
    after = faces.image_hashes()
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True, True]


# Memory and threads --------------------------------------------------------------------------------------------------


def test_only_a_few_batches_are_read_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the reader of the batches is, at most PREFETCHED_BATCHES more wait in memory."""
    faces = with_workers(numbered(tmp_path, 30), 3)
    lock, read = threading.Lock(), [0]
    original = Faces._read

    def counted(self: Faces, row: int) -> Any:
        with lock:
            read[0] += 1
        return original(self, row)

    monkeypatch.setattr(Faces, "_read", counted)
    taken = 0
    for batch in faces.batches(2):
        taken += len(batch)
        deadline = threading.Event()
        deadline.wait(0.005)  # give the threads a chance to run further ahead than they may
        assert read[0] <= taken + 2 * PREFETCHED_BATCHES
    assert read[0] == 30


def test_memory_does_not_grow_with_the_number_of_faces(tmp_path: Path) -> None:
    side = 128
    few = numbered(tmp_path, 16, side=side)

    def peak(rows: int) -> int:
        gc.collect()
        tracemalloc.start()
        for _ in few.batches(4, np.arange(rows) % 16):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(16)
    crop = side * side * 3
    assert peak(240) < 48 * crop  # a few batches of four, not 240 faces
    held = list(few.batches(4, np.arange(64) % 16))  # the measure would see faces that are kept
    assert sum(batch.pixels.nbytes for batch in held) > 48 * crop


def test_breaking_off_leaves_no_thread_behind(tmp_path: Path) -> None:
    faces = with_workers(numbered(tmp_path, 30), 3)
    before = threading.active_count()
    stream = faces.batches(2)
    next(stream)
    stream.close()
    assert threading.active_count() == before


def test_workers_are_as_asked_or_leave_a_processor_free(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decoding_workers(5) == 5
    for count, wanted in ((1, 1), (2, 1), (4, 3), (64, 8)):
        monkeypatch.setattr(module, "processors", lambda count=count: count)
        assert decoding_workers("auto") == wanted


def test_processors_are_those_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "sched_getaffinity", lambda process: {0, 5, 7}, raising=False)
    assert module.processors() == 3
    monkeypatch.delattr(module.os, "sched_getaffinity")
    monkeypatch.setattr(module.os, "cpu_count", lambda: None)
    assert module.processors() == 1


# Groups --------------------------------------------------------------------------------------------------------------


def test_groups_and_their_numbers_of_faces_and_people() -> None:
    frame = pd.DataFrame(
        {"face_id": list("abcd"), "subject": ["p", "p", "q", "r"], "gender": ["f", "f", "m", "(missing)"]}
    )
    frame["light"] = ["dim", "bright", "dim", "dim"]
    attributes = {
        "gender": AttributeSpec(assigned_by="self-reported"),
        "light": AttributeSpec(assigned_by="derived", of="image"),
    }
    faces = Faces(frame=frame, has_subjects=True, attributes=attributes, intersections=[["light", "gender"]])
    np.testing.assert_array_equal(faces.subject_codes, [0, 0, 1, 2])
    assert [groups.name for groups in faces.groupings] == ["gender", "light", "gender&light"]
    gender = faces.summaries()["gender"]
    assert {name: (count.faces, count.subjects) for name, count in gender.groups.items()} == {
        "(missing)": (1, 1),
        "f": (2, 1),
        "m": (1, 1),
    }
    assert (gender.missing, gender.assigned_by, faces.summaries()["light"].of) == (1, "self-reported", "image")


def test_a_study_is_read_as_its_plan_says(study: Any, making: ModuleType) -> None:
    from countenance.core.setup import load_faces

    faces, notes = load_faces(study.load())
    assert (len(faces), notes, faces.has_subjects) == (24, (), True)
    (batch,) = faces.batches(64)
    assert batch.pixels.shape == (24, 3, making.SIDE, making.SIDE)
    dark = batch.pixels[::2].mean().item()
    assert 0.25 < dark < 0.35
