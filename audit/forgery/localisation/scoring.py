"""How well one heatmap agrees with one mask, beside what maps agree that know nothing of the forgery."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ....explain.heatmaps.agreement import (
    Grey,
    area_threshold,
    auroc,
    energy_in_mask,
    iou,
    otsu_threshold,
    stretch,
)

IOU, AT_AREA, AUROC, ENERGY = "mask_iou", "mask_iou_at_area", "pixel_auroc", "mask_energy"
BLANK = "blank_map"
HOLDS, SHARE = "mask_holds_change", "share"
ONES, CENTRE, OTHERS, GENUINE = "ones", "centre", "other_masks", "genuine"
NULLS: dict[str, tuple[str, ...]] = {
    IOU: (ONES, CENTRE, OTHERS, GENUINE),
    AT_AREA: (CENTRE, GENUINE),
    AUROC: (CENTRE, OTHERS, GENUINE),
    ENERGY: (ONES, GENUINE),
}
"""What each score is held against."""
SPREAD = 0.25
"""Standard deviation of the spot in the middle, as a share of the crop's sides."""

UNCHANGED = 4
"""A picture is held to be made of another where a quarter of its pixels differ by at most so many grey levels."""

Bool = NDArray[np.bool_]


def centre_spot(height: int, width: int) -> Grey:
    """Return a Gaussian spot in the middle of the crop, (h, w): a map that looks where faces are."""
    y = (np.arange(height) + 0.5) / height - 0.5
    x = (np.arange(width) + 0.5) / width - 0.5
    return stretch(np.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * SPREAD**2)))


def scores_of(grey: Grey, mask: Bool) -> dict[str, float]:
    """Return the four scores of a map against a mask, each 0..1.

    Overlap at Otsu's threshold, overlap of the brightest pixels that are as many as the mask has, probability that a
    pixel inside the mask is brighter than one outside, and share of the map's sum that lies inside.

    Args:
        grey: ``(h, w)`` uint8, not the same everywhere.
        mask: ``(h, w)``, neither empty nor full.
    """
    return {
        IOU: iou(grey > otsu_threshold(grey), mask),
        AT_AREA: iou(grey > area_threshold(grey, float(mask.mean())), mask),
        AUROC: auroc(grey, mask),
        ENERGY: energy_in_mask(grey, mask),
    }


def blank_scores(mask: Bool) -> dict[str, float]:
    """Return the scores of a map that is the same everywhere: chance, and the mask's share of the crop."""
    share = float(mask.mean())
    return {IOU: share, AT_AREA: share, AUROC: 0.5, ENERGY: share}


def with_nulls(
    grey: Grey | str, mask: Bool, others: Sequence[Bool], genuine: Grey | str | None, spot: Grey
) -> dict[str, float]:
    """Return the scores of a map by name, whether it is blank, what each null scores, and the margin over it.

    Nulls are called ``NAME.null_ones`` and so on, margins ``NAME.over_ones``.

    Args:
        grey: ``(h, w)`` uint8 the map of the forged face; why there is none, which counts as one that is the same
            everywhere, with no more than chance.
        mask: where it was changed.
        others: masks of other people's forgeries; their mean score is the null.
        genuine: the map that the same detector gives of a genuine photo; why it gives none, which counts as one that
            is the same everywhere; ``None`` where there is no genuine photo.
        spot: the spot in the middle.
    """
    found = blank_scores(mask) if isinstance(grey, str) else scores_of(grey, mask)
    nulls: dict[str, dict[str, float]] = {ONES: blank_scores(mask), CENTRE: scores_of(spot, mask)}
    if others:
        nulls[OTHERS] = _on_others(grey, others)
    if genuine is not None:
        nulls[GENUINE] = blank_scores(mask) if isinstance(genuine, str) else scores_of(genuine, mask)
    told = {**found, BLANK: float(isinstance(grey, str))}
    for score, names in NULLS.items():
        for null in names:
            if null in nulls:
                told[f"{score}.null_{null}"] = nulls[null][score]
                told[f"{score}.over_{null}"] = found[score] - nulls[null][score]
    return told


def _on_others(grey: Grey | str, others: Sequence[Bool]) -> dict[str, float]:
    """Return mean overlap and pixel AUROC with other people's masks."""
    if isinstance(grey, str):
        found = [blank_scores(other) for other in others]
        return {score: float(np.mean([each[score] for each in found])) for score in (IOU, AUROC)}
    evidence = grey > otsu_threshold(grey)
    return {
        IOU: float(np.mean([iou(evidence, other) for other in others])),
        AUROC: float(np.mean([auroc(grey, other) for other in others])),
    }


def holds_change(forged: NDArray[np.uint8], genuine: NDArray[np.uint8], mask: Bool) -> dict[str, float]:
    """Return how much of what really changed a mask holds, beside a mask of that size that says nothing.

    The squared difference between the forged picture and the genuine one, summed over channels: the share of its sum
    that lies inside the mask. Near 1 for a mask that tells the truth, the mask's share of the crop for one that says
    nothing, near 0 for one that marks what was left alone. Nothing where the pictures differ nearly everywhere, so that
    one is not made of the other, or nowhere.

    Args:
        forged: ``(h, w, 3)`` uint8.
        genuine: ``(h, w, 3)`` uint8, the photo it was made of.
        mask: ``(h, w)``.
    """
    apart = forged.astype(np.float64) - genuine.astype(np.float64)
    if np.quantile(np.abs(apart).mean(axis=2), 0.25) > UNCHANGED or not apart.any():
        return {}
    squared = np.square(apart).sum(axis=2)
    found, share = float(squared[mask].sum() / squared.sum()), float(mask.mean())
    return {HOLDS: found, f"{HOLDS}.null_{SHARE}": share, f"{HOLDS}.over_{SHARE}": found - share}
