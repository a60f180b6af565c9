"""Pairs for a verification checkpoint: read from a table, or made from the manifest by person."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from countenance.core.errors import ManifestError
from countenance.core.faces import Faces
from countenance.core.portrait_pairs import PairRows, make_portrait_pairs, read_portrait_pairs


def portraits(people: str, *, named: bool = True, paths: list[str] | None = None) -> Faces:
    """One face of each letter's person, called f0, f1 and so on."""
    frame = pd.DataFrame({"face_id": [f"f{place}" for place in range(len(people))]})
    frame["path"] = paths or [f"{name}.png" for name in frame["face_id"]]
    frame["subject"] = list(people) if named else frame["face_id"]
    return Faces(frame=frame, has_subjects=named)


def read(folder: Path, faces: Faces, **columns: Any) -> PairRows:
    pd.DataFrame(columns).to_csv(folder / "pairs.csv", index=False)
    return read_portrait_pairs(folder / "pairs.csv", faces)


def refused(folder: Path, faces: Faces, **columns: Any) -> str:
    with pytest.raises(ManifestError) as raised:
        read(folder, faces, **columns)
    return str(raised.value)


def test_faces_are_named_by_id_or_by_path(tmp_path: Path) -> None:
    pairs = read(tmp_path, portraits("aabb"), face_a=["f0", "f1.png"], face_b=["f1.png", "f3"])
    np.testing.assert_array_equal(pairs.first, [0, 1])
    np.testing.assert_array_equal(pairs.second, [1, 3])
    np.testing.assert_array_equal(pairs.same, [1, 0])
    assert pairs.notes == ("1 of 4 faces of the manifest stand in no pair.",)
    assert len(set(pairs.ids)) == 2


def test_genuine_pairs_join_faces_to_people_where_none_are_named(tmp_path: Path) -> None:
    faces = portraits("abcd", named=False)
    pairs = read(tmp_path, faces, face_a=["f0", "f1", "f0"], face_b=["f1", "f2", "f3"], same=[1, 1, 0])
    assert len(set(pairs.people[:3])) == 1
    assert pairs.people[3] != pairs.people[0]
    assert faces.frame["subject"].tolist() == ["f0", "f1", "f2", "f3"]  # the manifest's own faces stay as they are


def test_every_problem_of_a_table_is_told_at_once(tmp_path: Path) -> None:
    faces = portraits("aabb", paths=["one.png", "two.png", "crowd.png", "crowd.png"])
    told = refused(
        tmp_path, faces, pair_id=["x", "x", "y", ""], face_a=["f0", "f9", "crowd.png", "f1"],
        face_b=["one.pgn", "f2", "f0", ""], same=[1, 0, "maybe", 1],
    )  # fmt: skip
    assert "row 2: face_a is neither an id nor a path of the manifest, e.g. 'f9'" in told
    assert "row 1: face_b is neither an id nor a path of the manifest, e.g. 'one.pgn'; did you mean 'one.png'?" in told
    assert "row 3: face_a is the path of several faces, e.g. 'crowd.png': write the face's id" in told
    assert "rows 1, 2: the pair_id stands more than once, e.g. 'x'" in told
    assert "row 3: same is 'maybe', expected 0 or 1" in told
    assert "the column 'face_b' is empty in 1 of 4 rows" in told
    assert "the column 'pair_id' is empty in 1 of 4 rows" in told


def test_pairs_that_cannot_be_are_refused(tmp_path: Path) -> None:
    told = refused(
        tmp_path, portraits("aabb"),
        face_a=["f0", "f0", "f0", "f2"], face_b=["f0", "f1", "f1", "f3.png"], same=[1, 1, 1, 0],
    )  # fmt: skip
    assert "row 1: the face 'f0' is paired with itself" in told
    assert "rows 2, 3: the same two faces stand in more than one row" in told
    assert "row 4: same is 0 for the people 'b' and 'b'" in told


def test_a_table_lacks_columns(tmp_path: Path) -> None:
    told = refused(tmp_path, portraits("ab", named=False), face_a=["f0"], faceb=["f1"])
    assert "the column 'face_b' is not there; did you mean 'faceb'?" in told
    assert "the column 'same' (1 for two photos of one person, 0 for two people) is not there" in told


def test_all_pairs_are_made_by_person() -> None:
    faces = portraits("aabbbc")
    pairs = make_portrait_pairs(faces, seed=3)
    made = {tuple(sorted(each)): same for *each, same in zip(pairs.first, pairs.second, pairs.same, strict=True)}
    expected = {(i, j): float("aabbbc"[i] == "aabbbc"[j]) for i, j in combinations(range(6), 2)}
    assert made == expected
    assert len(pairs) == 15
    assert pairs.notes == (
        "Pairs were made from the manifest by person: all 4 pairs of one person and all 11 pairs of two people.",
    )


@pytest.mark.parametrize("most", [7, 30, 60, 150])
def test_a_drawn_share_of_the_pairs_holds_no_pair_twice_and_follows_the_seed(most: int) -> None:
    people = "a" * 20 + "b" * 15 + "cdefgh"
    faces = portraits(people)
    pairs = make_portrait_pairs(faces, seed=1, most=most)
    again, other = make_portrait_pairs(faces, seed=1, most=most), make_portrait_pairs(faces, seed=2, most=most)
    assert [(pairs.same == same).sum() for same in (0, 1)] == [most, most]
    assert len({tuple(sorted(each)) for each in zip(pairs.first, pairs.second, strict=True)}) == 2 * most
    np.testing.assert_array_equal(
        pairs.same, np.array(list(people))[pairs.first] == np.array(list(people))[pairs.second]
    )
    np.testing.assert_array_equal(pairs.first, again.first)
    assert pairs.hash_with("") == again.hash_with("") != other.hash_with("")
    assert "drawn with the plan's seed" in pairs.notes[0]


def test_every_pair_of_two_people_is_drawn_as_often_as_any_other() -> None:
    faces = portraits("aaaaaaaabbc")  # 8 x 2 + 8 + 2 = 26 pairs of two people, of which 3 are drawn
    counted: dict[tuple[int, int], int] = {}
    for seed in range(1500):
        pairs = make_portrait_pairs(faces, seed, most=3)
        for a, b in zip(pairs.first[pairs.same == 0], pairs.second[pairs.same == 0], strict=True):
            key = (min(a, b), max(a, b))
            counted[key] = counted.get(key, 0) + 1
    assert len(counted) == 26
    expected = 1500 * 3 / 26
    square = sum((count - expected) ** 2 / expected for count in counted.values())
    assert square < 52.6  # the 0.1 % point of chi square with 25 degrees; dependent draws vary less


def test_one_person_who_has_nearly_all_faces_costs_no_endless_search() -> None:
    pairs = make_portrait_pairs(portraits("a" * 4000 + "b"), seed=0, most=100)
    assert (pairs.same == 0).sum() == 100


def test_pairs_cannot_be_made() -> None:
    with pytest.raises(ManifestError, match=r"data\.subject, or give a table of pairs with data\.pairs"):
        make_portrait_pairs(portraits("aabb", named=False), seed=0)
    with pytest.raises(ManifestError, match="the manifest has 1"):
        make_portrait_pairs(portraits("a"), seed=0)
