"""The loss: against its definition, its gradient, and what training with it does to a small net."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from countenance.core.errors import UsageError
from countenance.explain.canonical import canonical_face
from countenance.explain.units.codebook import published_codebook
from countenance.explain.units.loss import AlignmentKind, alignment_loss, training_maps

KINDS: tuple[AlignmentKind, ...] = ("cosine", "pearson", "l1")
BOOK = published_codebook("belharbi2024")


def drawn(faces: int, size: int, seed: int = 0) -> Tensor:
    return torch.rand(faces, size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_what_its_definition_says(kind: AlignmentKind) -> None:
    """Face by face in NumPy, on maps of the features' own size."""
    features = drawn(6, 5).reshape(2, 3, 5, 5)
    maps = drawn(2, 5, 1)
    wanted = []
    for face, seen in zip(features.numpy(), maps.numpy(), strict=True):
        attention = face.mean(axis=0).ravel()
        target = seen.ravel()
        if kind == "cosine":
            wanted.append(1 - attention @ target / np.linalg.norm(attention) / np.linalg.norm(target))
        elif kind == "pearson":
            wanted.append(1 - np.corrcoef(attention, target)[0, 1])
        else:
            one, other = ((x - x.min()) / (x.max() - x.min()) for x in (attention, target))
            wanted.append(np.abs(one - other).mean())
    found = alignment_loss(features, maps, torch.ones(2, dtype=torch.bool), kind)
    assert float(found) == pytest.approx(float(np.mean(wanted)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_right(kind: AlignmentKind) -> None:
    features = drawn(8, 4, 2).reshape(2, 4, 4, 4).requires_grad_()
    maps, valid = drawn(2, 9, 3), torch.tensor([True, True])
    assert torch.autograd.gradcheck(lambda x: alignment_loss(x, maps, valid, kind), (features,))


@pytest.mark.parametrize("kind", KINDS)
def test_attention_equal_to_the_map_costs_nothing(kind: AlignmentKind) -> None:
    maps = drawn(2, 6)
    assert float(alignment_loss(maps[:, None] * 3, maps, torch.ones(2), kind)) == pytest.approx(0, abs=1e-9)


def test_faces_without_a_map_do_not_count() -> None:
    features = drawn(6, 5).reshape(2, 3, 5, 5).requires_grad_()
    maps = drawn(2, 5, 1)
    maps[1] = torch.nan
    found = alignment_loss(features, maps, torch.tensor([True, False]))
    alone = alignment_loss(features[:1], maps[:1], torch.tensor([True]))
    assert float(found.detach()) == pytest.approx(float(alone.detach()))
    (gradient,) = torch.autograd.grad(found, features)
    assert torch.isfinite(gradient).all()
    assert not gradient[1].any()
    nothing = alignment_loss(features, maps, torch.zeros(2, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(nothing, features)
    assert float(nothing.detach()) == 0
    assert not gradient.any()


def test_a_dead_layer_gives_a_finite_gradient() -> None:
    features = torch.zeros(1, 3, 4, 4, requires_grad=True)
    for kind in KINDS:
        (gradient,) = torch.autograd.grad(alignment_loss(features, torch.rand(1, 8, 8), torch.ones(1), kind), features)
        assert torch.isfinite(gradient).all()


def test_shapes_and_kinds_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match=r"\(2, 3, 4, 4\), \(3, 8, 8\) and \(2,\)"):
        alignment_loss(torch.rand(2, 3, 4, 4), torch.rand(3, 8, 8), torch.ones(2))
    with pytest.raises(UsageError, match="but got 'l2'"):
        alignment_loss(torch.rand(1, 3, 4, 4), torch.rand(1, 8, 8), torch.ones(1), "l2")  # type: ignore[arg-type]


def test_maps_to_train_with() -> None:
    face = canonical_face(68).shape * 20 + (31.5, 25)
    points = np.stack([face, face, face, np.full((68, 2), np.nan), face + 500])
    maps, valid = training_maps(points, ["happy", "neutral", "fear", "happy", "happy"], BOOK, (64, 64))
    assert valid.tolist() == [True, False, True, False, False]
    assert maps.shape == (5, 64, 64)
    assert float(maps[1].abs().max()) == 0
    assert torch.isfinite(maps).all()
    assert float(maps[0].max()) == 1
    assert not torch.equal(maps[0], maps[2])


class TwoPlaces(nn.Module):
    """Learns from a mark on the mouth, or equally well from one in a corner."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(2, 8, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(x)
        return self.head(features.mean(dim=(2, 3))), features


def test_training_with_it_moves_attention_and_keeps_the_answers() -> None:
    """Both marks tell the class. Without the loss the net responds to both; with it to the one where the map lies."""
    torch.manual_seed(0)
    labels = torch.arange(64) % 2
    pictures = 0.1 * torch.rand(64, 2, 12, 12)
    pictures[torch.arange(64), labels, 8:10, 4:8] += 1  # the mouth
    pictures[torch.arange(64), labels, 0:2, 0:4] += 1  # the corner
    maps = torch.zeros(64, 12, 12)
    maps[:, 8:10, 4:8] = 1
    found = {}
    for weight in (0.0, 4.0):
        torch.manual_seed(1)
        net = TwoPlaces()
        optimiser = torch.optim.Adam(net.parameters(), lr=0.02)
        for _ in range(120):
            logits, features = net(pictures)
            loss = functional.cross_entropy(logits, labels)
            loss = loss + weight * alignment_loss(features, maps, torch.ones(64))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        logits, features = net(pictures)
        found[weight] = (
            float((logits.argmax(1) == labels).float().mean()),
            1 - float(alignment_loss(features.detach(), maps, torch.ones(64))),
        )
    assert found[0.0][0] == found[4.0][0] == 1.0
    assert found[4.0][1] > found[0.0][1] + 0.1
