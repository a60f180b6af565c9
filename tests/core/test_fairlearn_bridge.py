from __future__ import annotations

import builtins

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fairlearn
from sklearn import metrics as sklearn

from countenance.core.errors import MissingExtraError, UsageError
from countenance.core.fairlearn_bridge import (
    NO_INTERVAL,
    as_frame,
    from_metric_frame,
    metrics_by_group,
    to_metric_frame,
)
from countenance.core.statistics.rules import StatisticsRules

CLASSES = ["neutral", "happy", "sad"]


def table_of(seed=0, people=60, faces=5):
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(people), faces)
    truth = rng.integers(0, 2, len(subject))
    right = rng.beta(7, 3, people)[subject] > rng.random(len(subject))
    groups = {"gender": rng.choice(["f", "m"], people)[subject], "tone": rng.choice(["a", "b"], people)[subject]}
    weight = rng.random(len(subject)) + 0.5
    return pd.DataFrame(
        {"y_true": truth, "y_pred": np.where(right, truth, 1 - truth), "subject": subject, "weight": weight, **groups}
    )


METRICS = {
    "selection_rate": fairlearn.selection_rate,
    "true_positive_rate": fairlearn.true_positive_rate,
    "mean_prediction": fairlearn.mean_prediction,
    "f1": sklearn.f1_score,
}


def test_values_are_those_of_fairlearns_frame():
    table = table_of()
    frame = to_metric_frame(table, METRICS, by=["gender", "tone"])
    assert isinstance(frame, fairlearn.MetricFrame)
    found = {
        (item.metric, *item.slice.values()): item.estimate
        for item in metrics_by_group(table, METRICS, by=["gender", "tone"])
    }
    assert len(found) == 4 * 4
    for (gender, tone), row in frame.by_group.iterrows():
        for metric, value in row.items():
            estimate = found[metric, gender, tone]
            assert estimate.value == pytest.approx(value)
            assert estimate.low < estimate.value < estimate.high
            assert estimate.method == "jackknife_of_people"
            assert estimate.n == 5 * estimate.subjects


def test_sample_params_by_array_and_by_name_of_a_column():
    table = table_of()
    frame = to_metric_frame(table, METRICS, by=["tone"], sample_params={"selection_rate": {"sample_weight": "weight"}})
    for weights in ("weight", table["weight"].to_numpy()):
        found = metrics_by_group(
            table, METRICS, by=["tone"], sample_params={"selection_rate": {"sample_weight": weights}}
        )
        values = {item.slice["tone"]: item.estimate.value for item in found if item.metric == "selection_rate"}
        assert values == pytest.approx(frame.by_group["selection_rate"].to_dict())
    a, _ = metrics_by_group(
        table,
        fairlearn.selection_rate,
        by=["tone"],
        sample_params={"sample_weight": "weight"},
        interval="bootstrap",
        replicates=50,
    )
    assert (a.metric, a.estimate.value) == ("selection_rate", values["a"])
    with pytest.raises(UsageError, match="one value of sample_weight for each of 300 labelled faces, but got 3"):
        metrics_by_group(table, fairlearn.selection_rate, by=["tone"], sample_params={"sample_weight": [1, 2, 3]})
    with pytest.raises(UsageError, match="no column 'wieght'; did you mean 'weight'"):
        metrics_by_group(table, fairlearn.selection_rate, by=["tone"], sample_params={"sample_weight": "wieght"})


def test_the_jackknife_of_a_mean_is_the_error_clustered_by_person():
    table = table_of().assign(gender="all")
    (found,) = metrics_by_group(table, sklearn.accuracy_score, by=["gender"])
    right = (table["y_true"] == table["y_pred"]).to_numpy()
    by_person = right.reshape(60, 5).mean(axis=1)
    from scipy.stats import t

    half = t.ppf(0.975, 59) * by_person.std(ddof=1) / np.sqrt(60)
    assert found.estimate.high - found.estimate.value == pytest.approx(half, rel=1e-6)


def test_more_people_than_blocks_and_the_bootstrap_give_alike_intervals():
    table = table_of(people=500, faces=2).assign(gender="all")
    (one,) = metrics_by_group(table, sklearn.f1_score, by=["gender"])
    (other,) = metrics_by_group(table, sklearn.f1_score, by=["gender"], interval="bootstrap", replicates=300)
    assert other.estimate.method == "bootstrap_of_people"
    width = one.estimate.high - one.estimate.low
    assert other.estimate.high - other.estimate.low == pytest.approx(width, rel=0.25)


def covered(seed, interval):
    table = table_of(seed, people=30).assign(gender="all")
    (found,) = metrics_by_group(table, lambda y, p: np.mean(y == p), by=["gender"], interval=interval, replicates=100)
    return found.estimate.low <= 0.7 <= found.estimate.high


def test_the_jackknife_covers():
    runs = 150
    rate = np.mean([covered(seed, "jackknife") for seed in range(runs)])
    assert rate >= 0.93 - 2.6 * np.sqrt(0.93 * 0.07 / runs)


def test_small_groups_and_what_is_no_number_are_not_measured():
    table = table_of()
    table.loc[table["subject"] < 4, "tone"] = "rare"
    found = {
        item.slice["tone"]: item.estimate for item in metrics_by_group(table, fairlearn.selection_rate, by=["tone"])
    }
    assert found["rare"].reason == "4 people; 10 are needed"
    (nothing,) = metrics_by_group(table.assign(tone="x"), lambda y, p: float("nan"), by=["tone"])
    assert nothing.estimate.reason == "the metric is not a finite number here"
    (flat,) = metrics_by_group(table.assign(tone="x", y_pred=1), fairlearn.selection_rate, by=["tone"])
    assert (flat.estimate.value, flat.estimate.low, flat.estimate.method) == (1.0, None, "no_variation")
    with pytest.raises(UsageError, match="to give one number"):
        metrics_by_group(table.assign(tone="x"), sklearn.confusion_matrix, by=["tone"])
    with pytest.raises(UsageError, match="jackknife or bootstrap, but got 'wald'"):
        metrics_by_group(table.assign(tone="x"), fairlearn.count, by=["tone"], interval="wald")


def test_back_from_a_frame_without_intervals_and_it_says_so():
    table = table_of()
    frame = to_metric_frame(table, METRICS, by=["gender", "tone"])
    found = from_metric_frame(frame)
    assert len(found) == 4 + 4 * 4
    assert all(item.estimate.low is None and item.estimate.method == NO_INTERVAL for item in found)
    assert {item.key for item in found} >= {"fairlearn/f1", "fairlearn/f1[gender=f,tone=a]"}
    assert found[0].estimate.value == pytest.approx(frame.overall["selection_rate"])
    single = to_metric_frame(table, fairlearn.selection_rate, by=["tone"], within=["gender"])
    again = from_metric_frame(single)
    assert {tuple(item.slice) for item in again} == {("gender",), ("gender", "tone")}
    assert as_frame(again)["value"].notna().all()
    assert from_metric_frame(to_metric_frame(table, fairlearn.count, by=["tone"]))[0].slice == {}
    empty = table[(table["gender"] == "f") | (table["tone"] == "a")]
    lost = from_metric_frame(to_metric_frame(empty, METRICS, by=["gender", "tone"]))
    assert {item.estimate.reason for item in lost if item.estimate.value is None} == {
        "the MetricFrame has no finite number here"
    }


@pytest.mark.parametrize("label", [None, "happy"])
def test_a_run_is_asked_with_its_own_groups(study, label):
    study.run(
        "run", study.changed(probes=["performance", {"probe": "group_metrics", "metrics": ["recall", "accuracy"]}])
    )
    folder = study.folder / "run"
    rules = StatisticsRules(min_subjects=2)
    if label is None:
        found = metrics_by_group(folder, sklearn.accuracy_score, by=["gender"], rules=rules)
    else:
        with pytest.raises(UsageError, match="a label among dark, bright"):
            metrics_by_group(folder, fairlearn.selection_rate, by=["gender"], label=label)
        found = metrics_by_group(folder, fairlearn.true_positive_rate, by=["gender"], label="bright", rules=rules)
        assert {item.slice["label"] for item in found} == {"bright"}
    assert {item.slice["gender"] for item in found} == {"f", "m"}
    assert all(item.estimate.value == 1 for item in found)
    frame = to_metric_frame(folder, fairlearn.selection_rate, by=["gender"], label="bright")
    assert frame.by_group.to_dict() == {"f": 0.5, "m": 0.5}
    with pytest.raises(UsageError, match="no column 'gendr'; did you mean 'gender'"):
        metrics_by_group(folder, sklearn.accuracy_score, by=["gendr"])


def test_without_fairlearn_the_install_line_is_told(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name.startswith("fairlearn"):
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r'pip install "countenance\[fairlearn\]"'):
        to_metric_frame(table_of(), METRICS, by=["tone"])
    assert metrics_by_group(table_of(), sklearn.accuracy_score, by=["tone"])


def test_a_table_without_the_columns_is_refused():
    with pytest.raises(UsageError, match="y_pred is missing"):
        metrics_by_group(table_of().drop(columns="y_pred"), sklearn.accuracy_score, by=["tone"])
