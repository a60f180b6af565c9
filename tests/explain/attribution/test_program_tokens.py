"""Exported programs of small nets with tokens, or with layers whose last operation only moves values."""

from __future__ import annotations

import pytest
import torch
from timm_nets import exported
from torch import Tensor, nn

from countenance.explain.attribution.capture import ModuleSource
from countenance.explain.attribution.program import ProgramSource
from countenance.explain.attribution.source import LayerError
from countenance.explain.attribution.tokens import Layout

X = torch.rand((3, 3, 24, 24), generator=torch.Generator().manual_seed(0))


class Patches(nn.Module):
    """Patch embedding by a function, two norms over tokens; the tokens stand in rows or in columns."""

    def __init__(self, rows: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rows = rows
        self.patches, self.first, self.last = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8), nn.LayerNorm(8)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.patches(x) if self.rows else self.patches(x).transpose(2, 3)
        tokens = maps.flatten(2).transpose(1, 2)
        tokens = tokens + tokens.mean(1, keepdim=True)  # mixes all tokens before a module returns any
        return self.head(self.last(tokens + self.first(tokens)).mean(1))


class ChannelNorm(nn.LayerNorm):
    """Norm over the channels of a map, which ends in a permutation, as in ConvNeXt."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def same_capture(net: nn.Module, layer: str | None = None) -> tuple[ModuleSource, ProgramSource]:
    module, program = ModuleSource(net, X[:2], layer), ProgramSource(exported(net, X), layer)
    ours, expected = (source.capture(X, lambda outputs: outputs[:, 1].sum()) for source in (program, module))
    torch.testing.assert_close((ours.features, ours.gradients), (expected.features, expected.gradients))
    assert float(expected.gradients.abs().max()) > 0
    return module, program


def test_tokens_of_a_program_are_found_and_their_order_is_seen_between_its_modules() -> None:
    module, program = same_capture(Patches().eval())
    assert module.layer_name == program.layer_name == "last"
    assert module.layout == program.layout == Layout("tokens", (6, 6))
    assert not program.bypassed(X)
    _, named = same_capture(Patches().eval(), "first")
    assert named.bypassed(X), "the sum goes past it"


def test_tokens_in_columns_are_refused_in_a_program_too() -> None:
    graph = exported(Patches(rows=False).eval(), X)
    for layer in (None, "last"):
        with pytest.raises(LayerError, match="do not follow the picture row by row"):
            ProgramSource(graph, layer)


def test_a_norm_that_ends_in_a_permutation_is_a_layer() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.ReLU(), ChannelNorm(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)
    ).eval()
    module, program = same_capture(net)
    assert module.layer_name == program.layer_name == "2"


def test_a_program_that_names_no_modules_is_read_by_its_nodes() -> None:
    graph = exported(Patches().eval(), X)
    for node in graph.graph.nodes:
        node.meta.pop("nn_module_stack", None)
    program = ProgramSource(graph)
    assert program.layout == Layout("tokens", (6, 6))
    expected = ModuleSource(Patches().eval(), X[:2]).capture(X, lambda outputs: outputs[:, 1].sum())
    found = program.capture(X, lambda outputs: outputs[:, 1].sum())
    torch.testing.assert_close(found.features, expected.features)
