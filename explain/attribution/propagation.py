"""DeepLIFT, guided backpropagation and LRP, by Captum: rules that replace what an operation passes back.

Captum hooks modules. What a net computes by functions it does not see, and for some of that it returns plain
gradients without a word; so it is given the net with a module for every call of the functions concerned
(:mod:`.stand_ins`), also of an exported program. The graph of the net is looked at then (:mod:`.module_graph`), and
where a rule does not reach every operation it concerns, the method is not available, with the operation named.
DeepLIFT also has to add up on an example, since its maps are complete where every rule was applied.

DeepLIFT and guided backpropagation run from pixels 0..1, DeepLIFT with black as its baseline. LRP runs on the
prepared input: its zero is the colour that the normalisation subtracts.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from ...core.target import Target
from .method import MapBatch, Request
from .module_graph import LAYOUT, ModuleGraph, inspect_modules
from .module_state import untouched
from .pixel_maps import check_request, completeness_error, evidence, pictured, ready, sensitivity
from .source import one_output, plain
from .stand_ins import ACTIVATIONS, LINEAR, RELU, StandIns

TOLERANCE = 0.01
"""Completeness error from which on DeepLIFT is held not to have reached every operation."""

_TITLES = {"deeplift": "DeepLIFT", "guided_backprop": "guided backpropagation", "lrp": "LRP"}
# A rectifier's rule has no meaning here, and the gradient passes as it is: the method's paper has these too.
_NO_RECTIFIERS = frozenset(
    {"MaxPool2DWithIndices", "AdaptiveMaxPool2D", "MkldnnMaxPool2D", "Sigmoid", "Softmax", "LogSoftmax", "Log", "Clamp"}
    | {"ClampMin", "Amax", "Max"}
)


class PropagationExplainer:
    """One of the three methods on a target whose every operation its rules reach."""

    layer_name: str | None = None

    def __init__(self, target: Target, net: StandIns, method: str, batch_size: int) -> None:
        self._target = target
        self._net = net
        self._batch_size = batch_size
        self.methods = (method,)

    def explain(self, request: Request) -> dict[str, MapBatch]:
        """Return the maps, DeepLIFT's with ``completeness_error``."""
        check_request(self._target, request)
        method, raw, errors = self.methods[0], [], []
        with ready(self._target):
            for at in range(0, len(request.pixels), self._batch_size):
                pixels = plain(request.pixels[at : at + self._batch_size])
                classes = request.classes[at : at + self._batch_size].long()
                found = self.attributions(pixels, classes)
                raw.append(sensitivity(found) if method == "guided_backprop" else evidence(found))
                if method == "deeplift":
                    errors.append(completeness_error(found, self._target, pixels, classes))
        return {method: pictured(torch.cat(raw), {"completeness_error": torch.cat(errors)} if errors else None)}

    def attributions(self, pixels: Tensor, classes: Tensor) -> Tensor:
        """Return Captum's attributions, one for each value of the input. Call inside :func:`.pixel_maps.ready`."""
        from captum.attr import LRP, DeepLift, GuidedBackprop

        try:
            with _quiet(), untouched(self._net):
                for module in self._net.calls:
                    module.register_forward_pre_hook(_own_copy)
                if self.methods[0] == "lrp":
                    return self._lrp(LRP(self._net), pixels, classes)
                method = (DeepLift if self.methods[0] == "deeplift" else GuidedBackprop)(self._net)
                found: Tensor = method.attribute(pixels.clone().requires_grad_(), target=classes)
                return found.detach()
        finally:
            self._net.released()

    def _lrp(self, captum: Any, pixels: Tensor, classes: Tensor) -> Tensor:
        from captum.attr._utils.lrp_rules import EpsilonRule

        for module in self._net.calls:
            module.rule = EpsilonRule()
        prepared = self._target.prepare(pixels).detach().clone().requires_grad_()
        columns, signs = classes, torch.ones_like(classes)
        if len(self._target.classes) == 2 and self._net(prepared[:1].detach()).shape[1] == 1:
            # One output speaks for one class and, with the opposite sign, for the other.
            columns = torch.zeros_like(classes)
            signs = self._target.logits(torch.ones(1, 1, device=pixels.device))[0, classes].sign()
        found: Tensor = captum.attribute(prepared, target=columns)
        return found.detach() * signs[:, None, None, None]


def _own_copy(module: nn.Module, inputs: tuple[object, ...]) -> tuple[object, ...]:
    """Give a module a copy of its input, to be registered before Captum's own hooks.

    Captum replaces the gradient of the tensor that a module reads. Where that tensor is read elsewhere too, the other
    path's gradient is replaced with it (LRP then loses or doubles relevance at a skip connection); where another
    module with a rule returned it, that one's rule is given the gradient as it was before (Captum 0.9: DeepLIFT does
    not add up where a max pooling follows a ReLU).
    """
    return tuple(value.clone() if isinstance(value, Tensor) else value for value in inputs)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Captum's notes that it sets hooks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s).*[Ss]etting.*hooks")
        yield


def build_propagation(target: Target, method: str, batch_size: int) -> PropagationExplainer | str:
    """Build an explainer, or return why there is none; a sentence without a full stop.

    Args:
        target: the model under audit.
        method: ``deeplift``, ``guided_backprop`` or ``lrp``.
        batch_size: faces at once.
    """
    title = _TITLES[method]
    if target.fixed_batch is not None:
        return f"{title} runs batches of its own size, and the model takes batches of {target.fixed_batch} only"
    if method != "guided_backprop" and target.spec.output != "logits":
        return f"{title}: no rule for turning {target.spec.output} into logits, which a model would have to return"
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand((2, 3, *target.size), generator=generator).to(target.device)
    with ready(target):
        if method == "lrp":
            example = target.prepare(pixels)
            net = StandIns(lambda prepared: one_output(target.net(prepared)), example, {}, LINEAR)
        else:
            example = pixels
            net = StandIns(target.scores, example, RELU if method == "guided_backprop" else ACTIVATIONS)
        if not len(net.calls) and method != "deeplift":  # of a linear net DeepLIFT needs no rule
            return f"{title} replaces what {_CONCERNED[method]} pass back, and the model has none"
        reason = _PROBLEMS[method](inspect_modules(net, net, example))
        if reason is not None:
            return reason
        explainer = PropagationExplainer(target, net, method, batch_size)
        return (_not_complete(explainer, target, pixels) or explainer) if method == "deeplift" else explainer


def _guided_problem(graph: ModuleGraph) -> str | None:
    for operation in graph.operations:
        known = operation.linear or operation.name in _NO_RECTIFIERS or operation.name == "Mul"
        if not known and type(operation.owner) is not nn.ReLU:
            return f"guided backpropagation is defined for ReLU, and the model computes {operation.name}"
    return None


def _deeplift_problem(graph: ModuleGraph) -> str | None:
    hooked = tuple({type(module) for module in graph.modules})
    for operation in graph.operations:
        if not operation.linear and type(operation.owner) not in hooked:
            return f"DeepLIFT: no rule for {operation.name}"
    return None


def _lrp_problem(graph: ModuleGraph) -> str | None:
    for operation in graph.operations:
        # A rectifier passes relevance where its input was positive, and elsewhere there is none to pass.
        passes = operation.name in LAYOUT or operation.name in {"AccumulateGrad", "Relu"} or operation.is_start
        shared_out = operation.owner is not None and (operation.linear or operation.name == "MaxPool2DWithIndices")
        if not (passes or shared_out):
            return f"LRP: no rule for {operation.name}"
    return None


_PROBLEMS: Mapping[str, Callable[[ModuleGraph], str | None]] = MappingProxyType(
    {"deeplift": _deeplift_problem, "guided_backprop": _guided_problem, "lrp": _lrp_problem}
)
_CONCERNED = {"deeplift": "activations", "guided_backprop": "rectifiers (ReLU)", "lrp": "layers"}


def _not_complete(explainer: PropagationExplainer, target: Target, pixels: Tensor) -> str | None:
    """Check on an example that DeepLIFT's attributions add up; return why not."""
    classes = torch.zeros(len(pixels), dtype=torch.long, device=pixels.device)
    found = explainer.attributions(pixels, classes)
    if not bool(found.isfinite().all()):
        return "DeepLIFT gives NaN or infinite values on this model: it divides by differences that are not finite"
    error = completeness_error(found, target, pixels, classes).nan_to_num(0.0).max()
    if float(error) <= TOLERANCE:
        return None
    return (
        f"DeepLIFT's attributions do not add up on this model: they miss the score difference they share out by "
        f"{float(error):.0%} of it, so its rules do not reach every operation"
    )
