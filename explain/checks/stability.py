"""Stability: how far does a map move when the face is changed by less than anyone can see?

After Alvarez-Melis and Jaakkola (2018), On the Robustness of Interpretability Methods, arXiv 1806.08049. Noise of a
standard deviation of about one grey level is added to a face; where the model still calls it the same, the distance of
the maps is one minus their correlation. A map that moves although the answer does not explains noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .similarity import pearson

ExplainMaps = Callable[[Tensor], dict[str, Tensor]]
"""From pixels ``(n, 3, h, w)`` to maps ``(n, h, w)`` by method."""


@dataclass(frozen=True)
class Moved:
    """How far the maps of one method moved.

    Attributes:
        mean: ``(n,)`` mean over noisy copies of 1 - correlation, 0..2; NaN for a face without a copy to compare.
        largest: ``(n,)`` the largest of them.
        copies: ``(n,)`` int64, how many copies were called the same and have a map.
        vanished: ``(n,)`` int64, copies called the same whose map vanished; they count with a distance of 1.
    """

    mean: Tensor
    largest: Tensor
    copies: Tensor
    vanished: Tensor


def noisy_copies(pixels: Tensor, seeds: Sequence[int], copies: int, noise: float) -> Tensor:
    """Return noisy copies ``(copies, n, 3, h, w)`` in 0..1; a face's noise follows from its seed alone."""
    grain = []
    for one, seed in zip(pixels, seeds, strict=True):
        generator = torch.Generator().manual_seed(seed)
        grain.append(torch.randn((copies, *one.shape), generator=generator))
    return (pixels + noise * torch.stack(grain, dim=1).to(pixels.device)).clamp(0, 1)


def stability(
    explain: ExplainMaps,
    answer: Callable[[Tensor], Tensor],
    maps: dict[str, Tensor],
    pixels: Tensor,
    seeds: Sequence[int],
    *,
    copies: int = 2,
    noise: float = 1 / 255,
) -> dict[str, Moved]:
    """Compare the maps of noisy copies with those of the faces.

    Args:
        explain: makes maps of the same classes as ``maps`` shows.
        answer: gives the class that the model calls each of ``(n, 3, h, w)``.
        maps: of the faces, by method, NaN where there is none.
        pixels: ``(n, 3, h, w)`` the faces.
        seeds: one for each face.
        copies: noisy copies of each.
        noise: standard deviation, in pixel values 0..1.
    """
    before = answer(pixels)
    distances: dict[str, list[Tensor]] = {name: [] for name in maps}
    gone: dict[str, list[Tensor]] = {name: [] for name in maps}
    for copy in noisy_copies(pixels, seeds, copies, noise):
        same = answer(copy) == before
        found = explain(copy)
        for name, first in maps.items():
            comparable = same & has_map(first)
            vanished = comparable & ~has_map(found[name])
            distance = torch.where(vanished, 1.0, 1 - pearson(first, found[name]))
            distances[name].append(torch.where(comparable, distance, torch.nan))
            gone[name].append(vanished)
    return {name: _summary(torch.stack(values), torch.stack(gone[name])) for name, values in distances.items()}


def has_map(maps: Tensor) -> Tensor:
    """Tell which of maps ``(n, h, w)`` are maps, ``(n,)`` bool: finite, not NaN throughout."""
    return torch.isfinite(maps).flatten(1).all(dim=1)


def _summary(distances: Tensor, gone: Tensor) -> Moved:
    known = torch.isfinite(distances)
    largest = torch.where(known, distances, -torch.inf).amax(dim=0)
    return Moved(
        distances.nanmean(dim=0),
        torch.where(known.any(dim=0), largest, torch.nan),
        known.sum(dim=0),
        gone.sum(dim=0),
    )
