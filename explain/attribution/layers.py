"""Find the layer of a net whose map explains its outputs: the last one with positions that they still hang on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .source import LayerError, differentiable
from .tokens import Layout, change_pixels, follows_cell, layout_of, probe_cell

PASSIVE = (
    nn.Identity,
    nn.Flatten,
    nn.Unflatten,
    nn.Dropout,
    nn.Dropout2d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
    nn.ConstantPad2d,
    nn.ZeroPad2d,
    nn.ReflectionPad2d,
    nn.ReplicationPad2d,
    nn.CircularPad2d,
    nn.Softmax,
)
"""Modules that move values about without computing features."""

PASSIVE_NAMES = frozenset(kind.__name__ for kind in PASSIVE)
"""Names of these modules, for a program, which knows its modules by name only."""

TOKENS = (
    "token maps of an unknown grid follow the last feature map, as in some transformers; "
    "name a layer with a known grid to explain by that"
)
NO_GRADIENT = "no gradient flows from the model's outputs to its input: it cannot be explained by one"
ZERO_GRADIENT = (
    "the gradient of the model's outputs is zero at every layer, as in a net whose last layer still holds zeros: "
    "there is nothing to find a layer by, nor to explain"
)
NO_MAP = (
    "found no feature map (n, channels, height, width) with more than one position between the model's "
    "input and its outputs: name the layer with `layer`, if there is one"
)

Reader = Callable[[Tensor], Tensor]
"""Gives the raw value of a layer for a net input."""


@dataclass(frozen=True)
class Value:
    """A tensor that a named layer returned.

    Attributes:
        name: of the layer.
        kind: name of the layer's class.
        passive: whether the layer only moves values about.
        value: the tensor, part of the graph.
    """

    name: str
    kind: str
    passive: bool
    value: Tensor


@dataclass(frozen=True)
class Seen:
    """What was seen of a layer in one forward and one backward pass, as :class:`Value` with what follows from it.

    Attributes:
        name: of the layer.
        kind: name of the layer's class.
        passive: whether the layer only moves values about.
        shape: of its value, batch included.
        layout: how that lies over the picture, None if it does not.
        gradient: of the outputs at it, None if they do not hang on it.
    """

    name: str
    kind: str
    passive: bool
    shape: tuple[int, ...]
    layout: Layout | None
    gradient: Tensor | None

    @property
    def channels(self) -> int:
        """Number of channels, 0 without a layout."""
        return self.layout.channels(self.shape) if self.layout is not None else 0

    def touched(self) -> float:
        """Return the share of positions 0..1 at which some gradient is not zero."""
        if self.gradient is None or self.layout is None:
            return 0.0
        return float((self.layout.as_map(self.gradient) != 0).any(dim=1).float().mean())


@dataclass(frozen=True)
class Place:
    """A layer to explain by.

    Attributes:
        name: of the layer.
        layout: how its value lies over the picture.
    """

    name: str
    layout: Layout


def see(values: Sequence[Value], outputs: Tensor, batch: int, input_size: tuple[int, int]) -> list[Seen]:
    """Find layout and gradient of the values of one pass, in the order in which they were computed.

    Args:
        values: that require gradients or not; those of another batch size, such as windows, are left out.
        outputs: ``(n, k)`` of the same pass.
        batch: n.
        input_size: height and width of the net's input.

    Raises:
        LayerError: if no gradient flows, or it is zero everywhere.
    """
    if not outputs.requires_grad:
        raise LayerError(NO_GRADIENT)
    usable = [item for item in values if item.value.ndim in (3, 4) and item.value.shape[0] == batch]
    usable = [item for item in usable if item.value.requires_grad]
    gradients = _gradients(outputs, [item.value for item in usable])
    if any(gradient is not None for gradient in gradients) and not any(
        gradient is not None and bool(gradient.count_nonzero()) for gradient in gradients
    ):
        raise LayerError(ZERO_GRADIENT)
    grids: list[tuple[int, int]] = []
    seen = []
    for item, gradient in zip(usable, gradients, strict=True):
        shape = tuple(item.value.shape)
        layout = layout_of(shape, input_size, grids)
        if layout is not None and layout.kind != "tokens" and not item.passive and layout.grid not in grids[-1:]:
            grids.append(layout.grid)
        seen.append(Seen(item.name, item.kind, item.passive, shape, layout, gradient))
    return seen


def residual_maps(seen: Sequence[Seen], outputs: int) -> tuple[list[Seen], bool]:
    """Keep the layers whose maps may explain, and tell whether the net has tokens.

    Left out are layers that only move values, maps of the classes themselves and, in a net with tokens, what is
    not of the residual stream: outputs of linear layers, and maps of another width than the last tokens.

    Args:
        seen: as :func:`see` returns it.
        outputs: number of outputs k.
    """
    maps = [
        item
        for item in seen
        if item.layout is not None and not item.passive and item.channels != outputs and item.gradient is not None
    ]
    tokens = [item for item in maps if _is_tokens(item) and item.kind != "Linear"]
    if not tokens:
        return [item for item in maps if not _is_tokens(item)], False
    return [item for item in maps if item.channels == tokens[-1].channels and item.kind != "Linear"], True


def choose(seen: Sequence[Seen], outputs: int) -> Seen:
    """Choose the layer to explain by: the last map on whose positions the outputs still hang.

    With tokens at least a quarter of the positions must have a gradient: behind a class token the last tokens of
    the picture have none, and the choice falls on the last block's first norm.

    Raises:
        LayerError: if there is none, or tokens of an unknown grid follow it.
    """
    maps, tokens = residual_maps(seen, outputs)
    least = 0.25 if tokens else 0.0
    found = next((item for item in reversed(maps) if item.touched() > 0 and item.touched() >= least), None)
    unknown = [item for item in seen if item.layout is None and _many_tokens(item) and _reached(item)]
    if unknown and (found is None or seen.index(unknown[-1]) > seen.index(found)):
        raise LayerError(TOKENS)
    if found is None:
        raise LayerError(NO_MAP)
    return found


def read_tokens(seen: Sequence[Seen], layout: Layout) -> tuple[int, ...]:
    """Return which tokens the head reads: those of the last token map that have a gradient, in order.

    Args:
        seen: as :func:`see` returns it.
        layout: of the tokens.
    """
    same = [item for item in seen if item.layout == layout and item.kind != "Linear" and _reached(item)]
    if not same:
        return ()
    gradient = same[-1].gradient
    assert gradient is not None
    return tuple(torch.nonzero((gradient != 0).flatten(2).any(dim=2).any(dim=0)).flatten().tolist())


def check_order(seen: Sequence[Seen], example: Tensor, reader: Callable[[str], Reader]) -> None:
    """Check that the first tokens follow the picture in rows: pixels of one cell change the token of that cell.

    What a net does to their order further on, as Hiera does between its first and its last blocks, is not seen.

    Args:
        seen: as :func:`see` returns it.
        example: ``(n, c, h, w)`` the net's input.
        reader: returns the reader of a layer's raw values.

    Raises:
        LayerError: if another token changes.
    """
    tokens = [item for item in seen if _is_tokens(item) and _reached(item)]
    widths = {item.channels for item in tokens if not item.passive}
    # Of another width may be a flattened map, whose channels stand where tokens would.
    first = next((item for item in tokens if item.channels in widths), None)
    if first is None or first.layout is None:
        return
    cell = probe_cell(first.layout.grid)
    read, layout = reader(first.name), first.layout
    before = layout.as_map(read(example))
    after = layout.as_map(read(change_pixels(example, layout.grid, cell)))
    if not follows_cell(before, after, cell):
        raise LayerError(
            f"the tokens of {first.name!r} do not follow the picture row by row ({layout.text} were expected): "
            "their places are unknown"
        )


def named_place(name: str, shape: tuple[int, ...], seen: Sequence[Seen]) -> Place:
    """Return the place of a named layer; a map whose proportions are odd is taken as channels first.

    Raises:
        LayerError: if its value has no positions.
    """
    layout = next((item.layout for item in reversed(seen) if item.name == name), None)
    if layout is None and len(shape) == 4 and shape[2] * shape[3] > 1:
        layout = Layout("channels first", (shape[2], shape[3]))
    if layout is None:
        raise not_a_map(name, shape)
    return Place(name, layout)


def not_a_map(name: str, shape: tuple[int, ...]) -> LayerError:
    """Say that a named layer returns no map."""
    return LayerError(
        f"expected the layer {name!r} to return a feature map (n, channels, height, width) or tokens with more "
        f"than one position, but it returns {shape}"
    )


def _gradients(outputs: Tensor, values: Sequence[Tensor]) -> list[Tensor | None]:
    if not values:
        return []
    with differentiable():
        # Not their sum: probabilities add up to one whatever the input.
        weighted = outputs * torch.arange(1, outputs.shape[1] + 1, device=outputs.device)
        return list(torch.autograd.grad(weighted.sum(), list(values), allow_unused=True))


def _is_tokens(item: Seen) -> bool:
    return item.layout is not None and item.layout.kind != "channels first"


def _reached(item: Seen) -> bool:
    return item.gradient is not None and bool(item.gradient.count_nonzero())


def _many_tokens(item: Seen) -> bool:
    return not item.passive and len(item.shape) == 3 and item.shape[1] > 1 and item.shape[2] > 1
