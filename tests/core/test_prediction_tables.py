from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from countenance.core.errors import ManifestError
from countenance.core.plan import DataSpec, TargetSpec
from countenance.core.prediction_tables import read_predictions
from countenance.core.predictions import Predictions, to_table

TASKS: dict[str, dict[str, Any]] = {
    "expression": {"task": "expression", "classes": ["sad", "happy", "neutral"]},
    "action_units": {"task": "action_units", "classes": ["AU1", "AU12"]},
    "valence_arousal": {"task": "valence_arousal"},
    "forgery": {"task": "forgery"},
    "forgery turned round": {"task": "forgery", "classes": ["forged", "genuine"]},
    "verification": {"task": "verification"},
}
ATTRIBUTES = {"gender": {"assigned_by": "self-reported"}}


def table_of(task: str) -> pd.DataFrame:
    """Four rows of a task, as the documentation lays them out."""
    table = pd.DataFrame({"face_id": list("abcd"), "subject": ["p", "p", "q", "r"], "condition": "clean"})
    table["gender"] = ["f", "f", "m", "(missing)"]
    if task == "verification":
        people = {"subject_a": ["p", "p", "r", "r"], "subject_b": ["p", "q", "r", "s"]}
        faces = {"face_a": ["p1", "p1", "r1", "r2"], "face_b": ["p2", "q1", "r2", "s1"]}
        groups = {"gender_a": ["f", "f", "m", "m"], "gender_b": ["f", "m", "m", "(missing)"]}
        pairs = pd.DataFrame({"pair_id": list("abcd"), "condition": "clean", **faces, **people, **groups})
        return pairs.assign(same=[1, 0, 1, 0], similarity=[0.9, -0.1, 0.5, 0.25])
    if task == "action_units":
        return table.assign(
            y_AU1=[0.0, 1, np.nan, 1], p_AU1=[0.1, 0.9, 0.5, 0], y_AU12=[1.0, 1, 0, 0], p_AU12=[1, 0.2, 0.3, 0.4]
        )
    if task == "valence_arousal":
        places = {"y_valence": [0.5, np.nan, -1, 0], "v_valence": [0.4, 0.1, -0.9, 0.0]}
        return table.assign(**places, y_arousal=[0.1, np.nan, 1, 0], v_arousal=[0.2, 0.3, 0.8, -0.5])
    if task.startswith("forgery"):
        return table.assign(label=["genuine", "forged", None, "forged"], p_forged=[0.1, 0.9, 0.5, 0.25])
    shares = {"p_sad": [0.2, 0.5, 0, 1], "p_happy": [0.3, 0.25, 1, 0], "p_neutral": [0.5, 0.25, 0, 0]}
    return table.assign(label=["neutral", "sad", None, "happy"], **shares)


def spec(task: str) -> TargetSpec:
    return TargetSpec.model_validate({**TASKS[task], "predictions": "p.parquet"})


def read(table: pd.DataFrame, task: str, folder: Path, name: str = "p.parquet", **data: Any) -> Any:
    path = folder / name
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)
    return read_predictions(path, spec(task), DataSpec.model_validate({"attributes": ATTRIBUTES, **data}))


def refused(table: pd.DataFrame, task: str, folder: Path, **data: Any) -> str:
    with pytest.raises(ManifestError) as raised:
        read(table, task, folder, **data)
    assert raised.value.exit_code == 2
    return str(raised.value)


@pytest.mark.parametrize("name", ["p.parquet", "p.csv"])
@pytest.mark.parametrize("task", list(TASKS))
def test_a_table_comes_back_as_it_was_written(tmp_path: Path, task: str, name: str) -> None:
    table = table_of(task)
    faces, predictions = read(table, task, tmp_path, name)
    again = to_table(predictions, faces)
    assert set(again.columns) == set(table.columns)
    for column in table.columns:
        left, right = again[column].tolist(), table[column].tolist()
        if pd.api.types.is_numeric_dtype(table[column]):
            np.testing.assert_allclose(np.array(left, float), np.array(right, float), atol=1e-15)
        else:
            assert [pd.isna(x) or x for x in left] == [pd.isna(x) or x for x in right]
    twice_faces, twice = read(again, task, tmp_path, name)
    np.testing.assert_array_equal(twice.values, predictions.values)
    np.testing.assert_array_equal(twice.truth, predictions.truth)
    pd.testing.assert_frame_equal(twice_faces.frame, faces.frame)


def test_expression(tmp_path: Path) -> None:
    faces, predictions = read(table_of("expression"), "expression", tmp_path)
    np.testing.assert_array_equal(predictions.labels, [2, 0, -1, 1])
    np.testing.assert_array_equal(predictions.predicted, [2, 0, 1, 0])
    np.testing.assert_array_equal(predictions.probabilities[0], [0.2, 0.3, 0.5])
    assert faces.frame["gender"].tolist() == ["f", "f", "m", "(missing)"]
    assert (faces.has_subjects, faces.height_width, predictions.labelled) == (True, None, True)
    assert len(predictions.take(np.array([3, 0]))) == 2


@pytest.mark.parametrize("task", ["forgery", "forgery turned round"])
def test_forgery_in_either_order_of_the_classes(tmp_path: Path, task: str) -> None:
    _, predictions = read(table_of(task), task, tmp_path)
    place = predictions.classes.index("forged")
    np.testing.assert_allclose(predictions.values[:, place], [0.1, 0.9, 0.5, 0.25])
    np.testing.assert_allclose(predictions.values.sum(1), 1)
    np.testing.assert_array_equal(predictions.labels, [1 - place, place, -1, place])


def test_how_faces_were_forged_is_read_and_written(tmp_path: Path) -> None:
    table = table_of("forgery")
    table["method"], table["clip"] = "faceswap", "v1"
    faces, predictions = read(table, "forgery", tmp_path, forgeries={"video": "clip"})
    assert set(faces.frame["method"]) == {"faceswap"}
    assert set(to_table(predictions, faces)["video"]) == {"v1"}
    assert "data.forgeries.donor names the column 'from'" in refused(
        table, "forgery", tmp_path, forgeries={"donor": "from"}
    )


def test_other_tasks_have_no_single_label(tmp_path: Path) -> None:
    _, predictions = read(table_of("action_units"), "action_units", tmp_path)
    np.testing.assert_array_equal(predictions.truth, [[0, 1], [1, 1], [np.nan, 0], [1, 0]])
    with pytest.raises(ValueError, match="no single label"):
        predictions.labels
    _, values = read(table_of("valence_arousal"), "valence_arousal", tmp_path)
    assert values.classes == ("valence", "arousal")
    _, pairs = read(table_of("verification"), "verification", tmp_path)
    np.testing.assert_array_equal(pairs.truth, [1, 0, 1, 0])
    assert pairs.classes == ("similarity",)


def test_without_any_truth_nothing_is_labelled(tmp_path: Path) -> None:
    table = table_of("expression").drop(columns="label")
    assert not read(table, "expression", tmp_path)[1].labelled
    empty = table_of("action_units").assign(y_AU1=np.nan, y_AU12=np.nan)
    assert not read(empty, "action_units", tmp_path)[1].labelled


def test_other_conditions_are_left_out(tmp_path: Path) -> None:
    table = pd.concat([table_of("expression"), table_of("expression").assign(condition="eps=8/255")])
    faces, predictions = read(table, "expression", tmp_path)
    assert len(faces) == len(predictions) == 4
    with pytest.raises(ManifestError, match="no row whose condition is 'clean'"):
        read(table_of("expression").assign(condition="dark"), "expression", tmp_path)
    assert len(read(table_of("expression").drop(columns="condition"), "expression", tmp_path)[0]) == 4


def test_subject_and_labels_may_have_other_names(tmp_path: Path) -> None:
    table = table_of("expression").rename(columns={"subject": "person", "label": "emotion"})
    table["emotion"] = table["emotion"].replace({"sad": "unhappy"})
    data = {"subject": "person", "label": "emotion", "rename_labels": {"unhappy": "sad"}}
    faces, predictions = read(table, "expression", tmp_path, **data)
    assert faces.frame["subject"].tolist() == ["p", "p", "q", "r"]
    np.testing.assert_array_equal(predictions.labels, [2, 0, -1, 1])
    everyone, _ = read(table, "expression", tmp_path, label="emotion", rename_labels={"unhappy": "sad"})
    assert everyone.frame["subject"].nunique() == 4
    assert not everyone.has_subjects


def test_a_label_the_plan_says_there_is_not_is_not_read(tmp_path: Path) -> None:
    _, predictions = read(table_of("expression"), "expression", tmp_path, label=None)
    assert not predictions.labelled
    assert "data.label names the column 'lable', which is not there; did you mean 'label'?" in refused(
        table_of("expression"), "expression", tmp_path, label="lable"
    )


# What cannot be used -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "column"),
    [
        ("expression", "p_happy"),
        ("expression", "face_id"),
        ("action_units", "p_AU12"),
        ("action_units", "y_AU1"),
        ("valence_arousal", "v_arousal"),
        ("valence_arousal", "y_valence"),
        ("forgery", "p_forged"),
        ("verification", "pair_id"),
        ("verification", "face_a"),
        ("verification", "subject_b"),
        ("verification", "gender_b"),
        ("verification", "similarity"),
        ("verification", "same"),
    ],
)
def test_a_missing_column_is_told_with_the_nearest(tmp_path: Path, task: str, column: str) -> None:
    table = table_of(task).rename(columns={column: f"{column}x"})
    told = refused(table, task, tmp_path)
    assert f"the column {column!r}" in told
    assert f"is not there; did you mean '{column}x'?" in told


def test_several_problems_are_told_at_once(tmp_path: Path) -> None:
    table = table_of("expression").assign(
        face_id=["a", "a", "", "d"],
        subject=["p", None, "q", "r"],
        label=["hapy", "x", None, "sad"],
        p_sad=[0.9, 0.5, 0, 1],
    )
    lines = refused(table, "expression", tmp_path).splitlines()
    for expected in (
        "the label 'hapy' (1 rows) is none of the classes ['sad', 'happy', 'neutral']; did you mean 'happy'?",
        "the label 'x' (1 rows)",
        "the probabilities of 1 rows do not sum to 1, e.g. those of 'a' to 1.7",
        "the column 'face_id' is empty in 1 of 4 rows",
        "2 rows share a face_id, e.g. 'a'",
        "the column 'subject' is empty in 1 of 4 rows",
    ):
        assert sum(expected in line for line in lines) == 1, (expected, lines)


@pytest.mark.parametrize("bad", ["", "x", "nan", "inf"])
def test_a_prediction_that_is_no_finite_number(tmp_path: Path, bad: str) -> None:
    table = table_of("expression").astype({"p_happy": object})
    table.loc[1, "p_happy"] = bad
    path = tmp_path / "p.csv"
    table.to_csv(path, index=False)
    with pytest.raises(ManifestError, match="'p_happy' holds no finite number in 1 of 4 rows"):
        read_predictions(path, spec("expression"), DataSpec())


@pytest.mark.parametrize(
    ("task", "column"), [("expression", "p_sad"), ("forgery", "p_forged"), ("action_units", "p_AU1")]
)
@pytest.mark.parametrize("bad", [-0.5, 1.5])
def test_a_probability_out_of_range(tmp_path: Path, task: str, column: str, bad: float) -> None:
    table = table_of(task)
    table.loc[0, column] = bad
    assert "expected 0 to 1" in refused(table, task, tmp_path)


def test_probabilities_rounded_to_three_decimals_are_divided_by_their_sum(tmp_path: Path) -> None:
    names = [f"c{k}" for k in range(7)]
    table = pd.DataFrame({"face_id": list("ab")}).assign(**{f"p_{name}": [0.1425, 0.25] for name in names})
    table.loc[1, [f"p_{name}" for name in names]] = [0.5, 0.5, 0, 0, 0, 0, 0]
    table.to_csv(tmp_path / "p.csv", index=False)
    target = TargetSpec.model_validate({"task": "expression", "classes": names, "predictions": "p.csv"})
    data = DataSpec.model_validate({"label": None})
    _, predictions = read_predictions(tmp_path / "p.csv", target, data)
    np.testing.assert_allclose(predictions.values.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_array_equal(predictions.values[1, :2], [0.5, 0.5])
    assert len(predictions.notes) == 1
    assert "1 of 2 rows are rounded" in predictions.notes[0]
    assert predictions.take(np.array([0])).notes == predictions.notes
    table.assign(p_c0=0.15).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(ManifestError, match="do not sum to 1"):
        read_predictions(tmp_path / "p.csv", target, data)


def test_a_runs_own_groups_of_bins_are_read_again(tmp_path: Path) -> None:
    table = table_of("expression").assign(age=["0 to 30", "30 to 99", "(outside the bins)", "(missing)"])
    attributes = {"age": {"assigned_by": "annotator", "bins": [0, 30, 99]}}
    assert read(table, "expression", tmp_path, attributes=attributes)[0].frame["age"].tolist() == table["age"].tolist()


def test_truth_that_is_neither_0_nor_1_nor_empty(tmp_path: Path) -> None:
    assert "hold other values than 0 and 1" in refused(
        table_of("action_units").assign(y_AU1=2), "action_units", tmp_path
    )
    assert "hold other values than 0 and 1" in refused(
        table_of("verification").assign(same=0.5), "verification", tmp_path
    )
    assert "'y_AU1' holds neither a number nor nothing in 4 of 4 rows" in refused(
        table_of("action_units").assign(y_AU1="yes"), "action_units", tmp_path
    )
    assert "'same' is empty in 4 of 4 rows" in refused(
        table_of("verification").assign(same=None), "verification", tmp_path
    )


def test_columns_that_the_plan_names_and_the_table_lacks(tmp_path: Path) -> None:
    told = refused(
        table_of("expression"),
        "expression",
        tmp_path,
        subject="persn",
        attributes={"sex": {"assigned_by": "annotator", "column": "gendr"}},
    )
    assert "data.subject names the column 'persn'" in told
    assert "data.attributes.sex names the column 'gendr', which is not there; did you mean 'gender'?" in told


def test_bins_cut_a_column_of_the_table_too(tmp_path: Path) -> None:
    table = table_of("expression").assign(age=[10, 30, 50, None])
    faces, _ = read(
        table, "expression", tmp_path, attributes={"age": {"assigned_by": "annotator", "bins": [0, 30, 99]}}
    )
    assert faces.frame["age"].tolist() == ["0 to 30", "30 to 99", "30 to 99", "(missing)"]


def test_a_row_without_any_of_its_labels_counts_as_unlabelled() -> None:
    none = Predictions("expression", ("a", "b"), np.array([[0.5, 0.5]]), np.array([-1.0]))
    assert not none.labelled
    assert none.predicted.tolist() == [0]  # the first of equals
