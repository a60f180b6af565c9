from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from countenance.core.plan import (
    OUTPUTS,
    AttributeSpec,
    DataSpec,
    GateSpec,
    InputSpec,
    LandmarkColumns,
    Plan,
    ProbeEntry,
    RunSpec,
    Spec,
    TargetSpec,
    plan_schema,
)
from countenance.core.probes import Note, Output, ProbeContext, ProbeParams, registered_probes

CHECKPOINT = {"checkpoint": "a.pt", "input": {"size": 16}, "output": "logits"}


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"size": 7}, "at least 8 pixels"),
        ({"size": 0}, "greater than 0"),
        ({"size": [16, 4]}, "at least 8 pixels"),
        ({"size": 16, "mean": [1, 2]}, "mean holds 2 numbers, expected 1 or 3"),
        ({"size": 16, "channels": "grey", "std": [1, 1, 1]}, "std holds 3 numbers, expected 1 or 1"),
        ({"size": 16, "std": [0]}, "std must be above zero"),
        ({"size": 16, "std": [-1]}, "std must be above zero"),
        ({"size": 16, "mean": [float("nan")]}, "finite"),
        ({"size": 16, "std": [float("inf")]}, "finite"),
        ({"size": 16, "channels": "hsv"}, "'rgb', 'bgr' or 'grey'"),
    ],
)
def test_an_input_that_cannot_be_is_refused(block: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        InputSpec.model_validate(block)


def test_an_input_is_square_or_height_and_width() -> None:
    assert InputSpec(size=16).height_width == (16, 16)
    assert InputSpec(size=(16, 32)).height_width == (16, 32)
    assert InputSpec(size=16, channels="grey").channel_count == 1


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ({"task": "expression", "classes": ["a", "b"]}, "either checkpoint or predictions"),
        ({"task": "expression", "classes": ["a", "b"], **CHECKPOINT, "predictions": "p.csv"}, "either checkpoint or"),
        ({"task": "expression", "classes": ["a", "b"], "checkpoint": "a"}, "needs input and output too"),
        ({"task": "expression", "classes": ["a"], **CHECKPOINT}, "at least two classes"),
        ({"task": "expression", "classes": ["a", "b", "a"], **CHECKPOINT}, "'a' more than once"),
        ({"task": "action_units", **CHECKPOINT}, "needs classes"),
        ({"task": "forgery", "classes": ["real", "fake"], **CHECKPOINT}, "genuine and forged"),
        ({"task": "forgery", **CHECKPOINT, "positive": "fake"}, "expected genuine or forged"),
        (
            {"task": "expression", "classes": ["a", "b"], **CHECKPOINT, "positive": "forged"},
            "belongs to the task forgery",
        ),
        ({"task": "expression", "classes": ["a", "b"], **CHECKPOINT, "output": "embedding"}, "logits or probabilities"),
        ({"task": "valence_arousal", **CHECKPOINT}, "expected values for valence_arousal"),
        ({"task": "expression", "classes": ["a", "b"], **CHECKPOINT, "arguments": {"x": float("nan")}}, "results file"),
        ({"task": "emotion", "classes": ["a", "b"], **CHECKPOINT}, "'expression', 'action_units'"),
    ],
)
def test_a_target_that_cannot_be_is_refused(block: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TargetSpec.model_validate(block)


def test_classes_are_as_written_or_what_the_task_implies() -> None:
    assert TargetSpec(task="forgery", predictions="p").class_names == ("genuine", "forged")
    assert TargetSpec(task="forgery", predictions="p", classes=["forged", "genuine"]).class_names == (
        "forged",
        "genuine",
    )
    assert TargetSpec(task="valence_arousal", predictions="p").class_names == ("valence", "arousal")
    assert TargetSpec(task="verification", predictions="p").class_names == ()


def test_every_task_has_an_output_it_may_give() -> None:
    tasks = TargetSpec.model_json_schema()["properties"]["task"]["enum"]
    assert set(OUTPUTS) == set(tasks)
    assert all(OUTPUTS.values())


@pytest.mark.parametrize("bins", [[], [1], [1, 1], [2, 1], [0, float("inf")], [0, float("nan")]])
def test_bins_are_rising_finite_edges(bins: list[float]) -> None:
    with pytest.raises(ValidationError, match=r"rising edges|finite"):
        AttributeSpec(assigned_by="annotator", bins=bins)


@pytest.mark.parametrize("name", ["label", "path", "face_id", "subject", "condition", "split", "may_publish"])
def test_an_attribute_may_not_take_the_name_of_a_column_of_ours(name: str) -> None:
    with pytest.raises(ValidationError, match=f"{name}.* is taken.*`column: {name}`"):
        DataSpec.model_validate({"attributes": {name: {"assigned_by": "annotator"}}})
    DataSpec.model_validate({"attributes": {"other": {"assigned_by": "annotator", "column": name}}})


@pytest.mark.parametrize(
    ("names", "said"), [(["a", "c"], r"\['c'\]"), (["a", "a"], "twice"), (["a"], "at least 2"), ([], "at least 2")]
)
def test_an_intersection_names_two_or_more_different_attributes(names: list[str], said: str) -> None:
    attributes = {name: {"assigned_by": "annotator"} for name in "ab"}
    with pytest.raises(ValidationError, match=said):
        DataSpec.model_validate({"attributes": attributes, "intersections": [names]})


def test_numbers_may_be_written_as_fractions_and_are_kept_as_numbers() -> None:
    written = {"size": 16, "mean": ["127.5/255", 0.5, "1e-1"], "std": ["1/255"]}
    dumped = InputSpec.model_validate(written).model_dump(mode="json")
    assert dumped["mean"] == [0.5, 0.5, 0.1]
    assert dumped["std"] == [1 / 255]
    assert AttributeSpec.model_validate({"assigned_by": "derived", "bins": [0, "1/3", 1]}).bins == [0, 1 / 3, 1]
    for wrong in ("1/0", "nan", "one", True, [1]):
        with pytest.raises(ValidationError):
            InputSpec.model_validate({"size": 16, "mean": [wrong]})
    with pytest.raises(ValidationError, match="above zero"):
        InputSpec.model_validate({"size": 16, "std": ["0/255"]})


@pytest.mark.parametrize("device", ["auto", "cpu", "mps", "cuda", "cuda:0", "cuda:12"])
def test_a_device_is_one_of_those_there_are(device: str) -> None:
    assert RunSpec(device=device).device == device


@pytest.mark.parametrize(
    ("device", "hint"),
    [("cdua", "'cuda'"), ("gpu", "'cuda'"), ("CPU", "'cpu'"), ("meta", ""), ("cuda:", "'cuda'"), ("cpu\n", "'cpu'")],
)
def test_a_device_that_is_none_is_told_with_the_nearest(device: str, hint: str) -> None:
    with pytest.raises(ValidationError, match=f"expected auto, cpu, mps, cuda or cuda:1 .*{hint}"):
        RunSpec(device=device)


@pytest.mark.parametrize("pattern", ["x_{}_{}", "x_{}{", "x_{}}", "{0}_{}", "x", "{", "{{}}"])
def test_a_landmark_pattern_has_one_place_and_no_other_brace(pattern: str) -> None:
    with pytest.raises(ValidationError, match=r"expected a pattern with one \{\} for the point's number"):
        LandmarkColumns(x=pattern, y="y_{}", points=5)


def test_landmark_columns_need_a_place_for_the_number() -> None:
    with pytest.raises(ValidationError, match=r"x_{}|pattern"):
        LandmarkColumns(x="x", y="y_{}", points=5)


def test_a_probe_may_be_written_as_its_name() -> None:
    entry = ProbeEntry.model_validate("performance")
    assert (entry.probe, entry.key, entry.params) == ("performance", "performance", {})
    named = ProbeEntry.model_validate({"probe": "adversarial", "id": "pgd", "eps": ["8/255"]})
    assert (named.key, named.params) == ("pgd", {"eps": ["8/255"]})


@pytest.mark.parametrize("name", ["PGD", "p g", "p/g", "2p", "p[", "é"])
def test_an_id_that_would_not_fit_into_a_key_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="lower-case letters"):
        ProbeEntry.model_validate({"probe": "adversarial", "id": name})


@pytest.mark.parametrize("limits", [{}, {"at_least": 1, "at_most": 2}])
def test_a_gate_has_one_limit(limits: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="either at_least or at_most"):
        GateSpec(measure="a/b", **limits)  # type: ignore[arg-type]


def minimal(**blocks: Any) -> dict[str, Any]:
    target = {"task": "expression", "classes": ["a", "b"], **CHECKPOINT}
    return {"name": "x", "target": target, "data": {"manifest": "m.csv"}, "probes": ["performance"], **blocks}


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ({"probes": []}, "at least 1"),
        ({"probes": ["performance", "performance"]}, "'performance' stands twice: give each its own id"),
        ({"probes": [{"probe": "a", "id": "x"}, {"probe": "b", "id": "x"}]}, "'x' stands twice"),
        ({"data": {}}, "data needs a manifest"),
        ({"version": 2}, "1"),
        ({"seed": -1}, "greater than or equal"),
        ({"extra": 1}, "not permitted"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(blocks: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Plan.model_validate(minimal(**blocks))


def test_the_resolved_plan_goes_through_json_and_back() -> None:
    gates = [{"measure": "performance/accuracy", "at_least": 0.5, "review_by": "2027-05-01"}]
    plan = Plan.model_validate(minimal(gates=gates, probes=["a", {"probe": "b", "id": "c", "eps": [1, "8/255"]}]))
    text = json.dumps(plan.model_dump(mode="json"), allow_nan=False)
    assert Plan.model_validate(json.loads(text)) == plan


# The schema ----------------------------------------------------------------------------------------------------------


def references(node: Any) -> set[str]:
    """Every ``$ref`` in a schema."""
    if isinstance(node, dict):
        own = {node["$ref"]} if "$ref" in node else set()
        return own.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(value) for value in node)) if node else set()
    return set()


def test_the_schema_is_whole_json() -> None:
    schema = json.loads(json.dumps(plan_schema()))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert references(schema) == {f"#/$defs/{name}" for name in schema["$defs"]}


def test_the_schema_knows_every_key_and_no_other() -> None:
    """Its records are the plan's and the probes' parameters, each closed to unknown keys."""
    schema = plan_schema()
    assert schema["type"] == "object"
    assert set(schema["properties"]) == set(Plan.model_fields)
    assert set(schema["required"]) == {"name", "target", "data", "probes"}
    records = {kind.__name__: kind for kind in Spec.__subclasses__() if kind is not Plan}
    inside = {name for name in schema["$defs"] if name.partition(".")[0] in registered_probes()}  # of parameters
    assert set(schema["$defs"]) - inside == set(records)
    assert all(schema["$defs"][name]["additionalProperties"] is False for name in inside)
    for name, record in records.items():
        written = schema["$defs"][name]
        if name == "ProbeEntry":
            continue
        assert written["additionalProperties"] is False
        assert set(written["properties"]) == set(record.model_fields)
    known = registered_probes()
    names, *entries = schema["$defs"]["ProbeEntry"]["anyOf"]
    assert names == {"enum": list(known)}
    for entry, (name, probe) in zip(entries, known.items(), strict=True):
        assert entry["properties"]["probe"] == {"const": name}
        assert entry["additionalProperties"] is False
        assert set(entry["properties"]) == {"probe", "id", *probe.params.model_fields}


def test_records_inside_parameters_are_in_the_schema(add_probe: Any) -> None:
    class Part(Spec):
        size: int

    class Params(ProbeParams):
        parts: list[Part]

    def parted(context: ProbeContext, params: Params) -> Iterator[Output]:
        yield Note("")

    add_probe("parted", parted, Params)
    schema = plan_schema()
    assert set(schema["$defs"]["parted.Part"]["properties"]) == {"size"}
    (entry,) = [entry for entry in schema["$defs"]["ProbeEntry"]["anyOf"][1:] if "parts" in entry["properties"]]
    assert entry["required"] == ["probe", "parts"]
    assert references(schema) == {f"#/$defs/{name}" for name in schema["$defs"]}


def test_without_the_probes_the_schema_says_why_their_parameters_are_not_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise ImportError("No module named 'torch'")

    monkeypatch.setattr("countenance.core.probes.registered_probes", fail)
    text, entry = plan_schema()["$defs"]["ProbeEntry"]["anyOf"]
    assert text == {"type": "string"}
    assert entry["additionalProperties"] is True
    assert "No module named 'torch'" in entry["description"]


def test_a_plan_in_the_schema_may_name_a_probe_or_describe_it() -> None:
    schema = plan_schema()
    assert schema["properties"]["probes"]["items"] == {"$ref": "#/$defs/ProbeEntry"}
    assert schema["properties"]["version"]["const"] == 1


def test_an_intersection_with_a_control_is_refused():
    attributes = {"a": {"assigned_by": "derived"}, "pose": {"assigned_by": "derived", "role": "control"}}
    with pytest.raises(ValidationError, match="whose role is control"):
        DataSpec.model_validate({"manifest": "x", "attributes": attributes, "intersections": [["a", "pose"]]})
