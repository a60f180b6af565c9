"""The family ``black_box``: methods that only ask the model, so that they explain any target, ONNX too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ...core.errors import MissingExtraError, UsageError
from ...core.target import Target
from .kernel_shap import kernel_shap
from .lime import lime
from .method import AttributionSettings, Built, MapBatch, MethodInfo, Request
from .occlusion import occlusion
from .perturbation import BlackBox, fast_layout
from .rise import rise
from .superpixels import load_slic, superpixels

_ON_SUPERPIXELS = ("lime", "kernel_shap")


def _info(name: str, title: str, citation: str, about: str, *, random: bool = True) -> MethodInfo:
    return MethodInfo(name, title, "black_box", citation, frozenset(), about, random)


METHODS: Mapping[str, MethodInfo] = MappingProxyType(
    {
        info.name: info
        for info in (
            _info(
                "lime",
                "LIME",
                "Ribeiro et al. 2016, KDD",
                "Superpixels whose being shown raises the score, in a linear model around the face.",
            ),
            _info(
                "kernel_shap",
                "KernelSHAP",
                "Lundberg and Lee 2017, NeurIPS",
                "Superpixels by their Shapley value: their share of the score, over all orders of being shown.",
            ),
            _info("rise", "RISE", "Petsiuk et al. 2018, BMVC", "Mean score of the random masks that show a position."),
            _info(
                "occlusion",
                "Occlusion",
                "Zeiler and Fergus 2014, ECCV",
                "Drop of the score while a grey window hides a position.",
                random=False,
            ),
        )
    }
)
"""Methods of this family by name."""


class BlackBoxExplainer:
    """Makes maps of a target from its answers to perturbed copies.

    What is explained is the probability of the class; for outputs that are no probabilities, the value itself.
    """

    def __init__(self, target: Target, methods: Sequence[str], batch_size: int, settings: AttributionSettings) -> None:
        self._box = BlackBox(target, batch_size, fast_layout(target))
        self._methods = tuple(methods)
        self._settings = settings

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods."""
        return self._methods

    @property
    def layer_name(self) -> str | None:
        """None: no layer is looked at."""
        return None

    def explain(self, request: Request) -> dict[str, MapBatch]:
        """Return the maps by method."""
        settings, found = self._settings, {}
        if any(name in _ON_SUPERPIXELS for name in self._methods):
            faces = superpixels(request.pixels, settings.segments)
            if "lime" in self._methods:
                found["lime"] = lime(self._box, request, faces, settings.lime_samples)
            if "kernel_shap" in self._methods:
                found["kernel_shap"] = kernel_shap(self._box, request, faces, settings.shap_samples)
        if "rise" in self._methods:
            found["rise"] = rise(self._box, request, settings.rise_masks, settings.rise_grid)
        if "occlusion" in self._methods:
            found["occlusion"] = occlusion(self._box, request, settings.window, settings.stride)
        return found


def build(
    target: Target, methods: Sequence[str], *, layer: str | None, batch_size: int, settings: AttributionSettings
) -> Built:
    """Build an explainer for these methods; a layer is not used.

    Raises:
        UsageError: if the window of occlusion would leave parts of the face out.
    """
    unavailable: dict[str, str] = {}
    try:
        if any(name in _ON_SUPERPIXELS for name in methods):
            load_slic()
    except MissingExtraError as error:
        unavailable = dict.fromkeys((name for name in methods if name in _ON_SUPERPIXELS), str(error))
    if "occlusion" in methods and settings.stride > settings.window:
        raise UsageError(
            f"expected the `stride` of occlusion to be at most its `window`, {settings.window}, but got "
            f"{settings.stride}: parts of the face would never be hidden"
        )
    possible = [name for name in methods if name not in unavailable]
    return Built((BlackBoxExplainer(target, possible, batch_size, settings),) if possible else (), unavailable)
