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


def eigencam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Project the activations at each position on their first principal component over positions.

    The class plays no part in it: the map tells what the layer varies most in. A component has no sign of its own;
    here the side with the larger extreme is positive, as in Chung and Ying (2025), Seg-Eigen-CAM, Applied Sciences
    15(13) 7562, equation 13. Another sign is another map once it is rectified.

    Muhammad and Yeasin (2020), Eigen-CAM: Class Activation Map using Principal Components, IJCNN.
    """
    return _first_component(activations)


def eigengradcam(activations: Tensor, gradients: Tensor) -> Tensor:
    """Project gradient times activation at each position on its first principal component over positions.

    The sign is that of :func:`eigencam`. Published with code alone: Gildenblat et al. (2021), pytorch-grad-cam,
    after Muhammad and Yeasin (2020).
    """
    return _first_component(gradients * activations)


def _weighted(activations: Tensor, weights: Tensor) -> Tensor:
    return torch.einsum("nchw,nc->nhw", activations, weights)


def _first_component(features: Tensor) -> Tensor:
    """Return ``(n, h, w)`` the scores of positions on their first principal component, larger extreme positive.

    From the eigenvectors of the smaller of the two matrices of products, of positions (h w) or of channels (c): with
    the centred features X (positions, channels) and the leading eigenvector u of X X', the scores are u sqrt(lambda);
    with v of X' X they are X v. A full singular value decomposition took twenty times as long.
    """
    height, width = features.shape[2:]
    centred = features.flatten(2).transpose(1, 2)
    finite = torch.isfinite(centred).all(dim=2).all(dim=1)
    # An eigenvalue solver fails for the whole batch when one face holds NaN; that face gets its NaN back below.
    centred = torch.where(finite[:, None, None], centred, torch.zeros_like(centred))
    size = centred.abs().amax(dim=(1, 2), keepdim=True)
    centred = centred - centred.mean(dim=1, keepdim=True)
    spread = centred.abs().amax(dim=(1, 2), keepdim=True)
    # Features that are the same everywhere differ from their mean by rounding, which is not to be looked at.
    varies = spread > 1e-6 * size
    # Products of values far from one would overflow or vanish.
    centred = torch.where(varies, centred / torch.where(varies, spread, torch.ones_like(spread)), 0.0)
    if centred.shape[1] <= centred.shape[2]:
        values, vectors = torch.linalg.eigh(centred @ centred.transpose(1, 2))
        scores = vectors[:, :, -1] * values[:, -1:].clamp_min(0).sqrt()
    else:
        _, vectors = torch.linalg.eigh(centred.transpose(1, 2) @ centred)
        scores = (centred @ vectors[:, :, -1:])[:, :, 0]
    upwards = scores.amax(dim=1, keepdim=True) >= -scores.amin(dim=1, keepdim=True)
    scores = torch.where(upwards, scores, -scores) * spread[:, :, 0]
    scores = torch.where(finite[:, None], scores, torch.full_like(scores, torch.nan))
    return scores.reshape(-1, height, width)


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "gradcam": gradcam,
        "gradcam++": gradcam_plus_plus,
        "xgradcam": xgradcam,
        "hirescam": hirescam,
        "layercam": layercam,
        "eigencam": eigencam,
        "eigengradcam": eigengradcam,
    }
)
"""The rules by name."""


@dataclass(frozen=True)
class Normalised:
    """Maps as pictures, and what was wrong with those that have none.

    Attributes:
        maps: ``(n, height, width)`` in 0..1, NaN throughout for a face without a map.
        problems: for each face None, or why it has no map.
        peaks: ``(n,)`` how far each rectified map rose above its own lowest value before it was stretched.
    """

    maps: Tensor
    problems: tuple[str | None, ...]
    peaks: Tensor


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
    # One reading for the whole batch: each costs a wait for the device.
    told = torch.stack([finite.to(peak.dtype), varies.to(peak.dtype), peak], dim=1).tolist()
    return Normalised(maps, tuple(_problem(*of_face) for of_face in told), peak - level)


def _stretch(maps: Tensor) -> Tensor:
    low = maps.amin(dim=(1, 2), keepdim=True)
    extent = maps.amax(dim=(1, 2), keepdim=True) - low
    return (maps - low) / torch.where(extent > 0, extent, torch.ones_like(extent))


def _problem(finite: float, varies: float, peak: float) -> str | None:
    if not finite:
        return "the map holds NaN or infinite values"
    if peak == 0:
        return "the map is zero everywhere: no position speaks for the class"
    return None if varies else "the map is the same everywhere"
