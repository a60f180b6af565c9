from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from countenance.core.results_file import write_results

PLUGIN = ("-p", "countenance.cli.pytest_plugin")
Pytest = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_pytest(tmp_path: Path) -> Pytest:
    """Runs pytest in an empty folder in which warnings are errors, with our plugin and no other."""

    def call(*options: str, plugin: tuple[str, ...] = PLUGIN) -> subprocess.CompletedProcess[str]:
        (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\naddopts = --strict-markers\n")
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "200"}
        command = [sys.executable, "-m", "pytest", "-rA", *plugin, *options]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return call


PLAN = """\
version: 1
name: smiles
target: {predictions: smiles.csv, task: expression, classes: [happy, neutral]}
data: {subject: subject}
probes: [performance]
gates:
  - {id: floor, measure: performance/accuracy, at_least: 0.8, group: who smile, hazard: joy read as neutral}
  - {id: low floor, measure: performance/accuracy, at_least: 0.2}
  - {id: between, measure: performance/accuracy, at_least: 0.6}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan on a table of 60 people of whom three in five are right."""
    rows = ["face_id,subject,label,p_happy,p_neutral"]
    for face in range(60):
        happy = 0.9 if face % 5 < 3 else 0.1
        rows.append(f"f{face},s{face},happy,{happy},{1 - happy:.1f}")
    (tmp_path / "smiles.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "audit.yaml").write_text(PLAN)
    return tmp_path / "audit.yaml"


def test_each_gate_of_a_run_is_a_test(run_pytest: Pytest, plan: Path) -> None:
    from countenance.core.api import run_plan
    from countenance.core.plan_file import load_plan

    (plan.parent / "run").mkdir()
    write_results(run_plan(load_plan(plan)), plan.parent / "run")
    done = run_pytest("--countenance", "run")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "PASSED run::low floor" in done.stdout
    assert "PASSED run::the audit is complete" in done.stdout
    assert "FAILED run::floor" in done.stdout
    assert "hazard: joy read as neutral" in done.stdout
    assert "Traceback" not in done.stdout
    assert "1 failed, 2 passed, 2 skipped" in done.stdout  # between, and policy, which was not stated
    chosen = run_pytest("--countenance", "run", "-k", "low", "-m", "countenance")
    assert chosen.returncode == 0
    assert "1 passed, 4 deselected" in chosen.stdout
    strict = run_pytest("--countenance", "run", "--countenance-strict", "-k", "between")
    assert strict.returncode == 1
    assert "inconclusive" in strict.stdout


def test_a_plan_is_run_and_collecting_does_not_run_it(run_pytest: Pytest, plan: Path) -> None:
    listed = run_pytest("--countenance", "audit.yaml", "--collect-only", "-q")
    assert "audit.yaml::floor" in listed.stdout
    (plan.parent / "smiles.csv").rename(plan.parent / "kept.csv")
    missing = run_pytest("--countenance", "audit.yaml", "-k", "floor")
    assert "there is no file smiles.csv" in missing.stdout
    (plan.parent / "kept.csv").rename(plan.parent / "smiles.csv")
    done = run_pytest("--countenance", "audit.yaml")
    assert "1 failed, 2 passed, 2 skipped" in done.stdout, done.stdout + done.stderr
    assert not (plan.parent / "runs").exists()


def test_what_cannot_be_read_is_a_usage_error(run_pytest: Pytest, plan: Path) -> None:
    done = run_pytest("--countenance", "none.yaml")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "expected a plan at none.yaml" in done.stdout + done.stderr


def test_a_run_of_pytest_that_does_not_ask_is_not_disturbed(run_pytest: Pytest, tmp_path: Path) -> None:
    (tmp_path / "test_ours.py").write_text(
        "import sys\n\n\ndef test_light():\n"
        "    heavy = {'torch', 'numpy', 'pandas', 'pydantic', 'typer', 'yaml', 'countenance.cli.pytest_gates'}\n"
        "    assert 'countenance.cli.pytest_plugin' in sys.modules\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    done = run_pytest()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert "warning" not in done.stdout.lower()
