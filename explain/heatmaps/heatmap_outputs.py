"""What the probe ``global_heatmaps`` writes: measurements, arrays, the drawing for the report, tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...core.probes import ArrayOutput, JsonOutput, ProbeContext, TableOutput
from ...core.results import Estimate, Measurement
from ..canonical import CANVAS_HEIGHT, CANVAS_WIDTH
from ..expressions import no_mask_reason
from ..face_drawing import face_lines, face_region
from ..landmarks import FloatArray
from ..masks import MaskSet
from .agreement import iou, stretch
from .heatmap_scores import centre_region
from .nulls import all_ones_iou, random_placement

OTHER = "iou_with_other."


@dataclass(frozen=True)
class ScoredLabel:
    """One class's mean heatmap and its scores.

    Attributes:
        name: of the class.
        own: the expression whose mask belongs to it; None if none does.
        faces: how many have a map.
        people: how many they are of.
        left_out: faces without a map.
        reason: why nothing was measured; None if it was.
        heatmap: ``(height, width)`` mean over people, 0..1.
        threshold: grey level of the stretched heatmap above which it counts as evidence; None without a mask.
        estimates: the scores by name, with intervals.
    """

    name: str
    own: str | None
    faces: int
    people: int
    left_out: int
    reason: str | None
    heatmap: NDArray[np.float32] | None = None
    threshold: int | None = None
    estimates: Mapping[str, Estimate] = field(default_factory=dict)

    @property
    def measured(self) -> bool:
        """Whether there is a heatmap."""
        return self.heatmap is not None

    @property
    def overlaps(self) -> dict[str, float]:
        """IoU of the heatmap with every mask, by the mask's expression, in alphabetical order."""
        found = {name.removeprefix(OTHER): item for name, item in self.estimates.items() if name.startswith(OTHER)}
        if self.own is not None:
            found[self.own] = self.estimates["iou"]
        return {name: float(found[name].value or 0.0) for name in sorted(found)}


def label_measurements(context: ProbeContext, label: ScoredLabel, masks: MaskSet) -> Iterator[Measurement]:
    """Yield the measurements of one class: scores with intervals, each beside its nulls, or why there are none."""
    place = {"label": label.name}

    def tell(metric: str, estimate: Estimate, **more: str) -> Measurement:
        return context.measurement(metric, estimate, slice={**place, **more})

    yield tell("faces_without_map", _exact(label.left_out, "faces", label.faces + label.left_out))
    reason = label.reason
    if label.own is None:
        reason = no_mask_reason(label.name, None if masks.version else masks.masks)
    if reason is not None:
        yield tell("iou", Estimate.not_measured(reason, n=label.faces, subjects=label.people))
    if label.heatmap is None:
        return
    yield tell("energy_outside_face", label.estimates["energy_outside_face"])
    yield tell("energy_outside_face.null_ones", _exact(float((~face_region()).mean())))
    if label.own is None:
        return
    mask = masks.masks[label.own]
    evidence = stretch(label.heatmap) > (label.threshold or 0)
    placed = random_placement(evidence, mask)
    centre = centre_region(float(evidence.mean()), *mask.shape)
    yield tell("iou", label.estimates["iou"])
    yield tell("iou.null_ones", _exact(all_ones_iou(mask)))
    yield tell(
        "iou.null_random",
        Estimate(value=placed.analytic, low=placed.low, high=placed.high, level=0.95, method="every_shift"),
    )
    yield tell("iou.null_centre", _exact(iou(centre, mask)))
    if "null_other_masks" in label.estimates:
        yield tell("iou.null_other_masks", label.estimates["null_other_masks"])
        yield tell("specificity", label.estimates["specificity"])
        yield tell("margin", label.estimates["margin"])
    for name in sorted(set(masks.masks) - {label.own}):
        yield tell("iou_with", label.estimates[OTHER + name], ekman_mask=name)
    for metric in ("precision", "recall", "area"):
        yield tell(metric, label.estimates[metric])
    yield tell("energy_in_mask", label.estimates["energy_in_mask"])
    yield tell("energy_in_mask.null_ones", _exact(float(mask.mean())))
    yield tell("auroc", label.estimates["auroc"])
    yield tell("auroc.null_chance", _exact(0.5))


def _exact(value: float, unit: str | None = None, n: int | None = None) -> Estimate:
    return Estimate(value=float(value), unit=unit, n=n, method="exact")


def artifacts(
    labels: Sequence[ScoredLabel], masks: MaskSet, layer: str
) -> Iterator[ArrayOutput | JsonOutput | TableOutput]:
    """Yield arrays, the drawing that a report shows them on, and the scores as a table.

    ``heatmaps.npz`` holds for each class with a heatmap ``NAME.heatmap`` (uint8, stretched), ``NAME.mean`` (float16,
    as averaged) and, with a mask, ``NAME.mask`` (bool) and ``NAME.threshold``. ``drawing.json`` holds the canonical
    face and the outlines of the masks as polylines in canvas pixels.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for label in labels:
        if label.heatmap is None:
            continue
        arrays[f"{label.name}.heatmap"] = stretch(label.heatmap)
        arrays[f"{label.name}.mean"] = label.heatmap.astype(np.float16)
        if label.own is not None:
            arrays[f"{label.name}.mask"] = masks.masks[label.own]
            arrays[f"{label.name}.threshold"] = np.asarray(label.threshold, dtype=np.uint8)
    if arrays:
        yield ArrayOutput("heatmaps", arrays, "Mean heatmaps on the canonical face")
    yield JsonOutput("drawing", _drawing(labels, masks, layer), "Canonical face and outlines of the masks")
    yield TableOutput("scores", _table(labels), "Scores of each class's mean heatmap")


def _drawing(labels: Sequence[ScoredLabel], masks: MaskSet, layer: str) -> dict[str, object]:
    return {
        "canvas": {"width": CANVAS_WIDTH, "height": CANVAS_HEIGHT},
        "layer": layer,
        "face": [_points(line) for line in face_lines()],
        "masks": {label.name: [_points(line) for line in masks.outline(label.own)] for label in labels if label.own},
        "masks_of": {
            "name": masks.name,
            "version": masks.version,
            "statement": masks.statement,
            "regions": dict(masks.regions),
        },
    }


def _points(line: FloatArray) -> list[list[float]]:
    return [[round(float(x), 1), round(float(y), 1)] for x, y in line]


def _table(labels: Sequence[ScoredLabel]) -> pd.DataFrame:
    rows = []
    for label in labels:
        row: dict[str, object] = {
            "label": label.name,
            "mask": label.own or "",
            "faces": label.faces,
            "people": label.people,
            "faces_without_map": label.left_out,
            "threshold": label.threshold,
            "reason": label.reason or "",
        }
        for name, item in label.estimates.items():
            row |= {name: item.value, f"{name}_low": item.low, f"{name}_high": item.high}
        rows.append(row)
    return pd.DataFrame(rows)
