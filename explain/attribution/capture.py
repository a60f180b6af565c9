"""Capture a module's feature map and its gradient with one hook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from .layers import check_layer, find_layer
from .source import (
    Captured,
    LayerError,
    Objective,
    depends_on_input,
    differentiable,
    evaluating,
    frozen,
    one_output,
    plain,
)


class _Tap:
    """Cuts the graph at a layer: what follows sees a leaf, at which the gradient can be read."""

    def __init__(self) -> None:
        self.leaf: Tensor | None = None

    def __call__(self, module: nn.Module, inputs: object, output: object) -> Tensor:
        if not isinstance(output, Tensor):
            raise LayerError(f"expected the layer to return a tensor, but it returned {type(output).__name__}")
        self.leaf = output.detach().requires_grad_()
        # The net gets a copy: an in-place operation right after the layer may neither change the captured
        # map nor touch a leaf, which torch refuses.
        return self.leaf.clone()


@contextmanager
def tapped(net: nn.Module, layer: str) -> Iterator[_Tap]:
    """Cut the graph at a layer. Hook, parameters and modes are as they were afterwards, whatever happens."""
    tap = _Tap()
    handle = net.get_submodule(layer).register_forward_hook(tap)
    try:
        with frozen(net), evaluating(net):
            yield tap
    finally:
        handle.remove()


class ModuleSource:
    """A ``torch.nn.Module`` with one layer chosen in it.

    Args:
        net: the model; left as it was between calls.
        example: ``(n, c, h, w)`` an input of the right size.
        layer: dotted name of the layer, or None to find the last feature map.

    Raises:
        LayerError: if there is no such layer, or none that returns a feature map.
    """

    def __init__(self, net: nn.Module, example: Tensor, layer: str | None = None) -> None:
        self._net = net
        self.fixed_batch: int | None = None
        if layer is not None:
            check_layer(net, example, layer)
        self.layer_name = layer if layer is not None else find_layer(net, example)

    def capture(self, net_input: Tensor, objective: Objective) -> Captured:
        """Run the net on ``(n, c, h, w)`` and differentiate the objective at the layer."""
        with tapped(self._net, self.layer_name) as tap, differentiable():
            outputs = one_output(self._net(plain(net_input)))
            if tap.leaf is None or not outputs.requires_grad:
                raise LayerError(f"no gradient flows from the outputs back to the layer {self.layer_name!r}")
            (gradients,) = torch.autograd.grad(objective(outputs), tap.leaf)
            return Captured(tap.leaf.detach(), gradients, outputs.detach())

    def bypassed(self, net_input: Tensor) -> bool:
        """Tell whether the outputs depend on the input by another way than through the layer."""
        with tapped(self._net, self.layer_name):
            return depends_on_input(self._net, net_input)
