"""A module whose layers are seen, and one of them captured with its gradient, by hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ...core.errors import nearest
from .layers import PASSIVE, Place, Seen, Value, check_order, choose, named_place, not_a_map, residual_maps, see
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

_INPUT = "the input of "


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
        place = find_layer(net, example) if layer is None else check_layer(net, example, layer)
        self.layer_name = place.name
        self.layout = place.layout

    def capture(self, net_input: Tensor, objective: Objective) -> Captured:
        """Run the net on ``(n, c, h, w)`` and differentiate the objective at the layer."""
        with tapped(self._net, self.layer_name) as tap, differentiable():
            outputs = one_output(self._net(plain(net_input)))
            if tap.leaf is None or not outputs.requires_grad:
                raise LayerError(f"no gradient flows from the outputs back to the layer {self.layer_name!r}")
            (gradients,) = torch.autograd.grad(objective(outputs), tap.leaf)
            features = self.layout.as_map(tap.leaf.detach())
            return Captured(features, self.layout.as_map(gradients), outputs.detach())

    def bypassed(self, net_input: Tensor) -> bool:
        """Tell whether the outputs depend on the input by another way than through the layer."""
        with tapped(self._net, self.layer_name):
            return depends_on_input(self._net, net_input)


def find_layer(net: nn.Module, example: Tensor) -> Place:
    """Find the last module that returns a map on the way to the outputs; of modules with one value the outermost.

    The net runs once with gradients, and twice more if it has tokens, to check their order.

    Args:
        net: the model; its modes and parameters are left as they were.
        example: ``(n, c, h, w)`` an input of the right size.

    Raises:
        LayerError: if there is no such map, the gradient is zero, or the grid of tokens is unknown.
    """
    seen, outputs = see_module(net, example)
    found = choose(seen, outputs)
    assert found.layout is not None
    if residual_maps(seen, outputs)[1]:
        check_order(seen, example, lambda name: lambda pixels: read_modules(net, pixels, [name])[name])
    return Place(found.name, found.layout)


def check_layer(net: nn.Module, example: Tensor, name: str) -> Place:
    """Check that a layer named by the user exists, runs, and returns a map.

    Raises:
        LayerError: saying what is wrong, with the nearest right name.
    """
    known = [module for module, _ in net.named_modules() if module]
    if name not in known:
        raise LayerError(f"the model has no layer {name!r}{nearest(name, known)}")
    values, outputs = _run(net, example)
    found = next((item for item in reversed(values) if item.name == name), None)
    if found is None:
        raise LayerError(f"the layer {name!r} returns no tensor, or does not run at all")
    shape = tuple(found.value.shape)
    if len(shape) not in (3, 4):
        raise not_a_map(name, shape)
    seen = see(values, outputs, len(example), (example.shape[-2], example.shape[-1]))
    place = named_place(name, shape, seen)
    if not any(item.name == name and item.gradient is not None for item in seen):
        raise LayerError(f"no gradient flows from the outputs back to the layer {name!r}")
    if place.layout.kind != "channels first":
        check_order(seen, example, lambda other: lambda pixels: read_modules(net, pixels, [other])[other])
    return place


def see_module(net: nn.Module, example: Tensor) -> tuple[list[Seen], int]:
    """Return what is seen of every module in one forward and backward pass, and the number of outputs k."""
    values, outputs = _run(net, example)
    return see(values, outputs, len(example), (example.shape[-2], example.shape[-1])), outputs.shape[1]


def read_modules(net: nn.Module, net_input: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Return the raw values of some modules for an input ``(n, c, h, w)``; hooks and modes as they were.

    Raises:
        LayerError: if one of them returns no tensor.
    """
    values: dict[str, Tensor] = {}

    def keep(name: str, value: object) -> None:
        if isinstance(value, Tensor):
            values[name] = value.detach().clone()  # what follows may change it in place

    handles: list[RemovableHandle] = []
    try:
        for name in names:
            module = net.get_submodule(name.removeprefix(_INPUT))
            if name.startswith(_INPUT):
                handles.append(module.register_forward_pre_hook(_before(keep, name)))
            else:
                handles.append(module.register_forward_hook(_after(keep, name)))
        with torch.inference_mode(False), torch.no_grad(), evaluating(net):
            net(plain(net_input))
    finally:
        for handle in handles:
            handle.remove()
    missing = [name for name in names if name not in values]
    if missing:
        raise LayerError(f"the layer {missing[0]!r} returns no tensor, or does not run at all")
    return values


def _run(net: nn.Module, example: Tensor) -> tuple[list[Value], Tensor]:
    """Run the net with hooks on every module; return the values in order of the calls' ends, and the outputs.

    What a module is given that no module returned is among them, as passive: where a function makes tokens of
    patches, their order can be seen there before attention mixes them.
    """
    values: list[Value] = []
    modules = {name: module for name, module in net.named_modules() if name}

    def keep(name: str, value: object) -> None:
        if isinstance(value, Tensor):
            module = modules[name]
            kind = "Linear" if isinstance(module, nn.Linear) else type(module).__name__
            values.append(Value(name, kind, isinstance(module, PASSIVE), value))

    def keep_input(name: str, value: object) -> None:
        if isinstance(value, Tensor) and not any(item.value is value for item in values):
            values.append(Value(_INPUT + name, "input", True, value))

    handles: list[RemovableHandle] = []
    try:
        for name, module in modules.items():
            handles.append(module.register_forward_pre_hook(_before(keep_input, name)))
            handles.append(module.register_forward_hook(_after(keep, name)))
        with differentiable(), frozen(net), evaluating(net):
            return values, one_output(net(plain(example).clone().requires_grad_().clone()))
    finally:
        for handle in handles:
            handle.remove()


def _before(keep: Callable[[str, object], None], name: str) -> Callable[[nn.Module, tuple[object, ...]], None]:
    """Make a hook that shows a module's first input."""

    def hook(_: nn.Module, inputs: tuple[object, ...]) -> None:
        keep(name, inputs[0] if inputs else None)

    return hook


def _after(keep: Callable[[str, object], None], name: str) -> Callable[[nn.Module, object, object], None]:
    """Make a hook that shows what a module returns."""

    def hook(_: nn.Module, inputs: object, output: object) -> None:
        keep(name, output)

    return hook
