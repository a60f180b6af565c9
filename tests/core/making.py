"""Makes tiny audits on disk: pictures of one grey, a net that tells dark from bright, a manifest and a plan."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

CLASSES = ["dark", "bright"]
SIDE = 16

NETS = '''
import torch
from torch import nn


class Brightness(nn.Module):
    """Two logits that rise with darkness and with brightness."""

    def __init__(self, slope: float = 8.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.slope = slope

    def forward(self, x):
        return self.slope * self.conv(x).mean((2, 3))
'''


class Brightness(nn.Module):
    """The same net as NETS, for tests that need it here."""

    def __init__(self, slope: float = 8.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * self.conv(x).mean((2, 3))


def weights() -> dict[str, Tensor]:
    """The state of a Brightness whose logits cross where the mean pixel is 0.5."""
    third = torch.full((3, 1, 1), 1 / 3)
    return {"conv.weight": torch.stack([-third, third]), "conv.bias": torch.tensor([0.5, -0.5])}


def brightness_net(slope: float = 8.0) -> Brightness:
    """A Brightness with its weights."""
    net = Brightness(slope)
    net.load_state_dict(weights())
    return net


def picture(path: Path, level: float, seed: int = 0, size: tuple[int, int] = (20, 24)) -> None:
    """Write a noisy grey PNG of ``size`` (width, height) whose mean is about ``level`` of 255."""
    noise = np.random.default_rng(seed).normal(0, 10, (size[1], size[0], 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(level * 255 + noise, 0, 255).astype(np.uint8)).save(path)


class Study:
    """A folder with an audit in it.

    Attributes:
        folder: holds ``images/``, ``manifest.csv``, ``nets.py``, ``net.safetensors`` and the plan.
        table: the manifest, written by ``write_manifest``.
        plan: the plan, written by ``write_plan``; change it freely.
    """

    def __init__(self, folder: Path, people: int = 12) -> None:
        self.folder = folder
        rows: list[dict[str, Any]] = []
        for person in range(people):
            for label in CLASSES:
                path = f"images/{label}_{person:03d}.png"
                level = {"dark": 0.3, "bright": 0.7}[label]
                picture(folder / path, level, seed=len(rows))
                rows.append({"path": path, "label": label, "subject": f"p{person:03d}", "gender": "fm"[person % 2]})
                rows[-1] |= {"age": 20 + person, "x0": 2, "y0": 2, "x1": 18, "y1": 22}
        self.table = pd.DataFrame(rows)
        (folder / "nets.py").write_text(NETS)
        save_file(weights(), folder / "net.safetensors")
        self.plan: dict[str, Any] = {
            "version": 1,
            "name": "tiny",
            "seed": 3,
            "target": {
                "checkpoint": "net.safetensors",
                "factory": "nets.py:Brightness",
                "task": "expression",
                "classes": list(CLASSES),
                "input": {"size": SIDE, "channels": "rgb", "mean": [0.0], "std": [1.0]},
                "output": "logits",
            },
            "data": {
                "manifest": "manifest.csv",
                "subject": "subject",
                "box": ["x0", "y0", "x1", "y1"],
                "attributes": {"gender": {"assigned_by": "self-reported"}},
                "min_subjects": 2,
            },
            "run": {"device": "cpu", "batch_size": 5, "workers": 1},
            "probes": ["performance"],
        }
        self.write_manifest()
        self.write_plan()

    @property
    def plan_file(self) -> Path:
        return self.folder / "audit.yaml"

    def write_manifest(self) -> None:
        self.table.to_csv(self.folder / "manifest.csv", index=False)

    def write_plan(self) -> Path:
        self.plan_file.write_text(yaml.safe_dump(self.plan, sort_keys=False), encoding="utf-8")
        return self.plan_file

    def changed(self, **blocks: Any) -> dict[str, Any]:
        """A copy of the plan with blocks merged: ``changed(target={"output": "probabilities"})``."""
        plan = copy.deepcopy(self.plan)
        for name, block in blocks.items():
            if isinstance(block, dict) and isinstance(plan.get(name), dict):
                plan[name].update(block)
            else:
                plan[name] = block
        return plan

    def load(self, plan: dict[str, Any] | None = None) -> Any:
        """Write the plan (a changed one for this time) and check it."""
        from countenance.core.plan_file import load_plan

        self.plan_file.write_text(yaml.safe_dump(plan or self.plan, sort_keys=False), encoding="utf-8")
        return load_plan(self.plan_file)

    def run(self, out: str | None = None, plan: dict[str, Any] | None = None, **options: Any) -> Any:
        """Run the plan, into the folder's ``out`` if one is named."""
        from countenance.core.api import run_plan

        return run_plan(self.load(plan), None if out is None else self.folder / out, **options)
