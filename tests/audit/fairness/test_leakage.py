from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torch import Tensor, nn

from countenance.audit.fairness.leakage.features import FaceFeatures
from countenance.audit.fairness.leakage.params import LeakageParams
from countenance.audit.fairness.leakage.probe import read_all
from countenance.core.api import run
from countenance.core.errors import AuditError, PlanError
from countenance.core.faces import Faces
from countenance.core.plan import AttributeSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import Note, ProbeContext, Scores, TableOutput
from countenance.core.results import Finding, Measurement
from countenance.core.statistics.rules import StatisticsRules

PEOPLE, DIMS = 60, 24


def context_of(frame: pd.DataFrame, attributes: dict[str, AttributeSpec]) -> ProbeContext:
    faces = Faces(frame.assign(may_publish=False), has_subjects=True, attributes=attributes)
    values = np.tile([0.5, 0.5], (len(frame), 1))
    return ProbeContext(
        probe_id="leakage",
        faces=faces,
        predictions=Predictions("expression", ("neutral", "happy"), values, np.full(len(frame), -1.0)),
        target=None,
        rules=StatisticsRules(),
        seed=3,
        batch_size=8,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


def drawn(seed: int, *, of_group: float = 0.0, of_person: float = 0.0, alike: bool = False):
    """Draw embeddings of two pictures of each person; controls hold nothing of group and person, or as much."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(PEOPLE), 2)
    group = np.repeat(rng.permutation(np.arange(PEOPLE) % 2), 2)
    frame = pd.DataFrame(
        {
            "face_id": [str(row) for row in range(2 * PEOPLE)],
            "path": [f"v{row % 2}/{row}.png" for row in range(2 * PEOPLE)],
            "subject": person.astype(str),
            "label": np.where(np.arange(2 * PEOPLE) % 2 == 0, "neutral", "happy"),
            "split": "",
            "group": np.where(group == 1, "b", "a"),
        }
    )

    def features(group_strength: float, person_strength: float) -> np.ndarray:
        noise = rng.normal(size=(2 * PEOPLE, DIMS))
        noise[:, 0] += group_strength * group
        return noise + person_strength * rng.normal(size=(PEOPLE, DIMS))[person]

    control = (of_group, of_person) if alike else (0.0, 0.0)
    found = FaceFeatures(
        rows=np.arange(2 * PEOPLE),
        own=features(of_group, of_person),
        random_nets=[features(*control) for _ in range(3)],
        pixels=features(*control),
        place="the input of 'head'",
    )
    return context_of(frame, {"group": AttributeSpec(assigned_by="annotator")}), found


def told(context, found, **params):
    settings = LeakageParams(session="label", permutations=99, **params)
    outputs = list(read_all(context, settings, found))
    findings = {out.id.partition(".")[2]: out for out in outputs if isinstance(out, Finding)}
    measured = {out.key.partition("/")[2]: out.estimate for out in outputs if isinstance(out, Measurement)}
    return findings, measured, outputs


def test_what_is_planted_is_found_and_its_absence_is_told():
    hits = {"identity": 0, "attribute.group": 0}
    alarms = dict(hits)
    for seed in range(20):
        findings, _, _ = told(*drawn(seed, of_group=4.0, of_person=1.5))
        for name in hits:
            hits[name] += findings[name].severity == "medium"
        findings, _, _ = told(*drawn(seed))
        for name in alarms:
            alarms[name] += findings[name].severity == "medium"
    assert min(hits.values()) >= 19
    assert sum(alarms.values()) <= 2


def test_what_controls_hold_too_is_no_leak_by_training():
    severe = 0
    shown = "could not be shown that training put it there"
    for seed in range(20):
        findings, measured, _ = told(*drawn(seed, of_group=4.0, of_person=1.0, alike=True))
        severe += sum(item.severity == "medium" for item in findings.values())
        assert measured["attribute_accuracy.p[attribute=group]"].value <= 0.05
        told_so = shown in findings["attribute.group"].claim
        assert told_so == (findings["attribute.group"].severity == "note")
    assert severe <= 1


def test_measurements_stand_beside_their_controls():
    _, measured, outputs = told(*drawn(1, of_group=4.0, of_person=1.5))
    for metric, slice in (("identity_accuracy", ""), ("attribute_accuracy", "[attribute=group]")):
        controls = ("null_shuffled", "null_chance", "null_random_net", "null_pixels")
        for suffix in (*controls, "over_random_net", "over_pixels", "p", "over_controls.p_adjusted"):
            assert measured[f"{metric}.{suffix}{slice}"].value is not None
    assert measured["identity_accuracy.null_chance"].value == 1 / PEOPLE
    assert measured["attribute_accuracy.null_shuffled[attribute=group]"].value == pytest.approx(0.5, abs=0.05)
    accuracy = measured["attribute_accuracy[attribute=group]"]
    over = measured["attribute_accuracy.over_pixels[attribute=group]"]
    pixels = measured["attribute_accuracy.null_pixels[attribute=group]"]
    assert over.value == pytest.approx(accuracy.value - pixels.value)
    assert (accuracy.n, accuracy.subjects) == (2 * PEOPLE, PEOPLE)
    scores = next(out for out in outputs if isinstance(out, Scores))
    assert scores.metric == "identity_accuracy"
    assert scores.gaps
    table = next(out.frame for out in outputs if isinstance(out, TableOutput))
    assert table["faces"].sum() == 2 * PEOPLE


def test_without_random_nets_pixels_alone_claim_nothing():
    context, found = drawn(1, of_group=4.0)
    findings, measured, _ = told(context, replace(found, random_nets=[]))
    assert findings["attribute.group"].severity == "note"
    assert "the weights of the model cannot be replaced" in findings["attribute.group"].claim
    assert measured["attribute_accuracy.over_pixels[attribute=group]"].value > 0
    assert measured["attribute_accuracy.over_random_net[attribute=group]"].value is None


def test_the_same_seed_gives_the_same():
    first, second = (told(*drawn(2, of_group=1.0))[1] for _ in range(2))
    assert {key: item.model_dump() for key, item in first.items()} == {
        key: item.model_dump() for key, item in second.items()
    }


def test_small_groups_and_missing_values_are_left_out_by_name():
    context, found = drawn(4)
    frame = context.faces.frame.copy()
    person = frame["subject"].astype(int)
    frame["group"] = np.select([person < 5, person < 8, person < 30], ["tiny", None, "a"], "b")
    context = context_of(frame.where(frame.notna(), None), dict(context.faces.attributes))
    _, measured, outputs = told(context, found)
    notes = " ".join(out.text for out in outputs if isinstance(out, Note))
    assert "tiny (5)" in notes
    assert "(missing) (3)" in notes
    assert measured["attribute_accuracy[attribute=group]"].subjects == 52
    frame["group"] = np.where(person < 5, "tiny", "a")
    _, measured, _ = told(context_of(frame, dict(context.faces.attributes)), found)
    assert "two groups of 10 people" in measured["attribute_accuracy[attribute=group]"].reason


def test_people_of_one_session_are_not_told_apart():
    context, found = drawn(5)
    frame = context.faces.frame.assign(label="neutral")
    _, measured, _ = told(context_of(frame, {}), found)
    assert "0 people have pictures of more than one session" in measured["identity_accuracy"].reason


def test_sessions_come_from_the_path_too():
    context, found = drawn(6, of_person=1.5)
    settings = LeakageParams(session_in_path="^(v[0-9])/", permutations=99, attributes=())
    outputs = list(read_all(context, settings, found))
    by_path = next(out for out in outputs if isinstance(out, Scores))
    by_label = next(out for out in told(context, found, attributes=())[2] if isinstance(out, Scores))
    assert (by_path.values == by_label.values).all()
    with pytest.raises(AuditError, match=r"not found in 120 paths, e\.g\. in row 1$"):
        list(read_all(context, LeakageParams(session_in_path="(w)/", attributes=()), found))


def test_unknown_names_are_answered_with_the_nearest():
    context, found = drawn(7)
    with pytest.raises(AuditError, match="did you mean 'group'"):
        told(context, found, attributes=("grup",))
    with pytest.raises(AuditError, match="did you mean 'label'"):
        list(read_all(context, LeakageParams(session="lable"), found))


@pytest.mark.parametrize(
    "wrong",
    [
        {"session": "label", "session_in_path": "(a)"},
        {"of": "outputs", "layer": "fc"},
        {"identity": False, "attributes": ()},
        {"session_in_path": "a"},
        {"session_in_path": "("},
        {"random_nets": 1},
        {"folds": 1},
    ],
)
def test_parameters_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValidationError):
        LeakageParams(**wrong)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, 2)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).relu().mean((2, 3)))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Twenty-four people in two colours, two pictures each."""
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    rows = []
    for person in range(24):
        group = person % 2
        for take in range(2):
            pixels = rng.integers(0, 120, (16, 16, 3)) + np.array([100 * group, 0, 60])
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{person}-{take}.png")
            rows.append(
                {
                    "path": f"{person}-{take}.png",
                    "label": ("neutral", "happy")[take],
                    "person": f"p{person}",
                    "group": ("a", "b")[group],
                }
            )
    return folder, pd.DataFrame(rows)


def audit(net, pictures, **params):
    folder, frame = pictures
    return run(
        model=net,
        faces=frame,
        folder=folder,
        classes=["neutral", "happy"],
        input={"size": 16, "mean": [0.5], "std": [0.25]},
        data={"subject": "person", "attributes": {"group": {"assigned_by": "annotator"}}},
        probes=[{"probe": "leakage", "permutations": 99, **params}],
    ).probes[0]


def small_net() -> Small:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Small()


def test_a_real_net_is_read_and_left_as_it_was(pictures):
    net = small_net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = audit(net, pictures, session="label")
    assert found.status == "ok", found.reason
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    measured = {item.key: item.estimate.value for item in found.measurements}
    assert measured["leakage/attribute_accuracy[attribute=group]"] > 0.9
    assert measured["leakage/attribute_accuracy.null_pixels[attribute=group]"] > 0.9
    assert "the input of 'head' (6 values)" in found.notes[0]
    assert next(item for item in found.findings if item.id == "leakage.attribute.group").severity == "note"


def test_outputs_are_read_with_controls_where_there_is_a_net(pictures):
    found = audit(small_net(), pictures, of="outputs", session="label")
    assert found.status == "ok", found.reason
    measured = {item.key: item.estimate for item in found.measurements}
    assert measured["leakage/attribute_accuracy.null_random_net[attribute=group]"].value is not None
    assert "the model's outputs (2 values)" in found.notes[0]


def test_a_table_of_predictions_is_read_without_controls(tmp_path):
    rng = np.random.default_rng(1)
    person = np.repeat(np.arange(40), 3)
    group = person % 2
    p = np.clip(0.4 + 0.2 * group + 0.05 * rng.normal(size=120), 0.01, 0.99)
    frame = pd.DataFrame(
        {
            "face_id": range(120),
            "subject": person,
            "label": np.where(rng.random(120) < 0.5, "neutral", "happy"),
            "group": np.where(group == 1, "b", "a"),
            "p_neutral": 1 - p,
            "p_happy": p,
        }
    )
    frame.to_csv(tmp_path / "predictions.csv", index=False)
    plan = """
version: 1
name: table
target: {predictions: predictions.csv, task: expression, classes: [neutral, happy]}
data: {subject: subject, attributes: {group: {assigned_by: annotator}}}
probes:
  - {probe: leakage, of: outputs, permutations: 99}
  - {probe: leakage, id: inside}
"""
    (tmp_path / "plan.yaml").write_text(plan, encoding="utf-8")
    results = run(tmp_path / "plan.yaml")
    found, skipped = results.probes
    assert found.status == "ok", found.reason
    measured = {item.key: item.estimate for item in found.measurements}
    assert measured["leakage/attribute_accuracy[attribute=group]"].value > 0.8
    assert "no model" in measured["leakage/attribute_accuracy.over_pixels[attribute=group]"].reason
    assert measured["leakage/attribute_accuracy.over_controls.p_adjusted[attribute=group]"].value is None
    assert "There is no control of the same net" in next(f for f in found.findings if "group" in f.id).claim
    assert (skipped.status, skipped.reason) == (
        "skipped",
        "the target is a table of predictions: there is no model to run",
    )


def test_an_unknown_layer_is_answered_with_the_nearest(pictures):
    found = audit(small_net(), pictures, session="label", layer="hed")
    assert found.status == "failed"
    assert "did you mean 'head'" in found.reason


def test_a_net_without_layers_is_skipped():
    needs = LeakageParams().further_needs()
    assert needs == {"layers", "images"}
    assert LeakageParams(of="outputs").further_needs() == frozenset()


def test_a_misspelt_parameter_is_a_fault_of_the_plan(pictures):
    with pytest.raises(PlanError, match="sesion"):
        audit(small_net(), pictures, sesion="label")
