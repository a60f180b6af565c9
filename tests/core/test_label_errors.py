"""What the plan says of label errors: matrices are checked, a second annotator's column is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from countenance.core.errors import ManifestError
from countenance.core.label_errors import arrays_of, second_column
from countenance.core.plan import AttributeSpec, DataSpec, TargetSpec
from countenance.core.prediction_tables import read_predictions
from countenance.core.predictions import to_table

CLASSES = ("neutral", "happy", "sad")
TENTH = {"female": {"female": 0.9, "male": 0.1}, "male": {"female": 0.1, "male": 0.9}}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"confusion": {"a": {"a": 0.9, "b": 0.2}, "b": {"a": 0, "b": 1}}}, r"confusion\[a\] sums to 1.1, expected 1"),
        ({"confusion": {"a": {"a": 0.9, "bb": 0.1}, "bbb": {"bbb": 1}}}, "names 'bb', which has no row; did you mean"),
        ({"confusion": {"a": {"a": 1.2, "b": -0.2}, "b": {"b": 1}}}, "holds a 1.2, b -0.2, expected chances"),
        ({"confusion": {"a": {"a": 1}}}, r"1 group\(s\), expected two or more"),
        ({"confusion_wrong": TENTH}, "confusion_wrong needs confusion beside it"),
        ({"confusion_n": 100}, "confusion_n needs confusion beside it"),
        ({"confusion": TENTH, "second": "other"}, "either confusion or second"),
        ({"confusion": TENTH, "confusion_wrong": {"male": {"male": 1}, "men": {"men": 1}}}, "groups: 'female', 'men'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_matrix_is_told_with_the_plan(spec: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        AttributeSpec(assigned_by="model", **spec)


def test_all_faults_of_a_matrix_are_told_at_once() -> None:
    wrong = {"a": {"a": 0.5, "b": 0.2}, "b": {"c": 1.5}}
    with pytest.raises(ValidationError) as caught:
        AttributeSpec(assigned_by="model", confusion=wrong, second="other")
    for part in ("either confusion or second", "confusion[a] sums to 0.7", "names 'c'", "holds c 1.5"):
        assert part in str(caught.value)


def test_groups_the_matrix_does_not_know_stop_the_audit_before_it_runs(tmp_path: Path) -> None:
    target = TargetSpec(predictions="p.csv", task="expression", classes=list(CLASSES))
    table = pd.DataFrame(
        {"face_id": ["1", "2"], "label": "happy", "gender": ["femal", "male"], "tone": ["x", "y"]}
        | {f"p_{name}": [1.0 * (name == "happy")] * 2 for name in CLASSES}
    )
    table.to_csv(tmp_path / "p.csv", index=False)
    data = DataSpec(
        attributes={
            "gender": AttributeSpec(assigned_by="model", confusion=TENTH),
            "tone": AttributeSpec(assigned_by="annotator", second="tone_2"),
        }
    )
    with pytest.raises(ManifestError) as caught:
        read_predictions(tmp_path / "p.csv", target, data)
    assert "gender.confusion has no row for the group 'femal'; did you mean 'female'?" in str(caught.value)
    assert "tone.second names the column 'tone_2', which is not there" in str(caught.value)


def test_a_second_annotators_column_is_read_and_written_again(tmp_path: Path) -> None:
    target = TargetSpec(predictions="p.csv", task="expression", classes=list(CLASSES))
    table = pd.DataFrame(
        {"face_id": ["1", "2"], "label": "happy", "age": ["20", "50"], "age_b": ["40", ""]}
        | {f"p_{name}": [1.0 * (name == "happy")] * 2 for name in CLASSES}
    )
    data = DataSpec(attributes={"age": AttributeSpec(assigned_by="annotator", second="age_b", bins=[0, 30, 60])})
    table.to_csv(tmp_path / "p.csv", index=False)
    for _ in range(2):
        faces, predictions = read_predictions(tmp_path / "p.csv", target, data)
        assert faces.frame["age"].tolist() == ["0 to 30", "30 to 60"]
        assert faces.frame[second_column("age")].tolist() == ["30 to 60", "(missing)"]
        to_table(predictions, faces).to_csv(tmp_path / "p.csv", index=False)
    own = DataSpec(attributes={"age": AttributeSpec(assigned_by="annotator", second="age")})
    with pytest.raises(ManifestError, match="names the attribute's own column 'age'"):
        read_predictions(tmp_path / "p.csv", target, own)


def test_rounded_rows_are_taken_and_made_to_sum_to_one() -> None:
    thirds = {name: {"a": 0.33, "b": 0.33, "c": 0.33} for name in "abc"}
    spec = AttributeSpec(assigned_by="model", confusion=thirds | {"c": {"c": 1}})
    assert spec.confusion is not None
    groups, right, wrong = arrays_of(spec.confusion, None)
    assert groups == ["a", "b", "c"]
    assert right.sum(axis=1) == pytest.approx([1, 1, 1])
    assert right[2].tolist() == [0, 0, 1]
    assert wrong is None
