from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from countenance.core.errors import ManifestError
from countenance.core.landmarks import ALIGNED_TEMPLATE, ArrayLandmarks, NpzLandmarks, aligned_landmarks, to_crop
from countenance.core.setup import load_faces

PATHS = ["images/a/001.jpg", "images/a/002.jpg", "images/b/001.jpg"]


def write(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "points.npz", **{name.replace("__", "/"): array for name, array in arrays.items()})
    return folder / "points.npz"


def points(seed: int, count: int = 68, columns: int = 2) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).random((count, columns)) * 100


def test_points_are_found_by_the_path_without_suffix_and_read_when_asked_for(tmp_path: Path) -> None:
    first, third = points(1), points(3, columns=3)
    file = write(tmp_path, images__a__001=first, images__b__001=third, elsewhere=points(4))
    source = NpzLandmarks(file, PATHS)
    assert (source.kind, source.points, source.missing) == ("68", 68, 1)
    read = source.read(np.array([2, 1, 0]))
    np.testing.assert_array_equal(read[0], third[:, :2])
    assert np.isnan(read[1]).all()
    np.testing.assert_array_equal(read[2], first)
    assert source.read(np.array([], dtype=np.int64)).shape == (0, 68, 2)


def test_a_path_written_with_backslashes_is_found(tmp_path: Path) -> None:
    file = write(tmp_path, images__a__001=points(1))
    assert NpzLandmarks(file, ["images\\a\\001.jpg", "."]).missing == 1


@pytest.mark.parametrize("shape", [(67, 2), (68, 4), (68,), (68, 2, 2), (0, 2), (2, 68)])
def test_a_wrong_shape_is_told_with_the_right_ones(tmp_path: Path, shape: tuple[int, ...]) -> None:
    file = write(tmp_path, images__a__001=np.zeros(shape))
    with pytest.raises(ManifestError, match=r"'images/a/001' have the shape .*expected \(5 or 68 or 478, 2 or 3\)"):
        NpzLandmarks(file, PATHS)


def test_another_shape_further_on_counts_as_missing_without_naming_the_face(tmp_path: Path, log: list[str]) -> None:
    source = NpzLandmarks(write(tmp_path, images__a__001=points(1), images__a__002=points(1, 5)), PATHS)
    assert source.missing == 1
    for _ in range(2):
        read = source.read(np.array([0, 1, 2]))
        np.testing.assert_array_equal(np.isnan(read).all(axis=(1, 2)), [False, True, True])
    assert source.missing == 2
    assert source.missing_among(np.array([0, 1])) == 1
    assert log == [
        "row 2: its landmarks count as missing, since they have the shape (5, 2), expected (68, 2 or 3)",
    ]


def test_faces_of_one_picture_need_landmarks_of_their_own(tmp_path: Path) -> None:
    paths = ["a/1.jpg", "a/1.jpg", "a/2.jpg", "a/2.png", "b.jpg"]
    file = write(tmp_path, a__1=points(1), a__2=points(2), b=points(3))
    with pytest.raises(ManifestError, match="4 faces share their landmarks with another face") as raised:
        NpzLandmarks(file, paths, ["f1", "f2", "a/2.jpg", "a/2.png", "b.jpg"])
    assert "a/1" not in str(raised.value)
    own = {"f1": points(1), "f2": points(2), "a/2.jpg": points(3), "a/2": points(4)}
    file = write(tmp_path, **own)
    source = NpzLandmarks(file, paths, ["f1", "f2", "a/2.jpg", "a/2.png", "b.jpg"])
    read = source.read(np.arange(5))
    for place, array in enumerate(own.values()):
        np.testing.assert_array_equal(read[place], array)
    assert source.missing == 1


def test_a_header_that_announces_more_than_the_memory_holds(tmp_path: Path, log: list[str]) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"shape": (2**40, 2**20), "fortran_order": False, "descr": "<f8"})
    with zipfile.ZipFile(tmp_path / "h.npz", "w") as archive:
        archive.writestr("images/a/001.npy", header.getvalue())
    with pytest.raises(ManifestError, match="have the shape"):
        NpzLandmarks(tmp_path / "h.npz", PATHS)
    good = io.BytesIO()
    np.save(good, points(1))
    with zipfile.ZipFile(tmp_path / "h.npz", "w") as archive:
        archive.writestr("images/a/001.npy", good.getvalue())
        archive.writestr("images/a/002.npy", header.getvalue())
    source = NpzLandmarks(tmp_path / "h.npz", PATHS)
    assert np.isnan(source.read(np.array([1]))).all()
    assert "have the shape (1099511627776, 1048576)" in log[0]


def test_faces_without_landmarks_are_counted_in_the_results(study: Any) -> None:
    keys = [path.removesuffix(".png") for path in study.table["path"]]
    np.savez(study.folder / "p.npz", **{key: points(1, 5) for key in keys[:20]}, **{keys[20]: points(1, 68)})
    faces = load_faces(study.load(study.changed(data={"landmarks": "p.npz"})))[0]
    assert faces.landmarks_missing == 3
    next(faces.batches(24, landmarks=True))
    assert faces.landmarks_missing == 4
    assert faces.take(np.arange(20, 23)).landmarks_missing == 3
    results = study.run(plan=study.changed(data={"landmarks": "p.npz"}))
    assert any(text.startswith("3 of 24 faces have no landmarks") for text in results.data.not_measured)
    assert not any("have no landmarks" in text for text in study.run().data.not_measured)


def test_landmarks_of_none_of_the_faces_name_both_kinds_of_keys(tmp_path: Path) -> None:
    file = write(tmp_path, a__001=points(1))
    with pytest.raises(
        ManifestError, match=r"none of the 3 faces.*e\.g\. 'a/001', and the manifest has 'images/a/001'"
    ):
        NpzLandmarks(file, PATHS)
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(ManifestError, match="none of the 3 faces"):
        NpzLandmarks(tmp_path / "empty.npz", PATHS)


def test_texts_are_no_landmarks(tmp_path: Path) -> None:
    file = write(tmp_path, images__a__001=np.full((68, 2), "x"))
    with pytest.raises(ManifestError, match="no numbers but <U1"):
        NpzLandmarks(file, PATHS)


class Trap:
    """Leaves a mark when it is unpickled."""

    sprung: ClassVar[list[int]] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return (Trap.sprung.append, (1,))


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    array = np.empty((68, 2), dtype=object)
    array[:] = 0.0
    array[0, 0] = Trap()
    with pytest.raises(ManifestError, match="cannot be read"):
        NpzLandmarks(write(tmp_path, images__a__001=array), PATHS)
    (tmp_path / "p.npz").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ManifestError, match="cannot be read"):
        NpzLandmarks(tmp_path / "p.npz", PATHS)
    assert Trap.sprung == []


def test_files_that_are_no_npz(tmp_path: Path) -> None:
    whole = write(tmp_path, images__a__001=points(1)).read_bytes()
    for content in (b"", b"hello", whole[:-30], whole[: len(whole) // 2], b"\x93NUMPY"):
        (tmp_path / "b.npz").write_bytes(content)
        with pytest.raises(ManifestError, match="cannot be read"):
            NpzLandmarks(tmp_path / "b.npz", PATHS)
    np.save(tmp_path / "single.npy", points(1))
    with pytest.raises(ManifestError, match="one array per image path"):
        NpzLandmarks(tmp_path / "single.npy", PATHS)
    with pytest.raises(ManifestError, match="cannot be read"):
        NpzLandmarks(tmp_path / "none.npz", PATHS)


def test_a_member_that_is_damaged_or_no_array(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "c.npz", **{"images/a/001": points(1)})
    content = bytearray((tmp_path / "c.npz").read_bytes())
    for place in range(200, 260):
        content[place] ^= 0xFF
    (tmp_path / "c.npz").write_bytes(content)
    with pytest.raises(ManifestError, match="'images/a/001' cannot be read"):
        NpzLandmarks(tmp_path / "c.npz", PATHS)
    with zipfile.ZipFile(tmp_path / "t.npz", "w") as archive:
        archive.writestr("images/a/001.npy", b"hello")
    with pytest.raises(ManifestError, match="cannot be read"):
        NpzLandmarks(tmp_path / "t.npz", PATHS)


def test_points_in_memory() -> None:
    table = np.arange(3 * 5 * 2, dtype=np.float64).reshape(3, 5, 2)
    source = ArrayLandmarks(table)
    assert (source.kind, source.points) == ("5", 5)
    np.testing.assert_array_equal(source.read(np.array([2, 0])), table[[2, 0]])
    assert source.missing_among(np.array([2, 0])) == 0
    for shape in ((3, 6, 2), (5, 2), (3, 5, 3)):
        with pytest.raises(ManifestError, match="expected \\(faces, 5 or 68 or 478, 2\\)"):
            ArrayLandmarks(np.zeros(shape))


def test_points_are_carried_into_the_crop() -> None:
    """A box of 20 x 40 becomes 10 wide and 80 high: halved across, doubled down, from its corner at (100, 50)."""
    box = np.array([[100.0, 50.0, 120.0, 90.0]])
    corners = np.array([[[100.0, 50.0], [120.0, 90.0], [110.0, 70.0], [104.0, 53.0], [95.0, 45.0]]])
    carried = to_crop(corners, box, (80, 10))
    assert carried.dtype == np.float32
    np.testing.assert_allclose(carried[0], [[0, 0], [10, 80], [5, 40], [2, 6], [-2.5, -10]])


def test_every_face_is_carried_by_its_own_box_and_a_missing_one_stays_missing() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [10, 0, 30, 20]])
    table = np.array([[[5.0, 5.0]], [[np.nan, np.nan]]])
    carried = to_crop(table, boxes, (10, 10))
    np.testing.assert_allclose(carried[0], [[5, 5]])
    assert np.isnan(carried[1]).all()


def test_the_template_of_aligned_crops_is_arcfaces_at_112() -> None:
    two = aligned_landmarks(2, (112, 112))
    assert two.shape == (2, 5, 2)
    np.testing.assert_allclose(two[1], two[0])
    np.testing.assert_allclose(two[0, 2], [56.0252, 71.7366], rtol=1e-6)
    np.testing.assert_allclose(aligned_landmarks(1, (10, 20))[0], ALIGNED_TEMPLATE * [20, 10], rtol=1e-6)
    left, right, nose, mouth_left, mouth_right = ALIGNED_TEMPLATE
    assert left[0] < nose[0] < right[0]
    assert left[1] < nose[1] < mouth_left[1]
    assert mouth_left[0] < nose[0] < mouth_right[0]
