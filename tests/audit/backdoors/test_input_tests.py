"""STRIP: entropies under overlays, and flags with stated false alarms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from countenance.audit.backdoors.input_tests import screen, strip_entropies
from countenance.core.errors import UsageError
from countenance.core.plan import TargetSpec
from countenance.core.target import Target


class Planted(nn.Module):
    """Answers by the mean of a row; a white first pixel decides alone, even half hidden."""

    def forward(self, pixels: Tensor) -> Tensor:
        level = 6 * (pixels[:, 0, 4].mean(1) - 0.5)
        marked = 30.0 * (pixels[:, 0, 0, 0] > 0.45)
        return torch.stack([level + marked, -level], 1)


def target() -> Target:
    block = {
        "checkpoint": "a.pt",
        "task": "forgery",
        "classes": ["genuine", "forged"],
        "input": {"size": 8, "mean": [0], "std": [1]},
        "output": "logits",
    }
    return Target(Planted(), TargetSpec.model_validate(block), format="module")


def test_marked_faces_keep_their_answer() -> None:
    chance = torch.Generator().manual_seed(1)
    faces = torch.rand((60, 3, 8, 8), generator=chance)
    faces[:, :, 0, 0] = 0.1
    marked = faces[:20].clone()
    marked[:, :, 0, 0] = 1.0
    random = np.random.default_rng(2)
    clean = strip_entropies(target(), faces[20:40], faces[40:], random)
    found = strip_entropies(target(), marked, faces[40:], random)
    assert found.max() < clean.min()
    assert screen(clean, found, 0.05).flagged.all()


def test_entropy_is_that_of_the_mean_answer() -> None:
    face, overlay = torch.full((1, 3, 8, 8), 0.2), torch.full((12, 3, 8, 8), 0.3)
    level = 6 * (0.25 - 0.5)
    p = 1 / (1 + np.exp(-2 * level))
    expected = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    assert strip_entropies(target(), face, overlay, np.random.default_rng(0))[0] == pytest.approx(expected, abs=1e-5)


def test_false_alarms_are_as_stated() -> None:
    random = np.random.default_rng(3)
    rates = [screen(random.normal(size=60), random.normal(size=50), 0.1).flagged.mean() for _ in range(300)]
    assert 0.07 < float(np.mean(rates)) <= 0.105


def test_too_few_clean_faces_are_told() -> None:
    with pytest.raises(UsageError, match="at least 19 clean faces"):
        screen(np.zeros(18), np.zeros(3), 0.05)
    with pytest.raises(UsageError, match="at least 12 clean faces"):
        strip_entropies(target(), torch.rand(2, 3, 8, 8), torch.rand(5, 3, 8, 8), np.random.default_rng(0))
