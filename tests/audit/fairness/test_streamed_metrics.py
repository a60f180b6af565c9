"""``countenance slices`` and the probe ``group_metrics`` say the same of the same table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import yaml

import countenance
from countenance.core.plan import AttributeSpec, DataSpec, TargetSpec
from countenance.core.statistics.streamed.slices import slice_table

CLASSES = ["neutral", "happy", "sad"]
TASKS = {
    "expression": {"classes": CLASSES},
    "forgery": {},
    "action_units": {"classes": ["AU1", "AU12"]},
    "valence_arousal": {},
}


def table(task):
    rng = np.random.default_rng(5)
    rows, people = 1500, 120
    person = rng.integers(0, people, rows)
    frame = pd.DataFrame({"face_id": [f"f{row}" for row in range(rows)], "subject": [f"p{each}" for each in person]})
    frame["gender"] = np.asarray(["female", "male", None], dtype=object)[rng.choice(3, people, p=[0.5, 0.4, 0.1])][
        person
    ]
    frame["light"] = rng.choice(["dim", "bright"], rows)
    label, skill = rng.integers(0, 3, rows), rng.random(people)[person]
    logits = rng.normal(size=(rows, 3)) + 2 * np.eye(3)[label] * skill[:, None]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if task in {"expression", "forgery"}:
        names = CLASSES if task == "expression" else ["genuine", "forged", "forged"]
        frame["label"] = np.where(rng.random(rows) < 0.05, None, np.asarray(names, dtype=object)[label])
        columns = {f"p_{name}": p[:, place] for place, name in enumerate(CLASSES)}
        return frame.assign(**(columns if task == "expression" else {"p_forged": 1 - p[:, 0]}))
    for place, name in enumerate(TASKS[task].get("classes", ["valence", "arousal"])):
        truth = label == place if task == "action_units" else logits[:, place] / 5
        frame[f"y_{name}"] = np.where(rng.random(rows) < 0.2, np.nan, truth)
        frame[f"{'p' if task == 'action_units' else 'v'}_{name}"] = (
            p[:, place] if task == "action_units" else p[:, place] - 0.5
        )
    return frame


@pytest.mark.parametrize("task", TASKS)
def test_every_shared_number_is_the_same(tmp_path, task):
    path = tmp_path / "table.parquet"
    table(task).to_parquet(path, row_group_size=400)
    attributes = {"gender": {"assigned_by": "annotator"}, "light": {"assigned_by": "derived", "of": "image"}}
    data = {"subject": "subject", "attributes": attributes, "intersections": [["gender", "light"]]}
    target = {"predictions": str(path), "task": task, **TASKS[task]}
    probes = [{"probe": "group_metrics", "gaps": []}]
    plan = {"version": 1, "name": "t", "target": target, "data": data, "probes": probes, "run": {"cache": False}}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    results = countenance.run(tmp_path / "plan.yaml")
    (probe,) = results.probes
    assert probe.status == "ok", probe.reason
    whole = {item.key.partition("/")[2]: item.estimate for item in probe.measurements}
    attribute_specs = {name: AttributeSpec(**spec) for name, spec in attributes.items()}
    streamed = slice_table(path, TargetSpec(**target), DataSpec(**{**data, "attributes": attribute_specs}))
    got = {
        item.key.partition("/")[2]: item.estimate
        for item in streamed.measurements
        if set(item.slice) & {"gender", "light"}
    }
    assert set(got) <= set(whole)
    measured = 0
    for key, estimate in got.items():
        assert estimate.reason == whole[key].reason, key
        assert (estimate.n, estimate.subjects, estimate.method) == (
            whole[key].n,
            whole[key].subjects,
            whole[key].method,
        ), key
        for name in ("value", "low", "high"):
            if (wanted := getattr(whole[key], name)) is None:
                assert getattr(estimate, name) is None, key
            else:
                assert getattr(estimate, name) == pytest.approx(wanted, rel=1e-8, abs=1e-12), key
        measured += estimate.value is not None
    assert measured > 0.8 * len(got)
    missing = {key.partition("[")[0] for key in set(whole) - set(got)}
    assert missing <= {
        "auroc",
        "ece",
        "brier",
        "confidence_minus_accuracy",
        "balanced_accuracy",
        "macro_f1",
        "macro_recall",
    }
