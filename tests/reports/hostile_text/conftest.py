"""Hostile strings for the tests of what is made from them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_NAME = "hostile"
_SPEC = importlib.util.spec_from_file_location(_NAME, Path(__file__).parent / f"{_NAME}.py")
assert _SPEC is not None
assert _SPEC.loader is not None
sys.modules[_NAME] = importlib.util.module_from_spec(_SPEC)  # test modules import its names
_SPEC.loader.exec_module(sys.modules[_NAME])
