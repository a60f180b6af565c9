from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fairlearn
from pydantic import ValidationError

from countenance.audit.fairness.group_metrics import GroupMetricsParams, group_metrics
from countenance.core.errors import AuditError
from countenance.core.faces import Faces
from countenance.core.plan import AttributeSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import Note, PairedScores, ProbeContext, Scores, TableOutput, find_probe
from countenance.core.results import Finding, Measurement
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import Slicer

CLASSES = ("neutral", "happy", "sad")
LOOSE = StatisticsRules(min_subjects=1, min_effective=0, half_width=10)


def context_of(
    predicted, truth, attributes, intersections=(), subjects=None, rules=LOOSE, classes=CLASSES, controls=()
):
    faces = len(truth)
    roles = {name: "control" if name in controls else "group" for name in attributes}
    frame = pd.DataFrame({"face_id": [str(face) for face in range(faces)], **attributes})
    frame["subject"] = range(faces) if subjects is None else subjects
    return ProbeContext(
        probe_id="group_metrics",
        faces=Faces(
            frame,
            has_subjects=subjects is not None,
            attributes={name: AttributeSpec(assigned_by="self-reported", role=roles[name]) for name in attributes},
            intersections=[list(names) for names in intersections],
        ),
        predictions=Predictions(
            "expression", classes, np.eye(len(classes))[np.asarray(predicted)], np.asarray(truth, float)
        ),
        target=None,
        rules=rules,
        seed=1,
        batch_size=8,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


def measure(context, **params):
    outputs = list(group_metrics(context, GroupMetricsParams(**params)))
    slicer = Slicer(context.faces.subject_codes, context.faces.groupings, context.rules)
    scores = [o for o in outputs if isinstance(o, (Scores, PairedScores))]
    measured = [item for o in scores for item in slicer.measure(o, "group_metrics")]
    measured += [o for o in outputs if isinstance(o, Measurement)]
    return {item.key: item.estimate for item in measured}, outputs


def model(seed=0, faces=900):
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, faces, p=[0.5, 0.3, 0.2])
    predicted = np.where(rng.random(faces) < 0.7, truth, rng.integers(0, 3, faces))
    attributes = {"gender": rng.choice(["female", "male"], faces), "tone": rng.choice(["a", "b", "c"], faces)}
    return predicted, truth, attributes


def test_values_equal_fairlearns_by_attribute_and_intersection():
    predicted, truth, attributes = model()
    found, _ = measure(context_of(predicted, truth, attributes, [["tone", "gender"]]))
    sensitive = pd.DataFrame(attributes)
    compared = 0
    for names in (["gender"], ["tone"], ["gender", "tone"]):
        whole = fairlearn.MetricFrame(
            metrics=lambda y, p: float(np.mean(y == p)),
            y_true=truth,
            y_pred=predicted,
            sensitive_features=sensitive[names],
        )
        for group, expected in whole.by_group.items():
            slices = dict(zip(names, (group,) if isinstance(group, str) else group, strict=True))
            assert found[key("accuracy", slices)].value == pytest.approx(expected)
        for place, label in enumerate(CLASSES):
            frame = fairlearn.MetricFrame(
                metrics={
                    "recall": fairlearn.true_positive_rate,
                    "fpr": fairlearn.false_positive_rate,
                    "fnr": fairlearn.false_negative_rate,
                    "selection_rate": fairlearn.selection_rate,
                    "n": fairlearn.count,
                },
                y_true=(truth == place).astype(int),
                y_pred=(predicted == place).astype(int),
                sensitive_features=sensitive[names],
            )
            for group, row in frame.by_group.iterrows():
                slices = dict(zip(names, (group,) if isinstance(group, str) else group, strict=True))
                for metric in ("recall", "fpr", "fnr", "selection_rate"):
                    assert found[key(metric, slices, label)].value == pytest.approx(row[metric])
                    compared += 1
                assert found[key("selection_rate", slices, label)].n == row["n"]
    assert compared == (2 + 3 + 6) * 3 * 4


def key(metric, slices, label=None):
    pairs = {**slices, **({"label": label} if label else {})}
    return f"group_metrics/{metric}[{','.join(f'{name}={pairs[name]}' for name in sorted(pairs))}]"


def test_every_rate_by_hand():
    #            labels: n n n n h h h s ; answers: n n h s h n h s
    truth, predicted = [0, 0, 0, 0, 1, 1, 1, 2], [0, 0, 1, 2, 1, 0, 1, 2]
    found, _ = measure(context_of(predicted, truth, {"g": ["x"] * 8}))
    expected = {
        "recall": 2 / 3,
        "fnr": 1 / 3,
        "fpr": 1 / 5,
        "fdr": 1 / 3,
        "for": 1 / 5,
        "base_rate": 3 / 8,
        "selection_rate": 3 / 8,
    }
    for metric, value in expected.items():
        estimate = found[f"group_metrics/{metric}[g=x,label=happy]"]
        assert estimate.value == pytest.approx(value), metric
        assert estimate.low <= value <= estimate.high
    assert found["group_metrics/accuracy[g=x]"].value == 5 / 8
    assert found["group_metrics/fdr[g=x,label=happy]"].n == 3
    assert found["group_metrics/accuracy[g=x]"].n == 8


def test_only_groups_are_measured_not_all_faces():
    found, _ = measure(context_of(*model()))
    assert all("[" in name for name in found)
    assert "group_metrics/accuracy[gender=female]" in found


def test_a_group_without_a_denominator_is_absent_not_zero():
    truth = [0] * 10 + [1] * 10 + [0] * 20
    predicted = [0] * 10 + [1] * 10 + [0] * 20
    found, _ = measure(context_of(predicted, truth, {"g": ["x"] * 20 + ["y"] * 20}))
    for metric in ("recall", "fnr", "fdr"):
        estimate = found[f"group_metrics/{metric}[g=y,label=happy]"]
        assert (estimate.value, estimate.n) == (None, 0)
        assert estimate.reason == f"no face here counts towards {metric} of label happy"
    assert found["group_metrics/base_rate[g=y,label=happy]"].value == 0
    assert found["group_metrics/base_rate[g=y,label=happy]"].high > 0


def test_a_class_nobody_is_labelled_with_has_what_needs_no_label():
    found, outputs = measure(context_of([0, 1, 2, 0] * 5, [0, 1, 1, 0] * 5, {"g": ["x"] * 20}))
    of_sad = {name.split("/")[1].split("[")[0] for name in found if "label=sad" in name}
    assert of_sad == {"fpr", "selection_rate", "brier", "confidence_minus_accuracy", "ece"}
    notes = " ".join(output.text for output in outputs if isinstance(output, Note))
    assert "No face is labelled sad; of the metrics of such a class: fpr, selection_rate, brier" in notes


def test_intervals_count_people():
    predicted, truth, attributes = model(faces=300)
    people = np.repeat(np.arange(300), 4)
    repeated = {name: np.repeat(values, 4) for name, values in attributes.items()}
    once, _ = measure(context_of(predicted, truth, attributes))
    often, _ = measure(context_of(np.repeat(predicted, 4), np.repeat(truth, 4), repeated, subjects=people))
    key = "group_metrics/accuracy[tone=a]"
    assert often[key].n == 4 * once[key].n
    assert often[key].n_effective == pytest.approx(once[key].n, rel=0.02)
    assert often[key].high - often[key].low == pytest.approx(once[key].high - once[key].low, rel=0.08)


def test_small_groups_are_a_finding_in_careful_words():
    predicted, truth, attributes = model()
    attributes["tone"] = np.where(np.arange(900) < 5, "rare", attributes["tone"])
    found, outputs = measure(context_of(predicted, truth, attributes, rules=StatisticsRules()))
    assert found["group_metrics/accuracy[tone=rare]"].reason == "5 faces; 10 are needed"
    (finding,) = [output for output in outputs if isinstance(output, Finding)]
    assert finding.id == "group_metrics.not_measured.tone"
    assert finding.severity == "note"
    assert finding.claim.startswith("1 of 4 groups by tone are too small")
    assert "rare (5 faces; 10 are needed)" in finding.claim
    assert finding.evidence == ["group_metrics/accuracy[tone=rare]"]


def test_gaps_are_asked_for_the_tested_metrics_only():
    predicted, truth, attributes = model()
    _, outputs = measure(context_of(predicted, truth, attributes), tolerance=0.1)
    tested = {(o.metric, o.slice.get("label")) for o in outputs if isinstance(o, (Scores, PairedScores)) and o.gaps}
    assert tested == {("accuracy", None), *((metric, name) for metric in ("recall", "fpr") for name in CLASSES)}
    assert {o.tolerance for o in outputs if isinstance(o, Scores) and o.gaps} == {0.1}
    _, outputs = measure(context_of(predicted, truth, attributes), gaps=())
    assert not any(o.gaps for o in outputs if isinstance(o, (Scores, PairedScores)))
    _, outputs = measure(context_of(predicted, truth, attributes), gaps=("auroc", "selection_rate"), labels=("sad",))
    assert {o.metric for o in outputs if isinstance(o, (Scores, PairedScores)) and o.gaps} == {
        "auroc",
        "selection_rate",
    }


def test_recall_and_fnr_are_one_question():
    predicted, truth, attributes = model()
    _, outputs = measure(context_of(predicted, truth, attributes), gaps=("fnr", "recall", "fdr"))
    assert {o.metric for o in outputs if isinstance(o, Scores) and o.gaps} == {"recall", "fdr"}
    assert "The gap of fnr is not tested" in " ".join(o.text for o in outputs if isinstance(o, Note))


def test_of_two_classes_the_gaps_of_one_are_tested():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 200)
    context = context_of(truth, truth, {"g": rng.choice(["x", "y"], 200)}, classes=("other", "happy"))
    _, outputs = measure(context)
    tested = {(o.metric, o.slice.get("label")) for o in outputs if isinstance(o, Scores) and o.gaps}
    assert tested == {("accuracy", None), ("recall", "happy"), ("fpr", "happy")}
    assert "tested for happy only" in " ".join(o.text for o in outputs if isinstance(o, Note))
    _, outputs = measure(context, labels=("other",))
    tested = {(o.metric, o.slice.get("label")) for o in outputs if isinstance(o, Scores) and o.gaps}
    assert tested == {("accuracy", None), ("recall", "other"), ("fpr", "other")}


def test_groups_are_compared_within_levels_of_a_control():
    predicted, truth, attributes = model()
    rng = np.random.default_rng(3)
    attributes = {**attributes, "pose": rng.choice(["frontal", "side"], 900)}
    context = context_of(predicted, truth, attributes, controls=("pose",))
    assert [groups.name for groups in context.faces.groupings] == ["gender", "tone"]
    found, outputs = measure(context)
    rows = (attributes["pose"] == "side") & (attributes["gender"] == "female") & (truth == 1)
    inside = found["group_metrics/recall[gender=female,label=happy,pose=side]"]
    assert (inside.value, inside.n) == (np.mean(predicted[rows] == 1), rows.sum())
    assert "group_metrics/accuracy[pose=frontal]" in found
    assert "group_metrics/recall[label=happy,pose=frontal]" in found
    assert not any("f1" in name and "pose" in name for name in found)
    within = [o for o in outputs if isinstance(o, Scores) and "pose" in o.slice]
    assert all(o.gaps and o.overall for o in within)
    assert len(within) == 2 * (1 + 2 * 3)


def test_coverage_counts_faces_and_people():
    truth = [0, 0, 1, 1, 1, -1]
    context = context_of(
        [0] * 6, truth, {"g": ["x", "x", "x", "y", "y", "y"], "h": ["k"] * 6}, [["g", "h"]], [1, 1, 2, 3, 3, 3]
    )
    table = next(o for o in measure(context)[1] if isinstance(o, TableOutput) and o.name == "coverage")
    assert table.name == "coverage"
    assert table.frame.to_dict("records") == [
        {"attributes": "g", "group": "x", "label": "happy", "faces": 1, "people": 1},
        {"attributes": "g", "group": "x", "label": "neutral", "faces": 2, "people": 1},
        {"attributes": "g", "group": "y", "label": "happy", "faces": 2, "people": 1},
        {"attributes": "h", "group": "k", "label": "happy", "faces": 3, "people": 2},
        {"attributes": "h", "group": "k", "label": "neutral", "faces": 2, "people": 1},
        {"attributes": "g&h", "group": "x & k", "label": "happy", "faces": 1, "people": 1},
        {"attributes": "g&h", "group": "x & k", "label": "neutral", "faces": 2, "people": 1},
        {"attributes": "g&h", "group": "y & k", "label": "happy", "faces": 2, "people": 1},
    ]


def test_metrics_and_labels_may_be_chosen_and_the_base_rate_stands_beside():
    found, outputs = measure(context_of(*model()), metrics=("recall", "fpr"), labels=("happy",))
    assert {name.split("/")[1].split("[")[0] for name in found} == {"recall", "fpr", "base_rate"}
    assert all("label=happy" in name for name in found)
    assert all(output.evidence == [] for output in outputs if isinstance(output, Finding))
    with pytest.raises(ValidationError, match="there is no metric 'recal'; did you mean 'recall'"):
        GroupMetricsParams(metrics=("accuracy", "recal"))
    with pytest.raises(ValidationError):
        GroupMetricsParams(metrics=())
    with pytest.raises(ValidationError):
        GroupMetricsParams(tolerance=1)


def test_everything_wrong_with_the_parameters_is_told_at_once():
    with pytest.raises(AuditError) as raised:
        measure(
            context_of(*model()),
            metrics=("accuracy", "fmr"),
            labels=("hapy",),
            gaps=("recall", "macro_f1", "ccc"),
            threshold=0.5,
        )
    told = str(raised.value)
    assert "metrics names 'fmr', which is not a metric of expression targets" in told
    assert "labels names 'hapy', which is not one of the classes (neutral, happy, sad); did you mean 'happy'?" in told
    assert "gaps: 'recall' is tested only where metrics names it too" in told
    assert "gaps names 'macro_f1', which is not a metric whose gap is tested" in told
    assert "gaps names 'ccc'" in told
    assert "threshold: a target of the task expression has none" in told
    assert "6 problems" in told


def test_without_attributes_it_says_so():
    found, outputs = measure(context_of(*model()[:2], {}))
    assert found == {}
    assert [output.text for output in outputs] == [
        "Nothing was measured by group: the plan names no attributes of the faces."
    ]
    _, outputs = measure(context_of(*model(), controls=("gender", "tone")))
    assert [output.text for output in outputs] == [
        "Nothing was measured by group: the plan names no attributes of the faces but controls."
    ]


def test_unlabelled_faces_are_left_out():
    predicted, truth, attributes = model()
    some = np.where(np.arange(900) % 3 == 0, -1, truth)
    kept = some >= 0
    found, _ = measure(context_of(predicted, some, attributes))
    expected, _ = measure(context_of(predicted[kept], truth[kept], {n: v[kept] for n, v in attributes.items()}))
    assert {name: e.value for name, e in found.items()} == {name: e.value for name, e in expected.items()}


def test_too_many_measurements_are_refused_and_the_knobs_named():
    many = tuple(f"class {place}" for place in range(300))
    rng = np.random.default_rng(0)
    context = context_of(
        rng.integers(0, 300, 1000), rng.integers(0, 300, 1000), {"g": [str(face) for face in range(1000)]}, classes=many
    )
    with pytest.raises(AuditError, match=r"measurements \(4800 metrics of 1,000 groups, 900 questions.*`labels`"):
        measure(context)


def test_it_is_registered():
    found = find_probe("group_metrics")
    assert (found.pillar, found.needs) == ("fairness", {"labels"})
