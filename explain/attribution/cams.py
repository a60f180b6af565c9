"""The family ``cam``: class activation maps from one forward and one partial backward pass, which all rules share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from ...core.target import Target
from .engine import CamEngine
from .method import AttributionSettings, Built, MapBatch, MethodInfo, Request
from .source import LayerError

_NEEDS = frozenset({"gradients", "layers"})


def _info(name: str, title: str, citation: str, about: str) -> MethodInfo:
    return MethodInfo(name, title, "cam", citation, _NEEDS, about)


METHODS: Mapping[str, MethodInfo] = MappingProxyType(
    {
        info.name: info
        for info in (
            _info("gradcam", "GradCAM", "Selvaraju et al. 2017, ICCV", "Channels weighted by their mean gradient."),
            _info(
                "gradcam++", "GradCAM++", "Chattopadhay et al. 2018, WACV", "Channels weighted by positive gradient."
            ),
            _info("xgradcam", "XGradCAM", "Fu et al. 2020, BMVC", "Channels weighted by gradient times activation."),
            _info("hirescam", "HiResCAM", "Draelos and Carin 2020, arXiv 2011.08891", "Gradient times activation."),
            _info("layercam", "LayerCAM", "Jiang et al. 2021, IEEE TIP 30", "Positive gradient times activation."),
        )
    }
)
"""Methods of this family by name."""


class CamExplainer:
    """Makes class activation maps of a target."""

    def __init__(self, target: Target, engines: Mapping[str, CamEngine]) -> None:
        self._target = target
        self._engines = engines

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the rules."""
        return tuple(self._engines)

    @property
    def layer_name(self) -> str | None:
        """Name of the layer."""
        return next(iter(self._engines.values())).layer_name

    def explain(self, request: Request) -> dict[str, MapBatch]:
        """Return the maps by method."""
        prepared = self._target.prepare(request.pixels)
        found = {name: engine.explain(prepared, request.classes) for name, engine in self._engines.items()}
        return {name: MapBatch(batch.maps.float(), batch.problems) for name, batch in found.items()}


def build(
    target: Target, methods: Sequence[str], *, layer: str | None, batch_size: int, settings: AttributionSettings
) -> Built:
    """Build an explainer for these rules."""
    example = _example(target)
    try:
        engines = {name: CamEngine(target.net, example, layer, method=name, scores=target.logits) for name in methods}
    except LayerError as error:
        if layer is not None:
            raise
        return Built((), dict.fromkeys(methods, str(error)))
    return Built((CamExplainer(target, engines),), {})


def _example(target: Target) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return target.prepare(torch.rand((target.fixed_batch or 2, 3, *target.size), generator=generator))
