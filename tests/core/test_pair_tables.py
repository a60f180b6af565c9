from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from countenance.core.errors import ManifestError
from countenance.core.plan import DataSpec, TargetSpec
from countenance.core.prediction_tables import read_predictions
from countenance.core.predictions import to_table

GENDER = {"gender": {"assigned_by": "self-reported"}}


def table_of(**changed: Any) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "pair_id": list("abcde"),
            "face_a": ["p1", "p1", "r1", "r2", "p2"],
            "face_b": ["p2", "q1", "r2", "s1", "r1"],
            "subject_a": ["p", "p", "r", "r", "p"],
            "subject_b": ["p", "q", "r", "s", "r"],
            "gender_a": ["f", "f", "m", "m", "f"],
            "gender_b": ["f", "f", "m", None, "m"],
            "same": [1, 0, 1, 0, 0],
            "similarity": [0.9, -0.1, 0.5, 0.25, 0.0],
        }
    )
    return table.assign(**changed)


def read(table: pd.DataFrame, folder: Path, **data: Any) -> Any:
    path = folder / "pairs.parquet"
    table.to_parquet(path, index=False)
    target = TargetSpec(predictions="pairs.parquet", task="verification")
    return read_predictions(path, target, DataSpec.model_validate({"attributes": GENDER, **data}))


def refused(table: pd.DataFrame, folder: Path, **data: Any) -> str:
    with pytest.raises(ManifestError) as raised:
        read(table, folder, **data)
    return str(raised.value)


def test_a_pair_belongs_to_a_group_when_both_its_people_do(tmp_path: Path) -> None:
    faces, predictions = read(table_of(), tmp_path)
    assert faces.frame["gender"].tolist() == ["f", "f", "m", "(missing)", "(across groups)"]
    assert faces.frame["subject_b"].tolist() == ["p", "q", "r", "s", "r"]
    assert faces.has_subjects
    np.testing.assert_array_equal(predictions.truth, [1, 0, 1, 0, 0])


def test_bins_cut_both_sides(tmp_path: Path) -> None:
    ages = {"age": {"assigned_by": "annotator", "bins": [0, 30, 60]}}
    table = table_of(age_a=[20, 20, 40, 40, 20], age_b=[25, 35, 41, 29, 40])
    faces, _ = read(table, tmp_path, attributes=ages)
    assert faces.frame["age"].tolist() == ["0 to 30", "(across groups)", "30 to 60", *["(across groups)"] * 2]


def test_without_people_faces_joined_by_genuine_pairs_are_one_person(tmp_path: Path) -> None:
    faces, predictions = read(table_of().drop(columns=["subject_a", "subject_b"]), tmp_path)
    assert not faces.has_subjects
    frame = faces.frame
    assert frame["subject_a"][0] == frame["subject_b"][0] == frame["subject_a"][1] == frame["subject_a"][4]
    assert frame["subject_b"][4] == frame["subject_a"][2] == frame["subject_a"][3]
    assert len(set(frame["subject_a"]) | set(frame["subject_b"])) == 4
    again = to_table(predictions, faces)
    assert not {"subject_a", "subject_b"} & set(again.columns)
    pd.testing.assert_frame_equal(read(again, tmp_path)[0].frame, frame)


def test_the_plan_names_the_columns_of_the_people(tmp_path: Path) -> None:
    table = table_of().rename(columns={"subject_a": "person_a", "subject_b": "person_b"})
    assert read(table, tmp_path, subject="person")[0].frame["subject_a"].tolist() == ["p", "p", "r", "r", "p"]
    told = refused(table, tmp_path, subject="persn")
    assert "the column 'persn_a' is not there; did you mean 'person_a'?" in told
    assert "the column 'persn_b' is not there" in told


def test_every_missing_column_is_told_at_once(tmp_path: Path) -> None:
    told = refused(table_of().drop(columns=["face_a", "subject_b", "gender_a", "similarity"]), tmp_path)
    for column in ("face_a", "subject_b", "gender_a", "similarity"):
        assert f"the column {column!r}" in told
    assert "4 problems" in told


def test_a_face_paired_with_itself_is_refused_with_its_rows(tmp_path: Path) -> None:
    told = refused(table_of(face_b=["p1", "q1", "r1", "s1", "r1"]), tmp_path)
    assert "rows 1, 3: the face 'p1' is paired with itself" in told
    without = table_of(face_b=["p1", "q1", "r1", "s1", "r1"]).drop(columns=["subject_a", "subject_b"])
    assert "rows 1, 3: the face 'p1' is paired with itself" in refused(without, tmp_path)


def test_same_must_agree_with_the_people(tmp_path: Path) -> None:
    told = refused(table_of(same=[1, 1, 0, 0, 0]), tmp_path)
    assert "rows 2, 3: same is 1 for the people 'p' and 'q'" in told
    without = table_of().drop(columns=["subject_a", "subject_b"])
    closing = pd.DataFrame(
        {"pair_id": ["f", "g"], "face_a": ["q1", "p2"], "face_b": ["q2", "q2"], "same": [1, 1], "similarity": [1.0, 1]}
    )
    closing["gender_a"] = closing["gender_b"] = "f"
    told = refused(pd.concat([without, closing]), tmp_path)
    assert "row 2: same is 0 for two faces that other pairs join to one person" in told


def test_one_face_of_two_people_and_empty_cells_are_told(tmp_path: Path) -> None:
    told = refused(table_of(subject_a=["p", "z", "r", "r", None], face_a=["p1", "p1", "r1", "r2", None]), tmp_path)
    assert "1 face stands with more than one person, e.g. 'p1'" in told
    assert "the column 'subject_a' is empty in 1 of 5 rows" in told
    assert "the column 'face_a' is empty in 1 of 5 rows" in told
