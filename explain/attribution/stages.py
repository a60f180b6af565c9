"""Maps at several depths of a net: the last of each resolution, and blocks spread over a transformer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, fx

from ...core.errors import nearest
from ...core.target import Target
from .capture import read_modules, see_module
from .graph import ProgramGraph
from .layers import Seen, named_place
from .program import as_module, is_program
from .source import LayerError
from .tokens import Grid, Layout

SPREAD = 4
"""Blocks taken of a transformer that keeps one resolution."""


def stage_layers(net: object, example: Tensor) -> list[str]:
    """Return names of layers whose maps stand for the depths of a net, in the order in which they are computed.

    That is the last map of each resolution that does not lie inside a block which changes it, of modules with one
    value the outermost. Of tokens that keep one resolution, with several blocks of one name (``blocks.0``,
    ``blocks.1``, ...), up to four blocks are taken, spread over depth.
    Left out are the map of the classes themselves and maps the outputs do not hang on.

    Args:
        net: a ``torch.nn.Module`` or the module of an exported program; left as it was.
        example: ``(n, c, h, w)`` an input of the right size.

    Raises:
        LayerError: if the net has no map, or gives no gradient.
    """
    seen, outputs = _see(net, example)
    maps = [
        item
        for item in seen
        if item.layout is not None and not item.passive and item.kind != "Linear" and item.channels != outputs
    ]
    maps = [item for item in maps if item.gradient is not None]
    if not maps:
        raise LayerError("found no map with more than one position at any depth of the net")
    known = {item.name: item for item in seen}
    token_grids = {_grid(item) for item in maps if item.layout is not None and item.layout.kind == "tokens"}
    chosen: set[str] = set()
    for grid in {_grid(item) for item in maps}:
        here = [item for item in maps if _grid(item) == grid]
        last = ([item for item in here if not _inside_change(item, known)] or here)[-1]
        blocks = _blocks([item for item in here if item.channels == last.channels])
        chosen.update(_spread(blocks) if token_grids == {grid} and len(blocks) > 1 else [last.name])
    order = {item.name: index for index, item in enumerate(maps)}
    return sorted(chosen, key=order.__getitem__)


class StageReader:
    """Reads the maps of several layers from one forward pass.

    Args:
        net: a ``torch.nn.Module`` or the module of an exported program; left as it was between calls.
        example: ``(n, c, h, w)`` an input of the right size.
        names: of the layers.

    Raises:
        LayerError: if there is no such layer, or it returns no map.
    """

    def __init__(self, net: object, example: Tensor, names: Sequence[str]) -> None:
        self._names = tuple(dict.fromkeys(names))
        self._module = as_module(net)
        self._graph = _graph(net)
        self._fixed_batch = self._graph.fixed_batch if self._graph is not None else None
        seen, _ = _see(net, example)
        known = {item.name: item for item in seen}
        missing = next((name for name in self._names if name not in known), None)
        if missing is not None:
            raise LayerError(f"the net has no layer {missing!r} that returns a map{nearest(missing, known)}")
        self.layouts: dict[str, Layout] = {
            name: named_place(name, known[name].shape, seen).layout for name in self._names
        }

    def read(self, net_input: Tensor) -> dict[str, Tensor]:
        """Return the maps ``(n, c, h, w)`` by name for inputs ``(n, c, h, w)`` as the net takes them."""
        size = self._fixed_batch or len(net_input)
        parts = [self._read(net_input[at : at + size], size) for at in range(0, len(net_input), size)]
        return {
            name: torch.cat([self.layouts[name].as_map(part[name]) for part in parts])[: len(net_input)]
            for name in self._names
        }

    def _read(self, net_input: Tensor, size: int) -> dict[str, Tensor]:
        missing = size - len(net_input)
        if missing:
            net_input = torch.cat([net_input, net_input[-1:].expand(missing, -1, -1, -1)])
        if self._graph is None:
            return read_modules(self._module, net_input, self._names)
        nodes = {name: self._graph.node_of(name) for name in self._names}
        values = self._graph.read(net_input, [node for node in nodes.values() if node is not None])
        return {name: values[node] for name, node in nodes.items() if node is not None}


def features_at(target: Target, pixels: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Return the maps ``(n, c, h, w)`` of several layers of a target, by name.

    For many batches make one :class:`StageReader` and keep it: this looks at the net anew each time.

    Args:
        target: the model under audit.
        pixels: ``(n, 3, h, w)`` RGB 0..1 at the target's input size.
        names: of the layers, e.g. from :func:`stage_layers`.

    Raises:
        LayerError: if there is no such layer, or it returns no map.
    """
    prepared = target.prepare(pixels)
    example = prepared[:2]
    if target.fixed_batch is not None and len(example) != target.fixed_batch:
        example = prepared[:1].expand(target.fixed_batch, -1, -1, -1)
    return StageReader(target.net, example, names).read(prepared)


def _see(net: object, example: Tensor) -> tuple[list[Seen], int]:
    graph = _graph(net)
    if graph is not None:
        return graph.see(example), graph.output_width
    return see_module(as_module(net), example)


def _graph(net: object) -> ProgramGraph | None:
    if not is_program(net):
        return None
    assert isinstance(net, fx.GraphModule)
    return ProgramGraph(net)


def _grid(item: Seen) -> Grid:
    assert item.layout is not None
    return item.layout.grid


def _inside_change(item: Seen, known: Mapping[str, Seen]) -> bool:
    """Tell whether a map is an inner step of a block that returns another resolution; a sequence is no block."""
    parts = item.name.split(".")
    around = [known.get(".".join(parts[:depth])) for depth in range(1, len(parts))]
    return any(
        outer is not None and outer.layout is not None and outer.kind != "Sequential" and _grid(outer) != _grid(item)
        for outer in around
    )


def _blocks(maps: Sequence[Seen]) -> list[str]:
    """Return the outermost modules among maps that differ by a number alone, in order; empty if there are none."""
    families: dict[str, list[str]] = {}
    for item in maps:
        if re.search(r"\d", item.name):
            families.setdefault(re.sub(r"\d+", "#", item.name), []).append(item.name)
    several = [list(dict.fromkeys(names)) for names in families.values() if len(set(names)) > 1]
    return min(several, key=lambda names: names[0].count("."), default=[])


def _spread(names: Sequence[str]) -> list[str]:
    """Choose up to four, the last among them, at equal steps of depth."""
    count = min(SPREAD, len(names))
    return [names[round((step + 1) * len(names) / count) - 1] for step in range(count)]
