"""Capture a feature map and its gradient in an exported program, which has a graph but no modules to hook."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from ...core.errors import TargetError, nearest
from .graph import ProgramGraph, modules, sizes
from .layers import NO_MAP, TOKENS, Place, Seen, check_order, choose, named_place, residual_maps
from .source import Captured, LayerError, Objective, depends_on_input, differentiable, frozen, one_output, plain
from .tokens import Layout, is_feature_map, is_token_map


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
        layer: dotted name of a module it was exported from. If None it is found: in a convolutional net the last
            feature map that everything after it depends on, or the module's output it is a plain function of; in a
            net with tokens the module that :func:`.layers.choose` takes.

    Raises:
        LayerError: if there is no such layer, or none that returns a map.
        TargetError: if the program was exported in training mode or does not take exactly one tensor.
    """

    def __init__(self, net: fx.GraphModule, layer: str | None = None) -> None:
        self._net = net
        self._graph = ProgramGraph(net)
        self.fixed_batch = self._graph.fixed_batch
        seen = self._graph.see()
        self._node, place = self._find(seen) if layer is None else self._named(layer, seen)
        self.layer_name, self.layout = place.name, place.layout

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
            features = self.layout.as_map(runner.leaf.detach())
            return Captured(features, self.layout.as_map(gradients), outputs.detach())

    def bypassed(self, net_input: Tensor) -> bool:
        """Tell whether the outputs depend on the input by another way than through the layer."""
        with frozen(self._net):
            return depends_on_input(_CutInterpreter(self._net, self._node).run, net_input)

    def _find(self, seen: list[Seen]) -> tuple[fx.Node, Place]:
        if residual_maps(seen, self._graph.output_width)[1]:
            chosen = choose(seen, self._graph.output_width)
            node = self._graph.node_of(chosen.name)
            assert node is not None
            assert chosen.layout is not None
            self._check_order(seen)
            return node, Place(chosen.name, chosen.layout)
        node = self._module_before(self._last_cut())
        _, _, height, width = sizes(node)
        return node, Place(self._name_of(node), Layout("channels first", (height, width)))

    def _named(self, name: str, seen: list[Seen]) -> tuple[fx.Node, Place]:
        """Find the last value that a module, named by its path, computed from the pixels."""
        node = self._graph.node_of(name)
        if node is None:
            known = sorted({path for node in self._graph.pixel_nodes for path, _ in modules(node) if path})
            raise LayerError(f"the program has no layer {name!r}{nearest(name, known)}")
        place = named_place(name, sizes(node), seen)
        if place.layout.kind != "channels first":
            self._check_order(seen)
        return node, place

    def _check_order(self, seen: list[Seen]) -> None:
        def reader(name: str) -> Objective:
            node = self._graph.node_of(name)
            assert node is not None
            return lambda pixels: self._graph.read(pixels, [node])[node]

        check_order(seen, self._graph.example(), reader)

    def _last_cut(self) -> fx.Node:
        """Find the last feature map that every path from the pixels to the outputs goes through."""
        place, outputs = self._graph.place, self._graph.output_width
        needed_until, found, tokens_after = 0, None, False
        for node in self._graph.pixel_nodes:
            last_use = max((place[user] for user in node.users), default=place[node])
            if needed_until <= place[node] and self._graph.computes(node):
                shape = sizes(node)
                if is_feature_map(shape, outputs, self._graph.input_size) and node.op != "placeholder":
                    found, tokens_after = node, False
                elif is_token_map(shape):
                    tokens_after = True
            needed_until = max(needed_until, last_use)
        if found is None:
            raise LayerError(f"{NO_MAP} (in a program, one that all of it goes through)")
        if tokens_after:
            raise LayerError(TOKENS)
        return found

    def _module_before(self, node: fx.Node) -> fx.Node:
        """Go back from a value to the module output it was made of by functions without weights, if it was.

        A function such as a rectifier or a pooling between two modules is seen in a program but not in a module,
        whose layers are found by hooks. The same net is to be explained by the same map in either form.
        """
        pixel_nodes, step = set(self._graph.pixel_nodes), node
        while not self._graph.ends[step]:
            sources = step.all_input_nodes
            if len(sources) != 1 or sources[0] not in pixel_nodes or sources[0].op == "placeholder":
                return node
            step = sources[0]
        usable = is_feature_map(sizes(step), self._graph.output_width, self._graph.input_size)
        return step if usable and self._graph.computes(step) else node

    def _name_of(self, node: fx.Node) -> str:
        """Return the outermost module that returns this value, or the node's own name if none does."""
        return self._graph.ends[node][0][0] if self._graph.ends[node] else str(node.name)


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


def as_module(net: object) -> nn.Module:
    """Return the net as a module that can be differentiated.

    Raises:
        LayerError: if it is something else, such as an ONNX session.
    """
    if not isinstance(net, nn.Module):
        raise LayerError(f"expected a torch module, which gives gradients, but the model is a {type(net).__name__}")
    return net
