"""How tensors lie over the picture, from their shapes and from what one patch changes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from countenance.core.errors import TargetError
from countenance.explain.attribution.capture import ModuleSource
from countenance.explain.attribution.source import LayerError
from countenance.explain.attribution.tokens import Layout, change_pixels, follows_cell, layout_of, probe_cell


@pytest.mark.parametrize(
    ("shape", "input_size", "grids", "expected"),
    [
        ((2, 256, 7, 7), (112, 112), [], Layout("channels first", (7, 7))),
        ((2, 128, 8, 6), (256, 192), [], Layout("channels first", (8, 6))),
        ((2, 7, 7, 768), (224, 224), [], Layout("channels last", (7, 7))),
        ((2, 8, 6, 96), (256, 192), [], Layout("channels last", (8, 6))),
        ((2, 8, 8, 8), (64, 64), [], Layout("channels first", (8, 8))),
        ((2, 512, 1, 1), (64, 64), [], None),
        ((2, 3, 197, 64), (224, 224), [], None),
        ((2, 197, 192), (224, 224), [(14, 14)], Layout("tokens", (14, 14), 1)),
        ((2, 198, 192), (224, 224), [(14, 14)], Layout("tokens", (14, 14), 2)),
        ((2, 261, 384), (224, 224), [(16, 16)], Layout("tokens", (16, 16), 5)),
        ((2, 49, 256), (224, 224), [(14, 14)], Layout("tokens", (7, 7))),
        ((2, 16, 384), (224, 224), [(14, 14)], Layout("tokens", (4, 4))),
        ((2, 3136, 32), (224, 224), [(56, 56), (7, 7)], Layout("tokens", (56, 56))),
        ((2, 25, 192), (96, 64), [(6, 4)], Layout("tokens", (6, 4), 1)),
        ((2, 300, 192), (224, 224), [(14, 14)], None),
        ((2, 197, 192), (224, 224), [], Layout("tokens", (14, 14), 1)),
        ((2, 25, 192), (96, 64), [], Layout("tokens", (6, 4), 1)),
        ((2, 1, 192), (224, 224), [(14, 14)], None),
        ((2, 7), (224, 224), [], None),
    ],
)
def test_layout_is_told_from_the_shape(
    shape: tuple[int, ...], input_size: tuple[int, int], grids: list[tuple[int, int]], expected: Layout | None
) -> None:
    assert layout_of(shape, input_size, grids) == expected


def test_a_layout_is_told_in_words() -> None:
    assert Layout("tokens", (14, 14), 1).text == "14 x 14 tokens after 1 class token"
    assert Layout("tokens", (14, 14)).text == "14 x 14 tokens, no class token"
    assert "after 5 tokens without a place" in Layout("tokens", (16, 16), 5).text
    assert Layout("channels last", (7, 7)).text == "7 x 7 positions, channels last"


def test_maps_keep_every_value_at_its_place() -> None:
    tokens = torch.arange(2 * 15 * 5).float().reshape(2, 15, 5)
    layout = Layout("tokens", (4, 3), 3)
    found = layout.as_map(tokens)
    assert found.shape == (2, 5, 4, 3)
    for row in range(4):
        for column in range(3):
            assert torch.equal(found[:, :, row, column], tokens[:, 3 + row * 3 + column])
    last = torch.arange(2 * 4 * 3 * 5).float().reshape(2, 4, 3, 5)
    assert torch.equal(Layout("channels last", (4, 3)).as_map(last)[1, 2], last[1, :, :, 2])
    with pytest.raises(TargetError, match=r"expected 15 tokens .* returned 14"):
        layout.as_map(tokens[:, 1:])


@pytest.mark.parametrize("grid", [(2, 2), (4, 4), (7, 7), (14, 14), (6, 4)])
def test_a_changed_cell_is_found_again_and_no_other(grid: tuple[int, int]) -> None:
    x = torch.rand((2, 3, grid[0] * 8, grid[1] * 8), generator=torch.Generator().manual_seed(0))
    cell = probe_cell(grid)
    changed = change_pixels(x, grid, cell)
    moved = (changed != x).any(1)
    assert moved[:, cell[0] * 8 : cell[0] * 8 + 8, cell[1] * 8 : cell[1] * 8 + 8].all()
    assert int(moved.sum()) == 2 * 64
    before, after = (torch.nn.functional.avg_pool2d(image, 8) for image in (x, changed))
    assert follows_cell(before, after, cell)
    assert not follows_cell(before.transpose(2, 3), after.transpose(2, 3), cell)
    assert not follows_cell(before.flip(3), after.flip(3), cell)
    assert not follows_cell(before, before, cell)


class Patches(nn.Module):
    """Patch embedding and a layer over tokens, which stand in some order."""

    def __init__(self, order: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.order = order
        self.patches, self.norm, self.head = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.patches(x)
        if self.order == "columns":
            maps = maps.transpose(2, 3)
        tokens = maps.flatten(2).transpose(1, 2)
        if self.order == "shuffled":
            tokens = tokens[:, torch.randperm(tokens.shape[1], generator=torch.Generator().manual_seed(1))]
        return self.head(self.norm(tokens).mean(1))


def test_tokens_row_by_row_are_explained_and_others_refused() -> None:
    x = torch.rand((2, 3, 24, 24), generator=torch.Generator().manual_seed(0))
    source = ModuleSource(Patches("rows").eval(), x)
    assert (source.layer_name, source.layout) == ("norm", Layout("tokens", (6, 6)))
    for order in ("columns", "shuffled"):
        with pytest.raises(LayerError, match="do not follow the picture row by row"):
            ModuleSource(Patches(order).eval(), x)
        with pytest.raises(LayerError, match="do not follow the picture row by row"):
            ModuleSource(Patches(order).eval(), x, "norm")


def test_tokens_of_an_unknown_grid_are_refused() -> None:
    class Pooled(Patches):
        """Thirteen tokens that are no grid of the picture."""

        def forward(self, x: Tensor) -> Tensor:
            tokens = torch.nn.functional.adaptive_avg_pool1d(self.patches(x).flatten(2), 25).transpose(1, 2)
            return self.head(self.norm(tokens).mean(1))

    x = torch.rand((2, 3, 24, 24), generator=torch.Generator().manual_seed(0))
    with pytest.raises(LayerError, match="unknown grid"):
        ModuleSource(Pooled("rows").eval(), x)
    with pytest.raises(LayerError, match=r"'norm' to return .* tokens .* returns \(2, 25, 8\)"):
        ModuleSource(Pooled("rows").eval(), x, "norm")


def test_tokens_that_attention_mixes_before_a_module_returns_any_are_seen_at_its_input() -> None:
    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
            self.patches, self.head = nn.Conv2d(3, 16, 6, 6), nn.Linear(16, 4)
            self.encoder = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.encoder(self.patches(x).flatten(2).transpose(1, 2)).mean(1))

    x = torch.rand((2, 3, 24, 24), generator=torch.Generator().manual_seed(0))
    source = ModuleSource(Encoder().eval(), x)
    assert (source.layer_name, source.layout) == ("encoder", Layout("tokens", (4, 4)))
