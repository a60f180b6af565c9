"""A few forged faces with their heatmap and their mask, for the report; drawn ones where none may be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.probes import ArrayOutput, JsonOutput, ProbeContext
from ....explain.attribution.method import Request, face_seeds
from ....explain.heatmaps.agreement import Grey
from ...robustness.strip import stand_ins
from .masks import Masks
from .measuring import Explaining, MapScores, as_bytes, grey_of
from .scoring import AUROC, IOU, blank_scores, scores_of

SHOWN = 6
_RULE = (
    "Chosen by rule, not by hand: of the faces that plan and row permit to show, for each way of forging the one whose "
    "pixel AUROC is the median of its kind, then the lowest and the highest, six at most; a blank heatmap has 0.5."
)
_DRAWN_RULE = (
    "No face may be shown, so drawn faces stand in, each with the mouth of another drawn face blended in here. They "
    "are of nobody, and were not measured."
)


@dataclass(frozen=True)
class _Shown:
    """One face to show; arrays at the size of the crop."""

    title: str
    method: str
    pixels: NDArray[np.uint8]
    map: Grey
    mask: NDArray[np.bool_]


def examples(
    context: ProbeContext,
    explaining: Explaining,
    method: str,
    masks: Masks,
    scores: MapScores,
    forged: NDArray[np.object_],
) -> Iterator[ArrayOutput | JsonOutput]:
    """Yield ``localisation.npz`` and ``localisation.json``; nothing where no face has a map.

    ``localisation.npz``: ``faces`` (k, h, w, 3) uint8, ``maps`` (k, h, w) float16 0..1 and ``masks`` (k, h, w) float16
    0 or 1. ``localisation.json``: ``faces``, each with ``title``, ``method`` (of forging), ``iou``, ``ones`` (what a
    map that is white everywhere has) and ``auroc``; ``stand_in``, whether the faces are drawn; ``rule``; and
    ``explained_by``.

    Args:
        context: of the probe.
        explaining: makes the maps.
        method: of explanation, whose maps are shown.
        masks: where the faces were changed.
        scores: of that method.
        forged: ``(n,)`` how each face of the audit was forged.
    """
    chosen = _choose(context, scores, forged)
    shown = _faces(explaining, method, masks, chosen) if chosen else _drawn(explaining, method)
    if not shown:
        return
    told = []
    for each in shown:
        found = scores_of(each.map, each.mask) if each.map.any() else blank_scores(each.mask)
        told.append(
            {
                "title": each.title,
                "method": each.method,
                "iou": round(found[IOU], 4),
                "ones": round(blank_scores(each.mask)[IOU], 4),
                "auroc": round(found[AUROC], 4),
            }
        )
    arrays = {
        "faces": np.stack([each.pixels for each in shown]),
        "maps": np.stack([each.map for each in shown]).astype(np.float16) / np.float16(255),
        "masks": np.stack([each.mask for each in shown]).astype(np.float16),
    }
    rule = _RULE if chosen else _DRAWN_RULE
    content = {"faces": told, "stand_in": not chosen, "rule": rule, "explained_by": method}
    yield ArrayOutput("localisation", arrays, "Forged faces, heatmaps and what was changed")
    yield JsonOutput("localisation", content, "Which forged faces these are, and how they were chosen")


def _choose(context: ProbeContext, scores: MapScores, forged: NDArray[np.object_]) -> list[tuple[int, str]]:
    """Return rows that may be shown with what they are an example of."""
    rows, columns = scores.columns()
    if not len(rows):
        return []
    permitted = context.may_show[rows]
    rows, area = rows[permitted], columns[AUROC][permitted]
    ordered = []
    for kind in dict.fromkeys(forged[rows].tolist()):
        of = np.flatnonzero(forged[rows] == kind)
        of = of[np.argsort(area[of], kind="stable")]
        ordered.append((rows[of].tolist(), str(kind)))
    chosen: dict[int, str] = {}
    for place, words in ((None, "median"), (0, "lowest"), (-1, "highest")):
        for of_kind, kind in ordered:
            row = of_kind[(len(of_kind) - 1) // 2 if place is None else place]
            if len(chosen) < SHOWN:
                chosen.setdefault(row, f"{kind or 'forged'}: {words} of {len(of_kind)} by pixel AUROC")
    return list(chosen.items())


def _faces(explaining: Explaining, method: str, masks: Masks, chosen: Sequence[tuple[int, str]]) -> list[_Shown]:
    rows = np.array(sorted(row for row, _ in chosen), dtype=np.int64)
    found = explaining.maps(rows)
    shown = []
    for row, title in chosen:
        map = found.maps[method][row]
        kind = title.partition(":")[0]
        if isinstance(map, str):
            title, map = f"{title}; the heatmap is blank", np.zeros(masks.size, dtype=np.uint8)
        shown.append(_Shown(title, kind, found.pixels[row], map, masks.of(row)))
    return shown


def _drawn(explaining: Explaining, method: str) -> list[_Shown]:
    """Blend the mouth of each drawn face's neighbour into it, and explain the result."""
    height, width = explaining.target.size
    batch, expressions = stand_ins((height, width), "68")
    assert batch.landmarks is not None
    donors = batch.pixels.roll(1, 0)
    soft = torch.from_numpy(np.stack([_mouth(points, height, width) for points in batch.landmarks])).float()
    blended = batch.pixels + soft[:, None] * (donors - batch.pixels)
    names = [f"drawn {place}" for place in range(len(blended))]
    device = explaining.target.device
    classes = torch.full((len(blended),), explaining.place, dtype=torch.int64, device=device)
    request = Request(blended.to(device), classes, face_seeds(explaining.seed, names))
    shown = []
    for explainer in explaining.explainers:
        if method not in explainer.methods:
            continue
        made = explainer.explain(request)[method]
        maps, pixels = made.maps.float().cpu().numpy(), as_bytes(blended)
        for at, expression in enumerate(expressions):
            map = made.problems[at] or grey_of(maps[at])
            if not isinstance(map, str):
                title = f"a drawn face, {expression}, with another's mouth: made here"
                shown.append(_Shown(title, "drawn", pixels[at], map, soft[at].numpy() > 0.5))
    return shown


def _mouth(landmarks: NDArray[np.float32], height: int, width: int) -> NDArray[np.float64]:
    """Return a soft ellipse about the mouth, (h, w), 0..1."""
    mouth = landmarks[48:68]
    centre, extent = mouth.mean(0), np.maximum(np.ptp(mouth, axis=0), (0.1 * width, 0.1 * height))
    y, x = np.mgrid[:height, :width] + 0.5
    away = np.hypot((x - centre[0]) / (0.75 * extent[0]), (y - centre[1]) / extent[1])
    soft: NDArray[np.float64] = np.clip((1.2 - away) / 0.4, 0, 1)
    return soft
