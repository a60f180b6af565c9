from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from countenance.audit.robustness.attacks import FGSM, log_odds
from countenance.audit.robustness.attacks.objective import look

ROWS = np.arange(12)


def test_on_a_linear_model_it_is_the_worst_perturbation() -> None:
    """With margin <w, x> + b the worst change within eps moves the margin by exactly -eps times the sum of |w|."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn((3, 6, 6), dtype=torch.float64, generator=generator)
    pixels = 0.3 + 0.4 * torch.rand((12, 3, 6, 6), dtype=torch.float64, generator=generator)
    labels = torch.arange(12) % 2

    def scores(x: Tensor) -> Tensor:
        margin = (x * weights).sum((1, 2, 3))
        return torch.stack([margin / 2, -margin / 2], 1)

    eps = 0.05  # pixels stay within 0..1, so nothing is cut off
    found = FGSM()(scores, pixels, labels, ROWS, eps)
    gained = log_odds(scores(found.pixels), labels) - log_odds(scores(pixels), labels)
    torch.testing.assert_close(gained, (eps * weights.abs().sum()).expand(12))
    torch.testing.assert_close(found.loss_after, log_odds(scores(found.pixels), labels))
    torch.testing.assert_close(found.loss_start, log_odds(scores(pixels), labels))
    assert torch.equal(found.flipped, scores(found.pixels).argmax(1) != labels)
    assert not found.no_gradient.any()


def test_it_stays_within_eps_and_within_the_pixels_range() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    pixels = torch.rand((12, 3, 4, 4)).round(decimals=1)  # many at or near 0 and 1
    found = FGSM()(net, pixels, torch.zeros(12, dtype=torch.long), ROWS, 0.15)
    assert float(found.pixels.min()) >= 0
    assert float(found.pixels.max()) <= 1
    distance = (found.pixels.double() - pixels.double()).abs()
    assert float(distance.max()) <= 0.15 + 1e-6
    unclipped = (found.pixels > 0) & (found.pixels < 1)
    torch.testing.assert_close(distance[unclipped].float(), torch.full((int(unclipped.sum()),), 0.15))


class Scores(nn.Module):
    """The target in double precision, as another library is given it."""

    def __init__(self, target: Any) -> None:
        super().__init__()
        self.target = deepcopy(target)
        self.target.net.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.target.scores(x.double())


@pytest.mark.parametrize("eps", [1 / 255, 8 / 255])
def test_it_is_foolboxs_on_real_faces(london: Any, eps: float) -> None:
    """Foolbox computes in double precision here: its cross-entropy rounds too much in single (see below)."""
    foolbox = pytest.importorskip("foolbox")
    rows = np.arange(0, 204, 13)
    pixels, labels = london.pixels(rows), torch.from_numpy(london.labels[rows])
    model = foolbox.PyTorchModel(Scores(london.target).eval(), bounds=(0, 1))
    attack = foolbox.attacks.LinfFastGradientAttack()
    _, theirs, success = attack(model, pixels.double(), labels, epsilons=eps)
    ours = FGSM()(london.target.scores, pixels, labels, rows, eps)
    different = ((ours.pixels - theirs).abs() > 1e-6).float().mean((1, 2, 3))
    assert float(different.max()) < 1e-3  # where a gradient is all but zero its sign may differ
    assert torch.equal(ours.flipped, success)
    assert success.any()


def test_its_gradient_survives_single_precision_where_cross_entropys_does_not(london: Any) -> None:
    """On smiles that face_expression is sure of, a fifth of the signs of the float32 gradient are rounding."""
    rows = np.arange(0, 204, 13)
    pixels, labels = london.pixels(rows), torch.from_numpy(london.labels[rows])

    def gradient(scores: Any, x: Tensor) -> Tensor:
        x = x.clone().requires_grad_()
        (found,) = torch.autograd.grad(nn.functional.cross_entropy(scores(x), labels, reduction="sum"), x)
        return found.sign().float()

    exact = gradient(Scores(london.target), pixels.double())
    single = gradient(london.target.scores, pixels)
    ours = look(london.target.scores, pixels, labels).gradient
    assert float((single != exact).float().mean((1, 2, 3)).max()) > 0.1
    assert float((ours.sign() != exact).float().mean((1, 2, 3)).max()) < 1e-3
