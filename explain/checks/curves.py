"""Deletion and insertion curves: how fast the answer goes when relevant pixels go, and comes when they come.

Petsiuk et al. (2018), RISE: Randomized Input Sampling for Explanation of Black-box Models, BMVC. Deletion replaces
pixels by a baseline, most relevant first; insertion puts them into a baseline in the same order. The score is the area
under the probability of the explained class over the share of pixels: lower is better for deletion, higher for
insertion. Both depend on the baseline: black adds edges the model never saw, a blurred face keeps coarse evidence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from .scorer import Scorer

Baseline = Literal["black", "blur"]
BLUR_SHARE = 0.1
"""Standard deviation of the blur, as a share of the face's shorter side."""


@dataclass(frozen=True)
class Curve:
    """A curve for each face.

    Attributes:
        area: ``(n,)`` area under the probability, 0..1; NaN without a map.
        probability: ``(n, steps + 1)`` of the explained class, from no pixel changed to all.
    """

    area: Tensor
    probability: Tensor


def relevance_order(maps: Tensor, seeds: Sequence[int]) -> Tensor:
    """Return each pixel's place in the order of relevance, 0 the most relevant, ``(n, h, w)`` int64.

    Pixels of equal relevance come in a random order that follows from the face's seed.

    Args:
        maps: ``(n, h, w)``.
        seeds: one for each face.
    """
    flat = maps.flatten(1)
    scattered = torch.stack(
        [torch.randperm(flat.shape[1], generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    ).to(maps.device)
    order = flat.gather(1, scattered).argsort(dim=1, descending=True, stable=True)
    pixels = scattered.gather(1, order)
    places = torch.arange(flat.shape[1], device=maps.device).expand_as(pixels)
    return torch.empty_like(pixels).scatter_(1, pixels, places).reshape(maps.shape)


def baseline_of(planes: Tensor, kind: Baseline) -> Tensor:
    """Return what stands for no information about faces ``(n, c, h, w)``: black, or the face strongly blurred."""
    if kind == "black":
        return torch.zeros_like(planes)
    sigma = BLUR_SHARE * min(planes.shape[-2:])
    reach = math.ceil(2.5 * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=planes.dtype, device=planes.device)
    weights = torch.exp(-(offsets**2) / (2 * sigma**2))
    weights = (weights / weights.sum()).reshape(1, 1, 1, -1)
    count, channels, height, width = planes.shape
    flat = F.pad(planes.reshape(-1, 1, height, width), (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(flat, weights), weights.transpose(2, 3)).reshape(count, channels, height, width)


def curve(scorer: Scorer, start: Tensor, end: Tensor, classes: Tensor, order: Tensor, steps: int) -> Curve:
    """Go from one picture to the other, most relevant pixels first.

    Args:
        scorer: of the model.
        start: ``(n, c, h, w)`` pictures with no pixel changed: the faces for deletion, the baseline for insertion.
        end: ``(n, c, h, w)`` pictures with all pixels changed.
        classes: ``(n,)`` the class whose probability is followed.
        order: ``(n, h, w)`` as of :func:`relevance_order`.
        steps: equal shares in which pixels are changed.
    """
    pixels = order[0].numel()
    changed = torch.arange(steps + 1, device=order.device) * pixels // steps
    found = []
    for one in range(len(start)):
        mask = order[one] < changed[:, None, None]
        pictures = torch.where(mask[:, None], end[one], start[one])
        found.append(scorer.class_probabilities(pictures, classes[one].expand(steps + 1)))
    probability = torch.stack(found)
    return Curve(torch.trapezoid(probability, dx=1 / steps, dim=1), probability)


def deletion(
    scorer: Scorer, planes: Tensor, classes: Tensor, order: Tensor, *, steps: int = 16, baseline: Baseline = "black"
) -> Curve:
    """Delete pixels, most relevant first: a low area says that the map found what the answer hangs on."""
    return curve(scorer, planes, baseline_of(planes, baseline), classes, order, steps)


def insertion(
    scorer: Scorer, planes: Tensor, classes: Tensor, order: Tensor, *, steps: int = 16, baseline: Baseline = "blur"
) -> Curve:
    """Insert pixels, most relevant first: a high area says that the map found what suffices for the answer."""
    return curve(scorer, baseline_of(planes, baseline), planes, classes, order, steps)


def moved_elsewhere(maps: Tensor, seeds: Sequence[int]) -> Tensor:
    """Move each map to a random place, around the edges: the null of a faithfulness score.

    A score depends on how coarse a map is and how its values are spread, whatever it points at. A map moved by a random
    number of rows and columns, and mirrored or not, keeps both exactly and forgets the place, which is all that a
    heatmap says. White noise would keep neither: scattered holes harm a net more than one hole of the same area.

    Args:
        maps: ``(n, h, w)``.
        seeds: one for each map.
    """
    moved = []
    for one, seed in zip(maps, seeds, strict=True):
        generator = torch.Generator().manual_seed(seed)
        down = int(torch.randint(one.shape[0], (1,), generator=generator))
        across = int(torch.randint(one.shape[1], (1,), generator=generator))
        turned = one.flip(1) if int(torch.randint(2, (1,), generator=generator)) else one
        moved.append(turned.roll((down, across), dims=(0, 1)))
    return torch.stack(moved)
