"""The embedding of a face: what the last layer with weights, the head of the classification, is given.

What a probe reads there, the head could read too, with one linear layer of its own. A map or tokens are averaged over
positions, as most heads do themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn
from torch.utils.hooks import RemovableHandle

from ...core.errors import nearest
from ...core.target import Target
from .graph import ProgramGraph, modules, operation
from .program import as_module, is_program
from .source import LayerError, differentiable, evaluating, frozen, one_output, plain

_HEADS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_HEAD_OPERATIONS = frozenset({"linear", "addmm", "mm", "matmul", "conv1d", "conv2d", "convolution", "_convolution"})
_CHANNELS_LAST = ("Linear", "LayerNorm", "linear", "addmm", "mm", "matmul", "layer_norm")
NO_HEAD = (
    "found no linear or convolutional layer on the way to the model's outputs: name the layer whose output is the "
    "embedding with `layer`"
)


@dataclass(frozen=True)
class Embedded:
    """Some faces as the net holds them before its head.

    Attributes:
        embedding: (n, d) float32, averaged over positions where the layer has any.
        outputs: (n, k) the net's raw outputs of the same pass.
    """

    embedding: Tensor
    outputs: Tensor


class EmbeddingReader:
    """Reads the embedding of faces from a model with layers; the net is left as it was between calls.

    Args:
        target: a torch module or an exported program.
        layer: dotted name of the layer whose *output* is the embedding; unless given, the embedding is the *input* of
            the last linear or convolutional layer that the outputs hang on.

    Attributes:
        layer: name of that layer.
        side: ``input`` or ``output`` of it.
        width: number of values d.

    Raises:
        LayerError: if the model has no layers, or none of that name.
    """

    def __init__(self, target: Target, layer: str | None = None) -> None:
        net = target.net
        height, width = target.size
        example = torch.rand((2, 3, height, width), generator=torch.Generator().manual_seed(0))
        self._target = target
        self._fixed = target.fixed_batch
        self.side: Literal["input", "output"] = "input" if layer is None else "output"
        if is_program(net):
            assert isinstance(net, fx.GraphModule)
            program = _ProgramEmbedding(net, layer)
            self._fixed = program.fixed_batch or self._fixed
            self.layer, self._read = program.name, program.read
        else:
            hooked = _ModuleEmbedding(as_module(net), target.prepare(example), layer)
            self.layer, self._read = hooked.name, hooked.read
        self.width = self.read(example).embedding.shape[1]

    @property
    def told(self) -> str:
        """The place in words: ``the input of 'fc' (256 values)``."""
        return f"the {self.side} of {self.layer!r} ({self.width:,} values)"

    def read(self, pixels: Tensor) -> Embedded:
        """Return embedding and outputs for pixels (n, 3, h, w), RGB 0 to 1."""
        prepared = self._target.prepare(pixels)
        size = self._fixed or len(prepared)
        parts = [self._part(prepared[start : start + size], size) for start in range(0, len(prepared), size)]
        return Embedded(torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts]))

    def _part(self, prepared: Tensor, size: int) -> tuple[Tensor, Tensor]:
        count = len(prepared)
        if count < size:
            prepared = torch.cat([prepared, prepared[-1:].expand(size - count, -1, -1, -1)])
        embedding, outputs = self._read(prepared)
        return embedding[:count].float(), outputs[:count].float()


def averaged(value: Tensor, *, channels_last: bool) -> Tensor:
    """Average a value (n, c, h, w), (n, h, w, c) or (n, t, c) over its positions; (n, d) stays.

    Raises:
        LayerError: for any other shape.
    """
    if value.ndim == 2:
        return value.clone()  # what follows may change it in place
    if value.ndim == 3:
        return value.mean(1)
    if value.ndim == 4:
        return value.mean((1, 2)) if channels_last else value.mean((2, 3))
    raise LayerError(f"expected a layer with values (n, d), tokens (n, t, d) or a map, but got {tuple(value.shape)}")


class _ModuleEmbedding:
    """Reads what goes into a module's head, or comes out of a named module, by a hook."""

    def __init__(self, net: nn.Module, example: Tensor, layer: str | None) -> None:
        self._net = net
        self._before = layer is None
        if layer is None:
            self.name = _head_of(net, example)
        else:
            known = [name for name, _ in net.named_modules() if name]
            if layer not in known:
                raise LayerError(f"the model has no layer {layer!r}{nearest(layer, known)}")
            self.name = layer
        self._module = net.get_submodule(self.name)
        self._last = isinstance(self._module, (nn.Linear, nn.LayerNorm))

    def read(self, prepared: Tensor) -> tuple[Tensor, Tensor]:
        found: list[Tensor] = []

        def keep(value: object) -> None:
            if isinstance(value, Tensor):
                found.append(averaged(value.detach(), channels_last=self._last))

        if self._before:
            handle = self._module.register_forward_pre_hook(lambda _, inputs: keep(inputs[0] if inputs else None))
        else:
            handle = self._module.register_forward_hook(lambda _, inputs, output: keep(output))
        try:
            with torch.inference_mode(False), torch.no_grad(), evaluating(self._net):
                outputs = one_output(self._net(plain(prepared)))
        finally:
            handle.remove()
        if not found or len(found[-1]) != len(prepared):
            raise LayerError(f"the layer {self.name!r} gives no values of single faces, or does not run at all")
        return found[-1], outputs


def _head_of(net: nn.Module, example: Tensor) -> str:
    """Return the name of the last linear or convolutional module that the outputs hang on."""
    calls: list[tuple[str, Tensor]] = []
    handles: list[RemovableHandle] = []

    def noting(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.requires_grad:
                calls.append((name, output))

        return hook

    try:
        for name, module in net.named_modules():
            if name and isinstance(module, _HEADS):
                handles.append(module.register_forward_hook(noting(name)))
        with differentiable(), frozen(net), evaluating(net):
            outputs = one_output(net(plain(example).clone().requires_grad_().clone()))
            if not calls or not outputs.requires_grad:
                raise LayerError(NO_HEAD)
            weighted = (outputs * torch.arange(1, outputs.shape[1] + 1, device=outputs.device)).sum()
            found = torch.autograd.grad(weighted, [value for _, value in calls], allow_unused=True)
    finally:
        for handle in handles:
            handle.remove()
    names = [name for (name, _), gradient in zip(calls, found, strict=True) if gradient is not None]
    if not names:
        raise LayerError(NO_HEAD)
    return names[-1]


class _ProgramEmbedding:
    """Reads the same from the graph of an exported program."""

    def __init__(self, net: fx.GraphModule, layer: str | None) -> None:
        self._graph = ProgramGraph(net)
        self.fixed_batch = self._graph.fixed_batch
        self._outputs = self._graph.nodes[-1].all_input_nodes[0]
        head = self._head() if layer is None else self._named(layer)
        ends = [path for path, _ in modules(head) if path]
        self.name = layer or (ends[-1] if ends else str(head.name))
        self._node = self._given_to(head) if layer is None else head
        kinds = {operation(head), *(kind for path, kind in modules(head) if path == self.name)}
        self._last = bool(kinds & set(_CHANNELS_LAST))

    def read(self, prepared: Tensor) -> tuple[Tensor, Tensor]:
        values = self._graph.read(prepared, [self._node, self._outputs])
        if self._node not in values or len(values[self._node]) != len(prepared):
            raise LayerError(f"the layer {self.name!r} gives no values of single faces")
        return averaged(values[self._node], channels_last=self._last), one_output(values[self._outputs])

    def _head(self) -> fx.Node:
        needed, waiting = set(), [self._outputs]
        while waiting:
            node = waiting.pop()
            if node not in needed:
                needed.add(node)
                waiting += node.all_input_nodes
        for node in reversed(self._graph.pixel_nodes):
            if node in needed and operation(node) in _HEAD_OPERATIONS:
                return node
        raise LayerError(NO_HEAD)

    def _given_to(self, head: fx.Node) -> fx.Node:
        """Return the node whose value of the pixels the head is given."""
        pixel_nodes = set(self._graph.pixel_nodes)
        return next(node for node in head.all_input_nodes if node in pixel_nodes)

    def _named(self, layer: str) -> fx.Node:
        node = self._graph.node_of(layer)
        if node is None:
            known = sorted({path for each in self._graph.pixel_nodes for path, _ in modules(each) if path})
            raise LayerError(f"the program has no layer {layer!r}{nearest(layer, known)}")
        return node
