from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from countenance.core.errors import ManifestError
from countenance.core.manifest import MOST_GROUPS, Manifest, check_manifest, group_counts, read_manifest, read_table
from countenance.core.plan import DataSpec, TargetSpec

CLASSES = ("neutral", "happy")
ROWS = pd.DataFrame(
    {
        "path": ["a.jpg", "b.jpg", "c.jpg", "d.jpg"],
        "label": ["neutral", "happy", "happy", ""],
        "person": ["p1", "p1", "p2", "p3"],
        "gender": ["f", "f", "m", ""],
        "age": ["29.9", "30", "200", ""],
        "x0": ["0", "1.5", "-3", "0"],
        "y0": ["0"] * 4,
        "x1": ["10"] * 4,
        "y1": ["10.25"] * 4,
    }
)
SPEC: dict[str, Any] = {
    "manifest": "m.csv",
    "subject": "person",
    "box": ["x0", "y0", "x1", "y1"],
    "attributes": {
        "gender": {"assigned_by": "self-reported"},
        "age": {"assigned_by": "self-reported", "bins": [0, 30, 45, 200]},
    },
}


def read(table: pd.DataFrame = ROWS, name: str = "m.csv", classes: tuple[str, ...] = CLASSES, **spec: Any) -> Manifest:
    return check_manifest(table, DataSpec.model_validate({**SPEC, **spec}), classes, name)


def refused(table: pd.DataFrame = ROWS, **spec: Any) -> str:
    with pytest.raises(ManifestError) as raised:
        read(table, **spec)
    assert raised.value.exit_code == 2
    return str(raised.value)


def changed(**columns: Any) -> pd.DataFrame:
    return ROWS.assign(**columns)


def test_a_good_manifest() -> None:
    manifest = read()
    frame = manifest.frame
    assert frame["face_id"].tolist() == frame["path"].tolist() == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert frame["label"].tolist() == ["neutral", "happy", "happy", None]
    assert frame["subject"].tolist() == ["p1", "p1", "p2", "p3"]
    assert frame["gender"].tolist() == ["f", "f", "m", "(missing)"]
    assert manifest.boxes is not None
    np.testing.assert_array_equal(manifest.boxes[:, 0], [0, 1.5, -3, 0])
    assert manifest.boxes.shape == (4, 4)
    assert manifest.landmarks is None
    assert group_counts(frame, "gender") == {"f": (2, 1), "m": (1, 1), "(missing)": (1, 1)}


def test_several_problems_are_told_at_once() -> None:
    table = changed(
        path=["a.jpg", "a.jpg", "", "d.jpg"], label=["neutral", "hapy", "happy", "sad"], x0=["x", "", "9", "11"]
    )
    lines = refused(table).splitlines()
    assert lines[0] == "m.csv: 6 problems"
    for expected in (
        "row 3: the path is empty",
        "2 rows (1, 2): the path stands more than once, e.g. 'a.jpg'",
        "row 2: the label 'hapy' (1 faces) is none of the target's classes ['neutral', 'happy']; did you mean 'happy'?",
        "row 4: the label 'sad'",
        "2 rows (1, 2): the box is missing or not made of four numbers (x0, y0, x1, y1)",
        "row 4: the box is empty, expected x0 < x1 and y0 < y1",
    ):
        assert sum(expected in line for line in lines) == 1, (expected, lines)


def test_missing_columns_are_told_with_the_nearest() -> None:
    told = refused(label="lable", subject="persn", box=["x0", "y0", "x1", "z1"], id="name")
    assert "data.label names the column 'lable', which is not there; did you mean 'label'?" in told
    assert "data.subject names the column 'persn', which is not there; did you mean 'person'?" in told
    assert "data.box[3] names the column 'z1'" in told
    assert "data.id names the column 'name'" in told
    assert "data.attributes.sex names the column 'gendr', which is not there; did you mean 'gender'?" in refused(
        attributes={"sex": {"assigned_by": "annotator", "column": "gendr"}}
    )


def test_many_missing_columns_are_counted_and_not_listed() -> None:
    told = refused(landmarks={"x": "x_{}", "y": "y_{}", "points": 68})
    assert "and 116 more columns are not there" in told
    assert len(told.splitlines()) == 22


def test_a_duplicate_id_is_told_by_the_name_of_the_id() -> None:
    assert "2 rows (1, 2): the id stands more than once, e.g. 'p1'" in refused(id="person")


def test_long_lists_of_rows_are_cut() -> None:
    many = pd.concat([ROWS.assign(path=[f"{n}{name}" for name in "abcd"], label="x") for n in range(3)])
    assert "12 rows (1, 2, 3, 4, 5, ...): the label 'x' (12 faces)" in refused(many)


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "1,5", None])
def test_a_box_that_is_no_number(value: str | None) -> None:
    assert "row 2: the box is missing or not made of four numbers" in refused(changed(y1=["10", value, "10", "10"]))


@pytest.mark.parametrize(("x0", "x1"), [("10", "0"), ("10", "10")])
def test_a_reversed_or_empty_box(x0: str, x1: str) -> None:
    assert "row 1: the box is empty" in refused(changed(x0=[x0, "0", "0", "0"], x1=[x1, "9", "9", "9"]))


def test_an_empty_subject_is_a_problem_where_a_column_is_named() -> None:
    assert "row 4: the subject is empty" in refused(changed(person=["a", "b", "c", " "]))


def test_without_a_subject_column_every_face_is_another_person() -> None:
    assert read(subject=None).frame["subject"].nunique() == 4


def test_without_classes_any_label_will_do_and_a_label_may_be_left_out() -> None:
    assert read(changed(label="x"), classes=()).frame["label"].tolist() == ["x"] * 4
    assert read(label=None).frame["label"].isna().all()


def test_labels_are_renamed_before_they_are_checked() -> None:
    table = changed(label=["0", "1", "1", ""])
    frame = read(table, rename_labels={"0": "neutral", "1": "happy"}).frame
    assert frame["label"].tolist() == ["neutral", "happy", "happy", None]
    assert "the label 'hapy'" in refused(table, rename_labels={"0": "neutral", "1": "hapy"})
    swapped = read(rename_labels={"neutral": "happy", "happy": "neutral"}).frame
    assert swapped["label"].tolist() == ["happy", "neutral", "neutral", None]


def test_bins_are_closed_below_and_the_last_above_too() -> None:
    table = changed(age=["0", "29.999", "30", "200"])
    assert read(table).frame["age"].tolist() == ["0 to 30", "0 to 30", "30 to 45", "45 to 200"]


def test_what_is_missing_or_outside_the_bins_is_a_group_of_its_own() -> None:
    ages = read(changed(age=["", "-1", "200.1", "30"])).frame["age"]
    assert ages.tolist() == ["(missing)", "(outside the bins)", "(outside the bins)", "30 to 45"]
    assert list(ages.cat.categories) == ["30 to 45", "(outside the bins)", "(missing)"]


def test_a_binned_attribute_that_is_no_number() -> None:
    assert "2 rows (1, 2): the attribute 'age' has bins but is no number, e.g. 'old'" in refused(
        changed(age=["old", "young", "3", ""])
    )


def test_an_attribute_with_too_many_values_needs_bins() -> None:
    table = pd.concat([ROWS] * 20, ignore_index=True)
    table = table.assign(path=[f"{n}.jpg" for n in range(80)], gender=[str(n) for n in range(80)])
    told = refused(table)
    assert "80 different values for 80 faces, another for every face, as an id has: give it bins, e.g. bins: [" in told
    table["gender"] = [f"n{n}" for n in range(79)] + ["n0"]
    assert "79 different values for 80 faces: name a column with at most 50 groups, or take" in refused(table)
    table["gender"] = [str(n % MOST_GROUPS) for n in range(80)]
    assert read(table).frame["gender"].nunique() == MOST_GROUPS


@pytest.mark.parametrize("value", [None, float("nan"), pd.NA, "", " "])
def test_a_missing_attribute_is_a_group_of_its_own(value: object) -> None:
    assert read(changed(gender=["f", value, "m", "m"])).frame["gender"].tolist() == ["f", "(missing)", "m", "m"]


@pytest.mark.parametrize("value", ["None", "nan", "NA", "null"])
def test_a_group_may_be_called_none(tmp_path: Path, value: str) -> None:
    """``glasses: None`` says that there are none, not that nobody looked."""
    changed(gender=["f", value, "", "m"]).to_csv(tmp_path / "m.csv", index=False)
    assert from_file(tmp_path / "m.csv").frame["gender"].tolist() == ["f", value, "(missing)", "m"]


def test_names_of_bins_are_taken_as_they_are() -> None:
    ages = read(changed(age=["30 to 45", "(missing)", "(outside the bins)", "31"])).frame["age"]
    assert ages.tolist() == ["30 to 45", "(missing)", "(outside the bins)", "30 to 45"]
    assert "e.g. '30 to 46'" in refused(changed(age=["30 to 46", "1", "1", "1"]))


UNITS = TargetSpec.model_validate({"task": "action_units", "classes": ["AU1", "AU2"], "predictions": "p"})
VALUES = TargetSpec.model_validate({"task": "valence_arousal", "predictions": "p"})


def test_the_truth_of_units_and_values_is_carried_over() -> None:
    table = changed(y_AU1=["0", "1", "", "1.0"], y_valence=["-0.5", "", "1", "0"]).drop(columns="label")
    frame = check_manifest(table, DataSpec.model_validate(SPEC), (), "m.csv", target=UNITS).frame
    np.testing.assert_array_equal(frame["y_AU1"], [0, 1, np.nan, 1])
    assert "y_AU2" not in frame
    assert frame["label"].isna().all()
    frame = check_manifest(table, DataSpec.model_validate(SPEC), (), "m.csv", target=VALUES).frame
    np.testing.assert_array_equal(frame["y_valence"], [-0.5, np.nan, 1, 0])
    for target, column in ((UNITS, "y_AU1"), (VALUES, "y_valence")):
        wrong = table.assign(**{column: ["0", "0.5" if target is UNITS else "high", "", "inf"]})
        with pytest.raises(ManifestError, match=f"'{column}' holds '(0.5|high)', expected"):
            check_manifest(wrong, DataSpec.model_validate(SPEC), (), "m.csv", target=target)
    with pytest.raises(ManifestError, match=r"data\.label names the column 'label'"):
        check_manifest(table, DataSpec.model_validate({**SPEC, "label": "label"}), (), "m.csv", target=UNITS)


def test_the_truth_of_action_units_reaches_the_predictions_of_a_checkpoint(study: Any) -> None:
    study.table = study.table.drop(columns="label").assign(y_dark=[0, 1] * 12)
    study.write_manifest()
    study.run("run", plan=study.changed(target={"task": "action_units"}))
    table = pd.read_parquet(study.folder / "run" / "predictions.parquet")
    assert table["y_dark"].tolist() == [0, 1] * 12
    assert table["y_bright"].isna().all()


def test_a_person_in_two_groups_is_noted_unless_the_attribute_is_of_the_image() -> None:
    table = changed(gender=["f", "m", "m", "m"])
    (note,) = [note for note in read(table).notes if "more than one group of gender" in note]
    assert note.startswith("1 person stands in more than one group of gender, an attribute of the person, e.g. in 'f'")
    assert "p1" not in note
    attributes = {"gender": {"assigned_by": "derived", "of": "image"}}
    for notes in (read(table, attributes=attributes).notes, read(table, subject=None).notes):
        assert not any("more than one group of gender" in note for note in notes)


@pytest.mark.parametrize(
    ("value", "may"),
    [
        ("true", True),
        ("TRUE", True),
        ("1", True),
        ("yes", True),
        ("", False),
        ("0", False),
        ("false", False),
        ("maybe", False),
    ],
)
def test_a_face_may_be_published_only_where_the_manifest_says_so(value: str, may: bool) -> None:
    assert read(changed(free=value), may_publish="free").frame["may_publish"].tolist() == [may] * 4
    assert not read().frame["may_publish"].any()


def test_landmarks_in_columns() -> None:
    spec = {"x": "x_{}", "y": "y_{}", "points": 5, "first": 1}
    columns = {f"{axis}_{k}": [str(k + 10 * (axis == "y"))] * 3 + [""] for axis in "xy" for k in range(1, 6)}
    points = read(changed(**columns), landmarks=spec).landmarks
    assert points is not None
    np.testing.assert_array_equal(points[0], [[1, 11], [2, 12], [3, 13], [4, 14], [5, 15]])
    assert np.isnan(points[3]).all()
    columns["y_3"] = ["1", "x", "1", ""]
    told = refused(changed(**columns), landmarks=spec)
    assert "row 2: some landmarks are missing or no numbers, expected all 5 or none" in told


# Files ---------------------------------------------------------------------------------------------------------------


def from_file(path: Path) -> Manifest:
    return read_manifest(path, DataSpec.model_validate(SPEC), CLASSES)


def test_columns_of_forgeries_are_carried_over_as_text() -> None:
    table = changed(how=["faceswap", " morph ", None, ""])
    frame = read(table, forgeries={"method": "how"}).frame
    assert frame["method"].tolist()[:3] == ["faceswap", "morph", ""]
    assert "mask" not in frame
    assert "data.forgeries.mask names the column 'hou'" in refused(table, forgeries={"mask": "hou"})


def test_an_attribute_may_not_take_the_name_of_a_column_of_forgeries() -> None:
    with pytest.raises(ValueError, match=r"taken by forgeries\.method"):
        DataSpec.model_validate(
            {"forgeries": {"method": "how"}, "attributes": {"method": {"assigned_by": "annotator"}}}
        )


def test_parquet_equals_csv(tmp_path: Path) -> None:
    """Also where Parquet holds numbers and nulls instead of text."""
    ROWS.to_csv(tmp_path / "m.csv", index=False)
    typed = ROWS.assign(**{name: pd.to_numeric(ROWS[name]) for name in ("age", "x0", "y0", "x1", "y1")})
    typed["gender"] = typed["gender"].replace({"": None})
    typed["label"] = typed["label"].replace({"": None})
    typed.to_parquet(tmp_path / "m.parquet", index=False)
    a, b = from_file(tmp_path / "m.csv"), from_file(tmp_path / "m.parquet")
    pd.testing.assert_frame_equal(a.frame, b.frame)
    np.testing.assert_array_equal(a.boxes, b.boxes)  # type: ignore[arg-type]


def test_a_byte_order_mark_and_spaces_in_the_header_do_no_harm(tmp_path: Path) -> None:
    text = ROWS.to_csv(index=False).replace("path,label", " path , label ")
    (tmp_path / "m.csv").write_text(text, encoding="utf-8-sig")
    assert from_file(tmp_path / "m.csv").frame["path"].tolist() == ROWS["path"].tolist()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "cannot be read as a table"),
        (b"path,label\n", "has no row"),
        (b"path,label\na,b,c\n", "more values than the header has names"),
        (b"path,label\na,b\na,b,c\n", "cannot be read as a table.*line 3"),
        (b"path,label,label\na,b,c\n", "'label' stands twice"),
        (b"path;label\na;b\n", "separated by commas"),
        (b"path,label\n\xff\xfe,b\n", "cannot be read as a table"),
        (b'path,label\n"a,b\n', "cannot be read as a table|has no row|EOF"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(ManifestError, match=said):
        read_table(tmp_path / "m.csv")


def test_a_missing_or_damaged_file(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such file"):
        read_table(tmp_path / "m.csv")
    with pytest.raises(ManifestError, match="cannot be read"):
        read_table(tmp_path)
    ROWS.to_parquet(tmp_path / "m.parquet")
    whole = (tmp_path / "m.parquet").read_bytes()
    for damaged in (b"", b"PAR1", whole[:-20], whole[20:]):
        (tmp_path / "m.parquet").write_bytes(damaged)
        with pytest.raises(ManifestError, match="cannot be read as a table"):
            read_table(tmp_path / "m.parquet")


def test_trailing_commas_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("path,label,,\na,b,,\n")
    assert read_table(tmp_path / "m.csv")["path"].tolist() == ["a"]


def test_a_data_frame_from_memory_may_have_any_index_and_types() -> None:
    table = ROWS.set_index(pd.Index([7, 7, 3, 1])).assign(
        **{c: pd.to_numeric(ROWS[c]).to_numpy() for c in ("x0", "age")}
    )
    table[5] = "a column whose name is a number"
    pd.testing.assert_frame_equal(read(table).frame, read().frame)
    assert "has no row" in refused(ROWS.iloc[:0])
    assert "'label' stands twice" in refused(pd.concat([ROWS, ROWS[["label"]]], axis=1))
