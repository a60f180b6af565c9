"""ROAD: does removing what a map calls relevant change the answer more than removing what it calls irrelevant?

Rong et al. (2022), A Consistent and Efficient Evaluation Strategy for Attribution Methods, ICML. Removed pixels are
filled in by :mod:`.imputation` with a little noise, so that neither a black hole nor its outline tells the model
anything. The combined score is that of the grad-cam package: half of (least relevant first - most relevant first), each
the mean over percentiles of the logit after the removal less the logit before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .curves import relevance_order
from .imputation import impute
from .scorer import Scorer

PERCENTILES = (10, 20, 30, 40, 50, 60, 70, 80, 90)
NOISE = 0.01
"""Standard deviation of the noise in filled pixels, in units of the model's input."""


@dataclass(frozen=True)
class RoadScores:
    """ROAD of a batch of faces, in logits of the explained class.

    Attributes:
        combined: ``(n,)`` half of ``least - most``; larger is better, zero is what a map without information has.
        most: ``(n,)`` mean change of the logit when the most relevant pixels are removed first.
        least: ``(n,)`` the same for the least relevant ones.
        problems: for each face None, or why it has no score; its scores are NaN.
    """

    combined: Tensor
    most: Tensor
    least: Tensor
    problems: tuple[str | None, ...]


def removals(maps: Tensor, percentiles: Sequence[float], seeds: Sequence[int]) -> Tensor:
    """Return which pixels are removed, most relevant first and least relevant first.

    Everything at or above the percentile of the map is removed (of one minus the map for the least relevant). Of
    pixels that are equally relevant, as where a map is zero, as many as fill the share are removed at random: removing
    all of them at once, as the grad-cam package does, may leave nothing of the picture to fill in from.

    Args:
        maps: ``(n, h, w)`` in 0..1, finite.
        percentiles: 0..100, of the map.
        seeds: of the order among equals, one for each face.

    Returns:
        ``(n, p, 2, h, w)`` bool, most relevant first at 0 and least relevant at 1.
    """
    order = relevance_order(maps, seeds)
    pixels = order[0].numel()
    counts = [pixels - math.ceil(percentile / 100 * (pixels - 1)) for percentile in percentiles]
    count = torch.tensor(counts, device=maps.device).reshape(-1, 1, 1)
    return torch.stack([order[:, None] < count, order[:, None] >= pixels - count], dim=2)


def road(
    scorer: Scorer,
    planes: Tensor,
    classes: Tensor,
    maps: Tensor,
    seeds: Sequence[int],
    *,
    percentiles: Sequence[float] = PERCENTILES,
    noise: float = NOISE,
    cycles: int = 1,
) -> RoadScores:
    """Score maps by ROAD.

    A face's noise is one picture that all its removals share: it comes from the face's seed alone, and differences
    between removals are not blurred by it.

    Args:
        scorer: of the model.
        planes: ``(n, c, h, w)`` the faces.
        classes: ``(n,)`` the class that each map explains.
        maps: ``(n, h, w)`` in 0..1; a map with NaN is not scored.
        seeds: of the noise, one for each face.
        percentiles: of the map, above which pixels are removed.
        noise: standard deviation in units of the model's input.
        cycles: of the solver that fills in; see :func:`.imputation.impute`.
    """
    change = torch.full((len(maps), 2), torch.nan, dtype=planes.dtype, device=planes.device)
    problems: list[str | None] = []
    before = scorer.class_logits(planes, classes)
    for place, one in enumerate(maps):
        problem = _problem(one)
        problems.append(problem)
        if problem is not None:
            continue
        unknown = removals(one[None], percentiles, seeds[place : place + 1])[0].flatten(0, 1)
        copies = planes[place].expand(len(unknown), -1, -1, -1)
        filled = impute(copies, unknown, cycles=cycles)
        grain = _grain(planes[place], seeds[place]) * (noise * scorer.unit)
        filled = torch.addcmul(filled, grain, unknown[:, None].to(filled.dtype))
        after = scorer.class_logits(filled, classes[place].expand(len(filled)))
        change[place] = (after - before[place]).reshape(-1, 2).mean(dim=0)
    most, least = change.unbind(dim=1)
    return RoadScores((least - most) / 2, most, least, tuple(problems))


def _problem(one: Tensor) -> str | None:
    if not bool(torch.isfinite(one).all()):
        return "there is no map"
    if bool(one.amax() == one.amin()):
        return "the map is the same everywhere: every pixel would be removed at once"
    return None


def _grain(picture: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(picture.shape, generator=generator, dtype=picture.dtype).to(picture.device)
