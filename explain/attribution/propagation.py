"""DeepLIFT, guided backpropagation and LRP, by Captum: rules that replace what modules pass back.

Captum hooks modules. What a net computes by functions it does not see, and for some of that it returns plain
gradients without a word. So each net is looked at first (:mod:`.module_graph`), and where a rule would not reach
every operation it concerns, the method is not available, with the operation named. DeepLIFT also has to add up on an
example, since its maps are complete where every rule was applied.

DeepLIFT and guided backpropagation run from pixels 0..1, DeepLIFT with black as its baseline. LRP runs on the
prepared input: it knows no rule for what the target does before the net, so its zero is the colour that the
normalisation subtracts.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...core.target import Target
from .method import MapBatch, Request
from .module_graph import LAYOUT, ModuleGraph, Operation, inspect_modules
from .module_state import untouched
from .pixel_maps import check_request, completeness_error, evidence, pictured, ready, sensitivity
from .program import is_program
from .source import plain

TOLERANCE = 0.01
"""Completeness error from which on DeepLIFT is held not to have reached every operation."""

_TITLES = {"deeplift": "DeepLIFT", "guided_backprop": "guided backpropagation", "lrp": "LRP"}
# A rectifier's rule has no meaning here, and the gradient passes as it is: the method's paper has these too.
_NO_RECTIFIERS = frozenset(
    {"MaxPool2DWithIndices", "AdaptiveMaxPool2D", "MkldnnMaxPool2D", "Sigmoid", "Softmax", "LogSoftmax", "Log", "Clamp"}
    | {"ClampMin", "Amax", "Max"}
)
_LAYOUT_MODULES = (nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout2d)


class PropagationExplainer:
    """One of the three methods on a target whose every operation its rules reach."""

    layer_name: str | None = None

    def __init__(self, target: Target, net: nn.Module, method: str, batch_size: int) -> None:
        self._target = target
        self._net = net
        self._scores = _Scores(target, net)
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

        with _quiet(), untouched(self._net):
            if self.methods[0] == "lrp":
                return self._lrp(LRP(self._net), pixels, classes)
            for module in self._net.modules():
                if next(module.children(), None) is None:
                    module.register_forward_pre_hook(_own_copy)
            method = (DeepLift if self.methods[0] == "deeplift" else GuidedBackprop)(self._scores)
            found: Tensor = method.attribute(pixels.clone().requires_grad_(), target=classes)
            return found.detach()

    def _lrp(self, captum: object, pixels: Tensor, classes: Tensor) -> Tensor:
        from captum.attr._utils.lrp_rules import EpsilonRule

        for module in self._net.modules():
            if isinstance(module, _LAYOUT_MODULES):
                # Captum has no rule for what only moves values; the epsilon rule passes their relevance on.
                module.rule = EpsilonRule()
        prepared = self._target.prepare(pixels).detach().clone().requires_grad_()
        outputs = _width(self._net, prepared)
        columns, signs = classes, torch.ones_like(classes)
        if outputs == 1 and len(self._target.classes) == 2:
            # One output speaks for one class and, with the opposite sign, for the other.
            columns = torch.zeros_like(classes)
            signs = self._target.logits(torch.ones(1, 1, device=pixels.device))[0, classes].sign()
        found: Tensor = captum.attribute(prepared, target=columns)  # type: ignore[attr-defined]
        return found.detach() * signs[:, None, None, None]


def _own_copy(module: nn.Module, inputs: tuple[object, ...]) -> tuple[object, ...]:
    """Give a module a copy of its input, to be registered before Captum's own hooks.

    Captum replaces the gradient of the tensor that a module reads. Where that tensor is read elsewhere too, the other
    path's gradient is replaced with it; where another module with a rule returned it, that one's rule is given the
    gradient as it was before (Captum 0.9: DeepLIFT does not add up where a max pooling follows a ReLU).
    """
    return tuple(value.clone() if isinstance(value, Tensor) else value for value in inputs)


class _Scores(nn.Module):
    """The target as a module, which is what Captum hooks."""

    def __init__(self, target: Target, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self._scores = target.scores
        # Not self.train: the net's own modes are its own business.
        self.training = False

    def forward(self, pixels: Tensor) -> Tensor:
        return self._scores(pixels)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Captum's notes that it sets hooks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="(?s).*[Ss]etting.*hooks")
        yield


def _width(net: nn.Module, prepared: Tensor) -> int:
    with torch.no_grad():
        outputs = net(prepared[:1])
    return 1 if outputs.ndim == 1 else int(outputs.shape[1])


def build_propagation(target: Target, method: str, batch_size: int) -> PropagationExplainer | str:
    """Build an explainer, or return why there is none; a sentence without a full stop.

    Args:
        target: the model under audit.
        method: ``deeplift``, ``guided_backprop`` or ``lrp``.
        batch_size: faces at once.
    """
    title, net = _TITLES[method], target.net
    if not isinstance(net, nn.Module):
        return f"{title} replaces what modules pass back, and the model is a {type(net).__name__}, which has none"
    if is_program(net):
        return f"{title} replaces what modules pass back, and an exported program (.pt2) has none"
    if target.fixed_batch is not None:
        return f"{title} runs batches of its own size, and the model takes batches of {target.fixed_batch} only"
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand((2, 3, *target.size), generator=generator).to(target.device)
    if method != "guided_backprop" and target.spec.output != "logits":
        return f"{title}: no rule for turning {target.spec.output} into logits, which a model would have to return"
    if method == "lrp":
        reason = _lrp_problem(inspect_modules(net, net, target.prepare(pixels)), net)
    else:
        graph = inspect_modules(net, target.scores, pixels)
        reason = _guided_problem(graph) if method == "guided_backprop" else _deeplift_problem(graph)
    if reason is not None:
        return reason
    explainer = PropagationExplainer(target, net, method, batch_size)
    return _not_complete(explainer, target, pixels) or explainer if method == "deeplift" else explainer


def _guided_problem(graph: ModuleGraph) -> str | None:
    rectifiers = [operation for operation in graph.operations if operation.name == "Relu"]
    for operation in rectifiers:
        if not isinstance(operation.owner, nn.ReLU):
            return f"guided backpropagation reaches ReLU modules only, and {operation.described}"
    for operation in graph.operations:
        if not (operation.linear or operation.name in _NO_RECTIFIERS or operation.name in {"Relu", "Mul"}):
            return f"guided backpropagation is defined for ReLU, and {operation.described}"
    if not rectifiers:
        return "guided backpropagation changes the gradient of ReLU modules, and the model has none"
    return None


def _deeplift_problem(graph: ModuleGraph) -> str | None:
    from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR

    hooked = tuple(SUPPORTED_NON_LINEAR)
    for operation in graph.operations:
        if not operation.linear and type(operation.owner) not in hooked:
            return f"DeepLIFT would take what is not linear for linear: {operation.described}, and it has no rule there"
    for module, count in graph.calls.items():
        if type(module) in hooked and count > 1:
            return f"DeepLIFT needs a module of its own for each use, and {_named(graph, module)} runs {count} times"
    return None


def _lrp_problem(graph: ModuleGraph, net: nn.Module) -> str | None:
    from captum.attr._core.lrp import SUPPORTED_LAYERS_WITH_RULES, SUPPORTED_NON_LINEAR_LAYERS

    ruled = tuple(SUPPORTED_LAYERS_WITH_RULES)
    known = {*ruled, *SUPPORTED_NON_LINEAR_LAYERS, *_LAYOUT_MODULES}
    for module in net.modules():
        if next(module.children(), None) is None and type(module) not in known:
            return f"LRP: no rule for {type(module).__name__}"
    for operation in graph.operations:
        if operation.owner is None and not _passes_relevance(operation):
            return f"LRP: no rule for what is no module, and {operation.described}"
    for module, count in graph.calls.items():
        if type(module) in (*ruled, *_LAYOUT_MODULES) and count > 1:
            return f"LRP needs a module of its own for each use, and {_named(graph, module)} runs {count} times"
    return None


def _passes_relevance(operation: Operation) -> bool:
    # A rectifier passes relevance where its input was positive, and elsewhere there is none to pass.
    return operation.name in LAYOUT or operation.name in {"AccumulateGrad", "Relu"} or operation.is_start


def _named(graph: ModuleGraph, module: nn.Module) -> str:
    name = next((found.owner_name for found in graph.operations if found.owner is module), "")
    return f"{name} ({type(module).__name__})" if name else f"a {type(module).__name__}"


def _not_complete(explainer: PropagationExplainer, target: Target, pixels: Tensor) -> str | None:
    """Check on an example that DeepLIFT's attributions add up; return why not."""
    classes = torch.zeros(len(pixels), dtype=torch.long, device=pixels.device)
    with ready(target):
        found = explainer.attributions(pixels, classes)
        error = completeness_error(found, target, pixels, classes).nan_to_num(0.0).max()
    if float(error) <= TOLERANCE:
        return None
    return (
        f"DeepLIFT's attributions do not add up on this model: they miss the score difference they share out by "
        f"{float(error):.0%} of it, so its rules do not reach every operation"
    )
