"""Class activation maps: how features and gradients at one layer become a map, and a map a picture.

Each rule takes activations A and gradients G of the class score at them, both ``(n, c, h, w)``, and returns
the map ``(n, h, w)`` before rectification. Sums over positions are written as such in the comments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

Rule = Callable[[Tensor, Tensor], Tensor]


def gradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Weigh each channel by its mean gradient.

    Selvaraju et al. (2017), Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization, ICCV.
    """
    return _weighted(activations, gradients.mean(dim=(2, 3)))


def gradcam_plus_plus(activations: Tensor, gradients: Tensor) -> Tensor:
    """Weigh each channel by its positive gradients, each with a coefficient from second and third powers.

    Chattopadhay et al. (2018), Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep
    Convolutional Networks, WACV.
    """
    squared = gradients**2
    total = activations.sum(dim=(2, 3), keepdim=True)
    share = squared / (2 * squared + total * squared * gradients + 1e-6)
    share = torch.where(gradients != 0, share, torch.zeros_like(share))
    return _weighted(activations, (gradients.relu() * share).sum(dim=(2, 3)))


def xgradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Weigh each channel by the mean of its gradients weighted with its activations.

    Fu et al. (2020), Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs, BMVC.
    """
    total = activations.sum(dim=(2, 3))
    return _weighted(activations, (gradients * activations).sum(dim=(2, 3)) / (total + 1e-7))


def hirescam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Multiply gradient and activation at each position.

    Draelos and Carin (2020), Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional
    neural networks, arXiv 2011.08891.
    """
    return (gradients * activations).sum(dim=1)


def layercam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Multiply positive gradient and activation at each position.

    Jiang et al. (2021), LayerCAM: Exploring Hierarchical Class Activation Maps for Localization, IEEE TIP 30.
    """
    return (gradients.relu() * activations).sum(dim=1)


def _weighted(activations: Tensor, weights: Tensor) -> Tensor:
    return torch.einsum("nchw,nc->nhw", activations, weights)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "gradcam": gradcam,
        "gradcam++": gradcam_plus_plus,
        "xgradcam": xgradcam,
        "hirescam": hirescam,
        "layercam": layercam,
    }
)
"""The rules by name."""


@dataclass(frozen=True)
class Normalised:
    """Maps as pictures, and what was wrong with those that have none.

    Attributes:
        maps: ``(n, height, width)`` in 0..1, NaN throughout for a face without a map.
        problems: for each face None, or why it has no map.
    """

    maps: Tensor
    problems: tuple[str | None, ...]


def normalise(raw: Tensor, size: tuple[int, int]) -> Normalised:
    """Rectify maps, stretch each to 0..1, resize bilinearly, and stretch again.

    A map that is not finite or the same everywhere tells nothing about place: it is filled with NaN and the
    reason is given, so that it can neither be shown nor averaged by mistake.

    Args:
        raw: ``(n, h, w)`` as a rule returns it.
        size: height and width wanted, in pixels.
    """
    finite = torch.isfinite(raw).flatten(1).all(dim=1)
    maps = torch.where(finite[:, None, None], raw, torch.zeros_like(raw)).relu()
    peak = maps.amax(dim=(1, 2))
    level = maps.amin(dim=(1, 2))
    varies = peak - level > 1e-6 * peak
    maps = _stretch(maps)
    maps = torch.nn.functional.interpolate(maps[:, None], size=size, mode="bilinear", align_corners=False)[:, 0]
    maps = _stretch(maps)
    good = finite & varies
    maps = torch.where(good[:, None, None], maps, torch.full_like(maps, torch.nan))
    problems = tuple(
        None if bool(good[index]) else _problem(bool(finite[index]), float(peak[index])) for index in range(len(maps))
    )
    return Normalised(maps, problems)


def _stretch(maps: Tensor) -> Tensor:
    low = maps.amin(dim=(1, 2), keepdim=True)
    extent = maps.amax(dim=(1, 2), keepdim=True) - low
    return (maps - low) / torch.where(extent > 0, extent, torch.ones_like(extent))


def _problem(finite: bool, peak: float) -> str:
    if not finite:
        return "the map holds NaN or infinite values"
    if peak == 0:
        return "the map is zero everywhere: no position speaks for the class"
    return "the map is the same everywhere"
