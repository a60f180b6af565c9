"""What attribution needs of a net: a feature map, its gradient, and the outputs, from one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ...core.errors import TargetError
from .tokens import Layout

Objective = Callable[[Tensor], Tensor]
"""Turns outputs ``(n, k)`` into the scalar whose gradient is wanted."""


class LayerError(TargetError):
    """The net has no feature map to explain by, or not under the name that was given."""


@dataclass(frozen=True)
class Captured:
    """One pass through a net, seen at one layer.

    Attributes:
        features: ``(n, c, h, w)`` the layer's output, whatever its own layout; prefix tokens are left out.
        gradients: ``(n, c, h, w)`` of the objective at the features.
        outputs: ``(n, k)`` the net's outputs.
    """

    features: Tensor
    gradients: Tensor
    outputs: Tensor


class FeatureSource(Protocol):
    """A net with one layer chosen in it."""

    layer_name: str
    """Name of the layer."""
    layout: Layout
    """How the layer's output lies over the picture."""
    fixed_batch: int | None
    """The only batch size the net takes, or None if it takes any."""

    def capture(self, net_input: Tensor, objective: Objective) -> Captured:
        """Run the net on ``(n, c, h, w)`` and differentiate the objective at the layer."""
        ...

    def bypassed(self, net_input: Tensor) -> bool:
        """Tell whether the outputs depend on the input by another way than through the layer."""
        ...


@contextmanager
def frozen(net: nn.Module) -> Iterator[None]:
    """Keep the net's parameters out of the graph; as they were afterwards, also after an exception.

    Only what follows the layer then builds a graph: the net before it runs as without gradients.
    """
    wanted = [parameter for parameter in net.parameters() if parameter.requires_grad]
    try:
        for parameter in wanted:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Put every module in evaluation mode; each in its own mode afterwards, also after an exception."""
    training = [module for module in net.modules() if module.training]
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def differentiable() -> Iterator[None]:
    """Allow gradients, whatever mode the caller is in (``no_grad`` or ``inference_mode``)."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def plain(net_input: Tensor) -> Tensor:
    """Return an input that is no part of a graph and no inference tensor. Call inside ``differentiable``."""
    return net_input.clone() if net_input.is_inference() else net_input.detach()


def one_output(outputs: Any) -> Tensor:
    """Return outputs as ``(n, k)``.

    Raises:
        TargetError: if the net returns something else than one tensor with one row per face.
    """
    if isinstance(outputs, tuple | list) and len(outputs) == 1:
        outputs = outputs[0]
    if not isinstance(outputs, Tensor) or outputs.ndim not in (1, 2):
        got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise TargetError(f"expected the model to return one tensor (n, k), but got {got}")
    return outputs[:, None] if outputs.ndim == 1 else outputs


def depends_on_input(net: Objective, net_input: Tensor) -> bool:
    """Tell whether a gradient flows from the outputs of a net back to its input ``(n, c, h, w)``.

    With a layer cut out of the graph that means: by another way than through the layer.
    """
    with differentiable():
        pixels = plain(net_input).clone().requires_grad_()
        outputs = one_output(net(pixels))
        # Not their sum: probabilities add up to one whatever the input.
        weighted = outputs * torch.arange(1, outputs.shape[1] + 1, device=outputs.device)
        (gradient,) = torch.autograd.grad(weighted.sum(), pixels, allow_unused=True)
    return gradient is not None and bool(gradient.count_nonzero())
