"""Make ``import torchvision`` work beside a CPU build of torch.

The torchvision wheel is built for CUDA. Beside a CPU build its compiled operators cannot be loaded, and the
import then fails with ``RuntimeError: operator torchvision::nms does not exist``, because shape functions are
registered for operators that nobody defined. It takes every package down that imports torchvision, although few
need those operators. Defining the two missing schemas first cures the import; calling the operators still fails.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import torch

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

# A schema lives as long as the library object that defined it.
_kept_alive: list[Any] = []


def ensure_torchvision_importable() -> bool:
    """Define the operators whose absence breaks ``import torchvision``, only where they cannot be loaded.

    Call before the first import of torchvision, or of a package that imports it. Nothing is done where
    torchvision is not installed, is imported already, or can load its compiled operators.

    Returns:
        Whether schemas had to be defined, now or in an earlier call.
    """
    if _kept_alive:
        return True
    if "torchvision" in sys.modules or _operators_load():
        return False
    make: Any = torch.library.Library  # torch leaves it untyped
    library = make("torchvision", "FRAGMENT")
    for schema in _SCHEMAS.values():
        library.define(schema)
    _kept_alive.append(library)
    return True


def _operators_load() -> bool:
    """Tell whether torchvision's compiled operators can be loaded; true also where there is none to load."""
    found = importlib.util.find_spec("torchvision")
    if found is None or not found.submodule_search_locations:
        return True
    folder = Path(next(iter(found.submodule_search_locations)))
    libraries = sorted(file for file in folder.glob("_C*") if file.suffix in {".so", ".pyd", ".dll"})
    load: Any = torch.ops.load_library
    try:
        for library in libraries:
            load(str(library))
    except OSError:
        return False
    return hasattr(torch.ops.torchvision, "nms")
