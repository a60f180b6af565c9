from __future__ import annotations

import torch
from torch import nn

from countenance.audit.robustness.attacks.objective import (
    answers_right,
    has_answer,
    log_odds,
    look,
)


def test_log_odds_are_those_of_the_softmax() -> None:
    logits = torch.randn((20, 5), dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
    labels = torch.arange(20) % 5
    p = logits.softmax(1)[torch.arange(20), labels]
    torch.testing.assert_close(log_odds(logits, labels), ((1 - p) / p).log())
    cross_entropy = nn.functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(nn.functional.softplus(log_odds(logits, labels)), cross_entropy)


def test_gradient_points_where_that_of_cross_entropy_does() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.Tanh(), nn.Linear(16, 4)).double()
    pixels = torch.rand((6, 3, 4, 4), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    gradient = look(net, pixels, labels).gradient
    points = pixels.clone().requires_grad_()
    (expected,) = torch.autograd.grad(nn.functional.cross_entropy(net(points), labels, reduction="sum"), points)
    cosine = nn.functional.cosine_similarity(gradient.flatten(1), expected.flatten(1))
    torch.testing.assert_close(cosine, torch.ones(6, dtype=torch.float64))


def test_large_logits_do_not_hide_the_gradient() -> None:
    """Scaled by 10,000, cross-entropy's gradient underflows to zero in float32; the log odds' does not."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    pixels = torch.rand((8, 3, 4, 4))
    with torch.no_grad():
        labels = net(pixels).argmax(1)
    points = pixels.clone().requires_grad_()
    (masked,) = torch.autograd.grad(nn.functional.cross_entropy(10_000 * net(points), labels, reduction="sum"), points)
    hidden = masked.abs().amax((1, 2, 3)) == 0
    assert hidden.any()
    seen = look(lambda x: 10_000 * net(x), pixels, labels)
    gradient, plain = seen.gradient, look(net, pixels, labels).gradient
    assert seen.right.all()
    assert not seen.no_gradient.any()
    assert (gradient.abs().amax((1, 2, 3)) > 0).all()
    # With logits this large only the runner-up counts: the direction is that of the margin to it.
    agreement = (gradient.sign() == plain.sign()).float().mean((1, 2, 3))
    assert (agreement > 0.5).all()


def test_outputs_that_rank_nothing_are_no_answer() -> None:
    nan, inf = float("nan"), float("inf")
    logits = torch.tensor([[2.0, 1.0], [nan, 1.0], [1.0, nan], [inf, 0.0], [0.0, -inf], [-inf, -inf]])
    labels = torch.zeros(6, dtype=torch.long)
    assert has_answer(logits).tolist() == [True, False, False, False, True, False]
    assert answers_right(logits, labels).tolist() == [True, False, False, False, True, False]


def test_gradients_that_are_not_finite_are_marked_and_zero() -> None:
    def scores(pixels: torch.Tensor) -> torch.Tensor:
        first = pixels.mean((1, 2, 3))
        return torch.stack([first, (first - first.detach()).sqrt()], 1)  # the root's gradient at 0 is infinite

    seen = look(scores, torch.rand((2, 3, 4, 4)), torch.tensor([0, 1]))
    assert seen.not_finite.all()
    assert seen.no_gradient.all()
    assert (seen.gradient == 0).all()
