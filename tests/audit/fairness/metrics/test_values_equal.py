"""Every metric by group equals what scikit-learn, scipy or fairlearn makes of the same faces."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fairlearn
from scipy import stats
from sklearn import metrics as sklearn

from countenance.audit.fairness.group_metrics import GroupMetricsParams, group_metrics
from countenance.core.faces import Faces
from countenance.core.plan import AttributeSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import Note, PairedScores, ProbeContext, Scores, TableOutput
from countenance.core.results import Finding, Measurement
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import Slicer

CLASSES = ("neutral", "happy", "sad")
LOOSE = StatisticsRules(min_subjects=2, min_effective=0, half_width=10)


def context_of(task, classes, values, truth, attributes, rules=LOOSE, subjects=None, **columns):
    faces = len(truth)
    frame = pd.DataFrame({"face_id": [str(face) for face in range(faces)], **attributes, **columns})
    frame["subject"] = range(faces) if subjects is None else subjects
    return ProbeContext(
        probe_id="group_metrics",
        faces=Faces(
            frame,
            has_subjects=subjects is not None,
            attributes={name: AttributeSpec(assigned_by="annotator") for name in attributes},
        ),
        predictions=Predictions(task, classes, np.asarray(values, float), np.asarray(truth, float)),
        target=None,
        rules=rules,
        seed=1,
        batch_size=8,
        progress=lambda unit, total: nullcontext(lambda count=1: None),
    )


def measure(context, **params):
    outputs = list(group_metrics(context, GroupMetricsParams(**params)))
    slicer = Slicer(context.faces.subject_codes, context.faces.groupings, context.rules)
    scores = [output for output in outputs if isinstance(output, (Scores, PairedScores))]
    items = [item for score in scores for item in slicer.measure(score, "group_metrics")]
    items += [output for output in outputs if isinstance(output, Measurement)]
    return {item.key.removeprefix("group_metrics/"): item.estimate for item in items}, outputs


def drawn(seed=0, faces=600):
    rng = np.random.default_rng(seed)
    return rng, {"g": rng.choice(["x", "y"], faces)}


def classes(seed=0):
    rng, groups = drawn(seed)
    probabilities = rng.dirichlet(np.full(3, 0.6), 600)
    truth = (rng.random(600)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    return probabilities, truth, groups


def ece_by_hand(confidence, correct, bins=10):
    place = np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1)
    parts = [(place == b) for b in range(bins)]
    return sum(abs((confidence - correct)[part].sum()) for part in parts) / len(confidence)


def test_classes():
    probabilities, truth, groups = classes()
    found, _ = measure(context_of("expression", CLASSES, probabilities, truth, groups))
    predicted = probabilities.argmax(axis=1)
    for group in "xy":
        of = groups["g"] == group
        y, p, shares = truth[of], predicted[of], probabilities[of]
        right = (y == p).astype(float)
        whole = {
            "accuracy": sklearn.accuracy_score(y, p),
            "brier": sklearn.brier_score_loss(y, shares, labels=[0, 1, 2]),
            "confidence_minus_accuracy": (shares.max(axis=1) - right).mean(),
            "ece": ece_by_hand(shares.max(axis=1), right),
            "balanced_accuracy": sklearn.balanced_accuracy_score(y, p),
            "macro_f1": sklearn.f1_score(y, p, average="macro"),
        }
        for metric, expected in whole.items():
            estimate = found[f"{metric}[g={group}]"]
            assert estimate.value == pytest.approx(expected), metric
            assert estimate.low <= estimate.value <= estimate.high
        for place, label in enumerate(CLASSES):
            one, said, share = (y == place).astype(int), (p == place).astype(int), shares[:, place]
            each = {
                "recall": fairlearn.true_positive_rate(one, said),
                "fpr": fairlearn.false_positive_rate(one, said),
                "fnr": fairlearn.false_negative_rate(one, said),
                "selection_rate": fairlearn.selection_rate(one, said),
                "base_rate": fairlearn.selection_rate(one, one),
                "precision": sklearn.precision_score(one, said),
                "fdr": 1 - sklearn.precision_score(one, said),
                "for": 1 - sklearn.precision_score(1 - one, 1 - said),
                "f1": sklearn.f1_score(one, said),
                "auroc": sklearn.roc_auc_score(one, share),
                "brier": sklearn.brier_score_loss(one, share),
                "confidence_minus_accuracy": share.mean() - one.mean(),
                "ece": ece_by_hand(share, one),
            }
            for metric, expected in each.items():
                estimate = found[f"{metric}[g={group},label={label}]"]
                assert estimate.value == pytest.approx(expected), (metric, label)
                assert estimate.low <= estimate.value <= estimate.high
    assert len(found) == 2 * (6 + 3 * 13)


def test_two_classes_have_scikit_learns_brier_score():
    rng, groups = drawn()
    truth = rng.integers(0, 2, 600)
    forged = np.clip(0.3 + 0.4 * truth + rng.normal(0, 0.2, 600), 0, 1)
    context = context_of("forgery", ("genuine", "forged"), np.c_[1 - forged, forged], truth, groups)
    found, _ = measure(context)
    of = groups["g"] == "x"
    assert found["brier[g=x]"].value == pytest.approx(sklearn.brier_score_loss(truth[of], forged[of]))
    assert found["auroc[g=x,label=forged]"].value == pytest.approx(sklearn.roc_auc_score(truth[of], forged[of]))


def test_forgeries_by_method():
    rng, groups = drawn()
    truth = rng.integers(0, 2, 600)
    forged = np.clip(0.3 + 0.4 * truth + rng.normal(0, 0.2, 600), 0, 1)
    method = np.where(truth == 1, rng.choice(["swap", "morph"], 600), "")
    values = np.c_[1 - forged, forged]
    context = context_of("forgery", ("genuine", "forged"), values, truth, groups, method=method)
    found, outputs = measure(context)
    for group in "xy":
        for name in ("swap", "morph"):
            of = (groups["g"] == group) & (method == name)
            estimate = found[f"recall[g={group},label=forged,method={name}]"]
            assert (estimate.value, estimate.n) == (pytest.approx((forged[of] > 0.5).mean()), of.sum())
    assert not any(o.gaps for o in outputs if isinstance(o, Scores) and "method" in o.slice)


def test_action_units():
    rng, groups = drawn()
    truth = (rng.random((600, 2)) < (0.4, 0.2)).astype(float)
    values = np.clip(0.2 + 0.5 * truth + rng.normal(0, 0.25, (600, 2)), 0, 1)
    truth[rng.random((600, 2)) < 0.2] = np.nan
    context = context_of("action_units", ("AU1", "AU12"), values, truth, groups)
    for threshold in (0.5, 0.35):
        found, outputs = measure(context, threshold=threshold)
        recalls, f1s, right, known_units = {}, {}, {}, {}
        for group in "xy":
            for place, label in enumerate(("AU1", "AU12")):
                of = (groups["g"] == group) & np.isfinite(truth[:, place])
                y, said = truth[of, place].astype(int), (values[of, place] >= threshold).astype(int)
                each = {
                    "accuracy": sklearn.accuracy_score(y, said),
                    "recall": sklearn.recall_score(y, said),
                    "f1": sklearn.f1_score(y, said),
                    "auroc": sklearn.roc_auc_score(y, values[of, place]),
                    "brier": sklearn.brier_score_loss(y, values[of, place]),
                    "base_rate": y.mean(),
                }
                for metric, expected in each.items():
                    estimate = found[f"{metric}[g={group},label={label}]"]
                    assert estimate.value == pytest.approx(expected), (metric, label)
                assert found[f"base_rate[g={group},label={label}]"].n == of.sum()
                recalls[group, label], f1s[group, label] = each["recall"], each["f1"]
                right[group, label], known_units[group, label] = (y == said).sum(), of.sum()
            labels = ("AU1", "AU12")
            assert found[f"macro_recall[g={group}]"].value == pytest.approx(
                np.mean([recalls[group, n] for n in labels])
            )
            assert found[f"macro_f1[g={group}]"].value == pytest.approx(np.mean([f1s[group, n] for n in labels]))
            share = sum(right[group, n] for n in labels) / sum(known_units[group, n] for n in labels)
            assert found[f"accuracy[g={group}]"].value == pytest.approx(share)
    tested = {(o.metric, o.slice["label"]) for o in outputs if isinstance(o, Scores) and o.gaps}
    assert tested == {(metric, unit) for metric in ("recall", "fpr") for unit in ("AU1", "AU12")}
    (table,) = [output.frame for output in outputs if isinstance(output, TableOutput)]
    row = table[(table["group"] == "x") & (table["label"] == "AU12")].iloc[0]
    assert row["active"] == np.nansum(truth[groups["g"] == "x", 1])


def test_a_unit_that_is_never_active_is_told():
    rng, groups = drawn(faces=100)
    truth = np.c_[rng.integers(0, 2, 100), np.zeros(100)]
    found, outputs = measure(context_of("action_units", ("AU1", "AU2"), truth * 0.8 + 0.1, truth, groups))
    assert "fpr[g=x,label=AU2]" in found
    assert "recall[g=x,label=AU2]" not in found
    assert "macro_recall[g=x]" in found
    assert "No face is labelled with AU2" in " ".join(o.text for o in outputs if isinstance(o, Note))


def test_valence_and_arousal():
    rng, groups = drawn()
    truth = np.clip(rng.normal(0.1, 0.4, (600, 2)), -1, 1)
    values = 0.7 * truth + rng.normal(0, 0.2, (600, 2))
    truth[:50] = np.nan
    context = context_of("valence_arousal", ("valence", "arousal"), values, truth, groups)
    found, outputs = measure(context)
    for group in "xy":
        for place, name in enumerate(("valence", "arousal")):
            of = (groups["g"] == group) & np.isfinite(truth[:, place])
            y, p = truth[of, place], values[of, place]
            pcc = stats.pearsonr(y, p).statistic
            each = {
                "pcc": pcc,
                "ccc": 2 * pcc * y.std() * p.std() / (y.var() + p.var() + (y.mean() - p.mean()) ** 2),
                "rmse": sklearn.root_mean_squared_error(y, p),
                "sagr": np.mean(np.sign(y) == np.sign(p)),
                "bias": (p - y).mean(),
                "mean_truth": y.mean(),
            }
            for metric, expected in each.items():
                estimate = found[f"{metric}[dimension={name},g={group}]"]
                assert estimate.value == pytest.approx(expected), (metric, name)
                assert estimate.low < estimate.value < estimate.high
                assert estimate.n == of.sum()
    tested = {(o.metric, o.slice["dimension"]) for o in outputs if isinstance(o, (Scores, PairedScores)) and o.gaps}
    assert tested == {(metric, name) for metric in ("ccc", "rmse") for name in ("valence", "arousal")}
    (table,) = [output.frame for output in outputs if isinstance(output, TableOutput)]
    assert {"dimension", "mean_truth", "spread_of_truth", "faces", "people"} <= set(table.columns)
    only, _ = measure(context, labels=("arousal",), metrics=("sagr",))
    assert set(only) == {"sagr[dimension=arousal,g=x]", "sagr[dimension=arousal,g=y]"}


def test_averages_count_people_and_lack_no_class():
    probabilities, truth, groups = classes()
    careful = StatisticsRules()
    context = context_of("expression", CLASSES, probabilities, truth, groups, careful, np.repeat(np.arange(150), 4))
    found, _ = measure(context, metrics=("balanced_accuracy", "macro_f1"), gaps=())
    alone, _ = measure(
        context_of("expression", CLASSES, probabilities, truth, groups, careful),
        metrics=("balanced_accuracy", "macro_f1"),
        gaps=(),
    )
    for metric in ("balanced_accuracy", "macro_f1"):
        one, several = alone[f"{metric}[g=x]"], found[f"{metric}[g=x]"]
        assert one.value == several.value
        assert several.subjects < one.subjects == one.n
    groups = {"g": np.where(np.arange(600) < 12, "few", np.where((truth == 2) & (np.arange(600) % 2 == 0), "y", "z"))}
    truth = np.where(np.arange(600) < 12, 0, truth)
    found, _ = measure(
        context_of("expression", CLASSES, probabilities, truth, groups, careful),
        metrics=("balanced_accuracy",),
        gaps=(),
    )
    reason = found["balanced_accuracy[g=y]"].reason
    assert "no face here counts towards neutral, happy, so the average would be of fewer" in reason
    assert found["balanced_accuracy[g=z]"].value is not None
    assert found["balanced_accuracy[g=few]"].value is None
    small = {"g": np.where(np.arange(600) < 5, "few", "many")}
    context = context_of("expression", CLASSES, probabilities, truth, small, careful)
    found, outputs = measure(context, metrics=("balanced_accuracy",), gaps=())
    assert found["balanced_accuracy[g=few]"].reason == "5 faces; 10 are needed"
    assert any(isinstance(output, Finding) for output in outputs)


def test_a_small_group_lacks_independent_faces_for_an_average():
    rng = np.random.default_rng(2)
    truth = np.repeat([0, 1, 2], 200)
    probabilities = rng.dirichlet(np.ones(3), 600)
    groups = {"g": np.where(np.arange(600) % 40 == 0, "few", "many")}
    context = context_of("expression", CLASSES, probabilities, truth, groups, StatisticsRules())
    found, _ = measure(context, metrics=("balanced_accuracy",), gaps=())
    assert found["balanced_accuracy[g=few]"].n == 15
    assert "needed: about" in found["balanced_accuracy[g=few]"].reason
