"""Score a folder of heatmaps against a folder of masks."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from ...core.errors import Problems
from ...core.expressions import expression_of
from ...core.heatmap_similarity import HeatmapTree, heatmap_tree
from ..masks import MaskError, MaskSet, load_masks, read_grey
from .agreement import Grey, Threshold, agreement
from .nulls import all_ones_iou, other_masks_iou, random_placement


def score_folder(heatmaps: Path, masks: Path, threshold: Threshold = "otsu") -> pd.DataFrame:
    """Score every heatmap of a folder against the mask of its expression.

    Args:
        heatmaps: holds ``NET_EXPRESSION.png`` or ``EXPRESSION.png``, grey, larger where the evidence lies.
            Files called ``mask_...`` are not heatmaps.
        masks: holds ``mask_EXPRESSION.png`` or ``EXPRESSION.png``, grey above 127 inside.
        threshold: ``otsu``, or ``area`` for as many pixels as the mask has.

    Returns:
        One row per heatmap, sorted by network and expression: ``network, expression``, the fields of
        :class:`~countenance.explain.heatmaps.agreement.Agreement`, and the nulls ``null_ones``, ``null_random``
        (analytic), ``null_random_low`` and ``null_random_high`` (quantiles over every shift), ``null_wrong``
        (mean IoU with the masks of other expressions; empty where there is one mask only),
        ``own_minus_other``, and ``best_mask`` (whose IoU is the largest).

    Raises:
        MaskError: naming every file that cannot be used: unreadable, of another size than its mask, the same
            everywhere, of an expression without a mask, or the second of a network's expression (``happy.png`` beside
            ``happiness.png``); or when there is no heatmap.
    """
    mask_set = load_masks(masks, size=None)
    if not heatmaps.is_dir():
        raise MaskError(f"Expected a folder of heatmaps at {heatmaps}, but there is none")
    problems = Problems(f"heatmaps in {heatmaps}")
    rows = []
    files: dict[tuple[str, str], str] = {}
    for file in sorted(heatmaps.glob("*.png")):
        if not file.stem.startswith("mask_"):
            row = _score_file(file, mask_set, threshold, problems)
            if row is not None:
                first = files.setdefault((str(row["network"]), str(row["expression"])), file.name)
                if first != file.name:
                    problems.add(f"{file.name}: {first} is a heatmap of {row['expression']} already; keep one")
                rows.append(row)
    if not rows and not problems:
        problems.add("expected files such as happiness.png or NET_happiness.png, but there is none")
    problems.raise_as(MaskError)
    return pd.DataFrame(rows).sort_values(["network", "expression"], ignore_index=True)


def trees_of_folder(heatmaps: Path) -> list[HeatmapTree]:
    """Join the networks of a folder by how alike their heatmaps of each expression are.

    Args:
        heatmaps: as in :func:`score_folder`; files without ``NET_`` belong to a network without a name.

    Returns:
        One tree for each expression of which at least two networks have a heatmap, in alphabetical order.

    Raises:
        MaskError: naming every file that cannot be read, and expressions whose heatmaps differ in size.
    """
    problems = Problems(f"heatmaps in {heatmaps}")
    found: dict[str, dict[str, Grey]] = {}
    for file in sorted(heatmaps.glob("*.png")):
        network, _, word = file.stem.rpartition("_")
        if not file.stem.startswith("mask_"):
            heatmap = read_grey(file, problems)
            if heatmap is not None:
                found.setdefault(expression_of(word), {})[network] = heatmap
    for expression, maps in found.items():
        if len({each.shape for each in maps.values()}) > 1:
            problems.add(f"the heatmaps of {expression} differ in size and cannot be compared")
    problems.raise_as(MaskError)
    return [heatmap_tree(expression, maps) for expression, maps in sorted(found.items()) if len(maps) > 1]


def _score_file(file: Path, masks: MaskSet, threshold: Threshold, problems: Problems) -> dict[str, str | float] | None:
    network, _, word = file.stem.rpartition("_")
    expression = expression_of(word)
    mask = masks.get(expression)
    if mask is None:
        problems.add(
            f"{file.name}: expected NET_EXPRESSION.png or EXPRESSION.png with a mask for the expression "
            f"({', '.join(masks.masks)}), but {word!r} has none"
        )
        return None
    heatmap = read_grey(file, problems)
    if heatmap is None:
        return None
    if heatmap.shape != mask.shape:
        problems.add(
            f"{file.name}: expected {mask.shape[1]} x {mask.shape[0]} pixels (width x height) as its mask "
            f"has, but got {heatmap.shape[1]} x {heatmap.shape[0]}"
        )
        return None
    if heatmap.min() == heatmap.max():
        problems.add(f"{file.name}: expected a heatmap, but it is the same everywhere (grey {heatmap.min()})")
        return None
    scores = agreement(heatmap, mask, threshold)
    evidence = heatmap > scores.threshold
    placed = random_placement(evidence, mask)
    others = other_masks_iou(evidence, masks.masks, expression)
    wrong = float(np.mean(list(others.values()))) if others else float("nan")
    return {
        "network": network,
        "expression": expression,
        **asdict(scores),
        "null_ones": all_ones_iou(mask),
        "null_random": placed.analytic,
        "null_random_low": placed.low,
        "null_random_high": placed.high,
        "null_wrong": wrong,
        "own_minus_other": scores.iou - wrong,
        "best_mask": max({expression: scores.iou, **others}.items(), key=lambda item: item[1])[0],
    }
