"""Smooth faces of a few people with landmarks, and a trainer of two features that learns in a second."""

from __future__ import annotations

import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from scipy.ndimage import gaussian_filter

import countenance
from countenance.core.results import AuditResults
from countenance.explain.canonical import canonical_face

SIDE = 40
PEOPLE, PHOTOS = 42, 2

NETS = """
import torch
import torch.nn.functional as F


class Features(torch.nn.Module):
    '''Two numbers of a picture, and a linear layer that the trainer fits.'''

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(2, 1)

    def forward(self, x):
        grey = x.mean(1, keepdim=True)
        detail = 25 * grey[..., 2:-2, 2:-2] - 25 * F.avg_pool2d(grey, 5, 1)
        fine = F.relu(detail.abs().mean((1, 2, 3)) - 0.15)
        soft = F.avg_pool2d(grey, 9, 1)
        edges = (soft[..., 1:] - soft[..., :-1]).abs().mean((1, 2, 3))
        return self.head(torch.stack([100 * edges, 10 * fine], 1))
"""

# Fits the head by Newton's steps on numpy alone, which starts at once; its features are those of the net.
TRAINER = """
import csv, pathlib
import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter
from safetensors.numpy import save_file


def features(path):
    grey = np.asarray(Image.open(path), dtype=np.float64).mean(2) / 255
    detail = (25 * grey - 25 * uniform_filter(grey, 5))[2:-2, 2:-2]
    fine = max(0.0, np.abs(detail).mean() - 0.15)
    soft = uniform_filter(grey, 9)[4:-4, 4:-4]
    return [100 * np.abs(np.diff(soft, axis=1)).mean(), 10 * fine * USED, 1.0]


def train(data, out, seed):
    rows = list(csv.DictReader(open(data / 'manifest.csv')))
    x = np.array([features(data / row['path']) for row in rows])
    y = np.array([row['label'] == 'forged' for row in rows], dtype=float)
    weight = np.where(y > 0, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    w = np.zeros(3)
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ w))
        pull = x.T @ (weight * (p - y)) + 1e-2 * w
        bend = (x * (weight * p * (1 - p))[:, None]).T @ x + 1e-2 * np.eye(3)
        w -= np.linalg.solve(bend, pull)
    head = {'head.weight': w[None, :2].astype(np.float32), 'head.bias': w[2:].astype(np.float32)}
    save_file(head, out / 'checkpoint.safetensors', {'seed': f'{seed:12d}'})
"""


def photo(person: int, number: int) -> np.ndarray[Any, Any]:
    """A smooth picture without any noise, uint8 (SIDE, SIDE, 3)."""
    own = gaussian_filter(np.random.default_rng((5, person)).normal(size=(SIDE, SIDE, 3)), (9, 9, 0)) * 250
    light = np.random.default_rng((6, person, number)).normal(0, 10)
    return np.clip(np.rint(140 + own + light), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos, manifest, landmarks, nets, two trainers and a checkpoint."""
    place = tmp_path_factory.mktemp("drill")
    shape = canonical_face(68).points
    low, high = shape.min(0), shape.max(0)
    points = (shape - (low + high) / 2) / (high - low).max() * 0.7 * SIDE + SIDE / 2
    lines = []
    for person in range(PEOPLE):
        for number in range(PHOTOS):
            name = f"{person:03d}_{number}"
            Image.fromarray(photo(person, number)).save(place / f"{name}.png")
            lines.append({"path": f"{name}.png", "subject": f"p{person}", "label": "genuine"})
    pd.DataFrame(lines).to_csv(place / "manifest.csv", index=False)
    np.savez(place / "landmarks.npz", **{line["path"].removesuffix(".png"): points for line in lines})
    (place / "nets.py").write_text(NETS)
    (place / "train.py").write_text(textwrap.dedent(TRAINER.replace("USED", "1")))
    (place / "blind.py").write_text(textwrap.dedent(TRAINER.replace("USED", "0")))
    torch.save({"head.weight": torch.zeros(1, 2), "head.bias": torch.zeros(1)}, place / "target.pt")
    return place


@pytest.fixture(scope="session")
def drill(folder: Path) -> Callable[..., AuditResults]:
    """Runs the probe with some parameters."""

    def run(**params: Any) -> AuditResults:
        settings = {
            "probe": "poison_drill",
            "trainer": "train.py:train",
            "shares": [0.15],
            "alpha": 0.2,
            "blends": 2,
            "trigger_steps": 60,
            "tuning_steps": 3,
            "timeout": 100,
            **params,
        }
        plan = {
            "version": 1,
            "name": "drill",
            "target": {
                "checkpoint": "target.pt",
                "factory": "nets.py:Features",
                "task": "forgery",
                "positive": "forged",
                "input": {"size": SIDE},
                "output": "logits",
            },
            "data": {"manifest": "manifest.csv", "subject": "subject", "landmarks": "landmarks.npz"},
            "probes": [settings],
        }
        path = folder / "audit.yaml"
        path.write_text(yaml.safe_dump(plan))
        (folder / "temporary").mkdir(exist_ok=True)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(tempfile, "tempdir", str(folder / "temporary"))
            return countenance.run(path)

    return run
