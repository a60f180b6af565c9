"""Attributes as they should not be: each is told, nothing is dropped in silence, and what can run does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from countenance.core.attribute_notes import attribute_notes, bins_text, suggested_bins
from countenance.core.attribute_spec import AttributeSpec
from countenance.core.errors import ManifestError, PlanError
from countenance.core.manifest import MOST_GROUPS
from countenance.core.statistics.groups import MISSING

REPORTED = {"assigned_by": "self-reported"}


def audited(study: Any, column: list[Any], **spec: Any) -> Any:
    """The results with one more attribute."""
    study.table["extra"] = column
    study.write_manifest()
    study.plan["probes"] = ["group_metrics"]
    return study.run(plan=study.changed(data={"attributes": {"extra": {**REPORTED, **spec}}}))


def told(results: Any, text: str) -> str:
    """The one note that holds a text."""
    (note,) = [note for note in results.data.notes if text in note]
    return str(note)


def gap(results: Any, metric: str = "accuracy", **slice_of: str) -> Any:
    """The estimate of a gap between groups of the attribute."""
    wanted = {"attribute": "extra", **slice_of}
    (found,) = [item for item in results.measurements() if item.metric == f"{metric}.gap" and item.slice == wanted]
    return found.estimate


def test_one_value_runs_and_has_no_gap(study: Any) -> None:
    results = audited(study, ["same"] * 24)
    assert told(results, "extra") == "extra has one value only, 'same': no gap can be measured by it."
    assert gap(results).value is None
    assert gap(results).reason
    assert results["group_metrics/accuracy[extra=same]"].estimate.n == 24


def test_one_value_and_none(study: Any) -> None:
    results = audited(study, ["same"] * 20 + [""] * 4, of="image")
    assert "'same' (4 faces have none)" in told(results, "one value only")
    assert set(results.data.attributes["extra"].groups) == {"same", MISSING}


def test_nothing_but_missing_values(study: Any) -> None:
    assert "extra is missing of all 24 faces" in told(audited(study, [""] * 24), "extra")


def test_a_value_for_every_face_looks_like_an_id(study: Any) -> None:
    results = audited(study, [f"name {row}" for row in range(24)], of="image")
    note = told(results, "as an id has")
    assert "another value for every one of 24 faces" in note
    assert "take it out of the plan" in note
    assert "bins: [" not in note
    assert gap(results).value is None


def test_a_number_for_every_face_gets_bins_suggested(study: Any) -> None:
    note = told(audited(study, list(range(20, 44)), of="image"), "as an id has")
    assert "e.g. bins: [20, " in note


def test_more_values_than_groups_are_refused_with_a_way_out(study: Any) -> None:
    table = pd.concat([study.table] * 4, ignore_index=True)
    table["path"] = [f"{row}.png" for row in range(len(table))]
    study.table = table
    with pytest.raises(
        ManifestError, match=r"'extra' has 96 different values for 96 faces.*as an id has: name a column"
    ):
        audited(study, [f"name {row}" for row in range(96)])
    with pytest.raises(ManifestError, match=r"'extra' has 60 different values for 96 faces: give it bins, e.g. bins"):
        audited(study, [str(row % 60) for row in range(96)])
    assert MOST_GROUPS == 50


def test_missing_values_are_a_group_and_counted(study: Any) -> None:
    results = audited(study, ["a", "a", "", "", *["b"] * 20])
    assert "extra is missing of 2 of 24 faces (8.3%): they are a group of their own, (missing)." in told(
        results, "of 24"
    )
    about = results.data.attributes["extra"]
    assert (about.missing, about.groups[MISSING].faces) == (2, 2)
    assert any(item.slice.get("extra") == MISSING for item in results.measurements())


def test_numbers_without_bins_get_bins_suggested(study: Any) -> None:
    ages = [18 + row % 14 for row in range(24)]
    note = told(audited(study, ages, of="image"), "different numbers")
    assert "extra holds 14 different numbers" in note
    assert "bins: [18, " in note
    few = audited(study, [row % 3 for row in range(24)], of="image")
    assert not any("different numbers" in note for note in few.data.notes)


@pytest.mark.parametrize(
    "numbers",
    [
        list(range(18, 70)),
        [0.001, 0.0012, 0.0013, 0.0031, 0.009],
        [-60.3, -5, 12, 40, 41, 55.5],
        [1, 1, 1, 1, 2],
        [1e6, 2e6, 3e6, 1e7],
    ],
)
def test_suggested_bins_hold_every_number_and_can_be_pasted(numbers: list[float]) -> None:
    edges = suggested_bins(numbers)
    assert edges == sorted(set(edges))
    assert edges[0] <= min(numbers)
    assert edges[-1] >= max(numbers)
    AttributeSpec.model_validate({**REPORTED, "bins": [float(f"{edge:g}") for edge in edges]})
    counts = np.histogram(numbers, edges)[0]
    assert counts.sum() == len(numbers)
    assert bins_text(numbers).startswith("bins: [")


def test_one_number_has_no_bins() -> None:
    assert bins_text([3.5, 3.5]) == ""
    assert suggested_bins([]) == []


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        (
            [0, 45, 30, 200],
            r"line \d+.*\[0, 45, 30, 200\], expected rising edges, each once; in rising order: \[0, 30, 45",
        ),
        ([200, 45, 0], r"in rising order: \[0, 45, 200\]"),
        ([0, 30, 30, 200], r"expected rising edges, each once; in rising order: \[0, 30, 200\]"),
        ([30], r"expected at least two rising edges"),
        ([[0, 30], [25, 45]], r"line \d+.*the bins 0 to 30 and 25 to 45 overlap"),
        ([[25, 45], [0, 30]], r"the bins 0 to 30 and 25 to 45 overlap"),
        ([[30, 0], [30, 45]], r"the bin 30 to 0 is reversed or empty"),
        ([[0, 30], [35, 45]], r"no bin holds 30 to 35"),
        ([[0, 30], [30, 45]], r"expected one list of rising edges.*: \[0, 30, 45\]"),
        ([["young", "old"], [1, 2]], r"such as \[0, 30, 45, 200\]"),
        (["young", "old"], r"number"),
    ],
)
def test_bins_that_overlap_or_are_reversed_are_refused_with_the_line(study: Any, bins: Any, message: str) -> None:
    with pytest.raises(PlanError, match=message):
        study.load(study.changed(data={"attributes": {"age": {**REPORTED, "bins": bins}}}))


def test_a_person_in_two_groups_is_counted_with_an_example_and_without_an_id(study: Any, log: list[str]) -> None:
    column = ["a", "b", *["a"] * 10, *["b"] * 11, "a"]
    results = audited(study, column)
    note = told(results, "more than one group")
    assert note.startswith(
        "2 people stand in more than one group of extra, an attribute of the person, e.g. in 'a', 'b'"
    )
    for identity in (*study.table["subject"], *study.table["path"]):
        assert identity not in note
    assert any("e.g. in rows 1, 2" in line for line in log)
    assert not any("more than one group" in note for note in audited(study, column, of="image").data.notes)


def test_a_table_of_predictions_is_looked_at_as_a_manifest_is(study: Any) -> None:
    rows = len(study.table)
    table = pd.DataFrame(
        {
            "face_id": [f"secret{row}" for row in range(rows)],
            "subject": study.table["subject"],
            "label": study.table["label"],
            "p_dark": [0.9 if label == "dark" else 0.1 for label in study.table["label"]],
            "extra": ["a", "b", *["a"] * 10, *["b"] * 10, "", ""],
            "mst": [str(row % 10) for row in range(rows)],
        }
    )
    table["p_bright"] = 1 - table["p_dark"]
    table.to_csv(study.folder / "p.csv", index=False)
    target = {"checkpoint": None, "factory": None, "input": None, "output": None, "predictions": "p.csv"}
    attributes = {"extra": REPORTED, "mst": {"assigned_by": "model", "of": "image"}}
    data = {"manifest": None, "box": None, "attributes": attributes}
    results = study.run(plan=study.changed(target=target, data=data, probes=["group_metrics"]))
    assert told(results, "more than one group").startswith("1 person stands in more than one group of extra")
    assert "2 of 24 faces (8.3%)" in told(results, "extra is missing")
    assert "was assigned by a model" in told(results, "Monk")
    assert "secret" not in " ".join(results.data.notes)


def test_labels_in_one_group_only_and_groups_without_a_label(study: Any) -> None:
    labels = study.table["label"]
    column = ["other" if label == "bright" else "dim" for label in labels]
    results = audited(study, column, of="image")
    note = told(results, "occur in one group only")
    assert "'bright' in 'other', 'dark' in 'dim'" in note
    recall = gap(results, "recall", label="bright")
    assert recall.value is None
    assert "no face here counts" in recall.reason or "group" in recall.reason

    column = ["c" if label == "dark" and row < 8 else "ab"[row % 4 // 2] for row, label in enumerate(labels)]
    note = told(audited(study, column, of="image"), "no face of a label")
    assert "'c' without 'bright'" in note


@pytest.mark.parametrize("name", ["monk", "MST", "monk_tone", "skin mst", "Monk-Skin-Tone"])
@pytest.mark.parametrize("assigned_by", ["derived", "model", "annotator"])
def test_the_monk_scale_is_for_annotators(name: str, assigned_by: str) -> None:
    frame = pd.DataFrame({"subject": list("abcd"), "label": None, name: ["1", "2", "1", "2"]})
    spec = AttributeSpec.model_validate({"assigned_by": assigned_by, "of": "image"})
    notes = attribute_notes(frame, {name: spec}, subjects=True)
    assert any("Monk Skin Tone" in note for note in notes) == (assigned_by != "annotator")


@pytest.mark.parametrize("name", ["monkey", "gender", "mustache"])
def test_other_names_are_not_taken_for_the_monk_scale(name: str) -> None:
    frame = pd.DataFrame({"subject": list("abcd"), "label": None, name: ["1", "2", "1", "2"]})
    spec = AttributeSpec.model_validate({"assigned_by": "model"})
    assert attribute_notes(frame, {name: spec}, subjects=True) == []
