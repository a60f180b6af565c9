"""How well a heatmap and a mask agree: threshold, overlap, and scores that need no threshold.

A heatmap is grey, 0 to 255, larger where a model's evidence lies; a mask is a set of pixels on the same
canvas. All scores are over the whole canvas, as in Gaya-Morey et al. (2024, arXiv 2401.11835), whose
published table the functions here reproduce.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..polygons import BoolArray

Grey = NDArray[np.uint8]
Threshold = Literal["otsu", "area"]


@dataclass(frozen=True)
class Agreement:
    """Scores of one heatmap against one mask; each lies in 0..1 and more means more agreement.

    Attributes:
        threshold: grey level; the evidence is what lies above it.
        area: share of the canvas above the threshold.
        mask_area: share of the canvas inside the mask.
        iou: intersection over union of the two regions.
        precision: share of the evidence that lies inside the mask.
        recall: share of the mask that is evidence.
        f1: harmonic mean of precision and recall (the Dice coefficient).
        energy_in_mask: share of the heatmap's sum that lies inside the mask; no threshold.
        auroc: probability that a pixel inside the mask is brighter than one outside; no threshold,
            chance 0.5.
        average_precision: mean precision over all thresholds, each weighted by the recall it adds; chance is the
            mask's area.
        pointing_game: 1 if the brightest pixel lies inside the mask, 0 if not, the share inside where several are
            equally bright (Zhang et al. 2018, IJCV 126); chance is the mask's area.
    """

    threshold: int
    area: float
    mask_area: float
    iou: float
    precision: float
    recall: float
    f1: float
    energy_in_mask: float
    auroc: float
    average_precision: float
    pointing_game: float


def stretch(heatmap: NDArray[np.floating[Any]]) -> Grey:
    """Stretch a map to the grey levels 0..255.

    Args:
        heatmap: ``(height, width)``, finite, not the same everywhere.

    Raises:
        ValueError: if the map is constant or not finite: it has no levels to stretch.
    """
    low, high = float(heatmap.min()), float(heatmap.max())
    if not np.isfinite(high - low) or high <= low:
        raise ValueError(f"Expected `heatmap` to be finite and not constant, but got values {low} to {high}")
    levels: Grey = np.rint((heatmap - low) * (255.0 / (high - low))).astype(np.uint8)
    return levels


def otsu_threshold(heatmap: Grey) -> int:
    """Return the grey level that splits a heatmap best, by Otsu's rule.

    The split ``heatmap > level`` maximises the variance between the two classes (Otsu 1979, IEEE Transactions
    on Systems, Man, and Cybernetics 9(1), 62-66). Of equally good levels the lowest is taken.

    Args:
        heatmap: uint8, any shape, with at least two different levels.

    Raises:
        ValueError: if the heatmap is constant or not uint8.
    """
    levels = _levels(heatmap)
    count = np.cumsum(levels, dtype=np.float64)
    total = np.cumsum(levels * np.arange(256.0))
    below, above = count[:-1], count[-1] - count[:-1]
    both = (below > 0) & (above > 0)
    difference = total[-1] * below - count[-1] * total[:-1]
    between = np.zeros(255)
    between[both] = difference[both] ** 2 / (below[both] * above[both])
    return int(np.argmax(between))


def area_threshold(heatmap: Grey, share: float) -> int:
    """Return the grey level above which a share of the pixels lies, as nearly as the levels allow.

    Args:
        heatmap: uint8, any shape, with at least two different levels.
        share: wanted, 0..1.

    Raises:
        ValueError: if the heatmap is constant or not uint8.
    """
    levels = _levels(heatmap)
    above = levels.sum() - np.cumsum(levels)
    occupied = np.flatnonzero(levels)[:-1]  # above the highest level there is nothing
    return int(occupied[np.argmin(np.abs(above[occupied] - share * levels.sum()))])


def _levels(heatmap: Grey) -> NDArray[np.int64]:
    if heatmap.dtype != np.uint8:
        raise ValueError(f"Expected `heatmap` to be uint8, but got {heatmap.dtype}")
    levels = np.bincount(heatmap.ravel(), minlength=256).astype(np.int64)
    if np.count_nonzero(levels) < 2:
        raise ValueError("Expected `heatmap` to have at least two grey levels, but it is the same everywhere")
    return levels


def evidence_threshold(heatmap: Grey, mask: BoolArray, rule: Threshold = "otsu") -> int:
    """Return the grey level above which a heatmap counts as evidence.

    Args:
        heatmap: uint8.
        mask: it is to be compared with; used by the rule ``area`` alone, which matches its area.
        rule: ``otsu`` or ``area``.
    """
    return otsu_threshold(heatmap) if rule == "otsu" else area_threshold(heatmap, float(mask.mean()))


def iou(first: BoolArray, second: BoolArray) -> float:
    """Return intersection over union of two regions, 0..1.

    Raises:
        ValueError: if the shapes differ or both regions are empty.
    """
    if first.shape != second.shape:
        raise ValueError(f"Expected regions of one shape, but got {first.shape} and {second.shape}")
    union = int(np.count_nonzero(first | second))
    if union == 0:
        raise ValueError("Expected at least one region to hold a pixel, but both are empty")
    return int(np.count_nonzero(first & second)) / union


def energy_in_mask(heatmap: NDArray[Any], mask: BoolArray) -> float:
    """Return the share of a heatmap's sum that lies inside a mask, 0..1; the null is the mask's area."""
    values = heatmap.astype(np.float64)
    return float(values[mask].sum() / values.sum())


def auroc(heatmap: NDArray[Any], mask: BoolArray) -> float:
    """Return the area under the ROC curve of pixel brightness as a classifier of the mask's pixels, 0..1.

    By the rank-sum identity, ties counted half; the null is 0.5.
    """
    inside = mask.ravel()
    positives = int(np.count_nonzero(inside))
    negatives = inside.size - positives
    if positives == 0 or negatives == 0:
        raise ValueError("Expected `mask` to leave pixels both inside and outside, but it does not")
    if heatmap.dtype == np.uint8:
        within = np.bincount(heatmap[mask].ravel(), minlength=256).astype(np.float64)
        without = np.bincount(heatmap.ravel(), minlength=256) - within
        lower = np.cumsum(without) - without
        return float((within * (lower + without / 2)).sum() / (positives * negatives))
    ranks = rankdata(heatmap.ravel())
    return float((ranks[inside].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(heatmap: Grey, mask: BoolArray) -> float:
    """Return the average precision of brightness as a finder of the mask's pixels, 0..1; the null is the mask's area.

    The sum over grey levels, from the brightest, of precision times the recall that level adds; as scikit-learn's
    ``average_precision_score``.

    Raises:
        ValueError: if the heatmap is constant or not uint8, or the mask is empty.
    """
    levels = _levels(heatmap)
    within = np.bincount(heatmap[mask].ravel(), minlength=256)[::-1].astype(np.float64)
    if within.sum() == 0:
        raise ValueError("Expected `mask` to hold a pixel, but it is empty")
    found, called = np.cumsum(within), np.cumsum(levels[::-1])
    precision = found / np.maximum(called, 1)
    return float((precision * within).sum() / within.sum())


def pointing_game(heatmap: NDArray[Any], mask: BoolArray) -> float:
    """Return whether the brightest pixel lies inside the mask: 1 or 0, the share inside of equally bright ones."""
    return float(mask[heatmap == heatmap.max()].mean())


def agreement(heatmap: Grey, mask: BoolArray, rule: Threshold = "otsu") -> Agreement:
    """Score one heatmap against one mask.

    Args:
        heatmap: ``(height, width)`` uint8 with at least two levels.
        mask: ``(height, width)`` of bool, neither empty nor full.
        rule: how the heatmap is thresholded, ``otsu`` or ``area`` (as large as the mask).

    Raises:
        ValueError: if the shapes differ, the heatmap is constant, or the mask is empty or full.
    """
    if heatmap.shape != mask.shape:
        raise ValueError(f"Expected heatmap and mask of one shape, but got {heatmap.shape} and {mask.shape}")
    threshold = evidence_threshold(heatmap, mask, rule)
    evidence = heatmap > threshold
    both = int(np.count_nonzero(evidence & mask))
    precision, recall = both / np.count_nonzero(evidence), both / np.count_nonzero(mask)
    return Agreement(
        threshold=threshold,
        area=float(evidence.mean()),
        mask_area=float(mask.mean()),
        iou=iou(evidence, mask),
        precision=float(precision),
        recall=float(recall),
        f1=float(2 * precision * recall / (precision + recall)) if both else 0.0,
        energy_in_mask=energy_in_mask(heatmap, mask),
        auroc=auroc(heatmap, mask),
        average_precision=average_precision(heatmap, mask),
        pointing_game=pointing_game(heatmap, mask),
    )
