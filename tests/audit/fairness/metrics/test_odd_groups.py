"""Groups and labels as they should not be: measured where they can be, and said why where not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml

from countenance.core.api import run

CLASSES = ["neutral", "happy", "sad"]


def audit(folder, table, target, attributes, probe=None):
    table.to_parquet(folder / "table.parquet", index=False)
    plan = {
        "name": "odd",
        "target": {"predictions": "table.parquet", **target},
        "data": {"subject": "subject", "attributes": attributes},
        "probes": [{"probe": "group_metrics", **(probe or {})}],
    }
    (folder / "audit.yaml").write_text(yaml.safe_dump(plan))
    results = run(folder / "audit.yaml")
    assert results.probes[0].status == "ok", results.probes[0].reason
    return results


def faces(seed=0, people=80, each=5):
    rng = np.random.default_rng(seed)
    subject = np.repeat(np.arange(people), each)
    table = pd.DataFrame({"face_id": [f"f{k}" for k in range(len(subject))], "subject": subject.astype(str)})
    table["gender"] = rng.choice(["f", "m"], people)[subject]
    return rng, table


@pytest.fixture
def expression(tmp_path):
    rng, table = faces()
    truth = rng.integers(0, 2, len(table))
    truth = np.where((table["gender"] == "f") & (rng.random(len(table)) < 0.6), 2, truth)  # sad women only
    shares = rng.dirichlet(np.ones(3), len(table)) * 0.5
    shares[np.arange(len(table)), truth] += 0.5
    table = table.assign(
        label=np.asarray(CLASSES)[truth], planet="earth", tag=np.where(np.arange(400) < 390, "a", None)
    )
    table = table.assign(**{f"p_{name}": shares[:, place] for place, name in enumerate(CLASSES)})
    attributes = {name: {"assigned_by": "annotator"} for name in ("gender", "planet")}
    attributes["tag"] = {"assigned_by": "annotator", "of": "image"}
    return audit(tmp_path, table, {"task": "expression", "classes": CLASSES}, attributes)


def test_an_attribute_of_one_value_has_no_gap_and_says_so(expression):
    gap = expression["group_metrics/accuracy.gap[attribute=planet]"].estimate
    assert (gap.value, gap.reason) == (None, "there is one group only, earth")
    assert expression["group_metrics/accuracy[planet=earth]"].estimate.value is not None


def test_a_label_in_one_group_only_has_rates_there_and_no_gap(expression):
    assert expression["group_metrics/recall[gender=f,label=sad]"].estimate.value is not None
    absent = expression["group_metrics/recall[gender=m,label=sad]"].estimate
    assert (absent.value, absent.n) == (None, 0)
    assert "no face here counts towards recall of label sad" in absent.reason
    assert "no positive" in expression["group_metrics/auroc[gender=m,label=sad]"].estimate.reason
    gap = expression["group_metrics/recall.gap[attribute=gender,label=sad]"].estimate
    assert "only one of 2 groups, f, has enough" in gap.reason
    lacking = expression["group_metrics/balanced_accuracy[gender=m]"].estimate
    assert "towards sad, so the average would be of fewer" in lacking.reason


def test_missing_values_are_a_group_of_their_own(expression):
    missing = expression["group_metrics/accuracy[tag=(missing)]"].estimate
    assert missing.n == 10
    assert missing.value is None
    assert expression["group_metrics/accuracy.gap[attribute=tag]"].estimate.reason


def test_units_and_values_without_truth_in_a_group(tmp_path):
    rng, table = faces(1)
    truth = rng.normal(0, 0.4, len(table)).clip(-1, 1)
    table["y_valence"] = np.where(table["gender"] == "f", np.nan, truth)
    table["v_valence"] = truth * 0.8
    table["y_arousal"], table["v_arousal"] = 0.0, rng.normal(0, 0.1, len(table))  # a truth that does not vary
    results = audit(tmp_path, table, {"task": "valence_arousal"}, {"gender": {"assigned_by": "annotator"}})
    assert results["group_metrics/ccc[dimension=valence,gender=f]"].estimate.value is None
    assert results["group_metrics/ccc[dimension=valence,gender=m]"].estimate.value > 0.9
    assert results["group_metrics/ccc.gap[attribute=gender,dimension=valence]"].estimate.reason
    flat = results["group_metrics/pcc[dimension=arousal,gender=m]"].estimate
    assert flat.value is None
    assert flat.reason


def test_a_unit_that_only_one_group_shows(tmp_path):
    rng, table = faces(2)
    active = (rng.random(len(table)) < 0.4) & (table["gender"] == "f").to_numpy()
    table["y_AU9"], table["p_AU9"] = active.astype(float), np.clip(active * 0.6 + rng.random(len(table)) * 0.4, 0, 1)
    target = {"task": "action_units", "classes": ["AU9"]}
    results = audit(tmp_path, table, target, {"gender": {"assigned_by": "annotator"}})
    assert results["group_metrics/recall[gender=m,label=AU9]"].estimate.reason
    assert results["group_metrics/fpr[gender=m,label=AU9]"].estimate.value is not None
    assert results["group_metrics/recall.gap[attribute=gender,label=AU9]"].estimate.reason


def test_wrong_parameters_fail_the_probe_alone_with_every_problem(tmp_path):
    rng, table = faces(3)
    table["y_AU9"], table["p_AU9"] = rng.integers(0, 2, len(table)).astype(float), rng.random(len(table))
    table.to_parquet(tmp_path / "table.parquet", index=False)
    plan = {
        "name": "odd",
        "target": {"predictions": "table.parquet", "task": "action_units", "classes": ["AU9"]},
        "data": {"subject": "subject", "attributes": {"gender": {"assigned_by": "annotator"}}},
        "probes": [{"probe": "group_metrics", "labels": ["AU99"], "gaps": ["ccc"], "threshold": 3}, "performance"],
    }
    (tmp_path / "audit.yaml").write_text(yaml.safe_dump(plan))
    results = run(tmp_path / "audit.yaml")
    assert [probe.status for probe in results.probes] == ["failed", "ok"]
    told = results.probes[0].reason
    assert "labels names 'AU99', which is not one of the units (AU9); did you mean 'AU9'?" in told
    assert "gaps names 'ccc'" in told
    assert "threshold: expected a probability between 0 and 1, but got 3.0" in told
