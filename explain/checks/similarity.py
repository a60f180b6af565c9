"""How alike two heatmaps are: rank correlation, plain correlation, and structural similarity."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 7
"""Side of the window of the structural similarity, in pixels."""


def spearman(first: Tensor, second: Tensor) -> Tensor:
    """Return the rank correlation of maps ``(n, h, w)``, pair by pair: ``(n,)`` in -1..1, ties sharing their mean rank.

    NaN where one of the two is constant or holds NaN.
    """
    return correlation(ranks(first), ranks(second))


def pearson(first: Tensor, second: Tensor) -> Tensor:
    """Return the correlation of maps ``(n, h, w)``, pair by pair: ``(n,)`` in -1..1, NaN where one is constant."""
    return correlation(first.flatten(1).double(), second.flatten(1).double())


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean structural similarity of maps ``(n, h, w)`` in 0..1, pair by pair: ``(n,)`` in -1..1.

    Wang et al. (2004), Image Quality Assessment: From Error Visibility to Structural Similarity, IEEE TIP 13(4); with
    a uniform window, K1 = 0.01, K2 = 0.03, over windows that lie inside the map.
    """
    one, two = first[:, None].double(), second[:, None].double()
    side = min(WINDOW, *first.shape[-2:])

    def local(values: Tensor) -> Tensor:
        return F.avg_pool2d(values, side, stride=1)

    mean_one, mean_two = local(one), local(two)
    spread = local(one * one) - mean_one**2 + local(two * two) - mean_two**2
    common = local(one * two) - mean_one * mean_two
    c1, c2 = 0.01**2, 0.03**2
    brightness = (2 * mean_one * mean_two + c1) / (mean_one**2 + mean_two**2 + c1)
    return (brightness * (2 * common + c2) / (spread + c2)).flatten(1).mean(dim=1)


def ranks(maps: Tensor) -> Tensor:
    """Return the rank of every position within its map ``(n, h, w)``, as ``(n, h * w)``; ties share their mean rank."""
    values = maps.flatten(1).contiguous()
    ordered = values.sort(dim=1).values
    below = torch.searchsorted(ordered, values)
    upto = torch.searchsorted(ordered, values, right=True)
    return torch.where(torch.isfinite(values), (below + upto).double() / 2, torch.nan)


def correlation(first: Tensor, second: Tensor) -> Tensor:
    """Return the correlation of rows ``(n, m)``, pair by pair: ``(n,)``, NaN where one is constant or holds NaN."""
    one = first - first.mean(dim=1, keepdim=True)
    two = second - second.mean(dim=1, keepdim=True)
    scale = one.norm(dim=1) * two.norm(dim=1)
    return torch.where(scale > 0, (one * two).sum(dim=1) / scale, torch.nan).clamp(-1, 1)
