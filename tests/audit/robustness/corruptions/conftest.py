"""Fixed pictures, and the package that holds the published definitions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from countenance.core.faces import FaceBatch, Faces
from countenance.core.plan import AttributeSpec, TargetSpec
from countenance.core.predictions import Predictions
from countenance.core.probes import ProbeContext
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.target import Target
from countenance.synth.dataset import DrawnCrops, draw_crops
from countenance.synth.expression import EXPRESSIONS

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


class DrawnFaces(Faces):
    """Faces held in memory."""

    def hold(self, pixels: Tensor) -> DrawnFaces:
        object.__setattr__(self, "held", pixels)
        return self

    def batches(self, size: int, rows: np.ndarray | None = None, **_: object) -> Iterator[FaceBatch]:
        wanted = np.arange(len(self)) if rows is None else rows
        for start in range(0, len(wanted), size):
            chunk = np.asarray(wanted[start : start + size], dtype=np.int64)
            yield FaceBatch(chunk, self.held[chunk].clone())  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def make_context() -> Callable[[nn.Module, DrawnCrops], ProbeContext]:
    """Lay out what the runner would give the probe, of a net for drawn faces and crops of 96 pixels."""

    def make(net: nn.Module, crops: DrawnCrops) -> ProbeContext:
        pixels = torch.from_numpy(crops.pixels).permute(0, 3, 1, 2).float() / 255
        rows = [
            {
                "face_id": str(row),
                "path": "",
                "label": face.expression,
                "subject": face.person.subject,
                "split": "",
                "may_publish": True,
                "skin_tone": face.person.look.skin_tone,
            }
            for row, face in enumerate(crops.faces)
        ]
        block = {
            "checkpoint": "net.safetensors",
            "task": "expression",
            "classes": list(EXPRESSIONS),
            "input": {"size": 96, "mean": [0.5], "std": [0.25]},
            "output": "logits",
        }
        target = Target(net, TargetSpec.model_validate(block), format="safetensors")
        attributes = {"skin_tone": AttributeSpec(assigned_by="derived")}
        faces = DrawnFaces(pd.DataFrame(rows), height_width=(96, 96), has_subjects=True, attributes=attributes)
        with torch.no_grad():
            values = target.probabilities(target(pixels)).double().numpy()
        return ProbeContext(
            probe_id="corruptions",
            faces=faces.hold(pixels),
            predictions=Predictions("expression", EXPRESSIONS, values, crops.labels.astype(np.float64)),
            target=target,
            rules=StatisticsRules(),
            seed=7,
            batch_size=32,
            progress=lambda unit, total: nullcontext(lambda count=1: None),
        )

    return make
