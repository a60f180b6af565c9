"""Fixed pictures, and the package that holds the published definitions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from countenance.synth.dataset import draw_crops

Published = Callable[[str], Callable[[np.ndarray, int], np.ndarray]]


@pytest.fixture(scope="session")
def published(root: Path) -> Iterator[Published]:
    """Give a published corruption by name: bytes (h, w, 3) and severity to values 0..1."""
    if find_spec("imagecorruptions") is None:
        pytest.skip("the package imagecorruptions is not installed")
    if not (root / "benchmarks").is_dir():
        pytest.skip("the benchmarks are in the repository, not in the package")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root))
        module: Any = import_module("benchmarks.published_corruptions")
        yield module.published
    for name in [name for name in sys.modules if name.startswith("benchmarks")]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """Two drawn faces, a smooth texture and a rough one: bytes (4, 224, 224, 3)."""
    random = np.random.default_rng(0)
    smooth = torch.nn.functional.interpolate(torch.from_numpy(random.random((1, 3, 9, 9))), 224, mode="bicubic")
    rough = random.integers(0, 256, (224, 224, 3), dtype=np.uint8)
    bytes_of_smooth = (smooth[0].clamp(0, 1).permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    return np.stack([*draw_crops(2, 1, 3, 224, size=320).pixels, bytes_of_smooth, rough])


@pytest.fixture(scope="session")
def pixels(pictures: np.ndarray) -> Tensor:
    """The same pictures as a probe is given them, (4, 3, 224, 224)."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
