"""The family ``gradient``: gradients of the class score at the pixels, and rules that propagate it, by Captum.

What is differentiated is the class's logit as the target defines it, after :meth:`Target.prepare`, with respect to
*pixels* from 0 to 1, so that maps of nets with another normalisation mean the same and black is the baseline; only
LRP runs on the prepared input, see :mod:`.propagation`.

A gradient says where the score is *sensitive*; its sign says whether brighter or darker pixels would raise the
score, which is no evidence for or against. Its maps are the largest absolute value over the channels. What multiplies
a gradient with the input *attributes* the score; its maps are the sum over the channels, rectified.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from ...core.target import Target
from .method import AttributionSettings, Built, Explainer, MapBatch, MethodInfo, Request
from .pixel_maps import check_request, completeness_error, evidence, pictured, ready, sensitivity
from .propagation import build_propagation
from .source import plain

_GRADIENTS = frozenset({"gradients"})
_MODULES = frozenset({"gradients", "layers"})

METHODS: Mapping[str, MethodInfo] = MappingProxyType(
    {
        name: MethodInfo(name, title, "gradient", citation, needs, about, random=name == "smoothgrad")
        for name, title, citation, needs, about in (
            (
                "saliency",
                "Saliency",
                "Simonyan, Vedaldi and Zisserman 2014, ICLR workshop",
                _GRADIENTS,
                "Where a small change of a pixel would change the score most, up or down.",
            ),
            (
                "input_x_gradient",
                "Input x gradient",
                "Shrikumar et al. 2016, arXiv 1605.01713",
                _GRADIENTS,
                "Pixel value times gradient: what each pixel adds to the score, to first order.",
            ),
            (
                "integrated_gradients",
                "Integrated gradients",
                "Sundararajan, Taly and Yan 2017, ICML",
                _GRADIENTS,
                "What each pixel adds to the score on the straight way from a black picture to the face.",
            ),
            (
                "smoothgrad",
                "SmoothGrad",
                "Smilkov et al. 2017, arXiv 1706.03825",
                _GRADIENTS,
                "Saliency of the mean gradient over noisy copies of the face.",
            ),
            (
                "deeplift",
                "DeepLIFT",
                "Shrikumar, Greenside and Kundaje 2017, ICML",
                _MODULES,
                "Difference of the score to that of a black picture, shared out by the rescale rule.",
            ),
            (
                "guided_backprop",
                "Guided backpropagation",
                "Springenberg et al. 2015, ICLR workshop",
                _MODULES,
                "Gradient of which rectifiers pass back the positive part only.",
            ),
            (
                "lrp",
                "LRP",
                "Bach et al. 2015, PLoS ONE 10(7)",
                _MODULES,
                "The score, shared out layer by layer in proportion to each input's contribution (epsilon rule).",
            ),
        )
    }
)
"""Methods of this family by name."""

NO_CAPTUM = 'it needs the package captum, which is not installed: pip install "countenance[explain]"'


class GradientExplainer:
    """Saliency and input x gradient, from one gradient."""

    layer_name: str | None = None

    def __init__(self, target: Target, methods: Sequence[str], batch_size: int) -> None:
        self._target = target
        self._batch_size = target.fixed_batch or batch_size
        self.methods = tuple(methods)

    def explain(self, request: Request) -> dict[str, MapBatch]:
        """Return the maps by method."""
        check_request(self._target, request)
        with ready(self._target):
            pixels = plain(request.pixels)
            gradients = gradient(self._target, pixels, request.classes, self._batch_size)
            raw = {"saliency": sensitivity(gradients), "input_x_gradient": evidence(pixels * gradients)}
        return {name: pictured(raw[name]) for name in self.methods}


def gradient(target: Target, pixels: Tensor, classes: Tensor, batch_size: int) -> Tensor:
    """Return the gradient of each face's class score at its pixels, ``(n, 3, h, w)``. Call inside :func:`ready`."""
    from captum.attr import Saliency

    captum = Saliency(target.scores)
    parts = []
    for at in range(0, len(pixels), batch_size):
        part = pixels[at : at + batch_size].clone().requires_grad_()
        parts.append(captum.attribute(part, target=classes[at : at + batch_size].long(), abs=False).detach())
    return torch.cat(parts)


class IntegratedExplainer:
    """Integrated gradients from a black picture, Gauss-Legendre quadrature of the path."""

    layer_name: str | None = None
    methods: tuple[str, ...] = ("integrated_gradients",)

    def __init__(self, target: Target, steps: int, batch_size: int) -> None:
        self._target = target
        self._steps = steps
        self._batch_size = target.fixed_batch or batch_size

    def explain(self, request: Request) -> dict[str, MapBatch]:
        """Return the maps, with ``completeness_error``."""
        from captum.attr import IntegratedGradients

        check_request(self._target, request)
        captum = IntegratedGradients(self._target.scores)
        found, errors = [], []
        with ready(self._target):
            for at in range(0, len(request.pixels), self._batch_size):
                pixels = plain(request.pixels[at : at + self._batch_size])
                classes = request.classes[at : at + self._batch_size].long()
                attributions = captum.attribute(
                    pixels,
                    baselines=0.0,
                    target=classes,
                    n_steps=self._steps,
                    method="gausslegendre",
                    internal_batch_size=max(self._batch_size, len(pixels)),
                ).detach()
                errors.append(completeness_error(attributions, self._target, pixels, classes))
                found.append(evidence(attributions))
        return {self.methods[0]: pictured(torch.cat(found), {"completeness_error": torch.cat(errors)})}


class SmoothGradExplainer:
    """Mean gradient over noisy copies; each face's noise comes from its own seed."""

    layer_name: str | None = None
    methods: tuple[str, ...] = ("smoothgrad",)

    def __init__(self, target: Target, copies: int, noise: float, batch_size: int) -> None:
        self._target = target
        self._copies = copies
        self._noise = noise
        self._batch_size = target.fixed_batch or batch_size

    def explain(self, request: Request) -> dict[str, MapBatch]:
        """Return the maps."""
        check_request(self._target, request)
        with ready(self._target):
            pixels = plain(request.pixels)
            total = torch.zeros_like(pixels)
            for faces, noisy in self._noisy(pixels, request.seeds):
                found = gradient(self._target, noisy, request.classes[faces], self._batch_size)
                total.index_add_(0, faces, found)
        return {self.methods[0]: pictured(sensitivity(total / self._copies))}

    def _noisy(self, pixels: Tensor, seeds: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield batches of noisy copies, of one face after the other, each with the number of its face."""
        faces: list[int] = []
        copies: list[Tensor] = []
        for face, seed in enumerate(seeds):
            generator = torch.Generator().manual_seed(seed)
            for _ in range(self._copies):
                noise = torch.randn(pixels.shape[1:], generator=generator) * self._noise
                faces.append(face)
                copies.append(pixels[face] + noise.to(pixels))
                if len(copies) == self._batch_size:
                    yield torch.tensor(faces, device=pixels.device), torch.stack(copies)
                    faces, copies = [], []
        if copies:
            yield torch.tensor(faces, device=pixels.device), torch.stack(copies)


def build(
    target: Target, methods: Sequence[str], *, layer: str | None, batch_size: int, settings: AttributionSettings
) -> Built:
    """Build explainers for these methods."""
    if importlib.util.find_spec("captum") is None:
        return Built((), dict.fromkeys(methods, NO_CAPTUM))
    explainers: list[Explainer] = []
    plain_ones = [name for name in methods if name in ("saliency", "input_x_gradient")]
    if plain_ones:
        explainers.append(GradientExplainer(target, plain_ones, batch_size))
    if "integrated_gradients" in methods:
        explainers.append(IntegratedExplainer(target, settings.integration_steps, batch_size))
    if "smoothgrad" in methods:
        explainers.append(SmoothGradExplainer(target, settings.noisy_copies, settings.noise, batch_size))
    unavailable: dict[str, str] = {}
    for name in methods:
        if name in ("deeplift", "guided_backprop", "lrp"):
            found = build_propagation(target, name, batch_size)
            if isinstance(found, str):
                unavailable[name] = found
            else:
                explainers.append(found)
    return Built(tuple(explainers), unavailable)
