"""The record of what an audit wrote: an edited results.json and one of another plan are found."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from countenance.core.results import AuditResults, DataSummary, TargetSummary
from countenance.core.results_file import load_results, write_results
from countenance.core.run_record import record_faults, record_of, recorded_hash

PLAN: dict[str, Any] = {
    "version": 1,
    "name": "a study",
    "seed": 7,
    "target": {"predictions": "p.csv", "task": "expression", "classes": ["happy", "sad"]},
    "data": {},
    "probes": ["performance", {"probe": "performance", "id": "again"}],
}


def written(folder: Path) -> Path:
    resolved = {**PLAN, "probes": [{"probe": "performance", "id": name} for name in ("performance", "again")]}
    results = AuditResults(
        name="a study",
        tool={"countenance": "0.1.0"},
        started="2026-11-20T10:00:00Z",
        seconds=1.0,
        target=TargetSummary(name="x", task="expression", classes=["happy", "sad"]),
        data=DataSummary(name="d", faces=2, subjects=2, sha256="0" * 64),
        plan=resolved,
    )
    (folder / "plan.yaml").write_text(yaml.safe_dump(PLAN), encoding="utf-8")
    return write_results(results, folder)


def test_the_record_is_one_that_sha256sum_reads(tmp_path: Path) -> None:
    file = written(tmp_path)
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    assert record_of(file).read_text() == f"{expected}  results.json\n"
    assert recorded_hash(file) == expected
    assert record_faults(load_results(file), file) == []


def test_an_edited_file_is_told(tmp_path: Path) -> None:
    file = written(tmp_path)
    file.write_text(
        file.read_text().replace('"seconds": 1.0', '"seconds": 2.0').replace('"seconds":1.0', '"seconds":2')
    )
    (fault,) = record_faults(load_results(file), file)
    assert fault.startswith("results.json was changed after the audit wrote it")


@pytest.mark.parametrize("content", [None, b"", b"not a hash", b"\xff\xfe"])
def test_without_a_record_nothing_is_claimed(tmp_path: Path, content: bytes | None) -> None:
    file = written(tmp_path)
    if content is None:
        record_of(file).unlink()
    else:
        record_of(file).write_bytes(content)
    assert recorded_hash(file) is None
    assert record_faults(load_results(file), file) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 8}, "seed is 8 in the plan and 7 in the results"),
        ({"name": "another"}, "name is another in the plan and a study in the results"),
        ({"probes": ["performance"]}, "probes is performance in the plan and performance, again in the results"),
        (
            {"target": {"predictions": "p.csv", "task": "expression", "classes": ["sad", "happy"]}},
            "classes is sad, happy in the plan",
        ),
    ],
)
def test_another_plan_is_told_with_what_differs(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    file = written(tmp_path)
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN | change), encoding="utf-8")
    (fault,) = record_faults(load_results(file), file)
    assert fault.startswith("results.json is from another plan than the plan.yaml beside it")
    assert said in fault


@pytest.mark.parametrize("content", ["a: [", "3", "name: x"])
def test_a_plan_that_cannot_be_read_is_not_compared(tmp_path: Path, content: str) -> None:
    file = written(tmp_path)
    (tmp_path / "plan.yaml").write_text(content, encoding="utf-8")
    assert record_faults(load_results(file), file) == []
