from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from countenance.audit.performance import PerformanceParams, performance
from countenance.core.faces import Faces
from countenance.core.plan import OUTPUTS
from countenance.core.predictions import Predictions
from countenance.core.probes import Note, ProbeContext, Scores, TableOutput, find_probe
from countenance.core.results import Finding, Measurement
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import slice_scores

CLASSES = ("neutral", "happy", "sad", "angry")


def context_of(probabilities, truth, subjects=None, classes=CLASSES, task="expression"):
    faces = len(truth)
    frame = pd.DataFrame(
        {"face_id": [str(face) for face in range(faces)], "subject": range(faces) if subjects is None else subjects}
    )
    return ProbeContext(
        probe_id="performance",
        faces=Faces(frame, has_subjects=subjects is not None),
        predictions=Predictions(task, classes, np.asarray(probabilities, float), np.asarray(truth, float)),
        target=None,
        rules=StatisticsRules(),
        seed=1,
        batch_size=8,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


def model(seed=0, faces=600, accuracy=0.7, classes=4):
    """Probabilities of a calibrated model, its labels and people with three faces each."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, 0.3 if accuracy > 0.5 else 3.0), faces)
    truth = (rng.random(faces)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
    return probabilities, truth, np.repeat(np.arange(faces // 3), 3)


def measure(context, **params):
    outputs = list(performance(context, PerformanceParams(**params)))
    found = {}
    for output in outputs:
        if isinstance(output, Measurement):
            found[output.key] = output.estimate
        if isinstance(output, Scores):
            for item in slice_scores(output, context.faces.subject_codes, (), context.rules, "performance"):
                found[item.key] = item.estimate
    return found, outputs


def test_numbers_equal_scikit_learns():
    probabilities, truth, subjects = model()
    found, outputs = measure(context_of(probabilities, truth, subjects))
    predicted = probabilities.argmax(axis=1)
    assert found["performance/accuracy"].value == pytest.approx(metrics.accuracy_score(truth, predicted))
    balanced = metrics.balanced_accuracy_score(truth, predicted)
    assert found["performance/balanced_accuracy"].value == pytest.approx(balanced)
    assert found["performance/macro_f1"].value == pytest.approx(metrics.f1_score(truth, predicted, average="macro"))
    by_class = metrics.precision_recall_fscore_support(truth, predicted)
    for place, name in enumerate(CLASSES):
        for metric, expected in zip(("precision", "recall", "f1"), by_class, strict=False):
            estimate = found[f"performance/{metric}[label={name}]"]
            assert estimate.value == pytest.approx(expected[place])
            assert 0 <= estimate.low < estimate.value < estimate.high <= 1
            assert estimate.n_effective <= estimate.n
    (table,) = [output for output in outputs if isinstance(output, TableOutput)]
    assert table.name == "confusion"
    assert table.frame.columns.tolist() == ["label", *CLASSES]
    assert table.frame["label"].tolist() == list(CLASSES)
    assert (table.frame[list(CLASSES)].to_numpy() == metrics.confusion_matrix(truth, predicted)).all()


def test_confidence_is_held_against_accuracy_and_the_null():
    probabilities, truth, subjects = model()
    found, _ = measure(context_of(probabilities, truth, subjects))
    right = probabilities.argmax(axis=1) == truth
    signed = (probabilities.max(axis=1) - right).mean()
    assert found["performance/confidence_minus_accuracy"].value == pytest.approx(signed)
    assert found["performance/ece"].low == 0  # the model is calibrated
    assert found["performance/ece.null"].value == pytest.approx(found["performance/ece"].value, rel=0.6)
    sharper = probabilities**6 / (probabilities**6).sum(axis=1, keepdims=True)
    found, _ = measure(context_of(sharper, truth, subjects))
    assert found["performance/ece"].low > found["performance/ece.null"].high
    assert found["performance/confidence_minus_accuracy"].low > 0.05


def test_keys_and_scores_are_those_cards_rely_on():
    found, outputs = measure(context_of(*model()))
    whole = ["accuracy", "balanced_accuracy", "macro_f1", "ece", "ece.null", "confidence_minus_accuracy"]
    each = [f"{metric}[label={name}]" for name in CLASSES for metric in ("recall", "precision", "f1")]
    assert set(found) == {f"performance/{name}" for name in (*whole, *each)}
    assert not any(output.by_group for output in outputs if isinstance(output, Scores))


def test_faces_without_label_are_counted_and_left_out():
    probabilities, truth, subjects = model()
    some = np.where(np.arange(600) % 5 == 0, -1, truth)
    found, outputs = measure(context_of(probabilities, some, subjects))
    kept = some >= 0
    value = (probabilities.argmax(axis=1) == truth)[kept].mean()
    assert found["performance/accuracy"].value == pytest.approx(value)
    assert found["performance/accuracy"].n == 480
    assert "120 of 600 faces have no label and are left out." in [o.text for o in outputs if isinstance(o, Note)]


def test_classes_without_faces_or_answers_say_so():
    truth = np.arange(60) % 2  # neutral and happy only
    probabilities = np.eye(4)[np.where(np.arange(60) < 30, 0, 3)]
    found, outputs = measure(context_of(probabilities, truth))
    for metric in ("recall", "precision", "f1"):
        assert found[f"performance/{metric}[label=sad]"].reason == "no face is labelled sad"
        assert found[f"performance/{metric}[label=angry]"].reason == "no face is labelled angry"
    assert found["performance/precision[label=happy]"].reason == "no face is answered happy"
    assert found["performance/recall[label=happy]"].value == 0
    notes = " ".join(output.text for output in outputs if isinstance(output, Note))
    assert "averages over the 2 of 4 classes that have labelled faces; none is labelled sad, angry." in notes


def test_a_class_of_few_people_is_not_measured():
    truth = np.r_[np.zeros(50), np.ones(6)]
    found, _ = measure(context_of(np.eye(4)[np.zeros(56, dtype=int)], truth))
    assert found["performance/recall[label=happy]"].reason == "6 faces; 10 are needed"


def findings(context):
    return {output.id: output for output in measure(context)[1] if isinstance(output, Finding)}


def test_classes_in_the_wrong_order_are_a_finding_and_in_the_right_order_none():
    probabilities, truth, subjects = model()
    assert findings(context_of(probabilities, truth, subjects)) == {}
    found = findings(context_of(np.roll(probabilities, 1, axis=1), truth, subjects))["performance.class_order"]
    assert found.severity == "high"
    assert "what the plan calls happy goes with the label neutral" in found.claim
    assert "A hint, not a proof" in found.caveats[0]
    assert "The best renaming of answers given at random" in found.caveats[1]
    assert found.evidence == ["performance/accuracy"]
    swapped = findings(context_of(probabilities[:, [0, 1, 3, 2]], truth, subjects))["performance.class_order"]
    assert swapped.severity == "medium"


def test_answers_at_random_are_no_finding():
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert findings(context_of(rng.dirichlet(np.ones(4), 200), rng.integers(0, 4, 200))) == {}


def forgery(seed=0, sign=1.0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, 200)
    forged = 1 / (1 + np.exp(-sign * (2 * truth - 1 + rng.normal(0, 1.5, 200))))
    return np.c_[1 - forged, forged], truth


def test_a_forgery_detector_has_an_auroc_with_forged_as_positive():
    probabilities, truth = forgery()
    context = context_of(probabilities, truth, np.arange(200) // 2, ("genuine", "forged"), "forgery")
    found, outputs = measure(context)
    estimate = found["performance/auroc"]
    assert estimate.value == pytest.approx(metrics.roc_auc_score(truth, probabilities[:, 1]))
    assert estimate.low < estimate.value < estimate.high
    assert not [output for output in outputs if isinstance(output, Finding)]


def test_a_turned_sign_is_a_finding_with_its_likely_cause():
    probabilities, truth = forgery(sign=-1.0)
    context = context_of(probabilities, truth, None, ("genuine", "forged"), "forgery")
    found = findings(context)
    turned = found["performance.sign_turned"]
    assert turned.severity == "high"
    assert turned.evidence == ["performance/auroc"]
    assert "ranks genuine faces above forged ones" in turned.claim
    assert "The column p_forged may hold the probability of a genuine face" in turned.claim
    assert found["performance.class_order"].severity == "high"
    assert "performance.sign_turned" not in findings(context_of(*forgery(), None, ("genuine", "forged"), "forgery"))


def test_expression_has_no_auroc():
    assert "performance/auroc" not in measure(context_of(*model()))[0]


def test_the_same_seed_gives_the_same_numbers():
    first, second = (measure(context_of(*model()))[0] for _ in range(2))
    assert first == second


def test_it_is_registered():
    found = find_probe("performance")
    assert (found.pillar, found.needs, found.tasks) == ("performance", {"labels"}, set(OUTPUTS))
    assert found.summary.startswith("Accuracy")


def test_london_has_as_many_right_answers_as_known(shared):
    """The published counts: 101 of 102 neutral and 69 of 102 happy faces, each person once with each label."""
    truth = np.repeat([0, 1], 102)
    predicted = np.r_[np.zeros(101, dtype=int), 2, np.ones(69, dtype=int), np.zeros(33, dtype=int)]
    people = pd.read_csv(shared / "data" / "london" / "manifest.csv", dtype=str).sort_values(["label", "subject"])
    subjects = people["subject"].to_numpy()[::-1]  # neutral first
    found, _ = measure(context_of(np.eye(4)[predicted], truth, subjects))
    estimate = found["performance/accuracy"]
    assert (estimate.n, estimate.subjects, estimate.count) == (204, 102, 170)
    p, own = 170 / 204, 0.0
    for person in range(102):
        x, n = (predicted == truth)[subjects == subjects[person]].sum(), 2
        own += (x - p * n) ** 2
    effect = 102 / 101 * own / (p * (1 - p) * 204)
    assert estimate.n_effective == pytest.approx(204 / max(1, effect))
    assert estimate.method == "korn_graubard"
    assert found["performance/recall[label=neutral]"].n_effective == 102  # one face of each person
    assert found["performance/recall[label=neutral]"].method == "wilson"
