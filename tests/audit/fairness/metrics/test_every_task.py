"""Tables of predictions of every task, audited from a plan with the probes that a new plan names."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml

from countenance.core.api import run
from countenance.core.starting_plan import starting_plan

PEOPLE = 120
CLASSES = ["neutral", "happy", "sad"]


def people(rng, faces=6):
    """Faces of people with a gender and a tone each, and a pose that differs from face to face."""
    subject = np.repeat(np.arange(PEOPLE), faces)
    gender = rng.choice(["female", "male"], PEOPLE)[subject]
    tone = rng.choice(["a", "b", "c"], PEOPLE, p=[0.5, 0.3, 0.2])[subject]
    pose = rng.choice(["frontal", "side"], len(subject))
    ids = [f"f{face}" for face in range(len(subject))]
    named = np.char.add("p", subject.astype(str))
    table = pd.DataFrame({"face_id": ids, "subject": named, "gender": gender, "skin_tone": tone, "pose": pose})
    return table, subject


def expression(rng):
    table, _ = people(rng)
    truth = rng.integers(0, 3, len(table))
    logits = rng.normal(0, 1, (len(table), 3))
    logits[np.arange(len(table)), truth] += 1.5
    logits[:, 1] -= 2.5 * (table["gender"] == "female").to_numpy()
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return table.assign(
        label=np.asarray(CLASSES)[truth], **{f"p_{name}": shares[:, k] for k, name in enumerate(CLASSES)}
    )


def forgery(rng):
    table, _ = people(rng)
    forged = rng.random(len(table)) < 0.5
    scores = 1 / (1 + np.exp(-(rng.normal(0, 1, len(table)) + 1.5 * (2 * forged - 1))))
    method = np.where(forged, rng.choice(["swap", "morph"], len(table)), "")
    return table.assign(label=np.where(forged, "forged", "genuine"), p_forged=scores, method=method)


def action_units(rng):
    table, _ = people(rng)
    for unit in ("AU1", "AU12"):
        truth = (rng.random(len(table)) < 0.35).astype(float)
        table[f"p_{unit}"] = 1 / (1 + np.exp(-(rng.normal(0, 1, len(table)) + 1.5 * (2 * truth - 1))))
        table[f"y_{unit}"] = np.where(rng.random(len(table)) < 0.1, np.nan, truth)
    return table


def valence_arousal(rng):
    table, subject = people(rng)
    for name in ("valence", "arousal"):
        truth = np.clip(rng.normal(0, 0.4, PEOPLE)[subject] * 0.3 + rng.normal(0, 0.4, len(table)), -1, 1)
        table[f"y_{name}"] = truth
        table[f"v_{name}"] = np.clip(0.8 * truth + rng.normal(0, 0.2, len(table)), -1, 1)
    return table


def verification(rng):
    table, subject = people(rng, 4)
    faces = len(table)
    genuine = np.asarray([(k, k + 1) for k in range(faces - 1) if subject[k] == subject[k + 1]])
    drawn = rng.integers(0, faces, (12000, 2))
    impostor = drawn[subject[drawn[:, 0]] != subject[drawn[:, 1]]]
    both = np.concatenate([genuine, impostor])
    same = np.r_[np.ones(len(genuine)), np.zeros(len(impostor))].astype(int)
    pairs = pd.DataFrame({"pair_id": [f"q{k}" for k in range(len(both))], "same": same})
    pairs["similarity"] = rng.normal(0, 0.2, len(both)) + 0.7 * same
    for place, side in enumerate("ab"):
        at = both[:, place]
        pairs[f"face_{side}"], pairs[f"subject_{side}"] = (
            table["face_id"].to_numpy()[at],
            table["subject"].to_numpy()[at],
        )
        pairs[f"gender_{side}"] = table["gender"].to_numpy()[at]
        pairs[f"skin_tone_{side}"] = table["skin_tone"].to_numpy()[at]
        pairs[f"pose_{side}"] = table["pose"].to_numpy()[at]
    return pairs


TABLES = {
    "expression": expression,
    "forgery": forgery,
    "action_units": action_units,
    "valence_arousal": valence_arousal,
    "verification": verification,
}
EXPECTED = {
    "expression": (
        "performance/accuracy",
        "group_metrics/ece[gender=female,label=happy]",
        "group_metrics/brier[skin_tone=a]",
    ),
    "forgery": ("performance/auroc", "group_metrics/recall[gender=male,label=forged,method=swap]"),
    "action_units": ("performance/macro_f1", "performance/auroc[label=AU12]", "group_metrics/macro_f1[gender=male]"),
    "valence_arousal": ("performance/ccc[dimension=valence]", "group_metrics/rmse[dimension=arousal,skin_tone=c]"),
    "verification": ("performance/fmr", "performance/tpr_at_fpr@fpr=0.001", "group_metrics/fnmr[gender=male]"),
}
TESTED = {
    "expression": ("accuracy", {"attribute": "gender"}),
    "forgery": ("recall", {"attribute": "gender", "label": "forged"}),
    "action_units": ("recall", {"attribute": "skin_tone", "label": "AU1"}),
    "valence_arousal": ("ccc", {"attribute": "gender", "dimension": "valence"}),
    "verification": ("fnmr", {"attribute": "gender"}),
}
CLASSES_OF = {"expression": CLASSES, "action_units": ["AU1", "AU12"]}


def plan_of(task, folder):
    table = TABLES[task](np.random.default_rng(5))
    table.to_parquet(folder / "table.parquet", index=False)
    target = {"predictions": "table.parquet", "task": task}
    if task in CLASSES_OF:
        target["classes"] = CLASSES_OF[task]
    groups = {name: {"assigned_by": "annotator"} for name in ("gender", "skin_tone")}
    data = {
        "attributes": {**groups, "pose": {"assigned_by": "derived", "of": "image", "role": "control"}},
        "intersections": [["gender", "skin_tone"]],
        "subject": "subject",
    }
    return {"version": 1, "name": task, "seed": 3, "target": target, "data": data}


@pytest.mark.parametrize("task", list(TABLES))
def test_a_table_of_every_task_is_audited(task, tmp_path):
    plan = {**plan_of(task, tmp_path), "probes": ["performance", "group_metrics"]}
    (tmp_path / "audit.yaml").write_text(yaml.safe_dump(plan))
    results = run(tmp_path / "audit.yaml", out=tmp_path / "run")
    assert {probe.id: (probe.status, probe.reason) for probe in results.probes} == {
        "performance": ("ok", None),
        "group_metrics": ("ok", None),
    }
    for key in EXPECTED[task]:
        estimate = results[key].estimate
        assert estimate.value is not None, f"{key}: {estimate.reason}"
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.n > 0
    metric, place = TESTED[task]
    pairs = ",".join(f"{name}={value}" for name, value in sorted(place.items()))
    gap = results[f"group_metrics/{metric}.gap[{pairs}]"].estimate
    assert gap.bound_low <= gap.value
    assert results[f"group_metrics/{metric}.gap.p_adjusted[{pairs}]"].estimate.value <= 1
    inside = ",".join(f"{name}={value}" for name, value in sorted({**place, "pose": "side"}.items()))
    assert results.get(f"group_metrics/{metric}.gap[{inside}]") is not None
    written = json.loads((tmp_path / "run" / "results.json").read_text())
    assert written["target"]["task"] == task
    coverage = pd.read_csv(tmp_path / "run" / "tables" / "group_metrics.coverage.csv")
    assert {"gender", "skin_tone", "gender&skin_tone"} == set(coverage["attributes"])
    assert (tmp_path / "run" / "predictions.parquet").is_file()
    found = [finding for finding in results.findings() if ".gap" in finding.id]
    assert any("recall" in finding.claim for finding in found) == (task == "expression")


def started(task, folder):
    """The plan that ``init`` writes for a table, without the author's statements."""
    TABLES[task](np.random.default_rng(5)).to_parquet(folder / "table.parquet", index=False)
    plan = folder / "audit.yaml"
    text = starting_plan(folder / "table.parquet", folder / "table.parquet", plan)
    plan.write_text(text.replace("card: card.yaml\n", ""))
    return plan


@pytest.mark.parametrize("task", list(TABLES))
def test_the_plan_that_init_writes_runs(task, tmp_path):
    results = run(started(task, tmp_path))
    status = {probe.id: probe.status for probe in results.probes}
    assert {"performance", "group_metrics"} <= set(status)
    assert set(status.values()) == {"ok"}
    assert {gate.verdict for gate in results.gates} <= {"pass", "fail", "inconclusive"}
    assert set(results.data.attributes) == {"gender", "skin_tone"}
    assert results.data.subjects == PEOPLE


def test_pairs_are_audited_from_the_command_line(tmp_path):
    plan = started("verification", tmp_path)
    command = [sys.executable, "-m", "countenance.cli", "run", str(plan), "--out", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    written = json.loads((tmp_path / "run" / "results.json").read_text())
    assert {probe["id"]: probe["status"] for probe in written["probes"]}["group_metrics"] == "ok"
    again = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert {"pair_id", "face_a", "subject_b", "gender_a", "similarity"} <= set(again.columns)
