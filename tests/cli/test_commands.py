from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from safetensors.torch import load_file, save_file

import countenance
from countenance.core.plan import Plan
from countenance.core.results_file import load_results

COMMANDS = ("demo", "init", "run", "report", "card", "gate", "compare", "probes", "schema", "agreement")


def test_run_tells_what_it_measured_and_writes_report_and_card(study: Any, command: Any) -> None:
    study.plan |= {
        "probes": ["performance", "group_metrics"],
        "gates": [{"measure": "performance/accuracy", "at_least": 0.5}],
    }
    study.write_plan()
    done = command("run", "audit.yaml")
    assert done.code == 0, done.err
    folder = study.folder / "runs" / "audit"
    assert "tiny: 24 faces of 12 people" in done.out
    assert "performance/accuracy" in done.out
    assert "pass" in done.out
    assert "No landmarks were given" in done.out
    for name in ("report.html", "MODEL_CARD.md"):
        assert (folder / name).stat().st_size > 1000
        assert name in done.out
    assert load_results(folder)["performance/accuracy"].estimate.value == 1


def test_report_and_card_are_made_again_from_the_folder_alone(study: Any, command: Any) -> None:
    command("run", "audit.yaml", "--out", "run", "--no-report")
    for name in ("net.safetensors", "nets.py", "manifest.csv"):
        (study.folder / name).unlink()
    for argument in ("run", "run/results.json"):
        for name, arguments in (("report.html", ["report"]), ("MODEL_CARD.md", ["card"])):
            (study.folder / "run" / name).unlink(missing_ok=True)
            assert command(*arguments, argument).code == 0
            assert (study.folder / "run" / name).is_file()


def test_compare_tells_what_is_worse(study: Any, command: Any) -> None:
    command("run", "audit.yaml", "--out", "good", "--no-report")
    state = load_file("net.safetensors")
    save_file({name: -tensor for name, tensor in state.items()}, "net.safetensors")
    command("run", "audit.yaml", "--out", "bad", "--no-report")
    done = command("compare", "good", "bad", "--out", "comparison.html")
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines() if "performance/accuracy" in line]
    assert ["worse", "performance/accuracy"] in [words[:2] for words in lines]
    assert done.out.startswith("What got worse: ")
    assert command("compare", "good", "bad", "--fail-on-regression").code == 1
    assert "The runs audited the same faces" in done.out
    assert (study.folder / "comparison.html").is_file()
    same = command("compare", "good", "good", "--all", "--fail-on-regression")
    assert same.code == 0
    assert "performance/accuracy" in same.out
    assert same.out.startswith("No measurement is shown to be worse.")


def test_gate_judges_the_gates_of_another_plan(study: Any, command: Any) -> None:
    command("run", "audit.yaml", "--out", "run", "--no-report")
    done = command("gate", "run")
    assert done.code == 0
    assert "no gates to judge" in done.out
    before = (study.folder / "run" / "results.json").read_bytes()
    (study.folder / "gates.yaml").write_text("- {measure: performance/accuracy, at_most: 0.5}")
    assert command("gate", "run/results.json", "--plan", "gates.yaml").code == 1
    assert (study.folder / "run" / "results.json").read_bytes() == before


def test_probes_are_listed_and_told_about(command: Any) -> None:
    listed = command("probes").out
    for name in ("performance", "group_metrics", "global_heatmaps", "adversarial"):
        assert name in listed
        told = command("probes", name).out
        for word in ("Shows:", "Hides:", "Needs:"):
            assert word in told


@pytest.mark.parametrize("what", ["plan", "card", "results"])
def test_schemas_are_json_and_say_something(command: Any, what: str) -> None:
    done = command("schema", what)
    assert done.code == 0
    schema = json.loads(done.out)
    assert schema["type"] == "object"
    assert len(schema["properties"]) > 3
    if what == "plan":
        assert set(schema["properties"]) == set(Plan.model_fields)
        assert json.loads(command("schema").out) == schema
    if what == "results":
        assert "probes" in schema["properties"]


def test_init_takes_a_table_of_predictions_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Any) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"f{n},p{n},{'happy' if n % 2 else 'sad'},{n % 2},{1 - n % 2}" for n in range(24)]
    Path("made.csv").write_text("\n".join(["face_id,subject,label,p_happy,p_sad", *rows]))
    done = command("init", "made.csv")
    assert done.code == 0, done.err
    done = command("run", "audit.yaml", "--no-report")
    assert "made on " in done.out, done.err
    assert "24 faces of 24 people" in done.out
    lacking = command("init", "net.onnx")
    assert lacking.code == 2
    assert "countenance init net.onnx faces.csv" in lacking.err


def test_init_writes_a_plan_that_runs_once_its_marks_are_filled_in(study: Any, command: Any) -> None:
    done = command("init", "net.safetensors", "manifest.csv", "--out", "start.yaml")
    assert done.code == 0, done.err
    text = Path("start.yaml").read_text()
    assert text.count("#") > 5
    written = yaml.safe_load(text)
    assert written["target"]["checkpoint"] == "net.safetensors"
    assert written["data"]["manifest"] == "manifest.csv"
    assert Path("card.yaml").is_file()
    assert command("init", "net.safetensors", "manifest.csv", "--out", "start.yaml").code == 2
    assert command("init", "net.safetensors", "manifest.csv", "--out", "start.yaml", "--overwrite").code == 0


def test_version_and_help(command: Any) -> None:
    assert command("--version").out.strip() == f"countenance {countenance.__version__}"
    text = command("--help")
    assert text.code == 0
    for name in COMMANDS:
        assert f"  {name} " in text.out
        assert command(name, "--help").code == 0


def test_names_from_the_data_are_shown_as_they_are(study: Any, command: Any) -> None:
    """Rich would take brackets for its markup, a browser would run a script, and Markdown would draw a table."""
    script = "</script><script>alert(1)</script>"
    study.plan["name"] = f"[bold]tiny[/bold] {script}"
    study.table["gender"] = study.table["gender"].map({"f": f"[red]f {script}", "m": "[/x] | a | b\n# c"})
    study.table["label"] = study.table["label"].map({"dark": script, "bright": "*b* | <b>"})
    study.write_manifest()
    study.plan["target"]["classes"] = [script, "*b* | <b>"]
    study.plan["probes"] = ["performance", "group_metrics"]
    study.plan["gates"] = [{"measure": "group_metrics/accuracy", "where": {"gender": "*"}, "at_least": 0.1}]
    study.write_plan()
    done = command("run", "audit.yaml", "--out", "run")
    assert done.code in {0, 1}, done.err
    assert "[bold]tiny[/bold]" in done.out
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert "<script>alert(1)" not in page
    assert "alert(1)" in page
    assert "<script>alert(1)" not in Path("run/MODEL_CARD.md").read_text(encoding="utf-8")
    assert command("compare", "run", "run", "--all", "--out", "comparison.html").code == 0
    assert "<script>alert(1)" not in Path("comparison.html").read_text(encoding="utf-8")


# Without torch -------------------------------------------------------------------------------------------------------

BLOCKED = """
import importlib.abc, json, sys

class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "onnxruntime", "torchvision"}:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Block())
from countenance.cli import execute
codes = {}
for arguments in json.loads(sys.argv[1]):
    codes[" ".join(arguments)] = execute(arguments)
import countenance
countenance.load_results("run")
print("CODES " + json.dumps(codes))
"""


def test_everything_but_running_a_model_works_without_torch(study: Any, command: Any) -> None:
    study.plan["probes"] = ["performance", "group_metrics"]
    study.plan["gates"] = [{"measure": "performance/accuracy", "at_least": 0.5}]
    study.write_plan()
    command("run", "audit.yaml", "--out", "run", "--no-report")
    calls = [
        ["--help"],
        *([name, "--help"] for name in COMMANDS),
        ["schema", "plan"],
        ["schema", "card"],
        ["schema", "results"],
        ["gate", "run"],
        ["card", "run"],
        ["report", "run"],
        ["compare", "run", "run"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, json.dumps(calls)],
        capture_output=True,
        text=True,
        check=False,
        cwd=study.folder,
    )
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout.rpartition("CODES ")[2])
    assert codes == {" ".join(call): 0 for call in calls}, done.stderr


def test_the_command_itself_exits_with_its_code(study: Any) -> None:
    """The one test that goes through the interpreter's own exit: ``python -m countenance.cli``."""
    pd.DataFrame({"path": ["a"]}).to_csv("manifest.csv", index=False)
    done = subprocess.run(
        [sys.executable, "-m", "countenance.cli", "run", "audit.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "data.subject names the column 'subject', which is not there" in done.stderr
    assert done.stdout == ""
