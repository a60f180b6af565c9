"""Find the layer of a net whose feature map explains its outputs: the last one with positions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ...core.errors import nearest
from .source import (
    TOKENS,
    LayerError,
    differentiable,
    evaluating,
    frozen,
    is_feature_map,
    is_token_map,
    one_output,
    plain,
)

_LAYOUT = (
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
)


@dataclass(frozen=True)
class _Call:
    """One module that ran, in order, with what it returned."""

    name: str
    module: nn.Module
    output: Tensor


def find_layer(net: nn.Module, example: Tensor) -> str:
    """Return the name of the last module that returns a feature map on the way to the outputs.

    The net runs once. A feature map is (n, channels, height, width) with more than one position, whose
    channels are not the outputs themselves (a class map), and from which a gradient can flow back. Of modules
    that return the same value the outermost counts.

    Args:
        net: the model; its modes and parameters are left as they were.
        example: ``(n, c, h, w)`` an input of the right size.

    Raises:
        LayerError: if there is no such map, or tokens follow it as in a transformer.
    """
    calls, outputs = _run(net, example)
    input_size = (example.shape[-2], example.shape[-1])
    if not outputs.requires_grad:
        raise LayerError("no gradient flows from the model's outputs to its input: it cannot be explained by one")
    later_tokens = False
    for call in reversed(calls):
        shape = tuple(call.output.shape)
        later_tokens = later_tokens or (is_token_map(shape) and _reaches(outputs, call.output))
        if isinstance(call.module, _LAYOUT) or not is_feature_map(shape, outputs.shape[1], input_size):
            continue
        if _reaches(outputs, call.output):
            if later_tokens:
                raise LayerError(TOKENS)
            return call.name
    raise LayerError(
        "found no feature map (n, channels, height, width) with more than one position between the model's "
        "input and its outputs: name the layer with `layer`, if there is one"
    )


def check_layer(net: nn.Module, example: Tensor, name: str) -> None:
    """Check that a layer named by the user exists, runs, and returns a feature map.

    Raises:
        LayerError: saying what is wrong, with the nearest right name.
    """
    known = [module for module, _ in net.named_modules() if module]
    if name not in known:
        raise LayerError(f"the model has no layer {name!r}{nearest(name, known)}")
    calls, outputs = _run(net, example)
    found = next((call for call in reversed(calls) if call.name == name), None)
    if found is None:
        raise LayerError(f"the layer {name!r} returns no tensor, or does not run at all")
    shape = tuple(found.output.shape)
    if len(shape) != 4 or shape[2] * shape[3] <= 1:
        raise LayerError(
            f"expected the layer {name!r} to return a feature map (n, channels, height, width) with more "
            f"than one position, but it returns {shape}"
        )
    if not outputs.requires_grad or not _reaches(outputs, found.output):
        raise LayerError(f"no gradient flows from the outputs back to the layer {name!r}")


def _run(net: nn.Module, example: Tensor) -> tuple[list[_Call], Tensor]:
    """Run the net with a hook on every module; return the calls in order of their ends, and the outputs."""
    calls: list[_Call] = []

    def note(name: str) -> object:
        def hook(module: nn.Module, _: object, output: object) -> None:
            if isinstance(output, Tensor):
                calls.append(_Call(name, module, output))

        return hook

    handles: list[RemovableHandle] = []
    try:
        for name, module in net.named_modules():
            if name:
                handles.append(module.register_forward_hook(note(name)))
        with differentiable(), frozen(net), evaluating(net):
            return calls, one_output(net(plain(example).clone().requires_grad_()))
    finally:
        for handle in handles:
            handle.remove()


def _reaches(outputs: Tensor, features: Tensor) -> bool:
    if not features.requires_grad:
        return False
    with differentiable():
        (gradient,) = torch.autograd.grad(outputs.sum(), features, allow_unused=True, retain_graph=True)
    return gradient is not None
