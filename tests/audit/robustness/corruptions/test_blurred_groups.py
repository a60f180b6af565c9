"""Nets that lose one group under blur: one made so, and one trained so, of which the docs have a long study."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from countenance.core.probes import ProbeContext
from countenance.synth.dataset import DrawnCrops, draw_crops
from countenance.synth.demo import shipped
from countenance.synth.nets import load_net


@pytest.fixture(scope="module")
def study(root: Path) -> Iterator[Any]:
    if not (root / "benchmarks" / "studies").is_dir():
        pytest.skip("the benchmarks are in the repository, not in the package")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root))
        yield import_module("benchmarks.studies.blurred_groups")
    for name in [name for name in sys.modules if name.startswith("benchmarks")]:
        del sys.modules[name]


class LosesDarkUnderBlur(nn.Module):
    """Answers neutral to dark faces without fine detail, and as the demonstration's net to all others."""

    def __init__(self, crops: DrawnCrops) -> None:
        super().__init__()
        self.net = load_net(shipped("twin.safetensors"))
        pixels = torch.from_numpy(crops.pixels).permute(0, 3, 1, 2).float() / 255
        dark = np.array([face.person.look.skin_tone == "dark" for face in crops.faces])
        tone, detail = self.tone(pixels), self.detail(pixels)
        self.darkest = float((tone[dark].max() + tone[~dark].min()) / 2)
        self.sharpest = float(detail[dark].quantile(0.1))

    @staticmethod
    def tone(pixels: Tensor) -> Tensor:
        return pixels[:, 0, 50:62, 30:66].mean((1, 2))  # the red of nose and cheeks

    @staticmethod
    def detail(pixels: Tensor) -> Tensor:
        return (pixels - F.avg_pool2d(pixels, 3, 1, 1)).abs().mean((1, 2, 3))

    def forward(self, given: Tensor) -> Tensor:
        pixels = given * 0.25 + 0.5
        lost = (self.tone(pixels) < self.darkest) & (self.detail(pixels) < self.sharpest)
        neutral = 20 * F.one_hot(torch.zeros(len(given), dtype=torch.int64), 7).float()
        return torch.where(lost[:, None], neutral, self.net(given))


def test_a_group_lost_under_blur_is_found(study: Any, make_context: Callable[..., ProbeContext]) -> None:
    """The net it is made of was not trained on blur and loses groups a little unevenly; the study has a true twin."""
    crops = draw_crops(45, 7, 815, 96, size=128)
    tones = np.array([face.person.look.skin_tone for face in crops.faces])

    def lost_more(scored: dict[str, Any]) -> float:
        under_blur = scored["corruptions/lost@corruption=blur"]
        dark = tones[under_blur.rows] == "dark"
        share = [under_blur.values[of].sum() / under_blur.weights[of].sum() for of in (dark, ~dark)]
        return float(share[0] - share[1])

    planted, scored = study.audit(make_context(LosesDarkUnderBlur(crops), crops))
    assert study.shown(planted, "skin_tone")
    claims = [finding.claim for finding in planted.findings if "skin_tone" in finding.id]
    assert any("blur" in claim and "higher for dark" in claim for claim in claims)
    _, of_twin = study.audit(make_context(load_net(shipped("twin.safetensors")), crops))
    assert lost_more(scored) > 0.2
    assert lost_more(scored) > lost_more(of_twin) + 0.1


@pytest.mark.slow
def test_a_net_trained_so_is_found_and_its_twin_is_not_flagged(study: Any) -> None:
    row = {name.cell: told for name, told in study.simulate(0).items()}
    assert row[f"planted: {study.EXPOSED}"] == row[f"planted: {study.RIGHT_GROUP}"] == 1
    assert row[f"twin: {study.EXPOSED}"] == 0
    assert row[f"planted: {study.RANDOM}"] == row[f"twin: {study.RANDOM}"] == 0
    assert row[f"planted: {study.BLURRED}"] > row[f"planted: {study.REST}"] + 0.08
