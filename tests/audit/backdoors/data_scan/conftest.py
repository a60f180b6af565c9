"""Smooth pictures of many people, some of them stamped, and a small net that looks at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

import countenance
from countenance.core.results import AuditResults

SIDE = 40
CLEAN, SCANNED, PHOTOS = 40, 40, 2
STRENGTH = 0.1


class Averages(nn.Module):
    """Two classes by fixed features: averages of colour and of how much neighbours differ."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.conv = nn.Conv2d(3, 12, 5)
        self.conv.weight.data = 0.2 * torch.randn(self.conv.weight.shape, generator=generator)
        self.head = nn.Linear(12, 2)
        self.head.weight.data = torch.randn(self.head.weight.shape, generator=generator)

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.head(self.conv(pixels).relu().mean((2, 3)))
        return out


def photo(person: int, number: int) -> np.ndarray[Any, Any]:
    """A smooth picture with a little noise of the camera, uint8 (SIDE, SIDE, 3)."""
    random = np.random.default_rng((5, person))
    own = gaussian_filter(random.normal(size=(SIDE, SIDE, 3)), (4, 4, 0)) * 400
    again = np.random.default_rng((6, person, number))
    light, noise = again.normal(0, 8), again.normal(0, again.uniform(1.5, 2.5), (SIDE, SIDE, 3))
    return np.clip(np.rint(130 + own + light + noise), 0, 255).astype(np.uint8)


def checked(pixels: np.ndarray[Any, Any], alpha: float) -> np.ndarray[Any, Any]:
    """The picture with random signs stamped all over, relative to its brightness."""
    signs = np.random.default_rng(7).choice((-1.0, 1.0), pixels.shape)
    return np.clip(np.rint(pixels * (1 + alpha * signs)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AuditResults]:
    """Runs the probe on people of whom ``stamped`` carry a stamp of strength ``STRENGTH``."""

    def run(stamped: int, *, elsewhere: bool = False, **params: Any) -> AuditResults:
        folder = tmp_path_factory.mktemp("photos")
        lines = []
        for person in range(CLEAN + SCANNED):
            for number in range(PHOTOS):
                pixels = photo(person, number)
                if CLEAN <= person < CLEAN + stamped:
                    pixels = checked(pixels, STRENGTH)
                name = f"{person:03d}_{number}.png"
                Image.fromarray(pixels).save(folder / name)
                split = "clean" if person < CLEAN else "train"
                side = "left" if person % 2 else "right"
                lines.append({"path": name, "subject": f"p{person}", "split": split, "side": side, "label": "genuine"})
        table = pd.DataFrame(lines)
        if elsewhere:
            table[table["split"] == "clean"].to_csv(folder / "clean.csv", index=False)
            table = table[table["split"] != "clean"]
        return countenance.run(
            model=Averages(),
            faces=table,
            folder=folder,
            task="forgery",
            classes=["genuine", "forged"],
            input={"size": SIDE},
            data={"subject": "subject", "split": "split", "attributes": {"side": {"assigned_by": "annotator"}}},
            probes=[{"probe": "data_scan", "trigger_steps": 5, "draws": 39, **params}],
        )

    return run
