"""Capture a feature map and its gradient in an exported program, which has a graph but no modules to hook."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from ...core.errors import TargetError, nearest
from .source import (
    TOKENS,
    Captured,
    LayerError,
    Objective,
    depends_on_input,
    differentiable,
    frozen,
    is_feature_map,
    is_token_map,
    one_output,
    plain,
)

_LAYOUT = frozenset(
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


def is_program(net: object) -> bool:
    """Tell whether a net is the module of an exported program: a graph whose nodes know their shapes."""
    if not isinstance(net, fx.GraphModule):
        return False
    inputs = [node for node in net.graph.nodes if node.op == "placeholder"]
    return bool(inputs) and all("val" in node.meta for node in inputs)


class ProgramSource:
    """The module of an exported program, ``torch.export.load(file).module()``, with one layer chosen in it.

    Args:
        net: the graph module; left as it was between calls.
        layer: dotted name of a module it was exported from, or None to find the last feature map that
            everything after it depends on, or the module's output it is a plain function of.

    Raises:
        LayerError: if there is no such layer, or none that returns a feature map.
        TargetError: if the program was exported in training mode or does not take exactly one tensor.
    """

    def __init__(self, net: fx.GraphModule, layer: str | None = None) -> None:
        self._net = net
        self._nodes = list(net.graph.nodes)
        _refuse_training_mode(self._nodes)
        inputs = [node for node in self._nodes if node.op == "placeholder"]
        if len(inputs) != 1 or not isinstance(inputs[0].meta["val"], Tensor):
            raise TargetError(f"expected a program that takes one tensor, but it takes {len(inputs)} inputs")
        batch = inputs[0].meta["val"].shape[0]
        self.fixed_batch: int | None = batch if isinstance(batch, int) else None
        height, width = _sizes(inputs[0])[-2:]
        self._input_size = (height, width)
        self._node = self._named(layer) if layer is not None else self._module_before(self._last_cut())
        self.layer_name = layer if layer is not None else self._name_of(self._node)

    def capture(self, net_input: Tensor, objective: Objective) -> Captured:
        """Run the program on ``(n, c, h, w)`` and differentiate the objective at the layer.

        Raises:
            TargetError: if the program was exported for another batch size.
        """
        if self.fixed_batch is not None and len(net_input) != self.fixed_batch:
            raise TargetError(
                f"the program was exported for batches of {self.fixed_batch}, but got {len(net_input)} faces"
            )
        with differentiable(), frozen(self._net):
            runner = _CutInterpreter(self._net, self._node)
            outputs = one_output(runner.run(plain(net_input)))
            if runner.leaf is None or not outputs.requires_grad:
                raise LayerError(f"no gradient flows from the outputs back to the layer {self.layer_name!r}")
            (gradients,) = torch.autograd.grad(objective(outputs), runner.leaf)
            return Captured(runner.leaf.detach(), gradients, outputs.detach())

    def bypassed(self, net_input: Tensor) -> bool:
        """Tell whether the outputs depend on the input by another way than through the layer."""
        with frozen(self._net):
            return depends_on_input(_CutInterpreter(self._net, self._node).run, net_input)

    def _pixel_nodes(self) -> list[fx.Node]:
        """List the nodes that hold values computed from the pixels, in order; sizes do not count."""
        following: set[fx.Node] = set()
        for node in self._nodes:
            holds = isinstance(node.meta.get("val"), Tensor | tuple | list)
            depends = node.op == "placeholder" or any(parent in following for parent in node.all_input_nodes)
            if holds and depends and node.op != "output":
                following.add(node)
        return [node for node in self._nodes if node in following]

    def _last_cut(self) -> fx.Node:
        """Find the last feature map that every path from the pixels to the outputs goes through."""
        place = {node: index for index, node in enumerate(self._nodes)}
        outputs = _output_width(self._nodes[-1])
        needed_until, found, tokens_after = 0, None, False
        for node in self._pixel_nodes():
            last_use = max((place[user] for user in node.users), default=place[node])
            if needed_until <= place[node]:
                shape = _sizes(node)
                if _operation(node) not in _LAYOUT:
                    if is_feature_map(shape, outputs, self._input_size) and node.op != "placeholder":
                        found, tokens_after = node, False
                    elif is_token_map(shape):
                        tokens_after = True
            needed_until = max(needed_until, last_use)
        if found is None:
            raise LayerError(
                "found no feature map (n, channels, height, width) with more than one position that all of "
                "the program goes through: name the layer with `layer`, if there is one"
            )
        if tokens_after:
            raise LayerError(TOKENS)
        return found

    def _module_before(self, node: fx.Node) -> fx.Node:
        """Go back from a value to the module output it was made of by functions without weights, if it was.

        A function such as a rectifier or a pooling between two modules is seen in a program but not in a module,
        whose layers are found by hooks. The same net is to be explained by the same map in either form.
        """
        pixel_nodes, step = set(self._pixel_nodes()), node
        while self._module_of(step) is None:
            sources = step.all_input_nodes
            if len(sources) != 1 or sources[0] not in pixel_nodes or sources[0].op == "placeholder":
                return node
            step = sources[0]
        outputs = _output_width(self._nodes[-1])
        usable = _operation(step) not in _LAYOUT and is_feature_map(_sizes(step), outputs, self._input_size)
        return step if usable else node

    def _module_of(self, node: fx.Node) -> str | None:
        """Return the outermost module that returns this value, None if none does."""
        later = self._nodes[self._nodes.index(node) + 1 :]
        for path in filter(None, _module_paths(node)):
            if not any(path in _module_paths(other) for other in later):
                return path
        return None

    def _name_of(self, node: fx.Node) -> str:
        """Return the outermost module that returns this value, or the node's own name if none does."""
        return self._module_of(node) or str(node.name)

    def _named(self, name: str) -> fx.Node:
        """Find the last value that a module, named by its path, computed from the pixels."""
        pixel_nodes = self._pixel_nodes()
        inside = [node for node in pixel_nodes if name in _module_paths(node) or name == node.name]
        if not inside:
            known = sorted({path for node in pixel_nodes for path in _module_paths(node) if path})
            raise LayerError(f"the program has no layer {name!r}{nearest(name, known)}")
        shape = _sizes(inside[-1])
        if len(shape) != 4 or shape[2] * shape[3] <= 1:
            raise LayerError(
                f"expected the layer {name!r} to return a feature map (n, channels, height, width) with more "
                f"than one position, but it returns {shape}"
            )
        return inside[-1]


class _CutInterpreter(fx.Interpreter):
    """Runs a graph node by node and cuts the gradient at one of them."""

    def __init__(self, net: fx.GraphModule, node: fx.Node) -> None:
        super().__init__(net)
        self._cut = node
        self.leaf: Tensor | None = None

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n is not self._cut:
            return result
        self.leaf = result.detach().requires_grad_()
        # A copy goes on: in-place operations survive an export, and one right after the cut may neither
        # change the captured map nor touch a leaf, which torch refuses.
        return self.leaf.clone()


def _refuse_training_mode(nodes: list[fx.Node]) -> None:
    for node in nodes:
        position = _TRAINING_ARGUMENT.get(_operation(node))
        if position is None:
            continue
        value = node.args[position] if len(node.args) > position else node.kwargs.get("training")
        if value is True:
            raise TargetError(
                f"the program was exported in training mode ({_operation(node)} at {node.name}): each run "
                "would change it; call eval() on the net and export it again"
            )


def _operation(node: fx.Node) -> str:
    """Return the bare name of what a node does, e.g. ``conv2d`` for ``aten.conv2d.default``.

    One of several values of an operation goes by that operation: ``native_batch_norm`` returns three.
    """
    if node.op != "call_function":
        return node.op
    if node.target is operator.getitem and isinstance(node.args[0], fx.Node):
        return _operation(node.args[0])
    packet = getattr(node.target, "overloadpacket", node.target)
    return str(getattr(packet, "__name__", packet)).rpartition(".")[2]


def _sizes(node: fx.Node) -> tuple[int, ...]:
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


def _output_width(output: fx.Node) -> int:
    """Return the number of outputs k, from the node that is returned: the output node itself may know no shape."""
    shape = _sizes(output.all_input_nodes[0]) if output.all_input_nodes else ()
    return shape[1] if len(shape) == 2 else 1


def _module_paths(node: fx.Node) -> list[str]:
    """List the modules a node was traced in, outermost first, as dotted names."""
    return [str(entry[0]) for entry in node.meta.get("nn_module_stack", {}).values()]


def as_module(net: object) -> nn.Module:
    """Return the net as a module that can be differentiated.

    Raises:
        LayerError: if it is something else, such as an ONNX session.
    """
    if not isinstance(net, nn.Module):
        raise LayerError(f"expected a torch module, which gives gradients, but the model is a {type(net).__name__}")
    return net
