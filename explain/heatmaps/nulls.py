"""What an overlap with a mask would be if the heatmap knew nothing: the yardsticks beside every IoU.

On the published Ekman masks a map that is white everywhere scores 0.2575 on average and twelve published
networks 0.2689 (Gaya-Morey et al. 2024), so an IoU without its nulls says little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..polygons import BoolArray
from .agreement import iou


@dataclass(frozen=True)
class PlacementNull:
    """IoU of a region of the same area and shape put anywhere on the canvas.

    Attributes:
        analytic: ``ag / (a + g - ag)`` from the two area shares alone.
        mean: of the IoU over every cyclic shift of the region.
        low: 2.5 % quantile over the shifts.
        high: 97.5 % quantile over the shifts.
        share_at_least: share of shifts whose IoU is at least the one observed, the region in place included.
    """

    analytic: float
    mean: float
    low: float
    high: float
    share_at_least: float


def all_ones_iou(mask: BoolArray) -> float:
    """Return the IoU of a map that is white everywhere: the mask's share of the canvas."""
    return float(mask.mean())


def random_area_iou(area: float, mask_area: float) -> float:
    """Return the IoU expected of a region put at random, from the area shares: ag / (a + g - ag)."""
    overlap = area * mask_area
    return overlap / (area + mask_area - overlap)


def random_placement(evidence: BoolArray, mask: BoolArray) -> PlacementNull:
    """Shift a region over the whole canvas, round its edges, and score each place.

    Every cyclic shift is counted (one Fourier transform), so the quantiles are exact for this null. It keeps
    the region in one piece, which pixels drawn one by one would not: their IoU hardly varies at all.

    Args:
        evidence: ``(height, width)`` of bool, not empty.
        mask: ``(height, width)`` of bool.
    """
    observed = iou(evidence, mask)
    spectrum = np.fft.rfft2(mask) * np.conj(np.fft.rfft2(evidence))
    overlap = np.abs(np.rint(np.fft.irfft2(spectrum, s=mask.shape)))  # rounding leaves some at minus zero
    total = np.count_nonzero(evidence) + np.count_nonzero(mask)
    scores = overlap / (total - overlap)
    low, high = np.quantile(scores, (0.025, 0.975))
    return PlacementNull(
        analytic=random_area_iou(float(evidence.mean()), float(mask.mean())),
        mean=float(scores.mean()),
        low=float(low),
        high=float(high),
        share_at_least=float(np.mean(scores >= observed - 1e-12)),
    )


def other_masks_iou(evidence: BoolArray, masks: Mapping[str, BoolArray], own: str) -> dict[str, float]:
    """Return the IoU of a region with the masks of every other expression."""
    return {name: iou(evidence, mask) for name, mask in masks.items() if name != own}
