from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from countenance.core.errors import PlanError
from countenance.core.plan_file import load_gate_file, load_gates, load_plan

WHOLE = """
gates:
  - {id: main, measure: p/rate, at_least: 0.8}
  - {measure: p/rate, change: absolute, at_least: -0.02}
waivers:
  - {gate: main, owner: A. Owner, reason: new camera, expires: 2027-05-01}
baseline: runs/main
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write a file of gates beside a run folder ``runs/main``; returns its path."""
    (tmp_path / "runs" / "main").mkdir(parents=True)
    (tmp_path / "runs" / "main" / "results.json").write_text("{}")

    def to(text: str) -> Path:
        file = tmp_path / "gates.yaml"
        file.write_text(text)
        return file

    return to


def test_gates_waivers_and_baseline_of_a_file(write: Any) -> None:
    file = write(WHOLE)
    read = load_gate_file(file)
    assert read.gates is not None
    assert [gate.id for gate in read.gates] == ["main", None]
    assert [(each.gate, each.expires) for each in read.waivers] == [("main", date(2027, 5, 1))]
    assert read.baseline == file.parent / "runs/main"


def test_a_file_may_hold_waivers_or_a_baseline_alone(write: Any) -> None:
    read = load_gate_file(write("baseline: runs/main/results.json"))
    assert (read.gates, read.waivers) == (None, [])
    read = load_gate_file(write("waivers: [{gate: x, owner: A, reason: r, expires: 2027-05-01}]"))
    assert (read.gates, read.waivers[0].gate, read.baseline) == (None, "x", None)
    with pytest.raises(PlanError, match="has no gates"):
        load_gates(write("baseline: runs/main"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (", expires: 2027-05-01", "", "line 6 (waivers.0): the key 'expires' is missing"),
        ("2027-05-01", "soon", "line 6 (waivers.0.expires)"),
        ("gate: main", "gate: man", "which is no gate"),
        ("owner: A. Owner", "owner: ''", "line 6 (waivers.0.owner)"),
        ("waivers:", "waivres:", "unknown key 'waivres'; did you mean 'waivers'?"),
        ("runs/main", "runs/man", "there is no file"),
        ("at_least: -0.02", "at_least: 0.02", "write at_least: -0.02, and where an improvement is what you demand"),
        ("change: absolute", "change: absolut", "'absolute' or 'relative'"),
        ("change: absolute, at_least: -0.02", "across: ratio, at_least: 0.8", "across needs the slices"),
        ("at_least: 0.8}", "at_least: 0.8, min_n: 0}", "line 3 (gates.0.min_n)"),
    ],
)
def test_faults_are_told_with_their_place(write: Any, old: str, new: str, said: str) -> None:
    with pytest.raises(PlanError) as raised:
        load_gate_file(write(WHOLE.replace(old, new)))
    told = str(raised.value)
    assert (said if said != "which is no gate" else "did you mean 'main'?") in told


def test_a_plan_is_checked_likewise(study: Any) -> None:
    study.plan |= {
        "gates": [{"measure": "performance/accuracy", "at_least": 0.05, "change": "absolute"}],
        "waivers": [{"gate": "performance/acuracy", "owner": "A", "reason": "r", "expires": "2027-05-01"}],
        "baseline": "nothing",
    }
    with pytest.raises(PlanError) as raised:
        load_plan(study.write_plan())
    told = str(raised.value)
    assert "3 problems" in told
    assert "write at_least: -0.05" in told
    assert "did you mean 'performance/accuracy'?" in told
    assert "(baseline): there is no file" in told
    study.plan["waivers"][0].pop("expires")
    with pytest.raises(PlanError, match="the key 'expires' is missing"):
        load_plan(study.write_plan())
