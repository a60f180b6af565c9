"""Score a mean heatmap against masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..polygons import BoolArray
from .agreement import Threshold, auroc, average_precision, energy_in_mask, evidence_threshold, iou, stretch


@dataclass(frozen=True)
class HeatmapScorer:
    """Scores one heatmap on the canonical canvas.

    Attributes:
        masks: the masks of all expressions.
        own: which of them belongs to the heatmap's expression; None if none does.
        face: the pixels of the face.
        rule: how the heatmap is thresholded.
    """

    masks: Mapping[str, BoolArray]
    own: str | None
    face: BoolArray
    rule: Threshold

    def __call__(self, heatmap: NDArray[np.float32]) -> dict[str, float]:
        """Return the scores of a map ``(height, width)`` by name.

        ``energy_outside_face`` and, with an own mask, ``iou``, ``precision``, ``recall``, ``f1``, ``area``,
        ``energy_in_mask``, ``auroc`` and ``average_precision``; where there are other masks also
        ``iou_with_other.NAME`` for each, their mean ``null_other_masks``, ``specificity`` (IoU with the own mask less
        that mean) and ``margin`` (less the largest).
        """
        grey = stretch(heatmap)
        scores = {"energy_outside_face": energy_in_mask(grey, ~self.face)}
        if self.own is None:
            return scores
        mask = self.masks[self.own]
        evidence = grey > evidence_threshold(grey, mask, self.rule)
        both = np.count_nonzero(evidence & mask)
        scores |= {
            "iou": iou(evidence, mask),
            "precision": float(both / np.count_nonzero(evidence)),
            "recall": float(both / np.count_nonzero(mask)),
            "f1": float(2 * both / (np.count_nonzero(evidence) + np.count_nonzero(mask))),
            "area": float(evidence.mean()),
            "energy_in_mask": energy_in_mask(grey, mask),
            "auroc": auroc(grey, mask),
            "average_precision": average_precision(grey, mask),
        }
        others = {name: iou(evidence, other) for name, other in self.masks.items() if name != self.own}
        scores |= {f"iou_with_other.{name}": value for name, value in others.items()}
        if others:
            scores["null_other_masks"] = float(np.mean(list(others.values())))
            scores["specificity"] = scores["iou"] - scores["null_other_masks"]
            scores["margin"] = scores["iou"] - max(others.values())
        return scores


BOUNDS: Mapping[str, tuple[float, float]] = {"specificity": (-1.0, 1.0), "margin": (-1.0, 1.0)}
"""Smallest and largest value of a score, where they are not 0 and 1."""


def centre_region(area: float, height: int, width: int) -> BoolArray:
    """Return an ellipse about the middle of the canvas, of its proportions, with a share of its pixels.

    What a map shows that knows only that faces are in the middle of pictures: the null ``iou.null_centre``.
    """
    y = (np.arange(height) - (height - 1) / 2) / height
    x = (np.arange(width) - (width - 1) / 2) / width
    distance = y[:, None] ** 2 + x[None, :] ** 2
    wanted = max(1, round(area * height * width))
    inside: BoolArray = distance <= np.partition(distance.ravel(), wanted - 1)[wanted - 1]
    return inside
