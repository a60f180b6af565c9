"""How alike are two maps? The cosine of Belharbi et al. (2024), and Pearson's correlation, which a flat map cannot win.

The cosine of two maps that are nowhere negative is never negative either: a constant map scores about .5 against the
map of an expression's action units. So it says something only beside what maps that know nothing score.
"""

from __future__ import annotations

import torch
from torch import Tensor

GAUSSIAN_SPREAD = 45 / 224
"""Standard deviation of the centred Gaussian, as a share of the crop's side."""


def cosine(maps: Tensor, others: Tensor) -> Tensor:
    """Return the cosine of maps ``(..., h, w)`` with others, broadcast over the leading dimensions, -1..1.

    NaN where one of the two is NaN or zero throughout.
    """
    one, other = maps.flatten(-2), others.flatten(-2)
    length = one.norm(dim=-1) * other.norm(dim=-1)
    return (one * other).sum(dim=-1) / torch.where(length > 0, length, torch.full_like(length, torch.nan))


def pearson(maps: Tensor, others: Tensor) -> Tensor:
    """Return Pearson's correlation of maps ``(..., h, w)`` with others, -1..1: the cosine after taking off the means.

    NaN where one of the two is NaN or the same throughout.
    """
    centred = maps - maps.mean(dim=(-2, -1), keepdim=True)
    others_centred = others - others.mean(dim=(-2, -1), keepdim=True)
    found = cosine(centred, others_centred)
    flat = _flat(maps, centred) | _flat(others, others_centred)
    return torch.where(flat, torch.full_like(found, torch.nan), found)


def _flat(maps: Tensor, centred: Tensor) -> Tensor:
    """Tell which maps vary by no more than rounding leaves."""
    return centred.abs().amax(dim=(-2, -1)) <= 1e-6 * maps.abs().amax(dim=(-2, -1))


def positive(attention: Tensor) -> Tensor:
    """Shift layer attentions ``(n, h, w)`` up by their lowest value where that is negative, as ATT-COS does."""
    return attention - attention.amin(dim=(1, 2), keepdim=True).clamp(max=0)


def centred_gaussian(height: int, width: int) -> Tensor:
    """Return a Gaussian in the middle of the picture ``(height, width)``, 1 at its peak."""
    down = (torch.arange(height) - (height - 1) / 2) / (GAUSSIAN_SPREAD * height)
    across = (torch.arange(width) - (width - 1) / 2) / (GAUSSIAN_SPREAD * width)
    return torch.exp(-(down[:, None] ** 2 + across[None, :] ** 2) / 2)
