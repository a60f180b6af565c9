"""What the tests of the command line may ask for."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from countenance.cli import console, execute
from countenance.core import probes as registry
from countenance.core.probes import ProbeParams, registered_probes


@dataclass(frozen=True)
class Done:
    """What a command gave."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def making() -> ModuleType:
    """The module that makes tiny audits."""
    file = Path(__file__).parent.parent / "core" / "making.py"
    spec = importlib.util.spec_from_file_location("cli_making", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["cli_making"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def study(making: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A tiny audit, in its folder as the working folder."""
    made = making.Study(tmp_path)
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def quiet() -> Iterator[None]:
    """Puts the package's logger back as it was, which a command sets up for a whole process."""
    logger = logging.getLogger("countenance")
    before = logger.handlers[:], logger.propagate, logger.level
    yield
    logger.handlers[:], logger.propagate = before[0], before[1]
    logger.setLevel(before[2])
    console._state["verbose"] = False


@pytest.fixture
def run_command(quiet: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], int]:
    """Runs a command in this process and returns its exit code."""
    monkeypatch.setenv("COLUMNS", "200")
    return execute


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], run_command: Callable[[list[str]], int]) -> Callable[..., Done]:
    """Runs a command: ``command("run", plan)``. Whatever happens, no traceback is shown."""

    def call(*arguments: object) -> Done:
        capsys.readouterr()
        code = run_command([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        assert "Traceback" not in shown.out + shown.err
        return Done(code, shown.out, shown.err)

    return call


@pytest.fixture
def add_probe(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Registers a throw-away probe for the length of a test."""
    registered_probes()
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))

    def add(name: str, function: Any, params: type[ProbeParams] = ProbeParams, **about: Any) -> None:
        described = {"version": 1, "title": name, "pillar": "integrity", "shows": "x", "hides": "y", **about}
        registry.probe(name, params=params, **described)(function)

    return add
