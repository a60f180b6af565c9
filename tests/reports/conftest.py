"""Run folders for the tests of reports."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


browsing = _module("browsing")  # test modules import its names


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; closed with each file, since a process can hold one at a time."""
    yield from browsing.started_browser()


@pytest.fixture(scope="session")
def made_run() -> ModuleType:
    """The module that writes run folders without a model."""
    return _module("made_run")


@pytest.fixture(scope="session")
def robust_run() -> ModuleType:
    """The module that writes run folders with robustness and integrity."""
    return _module("robust_run")


@pytest.fixture(scope="session")
def run_folder(made_run: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of 204 faces with a failed gate, a skipped and a failed probe."""
    folder = tmp_path_factory.mktemp("run")
    made_run.make_run(folder)
    return folder


@pytest.fixture(scope="session")
def forged_run() -> ModuleType:
    """The module that writes run folders with forgeries and backdoors."""
    return _module("forged_run")
