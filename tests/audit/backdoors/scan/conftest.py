"""Small nets for the scan, trained once for all tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from torch import Tensor, nn


@pytest.fixture(scope="session")
def small() -> ModuleType:
    """The module ``small_nets.py`` beside this file, which is also the factory of checkpoints in the tests."""
    spec = importlib.util.spec_from_file_location("small_nets", Path(__file__).with_name("small_nets.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def clean(small: ModuleType) -> list[nn.Module]:
    """Nets without a trigger, which differ by seed alone."""
    return [small.train(seed) for seed in range(7)]


@pytest.fixture(scope="session")
def planted(small: ModuleType) -> nn.Module:
    """A net that answers ``small.AIM`` to a patch."""
    net: nn.Module = small.train(100, poisoned=True)
    return net


@pytest.fixture(scope="session")
def pictures(small: ModuleType) -> tuple[Tensor, Tensor]:
    """Pictures (96, 1, 32, 32) that no net was trained on, and their classes."""
    made: tuple[Tensor, Tensor] = small.patterns(96, 999)
    return made
