"""Two run folders joined face by face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from countenance.core.compare import compare
from countenance.core.paired_change import PairedRuns, paired_change
from countenance.core.results import (
    AttributeSummary,
    AuditResults,
    DataSummary,
    Estimate,
    Measurement,
    ProbeResult,
    TargetSummary,
)
from countenance.core.results_file import write_results
from countenance.core.statistics.auroc import auroc
from countenance.core.statistics.class_means import macro_f1
from countenance.core.statistics.intervals import rate_intervals
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.sums import Lines, add_up

PEOPLE, EACH = 60, 3
FACES = PEOPLE * EACH
RULES = StatisticsRules()


def rate(values: Any, person: Any) -> Estimate:
    sums = add_up(Lines.of(person), np.arange(len(person)), values.astype(float), None)
    found = rate_intervals(sums, 0.95)
    return Estimate(value=float(found.value[0]), low=float(found.low[0]), high=float(found.high[0]), level=0.95)


def write(folder: Path, wrong: float, *, first: int = 0, edit: bool = False, version: int = 1) -> Path:
    """Write a run of a forgery model that answers a share of the faces wrongly, the same ones and more."""
    random = np.random.default_rng(4)
    person, label = np.repeat(np.arange(PEOPLE), EACH), random.integers(0, 2, FACES)
    right = random.random(FACES) >= wrong
    score = np.where(right == (label == 1), 0.6, 0.1) + 0.3 * random.random(FACES)
    predicted = (score > 0.5).astype(np.int64)
    sex = np.where(person % 2, "female", "male")
    table = pd.DataFrame({"face_id": [f"f{place + first}" for place in range(FACES)], "subject": person.astype(str)})
    table = table.assign(condition="clean", sex=sex, label=np.where(label, "forged", "genuine"), p_forged=score)
    folder.mkdir()
    changed = 1 - score if edit else score
    table.assign(p_forged=changed).to_parquet(folder / "predictions.parquet")
    kept = {"face_id": table["face_id"], "probe_id": "fog", "score": "accuracy", "condition": "severity=1"}
    values = pd.DataFrame({**kept, "value": (predicted == label).astype(float), "weight": 1.0})
    values.to_parquet(folder / "scores.parquet")
    women = sex == "female"
    correct = predicted == label
    f1 = macro_f1(label, predicted, person, 2, RULES)
    area = auroc(score, label == 1, person, RULES)
    measured = [
        Measurement.of("performance", "accuracy", rate(correct, person), direction="higher"),
        Measurement.of("performance", "macro_f1", f1, direction="higher"),
        Measurement.of("performance", "auroc", area, direction="higher"),
        Measurement.of(
            "performance",
            "recall",
            rate(correct[women & (label == 1)], person[women & (label == 1)]),
            slice={"label": "forged", "sex": "female"},
            direction="higher",
        ),
        Measurement.of("performance", "ece", Estimate(value=wrong, low=0, high=1), direction="lower"),
    ]
    fog = Measurement.of("fog", "accuracy", rate(correct, person), condition={"severity": "1"}, direction="higher")
    probes = [
        ProbeResult(id="performance", probe="performance", version=version, status="ok", measurements=measured),
        ProbeResult(id="fog", probe="corruptions", version=1, status="ok", measurements=[fog]),
    ]
    results = AuditResults(
        name=folder.name,
        tool={},
        started="",
        seconds=0,
        target=TargetSummary(name="t", task="forgery", classes=["genuine", "forged"]),
        data=DataSummary(faces=FACES, sha256="d", attributes={"sex": AttributeSummary(assigned_by="annotator")}),
        plan={},
        probes=probes,
    )
    write_results(results, folder)
    return folder


KEYS = (
    "performance/accuracy",
    "performance/macro_f1",
    "performance/auroc",
    "performance/recall[label=forged,sex=female]",
    "fog/accuracy@severity=1",
)


def test_every_score_of_a_face_is_held_against_its_own(tmp_path: Path) -> None:
    old, new = write(tmp_path / "old", 0.1), write(tmp_path / "new", 0.3)
    comparison = compare(old, new)
    rows = {row.key: row for row in comparison.rows}
    for key in KEYS:
        change = rows[key].changes[0]
        assert (change.verdict, change.paired) == ("worse", True), key
        assert change.value == pytest.approx(rows[key].change)
        found = paired_change(new, old, key)
        assert found is not None
        assert found.low is not None
        assert found.low < found.value < 0  # type: ignore[operator]
    assert not rows["performance/ece"].changes[0].paired
    assert comparison.rows[0].worse
    assert f"new is compared face by face on all {FACES} faces: 5 measurements." in comparison.notes


def test_the_same_answers_are_the_same(tmp_path: Path) -> None:
    comparison = compare(write(tmp_path / "old", 0.1), write(tmp_path / "new", 0.1))
    assert {row.verdict for row in comparison.rows if row.changes[0].paired} == {"same"}
    assert not comparison.regressions


def test_part_of_the_faces_is_told_and_too_few_are_not_joined(tmp_path: Path) -> None:
    old = write(tmp_path / "old", 0.1)
    moved = PairedRuns.of(write(tmp_path / "new", 0.3, first=3), old)
    assert moved.faces < FACES  # ids overlap, but most persons are others
    assert "half are needed" in moved.reason
    assert moved.change(KEYS[0]) is None
    part = write(tmp_path / "part", 0.3)
    table = pd.read_parquet(part / "predictions.parquet")
    table.loc[:29, "face_id"] = [f"other{place}" for place in range(30)]
    table.to_parquet(part / "predictions.parquet")
    (part / "scores.parquet").unlink()
    pair = PairedRuns.of(part, old)
    assert (pair.reason, pair.faces) == ("", FACES - 30)
    change = pair.change(KEYS[0])
    assert change is not None
    assert change.faces == FACES - 30
    assert any("150 faces that are the same" in note for note in compare(old, part).notes)


def test_tables_that_do_not_give_the_reported_number_are_not_used(tmp_path: Path) -> None:
    old = write(tmp_path / "old", 0.1)
    pair = PairedRuns.of(write(tmp_path / "new", 0.3, edit=True), old)
    assert pair.change("performance/accuracy") is None
    assert pair.change("fog/accuracy@severity=1") is not None


def test_another_version_of_the_probe_is_not_joined(tmp_path: Path) -> None:
    pair = PairedRuns.of(write(tmp_path / "new", 0.3, version=2), write(tmp_path / "old", 0.1))
    assert pair.change("performance/accuracy") is None


def test_a_missing_or_broken_table_is_told(tmp_path: Path) -> None:
    old, new = write(tmp_path / "old", 0.1), write(tmp_path / "new", 0.3)
    (new / "predictions.parquet").write_bytes(b"PAR1 cut")
    assert "predictions.parquet of new cannot be read" in PairedRuns.of(new, old).reason
    (new / "predictions.parquet").unlink()
    comparison = compare(old, new)
    assert any("not compared face by face: new has no predictions.parquet" in note for note in comparison.notes)
    assert not comparison.paired


def test_bounds_for_gates(tmp_path: Path) -> None:
    old, new = write(tmp_path / "old", 0.1), write(tmp_path / "new", 0.3)
    pair = PairedRuns.of(new, old)
    usual, wider = (pair.bounds(KEYS[0], tail, False) for tail in (0.025, 0.001))
    relative = pair.bounds(KEYS[0], 0.025, True)
    assert usual is not None
    assert wider is not None
    assert relative is not None
    assert wider.low < usual.low < usual.value < usual.high < wider.high
    assert relative.low < relative.value < usual.value < 0
    same = PairedRuns.of(old, old)
    assert same.bounds("performance/macro_f1", 0.025, False) is None
