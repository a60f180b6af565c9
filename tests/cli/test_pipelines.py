"""A repository with a plan in continuous integration: the gate holds, fails, is waived, and fails again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import junitparser
import pytest
import yaml


def write_table(folder: Path, right: float) -> None:
    """Predictions of 100 people, of whom a share is right."""
    rows = ["face_id,subject,label,p_happy,p_neutral"]
    for face in range(100):
        happy = 0.9 if face < 100 * right else 0.1
        rows.append(f"f{face},s{face},happy,{happy},{1 - happy:.1f}")
    (folder / "smiles.csv").write_text("\n".join(rows) + "\n")


@pytest.fixture
def examples(root: Path) -> Path:
    return root / "docs" / "examples" / "pipelines"


@pytest.fixture
def repository(tmp_path: Path, examples: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git repository with the plan of the docs and a table of a good model, as the working folder."""
    (tmp_path / "audit.yaml").write_text((examples / "audit.yaml").read_text())
    write_table(tmp_path, 0.95)
    commit(tmp_path, "init", "-q")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return tmp_path


def commit(folder: Path, *before: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for command in ([*before] if before else ["status"], ["add", "-A"], [*who, "commit", "-q", "-m", "a model"]):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)


def suite(name: str) -> Any:
    return next(iter(junitparser.JUnitXml.fromfile(name)))


def test_a_gate_passes_fails_is_waived_and_fails_again(
    repository: Path, command: Any, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = ("run", "audit.yaml", "--out", "runs/audit", "--overwrite", "--no-report", "--junit", "junit.xml")
    good = command(*audit)
    assert good.code == 0, good.err
    assert (suite("junit.xml").failures, suite("junit.xml").skipped) == (0, 0)

    write_table(repository, 0.5)
    commit(repository)
    summary = repository / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    worse = command(*audit)
    assert worse.code == 1
    assert suite("junit.xml").failures == 1
    (line,) = [line for line in worse.out.splitlines() if line.startswith("::error ")]
    assert line.startswith("::error file=audit.yaml,line=7,title=Gate fail%3A ")
    told = summary.read_text()
    assert "**1 gate failed.**" in told
    assert "accuracy is 0.500" in told
    assert "people who smile: a smile is read as no expression" in told
    monkeypatch.delenv("GITHUB_ACTIONS")

    plan = (repository / "audit.yaml").read_text() + (examples / "waiver.yaml").read_text()
    (repository / "audit.yaml").write_text(plan)
    judge = ("gate", "runs/audit", "--plan", "audit.yaml", "--junit", "junit.xml", "--as-of")
    waived = command(*judge, "2027-05-01")
    assert waived.code == 0
    assert (suite("junit.xml").failures, suite("junit.xml").skipped) == (0, 1)
    after = command(*judge, "2027-05-02")
    assert after.code == 1
    assert suite("junit.xml").failures == 1
    case = next(case for case in suite("junit.xml") if case.name == "floor")
    assert "the waiver of A. Owner expired on 2027-05-01" in case.result[0].message


@pytest.mark.parametrize(("days", "code"), [(1, 0), (0, 0), (-1, 1)])
def test_a_waiver_counts_on_the_day_of_the_run(
    repository: Path, command: Any, examples: Path, days: int, code: int
) -> None:
    write_table(repository, 0.5)
    waiver = (examples / "waiver.yaml").read_text()
    until = re.sub(r"expires: \S+", f"expires: {date.today() + timedelta(days=days)}", waiver)
    with (repository / "audit.yaml").open("a") as plan:
        plan.write(until)
    assert command("run", "audit.yaml", "--out", "runs/audit", "--no-report").code == code


def test_a_path_that_cannot_be_written_is_told_before_the_audit(repository: Path, command: Any) -> None:
    (repository / "file").write_text("")
    done = command("run", "audit.yaml", "--out", "runs/audit", "--junit", "file/junit.xml")
    assert done.code == 2
    assert "cannot write file/junit.xml: file is no folder" in done.err
    assert not (repository / "runs").exists()


def test_check(repository: Path, command: Any) -> None:
    (repository / "gates.yaml").write_text("gates:\n  - {measure: performance/accuracy, at_least: 0.8}\n")
    done = command("check", "audit.yaml", "gates.yaml")
    assert done.code == 0
    assert "audit.yaml: 1 probes, 1 gates" in done.out
    (repository / "gates.yaml").write_text("gates:\n  - {measure: performance/accuracy, at_leats: 0.8}\n")
    done = command("check", "audit.yaml", "gates.yaml", "none.yaml")
    assert done.code == 2
    assert "did you mean 'at_least'?" in done.err
    assert "expected a plan at none.yaml" in done.err


def shell(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a step as a runner does, with the ``countenance`` of this Python."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("right", "code"), [(0.95, 0), (0.5, 1)])
def test_the_steps_of_the_action(repository: Path, root: Path, right: float, code: int) -> None:
    action = yaml.safe_load((root / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    steps = {step["id"]: step for step in action["runs"]["steps"] if "id" in step}
    for step in steps.values():
        assert "${{" not in step["run"], "an input in a script could run code"
        for value in step["env"].values():
            name = re.fullmatch(r"\$\{\{ (?:inputs\.([\w-]+)|github\.action_path) \}\}", value)
            assert name is not None
            assert name[1] is None or name[1] in action["inputs"]
    installed = shell(steps["install"]["run"], repository, VERSION="none", HERE=str(root))
    assert installed.stdout.startswith("countenance ")
    write_table(repository, right)
    done = shell(steps["audit"]["run"], repository, PLAN="audit.yaml", OUT="runs/audit", STRICT="true")
    assert done.returncode == code, done.stdout + done.stderr
    for name in ("runs/audit/report.html", "runs/audit/MODEL_CARD.md", "runs/audit.junit.xml", "runs/audit.sarif"):
        assert (repository / name).stat().st_size > 500
    uploads = [step["with"] for step in action["runs"]["steps"] if "uses" in step]
    assert "parquet" not in str(uploads)


def test_the_commands_of_the_gitlab_job(repository: Path, examples: Path) -> None:
    job = yaml.safe_load((examples / "gitlab.yml").read_text())["audit"]
    script = "\n".join(line for line in job["script"] if not line.startswith("pip install"))
    done = shell(script, repository)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in (*job["artifacts"]["paths"], *job["artifacts"]["reports"].values()):
        assert (repository / name).is_file()


def test_the_hooks_and_those_who_use_them(root: Path, examples: Path, repository: Path, command: Any) -> None:
    hooks = {hook["id"]: hook for hook in yaml.safe_load((root / ".pre-commit-hooks.yaml").read_text())}
    (used,) = yaml.safe_load((examples / "pre-commit.yaml").read_text())["repos"]
    assert {hook["id"] for hook in used["hooks"]} == set(hooks)
    assert re.search(hooks["countenance-plan"]["files"], "models/audit_london.yaml")
    assert command("run", "audit.yaml", "--out", "runs/audit").code == 0
    card = next(hook for hook in used["hooks"] if hook["id"] == "countenance-card")
    run_hook: Callable[..., Any] = lambda name, *rest: command(*hooks[name]["entry"].split()[1:], *rest)  # noqa: E731
    assert run_hook("countenance-plan", "audit.yaml").code == 0
    assert run_hook("countenance-card", *card["args"]).code == 0
    text = (repository / "runs/audit/MODEL_CARD.md").read_text()
    (repository / "runs/audit/MODEL_CARD.md").write_text(text.replace("0.95", "0.99"))
    assert run_hook("countenance-card", *card["args"]).code == 1


def test_the_workflow_gives_the_action_inputs_that_it_has(root: Path, examples: Path) -> None:
    action = yaml.safe_load((root / "action.yml").read_text())
    (job,) = yaml.safe_load((examples / "github.yml").read_text())["jobs"].values()
    ours = next(step for step in job["steps"] if "countenance" in step["uses"])
    assert ours["with"].keys() <= action["inputs"].keys()
    required = {name for name, about in action["inputs"].items() if about.get("required")}
    assert required <= ours["with"].keys()


def test_the_page_shows_the_files(root: Path, examples: Path) -> None:
    shown = re.findall(r'^--8<-- "pipelines/(.+)"$', (root / "docs" / "ci.md").read_text(), re.MULTILINE)
    assert sorted(shown) == sorted(file.name for file in examples.iterdir())
