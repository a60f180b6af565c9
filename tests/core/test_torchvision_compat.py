from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch

from countenance.core import torchvision_compat
from countenance.core.torchvision_compat import ensure_torchvision_importable


def fresh(code: str) -> str:
    """Run code in a new interpreter, where torchvision has not been imported yet."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed")
def test_torchvision_imports_after_the_call() -> None:
    """Whether the cure was needed or not, and it is only applied where the compiled operators cannot be loaded."""
    code = (
        "from countenance.core.torchvision_compat import ensure_torchvision_importable as ensure\n"
        "cured = ensure()\n"
        "import torchvision, torch\n"
        "from torchvision.extension import _has_ops\n"
        "assert hasattr(torch.ops.torchvision, 'nms')\n"
        "print(cured, _has_ops())"
    )
    assert fresh(code) in {"True False", "False True"}


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed")
def test_a_factory_may_import_torchvision(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(
        "import torchvision\nfrom torch import nn\n\ndef make():\n    return nn.Linear(1, 1)\n"
    )
    code = (
        "from pathlib import Path\n"
        "from countenance.core.checkpoints.factory import FactoryReference, build\n"
        f"print(type(build(FactoryReference.parse('nets.py:make'), Path({str(tmp_path)!r})).net).__name__)"
    )
    assert fresh(code) == "Linear"


def test_nothing_is_defined_where_torchvision_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_compat, "_kept_alive", [])
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not ensure_torchvision_importable()
    assert torchvision_compat._kept_alive == []


def test_schemas_are_defined_once_where_the_operators_cannot_be_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    defined: list[str] = []

    class Recorder:
        def __init__(self, namespace: str, kind: str) -> None:
            assert (namespace, kind) == ("torchvision", "FRAGMENT")

        def define(self, schema: str) -> None:
            defined.append(schema.partition("(")[0])

    (tmp_path / "_C.so").write_bytes(b"not a library")
    spec = ModuleSpec("torchvision", None, is_package=True)
    assert spec.submodule_search_locations is not None
    spec.submodule_search_locations.append(str(tmp_path))
    monkeypatch.setattr(torchvision_compat, "_kept_alive", [])
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    monkeypatch.setattr(torch.library, "Library", Recorder)
    assert ensure_torchvision_importable()
    assert ensure_torchvision_importable()
    assert defined == ["nms", "qnms"]
