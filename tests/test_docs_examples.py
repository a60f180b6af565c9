"""The code blocks of the documentation are files, and this runs them: folders of ``docs/examples`` are walks.

The steps of a walk are its files that begin with a number, in that order: Python is run, each line of a shell file goes
through the command line (``# exit 1`` says how it ends), and a ``.txt`` beside a step is what it prints: each of its
lines, in that order, begins a line that was printed; ``…`` stands for lines left out.
"""

from __future__ import annotations

import logging
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from countenance.cli import console, execute
from countenance.core import probes as registry
from countenance.core.errors import Problems
from countenance.core.places import read_yaml
from countenance.core.plan_file import check_plan, load_gate_file

EXAMPLES = Path(__file__).resolve().parent.parent / "docs" / "examples"
WALKS = sorted({step.parent.name for step in EXAMPLES.glob("*/[0-9]_*")})


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder; afterwards the logger, the modules and the probes are as before."""
    folder = tmp_path / "first-audit"
    registry.registered_probes()
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.syspath_prepend(str(folder))
    modules = set(sys.modules)
    logger = logging.getLogger("countenance")
    before = logger.handlers[:], logger.propagate, logger.level
    yield folder
    logger.handlers[:], logger.propagate = before[0], before[1]
    logger.setLevel(before[2])
    console._state["verbose"] = False
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


@pytest.mark.parametrize("name", WALKS)
def test_a_walk_does_and_prints_what_is_shown(
    name: str, walk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(EXAMPLES / name, walk)
    monkeypatch.chdir(walk)
    steps = sorted(file for file in walk.iterdir() if re.match(r"\d+_.*\.(py|sh)$", file.name))
    assert steps
    for step in steps:
        capsys.readouterr()
        if step.suffix == ".py":
            runpy.run_path(str(step), run_name="__main__")
        else:
            for line in step.read_text(encoding="utf-8").splitlines():
                run_line(line)
        shown = step.with_suffix(".txt")
        if shown.is_file():
            prints(capsys.readouterr().out, shown)


def run_line(line: str) -> None:
    command, _, remark = line.partition("#")
    expected = int(found[1]) if (found := re.search(r"exit (\d)", remark)) else 0
    words = shlex.split(command)
    assert words[0] == "countenance"
    assert execute(words[1:]) == expected, line


def prints(out: str, shown: Path) -> None:
    """Every line of ``shown`` begins a line of ``out``, in the same order; how wide columns are does not count."""
    printed = iter([" ".join(line.split()) for line in out.splitlines()])
    for line in shown.read_text(encoding="utf-8").splitlines():
        wanted = " ".join(line.strip().removesuffix("…").split())
        if wanted:
            assert any(got.startswith(wanted) for got in printed), (
                f"{shown.name}: {wanted!r} was not printed in:\n{out}"
            )


def test_every_plan_among_the_examples_is_valid() -> None:
    for file in [file for name in WALKS for file in sorted((EXAMPLES / name).glob("*.yaml"))]:
        text = file.read_text(encoding="utf-8")
        if "\ntarget:" in text:
            if "probe: confident" not in text:  # a probe that the reader writes
                check_plan(read_yaml(text), file.parent, Problems(file.name), text, check_files=False)
        elif text.startswith(("gates:", "- ")):
            assert load_gate_file(file).gates
        else:
            pytest.fail(f"{file.name} is neither a plan nor a file of gates")


def test_every_example_is_shown_on_a_page(root: Path) -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (root / "docs").rglob("*.md"))
    for file in [file for name in WALKS for file in sorted((EXAMPLES / name).iterdir())]:
        if file.is_file():
            assert f'--8<-- "{file.relative_to(EXAMPLES).as_posix()}"' in pages, f"no page shows {file.name}"


def test_no_folder_of_a_package_is_among_the_examples() -> None:
    assert {"start", "ci", "probe"} <= set(WALKS)
    assert not list(EXAMPLES.rglob("__init__.py"))
