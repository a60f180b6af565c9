from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

FAILS = {"id": "main", "measure": "performance/accuracy", "at_most": 0.5, "hazard": "a harm", "group": "all people"}


@pytest.fixture
def run(study: Any, command: Any) -> Path:
    """A run folder with a gate that fails."""
    study.plan["gates"] = [FAILS]
    study.write_plan()
    assert command("run", "audit.yaml", "--out", "run", "--no-report").code == 1
    return Path(study.folder) / "run"


def worse(run: Path, name: str, value: float) -> Path:
    """A copy of a run with another accuracy; returns its folder."""
    content = json.loads((run / "results.json").read_text())
    for probe in content["probes"]:
        for item in probe["measurements"]:
            if item["key"] == "performance/accuracy":
                item["estimate"] |= {"value": value, "low": value - 0.02, "high": min(1.0, value + 0.02)}
    content["name"] = name
    folder = run.parent / name
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(content))
    return folder


def flat(text: str) -> str:
    """Undo the line breaks of a table's last column."""
    return " ".join(text.split())


def waiver(expires: str) -> str:
    return f"waivers: [{{gate: main, owner: A. Owner, reason: new camera, expires: {expires}}}]\n"


def test_a_gate_is_printed_as_the_scenario_it_guards_against(run: Path, command: Any) -> None:
    done = command("gate", "run")
    assert done.code == 1
    for told in ("fail", "main", "performance/accuracy", "group: all people", "hazard: a harm"):
        assert told in flat(done.out)


def test_a_waiver_lets_a_run_through_until_its_day(run: Path, command: Any) -> None:
    (run.parent / "waivers.yaml").write_text(waiver("2027-05-01"))
    on_the_day = command("gate", "run", "--plan", "waivers.yaml", "--as-of", "2027-05-01")
    assert on_the_day.code == 0
    assert "fail, waived until 2027-05-01 by A. Owner" in flat(on_the_day.out)
    assert "waived: new camera" in flat(on_the_day.out)
    after = command("gate", "run", "--plan", "waivers.yaml", "--as-of", "2027-05-02")
    assert after.code == 1
    assert "the waiver of A. Owner expired on 2027-05-01" in flat(after.out)
    (run.parent / "waivers.yaml").write_text(waiver((date.today() + timedelta(days=9)).isoformat()))
    assert command("gate", "run", "--plan", "waivers.yaml").code == 0


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("waivers: [{gate: main, owner: A, reason: r}]", [], "the key 'expires' is missing"),
        ("waivers: [{gate: min, owner: A, reason: r, expires: 2027-05-01}]", [], "did you mean 'main'?"),
        ("gates: [{measure: p/x, at_least: 1, change: absolute}]", [], "write at_least: -1"),
        ("baseline: nothing", [], "there is no file"),
        (waiver("2027-05-01"), ["--as-of", "soon"], "expected a day such as 2027-05-01"),
        (waiver("2027-05-01"), ["--baseline", "nothing"], "expected results at nothing"),
    ],
)
def test_what_cannot_be_judged_is_told_with_exit_code_2(
    run: Path, command: Any, text: str, options: list[str], said: str
) -> None:
    (run.parent / "file.yaml").write_text(text)
    done = command("gate", "run", "--plan", "file.yaml", *options)
    assert done.code == 2
    assert said in flat(done.err)


def test_a_worse_model_fails_against_its_baseline(run: Path, command: Any) -> None:
    worse(run, "main", 0.9)
    worse(run, "slightly", 0.89)
    worse(run, "much", 0.6)
    (run.parent / "gates.yaml").write_text(
        "gates: [{measure: performance/accuracy, change: absolute, at_least: -0.05}]\nbaseline: main\n"
    )
    assert command("gate", "slightly", "--plan", "gates.yaml").code == 0
    failed = command("gate", "much", "--plan", "gates.yaml")
    assert failed.code == 1
    assert "a change of -0.300" in flat(failed.out)
    assert "the baseline is 'main'" in flat(failed.out)
    other = command("gate", "slightly", "--plan", "gates.yaml", "--baseline", "much")
    assert "the baseline is 'much'" in flat(other.out)
    (run.parent / "gates.yaml").write_text("[{measure: performance/accuracy, change: absolute, at_least: -0.05}]")
    without = command("gate", "slightly", "--plan", "gates.yaml")
    assert without.code == 1
    assert "no baseline was given" in flat(without.out)


def test_a_run_is_judged_with_the_waivers_and_the_baseline_of_its_plan(study: Any, command: Any, run: Path) -> None:
    day = (date.today() + timedelta(days=9)).isoformat()
    study.plan |= {
        "gates": [FAILS, {"measure": "performance/accuracy", "change": "absolute", "at_least": -0.9}],
        "waivers": [{"gate": "main", "owner": "A. Owner", "reason": "new camera", "expires": day}],
        "baseline": "run",
    }
    study.write_plan()
    done = command("run", "audit.yaml", "--out", "again", "--no-report")
    assert done.code == 0
    assert f"fail, waived until {day} by A. Owner" in flat(done.out)
    assert "of the same faces" in flat(done.out)
    outcomes = [json.loads((study.folder / name / "results.json").read_text())["gates"] for name in ("again",)]
    assert outcomes[0][1]["verdict"] == "pass"
    assert command("gate", "again").code == 0  # the baseline is there from this folder
    (study.folder / "run").rename(study.folder / "gone")
    moved = command("gate", "again")
    assert moved.code == 1
    assert "names the baseline 'run', relative to the plan, and it is not there" in flat(moved.out)
    assert command("gate", "again", "--baseline", "gone").code == 0


def test_what_is_not_needed_or_due_is_told(run: Path, command: Any) -> None:
    (run.parent / "gates.yaml").write_text(
        "gates: [{id: main, measure: performance/accuracy, at_least: 0.1, review_by: 2027-01-01}]\n"
        + waiver("2027-05-01")
    )
    done = command("gate", "run", "--plan", "gates.yaml", "--as-of", "2027-02-01")
    assert done.code == 0
    assert "the waiver of A. Owner for main is not needed: the verdict is pass" in flat(done.out)
    assert "the review of main was due on 2027-01-01" in flat(done.out)


def test_gates_are_written_from_a_run_and_passed_by_it(run: Path, command: Any) -> None:
    written = command("init", "--gates-from", "run", "--out", "asked/gates.yaml")
    assert written.code == 0
    assert "# baseline: ../run" in (run.parent / "asked" / "gates.yaml").read_text()
    assert command("gate", "run", "--plan", "asked/gates.yaml", "--strict").code == 0
    assert command("init", "--gates-from", "run").code == 0
    again = command("init", "--gates-from", "run")
    assert again.code == 2
    assert "gates.yaml exists: say --overwrite" in flat(again.err)
    assert command("init", "--gates-from", "run", "--overwrite").code == 0
    assert command("init", "net.safetensors", "--gates-from", "run", "--overwrite").code == 2
    assert command("init", "--gates-from", "nothing", "--out", "x.yaml").code == 2
    assert "countenance init --gates-from RUN" in flat(command("init").err)


def test_an_unexpected_exception_is_no_failed_gate(run: Path, command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **named: Any) -> None:
        raise ZeroDivisionError("for the test")

    monkeypatch.setattr("countenance.cli.gate.judge_run", broken)
    done = command("gate", "run")
    assert done.code == 3
    assert "unexpected ZeroDivisionError: for the test" in flat(done.err)
