"""Which operations a net computes inside which of its modules, read from the graph that autograd builds.

Methods that change what a module passes back (guided backpropagation, DeepLIFT, LRP) see modules only. What runs
outside them they leave as it is, and return, without a word, something else than their name says. The graph holds
every operation, by whatever way it was called.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from .source import differentiable, evaluating, frozen, one_output

LAYOUT = frozenset(
    {
        "Alias",
        "AsStrided",
        "Cat",
        "Clone",
        "ConstantPadNd",
        "Contiguous",
        "Copy",
        "Expand",
        "Flip",
        "Index",
        "IndexSelect",
        "Permute",
        "PixelShuffle",
        "PixelUnshuffle",
        "ReflectionPad1D",
        "ReflectionPad2D",
        "ReplicationPad2D",
        "ReshapeAlias",
        "Roll",
        "Select",
        "Slice",
        "Split",
        "SplitWithSizes",
        "Squeeze",
        "Stack",
        "T",
        "ToCopy",
        "Transpose",
        "Unbind",
        "UnsafeSplit",
        "UnsafeView",
        "Unsqueeze",
        "View",
    }
)
"""Operations that move values about: the gradient of each value goes back to where it came from."""

_LINEAR = LAYOUT | frozenset(
    {
        "AccumulateGrad",
        "AdaptiveAvgPool2D",
        "Add",
        "Addmm",
        "AvgPool1D",
        "AvgPool2D",
        "AvgPool3D",
        "Baddbmm",
        "Bmm",
        "Convolution",
        "ConvolutionOverrideable",
        "CudnnBatchNorm",
        "CudnnConvolution",
        "Div",
        "Linear",
        "Mean",
        "Mm",
        "MkldnnConvolution",
        "MkldnnLinear",
        "Mul",
        "Mv",
        "NativeBatchNorm",
        "Neg",
        "Repeat",
        "Rsub",
        "SlowConv2D",
        "Sub",
        "Sum",
        "ThnnConv2D",
        "UpsampleBilinear2D",
        "UpsampleNearest2D",
    }
)
_ADDS = frozenset({"Add", "Sub", "Rsub", "Cat", "Stack", "Index", "Copy"})


@dataclass(frozen=True)
class Operation:
    """One operation of a net.

    Attributes:
        name: as autograd has it, without ``Backward0``, e.g. ``Relu``.
        linear: whether it is linear in what depends on the input.
        owner: the innermost module without children that computed it, None if no such module did.
        is_start: whether it is no operation of the net but where its input comes in.
    """

    name: str
    linear: bool
    owner: nn.Module | None
    is_start: bool = False


@dataclass(frozen=True)
class ModuleGraph:
    """Operations between a net's input and its outputs.

    Attributes:
        operations: each with the module that computed it.
        modules: those without children that ran.
    """

    operations: tuple[Operation, ...]
    modules: frozenset[nn.Module]


@dataclass(frozen=True)
class _Call:
    module: nn.Module
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


def inspect_modules(net: nn.Module, run: Callable[[Tensor], Any], example: Tensor) -> ModuleGraph:
    """Run a net once and read its graph. Modes, parameters and hooks are left as they were.

    Args:
        net: holds the modules.
        run: calls it.
        example: ``(n, c, h, w)`` what ``run`` takes.
    """
    calls: list[_Call] = []
    with _Watched(net, calls), differentiable(), frozen(net), evaluating(net):
        # Times one, so that the input has a node of its own, at which a module's own part of the graph ends.
        start = example.clone().requires_grad_() * 1.0
        outputs = one_output(run(start))
    nodes = list(_walk([outputs.grad_fn], frozenset()))[::-1]
    owners = {node: call for call in calls for node in _inside(call)}
    operations = tuple(
        Operation(
            _name(node),
            _is_linear(node),
            owners[node].module if node in owners else None,
            node is start.grad_fn,
        )
        for node in nodes
    )
    return ModuleGraph(operations, frozenset(call.module for call in calls))


class _Watched:
    """Note the calls of the modules without children while inside."""

    def __init__(self, net: nn.Module, calls: list[_Call]) -> None:
        self._net = net
        self._calls = calls
        self._handles: list[RemovableHandle] = []
        self._waiting: dict[nn.Module, tuple[Any, ...]] = {}

    def __enter__(self) -> None:
        for module in self._net.modules():
            if next(module.children(), None) is None:
                self._handles += [
                    # The input is read before the call: an operation in place would put its own node there.
                    module.register_forward_pre_hook(self._before),
                    module.register_forward_hook(self._after),
                ]

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _before(self, module: nn.Module, inputs: object) -> None:
        self._waiting[module] = _nodes(inputs)

    def _after(self, module: nn.Module, _: object, output: object) -> None:
        self._calls.append(_Call(module, self._waiting.pop(module, ()), _nodes(output)))


def _nodes(values: object) -> tuple[Any, ...]:
    tensors = values if isinstance(values, tuple | list) else (values,)
    return tuple(tensor.grad_fn for tensor in tensors if isinstance(tensor, Tensor) and tensor.grad_fn is not None)


def _inside(call: _Call) -> Iterator[Any]:
    return _walk(list(call.outputs), frozenset(call.inputs))


def _walk(starts: list[Any], ends: frozenset[Any]) -> Iterator[Any]:
    """Go back through a graph, each node once, up to but without the nodes of ``ends``."""
    waiting, seen = [node for node in starts if node is not None], set(ends)
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        yield node
        waiting += [before for before, _ in node.next_functions if before is not None]


def _name(node: Any) -> str:
    return re.sub(r"Backwards?\d*$", "", str(node.name()).rpartition("::")[2])


def _is_linear(node: Any) -> bool:
    name = _name(node)
    if name not in _LINEAR or getattr(node, "_saved_training", False):
        return False
    parents = [before for before, _ in node.next_functions if before is not None]
    return name in _ADDS or len(parents) <= 1
