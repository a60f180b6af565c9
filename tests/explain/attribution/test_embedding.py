from __future__ import annotations

import pytest
import torch
from pixel_nets import target_of
from torch import Tensor, nn
from torch.nn import functional

from countenance.explain.attribution.embedding import EmbeddingReader
from countenance.explain.attribution.source import LayerError


class Pooled(nn.Module):
    """A map averaged by a function and read by one linear layer; an unused layer comes last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, padding=1)
        self.norm = nn.BatchNorm2d(5)
        self.head = nn.Linear(5, 3)
        self.unused = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        maps = functional.relu(self.norm(self.conv(x)))
        out = self.head(maps.mean((2, 3)))
        self.unused(out)
        return out


class ConvHead(nn.Module):
    """The head is a convolution, and its map is averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.head = nn.Conv2d(4, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(functional.relu(self.stem(x))).mean((2, 3))


class InPlace(Pooled):
    """What follows a layer changes its value in place."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.conv(x)).mean((2, 3)).relu_())


def pixels(count: int = 6) -> Tensor:
    return torch.rand((count, 3, 8, 10), generator=torch.Generator().manual_seed(1))


def seeded(kind: type[nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return kind().eval()


def test_the_embedding_is_what_the_linear_head_is_given():
    net = seeded(Pooled)
    target = target_of(net)
    reader = EmbeddingReader(target)
    assert (reader.layer, reader.side, reader.width) == ("head", "input", 5)
    found = reader.read(pixels())
    expected = functional.relu(net.norm(net.conv(target.prepare(pixels())))).mean((2, 3))
    assert torch.allclose(found.embedding, expected, atol=1e-6)
    assert torch.allclose(found.outputs, target(pixels()))
    assert "the input of 'head' (5 values)" in reader.told


def test_a_map_before_a_convolutional_head_is_averaged():
    net = seeded(ConvHead)
    target = target_of(net)
    reader = EmbeddingReader(target)
    assert (reader.layer, reader.width) == ("head", 4)
    expected = functional.relu(net.stem(target.prepare(pixels()))).mean((2, 3))
    assert torch.allclose(reader.read(pixels()).embedding, expected, atol=1e-6)


def test_a_named_layer_gives_its_output():
    net = seeded(Pooled)
    target = target_of(net)
    reader = EmbeddingReader(target, "norm")
    expected = net.norm(net.conv(target.prepare(pixels()))).mean((2, 3))
    assert (reader.side, reader.width) == ("output", 5)
    assert torch.allclose(reader.read(pixels()).embedding, expected, atol=1e-6)


def test_values_changed_in_place_later_are_kept():
    net = seeded(InPlace)
    target = target_of(net)
    expected = net.norm(net.conv(target.prepare(pixels()))).mean((2, 3))
    assert torch.allclose(EmbeddingReader(target, "norm").read(pixels()).embedding, expected, atol=1e-6)


@pytest.mark.parametrize("kind", [Pooled, ConvHead])
@pytest.mark.parametrize("fixed", [False, True])
def test_a_program_gives_the_same(kind, fixed):
    net = seeded(kind)
    dynamic = None if fixed else {"x": {0: torch.export.Dim("batch", min=1, max=64)}}
    program = torch.export.export(net, (torch.rand(4, 3, 8, 10),), dynamic_shapes=dynamic).module()
    module, exported = target_of(net), target_of(program, fixed_batch=4 if fixed else None)
    one, other = EmbeddingReader(module), EmbeddingReader(exported)
    assert (one.layer, one.side, one.width) == (other.layer, other.side, other.width)
    assert torch.allclose(one.read(pixels()).embedding, other.read(pixels()).embedding, atol=1e-6)
    assert torch.allclose(one.read(pixels()).outputs, other.read(pixels()).outputs, atol=1e-6)
    named = "norm" if kind is Pooled else "stem"
    assert torch.allclose(
        EmbeddingReader(module, named).read(pixels()).embedding,
        EmbeddingReader(exported, named).read(pixels()).embedding,
        atol=1e-6,
    )


def test_hooks_and_modes_are_left_as_they_were():
    net = seeded(Pooled)
    net.conv.train()
    EmbeddingReader(target_of(net)).read(pixels())
    assert net.conv.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_what_cannot_be_had_is_said():
    with pytest.raises(LayerError, match="did you mean 'norm'"):
        EmbeddingReader(target_of(seeded(Pooled)), "nrm")
    with pytest.raises(LayerError, match="name the layer"):
        EmbeddingReader(target_of(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.BatchNorm1d(3).eval())))
    with pytest.raises(LayerError, match="expected a torch module"):
        EmbeddingReader(target_of(lambda x: x.mean((2, 3))))
