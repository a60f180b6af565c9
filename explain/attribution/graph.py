"""Read the graph of an exported program: what each node does, its shape, and the modules that end at it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx

from ...core.errors import TargetError
from .layers import PASSIVE_NAMES, Seen, Value, see
from .source import differentiable, frozen, one_output, plain

LAYOUT = frozenset(
    {
        "alias",
        "chunk",
        "clone",
        "constant_pad_nd",
        "contiguous",
        "detach_",
        "dropout",
        "dropout_",
        "expand",
        "feature_dropout",
        "flatten",
        "lift_fresh_copy",
        "movedim",
        "native_dropout",
        "pad",
        "permute",
        "reflection_pad2d",
        "replication_pad2d",
        "reshape",
        "select",
        "slice",
        "split",
        "split_with_sizes",
        "squeeze",
        "to",
        "_to_copy",
        "transpose",
        "unbind",
        "unflatten",
        "unsqueeze",
        "view",
        "_unsafe_view",
    }
)
"""Operations that move values about without computing new ones."""

_TRAINING_ARGUMENT: Mapping[str, int] = {
    "batch_norm": 5,
    "cudnn_batch_norm": 5,
    "native_batch_norm": 5,
    "_native_batch_norm_legit": 5,
    "_native_batch_norm_legit_functional": 5,
    "dropout": 2,
    "dropout_": 2,
    "feature_dropout": 2,
    "alpha_dropout": 2,
    "feature_alpha_dropout": 2,
    "native_dropout": 2,
}
"""Where each operation says whether it runs in training mode."""


_MIXING = frozenset({"linear", "addmm", "mm", "bmm", "matmul", "softmax", "_softmax"})
"""Operations that stand for a linear layer or a softmax where a graph names no modules."""


class ProgramGraph:
    """The graph of an exported program for images.

    Args:
        net: the graph module; left as it was.

    Raises:
        TargetError: if it was exported in training mode or does not take exactly one tensor.
    """

    def __init__(self, net: fx.GraphModule) -> None:
        self.net = net
        self.nodes = list(net.graph.nodes)
        _refuse_training_mode(self.nodes)
        inputs = [node for node in self.nodes if node.op == "placeholder"]
        if len(inputs) != 1 or not isinstance(inputs[0].meta["val"], Tensor):
            raise TargetError(f"expected a program that takes one tensor, but it takes {len(inputs)} inputs")
        self._input = inputs[0]
        batch = self._input.meta["val"].shape[0]
        self.fixed_batch: int | None = batch if isinstance(batch, int) else None
        height, width = sizes(self._input)[-2:]
        self.input_size = (height, width)
        self.output_width = output_width(self.nodes[-1])
        self.place = {node: index for index, node in enumerate(self.nodes)}

    @cached_property
    def pixel_nodes(self) -> list[fx.Node]:
        """The nodes that hold values computed from the pixels, in order; sizes do not count."""
        following: set[fx.Node] = set()
        for node in self.nodes:
            holds = isinstance(node.meta.get("val"), Tensor | tuple | list)
            depends = node.op == "placeholder" or any(parent in following for parent in node.all_input_nodes)
            if holds and depends and node.op != "output":
                following.add(node)
        return [node for node in self.nodes if node in following]

    @cached_property
    def ends(self) -> Mapping[fx.Node, Sequence[tuple[str, str]]]:
        """For each node the modules whose last node it is, outermost first: dotted name and name of the class."""
        last: dict[str, fx.Node] = {}
        for node in self.nodes:
            for path, _ in modules(node):
                last[path] = node
        return {
            node: [(path, kind) for path, kind in modules(node) if path and last[path] is node] for node in self.nodes
        }

    def example(self) -> Tensor:
        """Return an input of the right size, of random pixels, always the same."""
        shape = (self.fixed_batch or 2, *sizes(self._input)[1:])
        pixels = torch.rand(shape, generator=torch.Generator().manual_seed(0))
        weights = next(iter(self.net.parameters()), None)
        return pixels.to(self._input.meta["val"] if weights is None else weights)

    def see(self, example: Tensor | None = None) -> list[Seen]:
        """Run once forward and once backward; return what was seen of every module's value, in order.

        Nodes at which no module ends are there under their own names: passive, but in a program without modules.
        """
        with torch.inference_mode(False):
            example = plain(self.example() if example is None else example)
        values: list[Value] = []
        named = any(self.ends[node] for node in self.pixel_nodes)

        def keep(node: fx.Node, value: Any) -> None:
            if node.op == "placeholder" or not isinstance(value, Tensor):
                return
            for path, kind in reversed(self.ends[node]):
                values.append(Value(path, kind, kind in PASSIVE_NAMES, value))
            if not self.ends[node]:
                passive = named or operation(node) in LAYOUT | _MIXING
                values.append(Value(str(node.name), node.op, passive, value))

        with differentiable(), frozen(self.net):
            outputs = one_output(_Watcher(self.net, keep).run(example.clone().requires_grad_().clone()))
        return see(values, outputs, len(example), self.input_size)

    def computes(self, node: fx.Node) -> bool:
        """Tell whether a node is more than a change of layout, or the end of a module that is more than that."""
        ends = [kind for _, kind in self.ends[node] if kind not in PASSIVE_NAMES]
        return operation(node) not in LAYOUT or bool(ends)

    def node_of(self, name: str) -> fx.Node | None:
        """Return the last node computed from the pixels in a module of that name, or the node of that name."""
        inside = [
            node for node in self.pixel_nodes if name == node.name or any(name == path for path, _ in modules(node))
        ]
        return inside[-1] if inside else None

    def read(self, net_input: Tensor, nodes: Sequence[fx.Node]) -> dict[fx.Node, Tensor]:
        """Return the values of some nodes for an input ``(n, c, h, w)``, without gradients."""
        values: dict[fx.Node, Tensor] = {}
        wanted = set(nodes)

        def keep(node: fx.Node, value: Any) -> None:
            if node in wanted and isinstance(value, Tensor):
                values[node] = value.clone()  # what follows may change it in place

        with torch.inference_mode(False), torch.no_grad():
            _Watcher(self.net, keep).run(plain(net_input))
        return values


class _Watcher(fx.Interpreter):
    """Runs a graph node by node and shows each value to a function."""

    def __init__(self, net: fx.GraphModule, watch: Callable[[fx.Node, Any], None]) -> None:
        super().__init__(net)
        self._watch = watch

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        self._watch(n, result)
        return result


def _refuse_training_mode(nodes: list[fx.Node]) -> None:
    for node in nodes:
        position = _TRAINING_ARGUMENT.get(operation(node))
        if position is None:
            continue
        value = node.args[position] if len(node.args) > position else node.kwargs.get("training")
        if value is True:
            raise TargetError(
                f"the program was exported in training mode ({operation(node)} at {node.name}): each run "
                "would change it; call eval() on the net and export it again"
            )


def operation(node: fx.Node) -> str:
    """Return the bare name of what a node does, e.g. ``conv2d`` for ``aten.conv2d.default``.

    One of several values of an operation goes by that operation: ``native_batch_norm`` returns three.
    """
    if node.op != "call_function":
        return node.op
    if node.target is operator.getitem and isinstance(node.args[0], fx.Node):
        return operation(node.args[0])
    packet = getattr(node.target, "overloadpacket", node.target)
    return str(getattr(packet, "__name__", packet)).rpartition(".")[2]


def sizes(node: fx.Node) -> tuple[int, ...]:
    """Return the shape of a node's tensor, a symbolic size by its hint; empty if it holds no tensor."""
    value = node.meta.get("val")
    if not isinstance(value, Tensor):
        return ()
    return tuple(map(_size, value.shape))


def _size(size: Any) -> int:
    if isinstance(size, int):
        return size
    # Only the batch is left open in an export for images; without a hint any number above one stands for it.
    return int(size.node.hint) if size.node.has_hint() else 2


def output_width(output: fx.Node) -> int:
    """Return the number of outputs k, from the node that is returned: the output node itself may know no shape."""
    shape = sizes(output.all_input_nodes[0]) if output.all_input_nodes else ()
    return shape[1] if len(shape) == 2 else 1


def modules(node: fx.Node) -> list[tuple[str, str]]:
    """List the modules a node was traced in, outermost first: dotted name and name of the class."""
    found = []
    for path, kind in node.meta.get("nn_module_stack", {}).values():
        name = kind if isinstance(kind, str) else kind.__qualname__
        found.append((str(path), name.rpartition(".")[2]))
    return found
