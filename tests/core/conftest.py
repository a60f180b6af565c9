"""What the tests of core may ask for."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from countenance.core import probes as registry
from countenance.core.probes import ProbeParams, registered_probes


@pytest.fixture(scope="session")
def making() -> ModuleType:
    """The module that makes tiny audits."""
    spec = importlib.util.spec_from_file_location("core_making", Path(__file__).parent / "making.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["core_making"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def study(making: ModuleType, tmp_path: Path) -> Any:
    """A tiny audit: 12 people, dark and bright, which its net tells apart without fault."""
    return making.Study(tmp_path)


@pytest.fixture
def add_probe(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Registers a throw-away probe for the length of a test: ``add_probe("name", function, needs={"model"})``."""
    registered_probes()
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))

    def add(name: str, function: Any, params: type[ProbeParams] = ProbeParams, **about: Any) -> None:
        described = {"version": 1, "title": name, "pillar": "integrity", "shows": "x", "hides": "y", **about}
        registry.probe(name, params=params, **described)(function)

    return add


@pytest.fixture
def log() -> Iterator[list[str]]:
    """The warnings and errors the package logs meanwhile."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Keep(logging.WARNING)
    logger = logging.getLogger("countenance")
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
