"""Alignment of a net's attention with action units as a training signal.

After Belharbi et al. (2024, arXiv 2402.00281). Added to the loss of a trainer it pulls what a layer responds to towards
where the label's expression is said to show::

    loss = cross_entropy(logits, labels) + 4.0 * alignment_loss(features, au_maps, valid)

That account is contested (``docs/action-units.md``): a net trained so *looks* where it says, which is no evidence that
expressions show there. Maps are made once per picture by :func:`training_maps`; what is done to the picture in
augmentation must be done to the map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ...core.errors import UsageError
from ..landmarks import FloatArray, to_68
from .codebook import Codebook
from .regions import FaceFrame
from .unit_maps import unit_maps

AlignmentKind = Literal["cosine", "pearson", "l1"]
_TINY = 1e-8


def alignment_loss(features: Tensor, au_maps: Tensor, valid: Tensor, kind: AlignmentKind = "cosine") -> Tensor:
    """Return how far a layer's attention lies from the maps of action units, averaged over the valid faces.

    The attention T is the mean over channels; the map A is resized to it (bilinear, antialiased). ``cosine``: 1 less
    the cosine of the two, the paper's R. ``pearson``: 1 less their correlation, which a constant attention cannot
    lower. ``l1``: their mean absolute difference, each stretched to 0..1 (T by limits that are part of the graph).

    Args:
        features: ``(n, c, h, w)`` of a layer; a gradient flows back into them.
        au_maps: ``(n, H, W)`` of the labels' expressions, 0..1; those of faces that are not valid may be anything.
        valid: ``(n,)`` of bool: whether the face has a map (neutral has none).
        kind: of distance.

    Returns:
        A scalar, 0 where no face is valid; 0..2 (``l1``: 0..1).

    Raises:
        UsageError: if the shapes do not fit, or there is no such kind.
    """
    if features.ndim != 4 or au_maps.ndim != 3 or len({len(features), len(au_maps), len(valid)}) != 1:
        raise UsageError(
            "expected features (n, c, h, w), au_maps (n, H, W) and valid (n,) for the same n faces, but got "
            f"{tuple(features.shape)}, {tuple(au_maps.shape)} and {tuple(valid.shape)}"
        )
    if kind not in ("cosine", "pearson", "l1"):
        raise UsageError(f"expected kind to be cosine, pearson or l1, but got {kind!r}")
    chosen = valid.to(features.device, torch.bool)
    if not bool(chosen.any()):
        return features.sum() * 0.0
    attention = features[chosen].mean(dim=1)
    size = (int(attention.shape[1]), int(attention.shape[2]))
    wanted = au_maps.to(features)[chosen, None]
    wanted = functional.interpolate(wanted, size=size, mode="bilinear", align_corners=False, antialias=True)[:, 0]
    one, other = attention.flatten(1), wanted.flatten(1)
    if kind == "l1":
        return (_stretched(one) - _stretched(other)).abs().mean()
    if kind == "pearson":
        one, other = one - one.mean(dim=1, keepdim=True), other - other.mean(dim=1, keepdim=True)
    return (1 - functional.cosine_similarity(one, other, dim=1, eps=_TINY)).mean()


def _stretched(values: Tensor) -> Tensor:
    low, high = values.amin(dim=1, keepdim=True), values.amax(dim=1, keepdim=True)
    return (values - low) / (high - low).clamp(min=_TINY)


def training_maps(
    landmarks: FloatArray, labels: Sequence[str] | NDArray[np.object_], codebook: Codebook, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Return the maps of the labels' expressions on faces, and which faces have one.

    Args:
        landmarks: ``(n, 68 or 478, 2)`` in pixels of the crop, pixel centres at integers; NaN where a face has none.
        labels: name of each face's class.
        codebook: the action units of each expression.
        size: height and width of the crops in pixels.

    Returns:
        ``(n, height, width)`` float32, 0 throughout where there is no map; and ``(n,)`` of bool.
    """
    points = to_68(landmarks)
    maps = torch.zeros(len(points), *size)
    names = np.asarray(labels, dtype=object)
    usable = FaceFrame.of(points).usable & np.isfinite(points).reshape(len(points), -1).all(axis=1)
    for name in dict.fromkeys(names.tolist()):
        units, rows = codebook.units_of(name), np.flatnonzero(usable & (names == name))
        if units and len(rows):
            maps[torch.from_numpy(rows)] = unit_maps(points[rows], units, *size).expression(units)
    drawn = torch.isfinite(maps).all(dim=(1, 2)) & (maps.amax(dim=(1, 2)) > 0)
    return torch.where(drawn[:, None, None], maps, torch.zeros_like(maps)), drawn
