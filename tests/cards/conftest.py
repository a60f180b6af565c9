"""Run folders for the tests of cards."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def made_run() -> ModuleType:
    """The module that writes run folders without a model."""
    spec = importlib.util.spec_from_file_location("made_run", Path(__file__).parent.parent / "reports" / "made_run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["made_run"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def run_folder(made_run: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of 204 faces with a failed gate, a skipped and a failed probe."""
    folder = tmp_path_factory.mktemp("run")
    made_run.make_run(folder)
    return folder
