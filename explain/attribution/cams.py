"""The family ``cam``: class activation maps from one forward and one partial backward pass, which all rules share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from ...core.target import Target
from .engine import CamEngine
from .method import PEAK, AttributionSettings, Built, MapBatch, MethodInfo, Request
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
            _info(
                "eigencam",
                "EigenCAM",
                "Muhammad and Yeasin 2020, IJCNN",
                "First principal component of the activations; the class plays no part in it.",
            ),
            _info(
                "eigengradcam",
                "EigenGradCAM",
                "Gildenblat et al. 2021, pytorch-grad-cam, after Muhammad and Yeasin 2020",
                "First principal component of gradient times activation.",
            ),
        )
    }
)
"""Methods of this family by name."""


class CamExplainer:
    """Makes the maps of several rules for a target, all from one pass.

    Args:
        target: the model under audit.
        engine: for the target's net, with the rules wanted.
    """

    def __init__(self, target: Target, engine: CamEngine) -> None:
        self._target = target
        self._engine = engine

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the rules."""
        return self._engine.methods

    @property
    def layer_name(self) -> str | None:
        """Name of the layer."""
        return self._engine.layer_name

    @property
    def layer_layout(self) -> str:
        """What the layer's map is, in words."""
        return self._engine.layer_layout

    def bypassed(self) -> bool:
        """Tell whether part of the answer does not go through the layer, and so is not in the maps."""
        return self._engine.bypassed(example_input(self._target))

    def explain(self, request: Request) -> dict[str, MapBatch]:
        """Return the maps by method."""
        found = self._engine.explain_all(self._target.prepare(request.pixels), request.classes)
        return {
            name: MapBatch(batch.maps.float(), batch.problems, {PEAK: batch.peaks}) for name, batch in found.items()
        }


def build(
    target: Target, methods: Sequence[str], *, layer: str | None, batch_size: int, settings: AttributionSettings
) -> Built:
    """Build one explainer for these rules."""
    try:
        engine = CamEngine(target.net, example_input(target), layer, method=methods, scores=target.logits)
    except LayerError as error:
        if layer is not None:
            raise
        return Built((), dict.fromkeys(methods, str(error)))
    return Built((CamExplainer(target, engine),), {})


def example_input(target: Target) -> Tensor:
    """Return an input ``(n, c, h, w)`` of the right size for a target's net, of random pixels, always the same."""
    generator = torch.Generator().manual_seed(0)
    return target.prepare(torch.rand((target.fixed_batch or 2, 3, *target.size), generator=generator))
