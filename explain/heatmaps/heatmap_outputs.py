"""What the probe ``global_heatmaps`` writes: measurements, arrays, the drawing for the report, tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...core.expressions import no_mask_reason
from ...core.probes import ArrayOutput, JsonOutput, ProbeContext, TableOutput
from ...core.results import Estimate, Measurement
from ..canonical import CANVAS_HEIGHT, CANVAS_WIDTH
from ..face_drawing import face_lines, face_region
from ..landmarks import FloatArray
from ..masks import MaskSet
from .agreement import Threshold, evidence_threshold, iou, stretch
from .heatmap_scores import centre_region
from .nulls import all_ones_iou, random_placement

OTHER = "iou_with_other."


@dataclass(frozen=True)
class ScoredLabel:
    """One class's mean heatmap by one method, and its scores.

    Attributes:
        name: of the class.
        method: that made the maps.
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
    method: str
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

    yield tell("faces_without_map", exact(label.left_out, "faces", label.faces + label.left_out))
    reason = _reason(label, masks)
    if reason is not None:
        yield tell("iou", Estimate.not_measured(reason, n=label.faces, subjects=label.people))
    if label.heatmap is None:
        return
    yield tell("energy_outside_face", label.estimates["energy_outside_face"])
    yield tell("energy_outside_face.null_ones", exact(float((~face_region()).mean())))
    if label.own is None:
        return
    mask = masks.masks[label.own]
    evidence = stretch(label.heatmap) > (label.threshold or 0)
    placed = random_placement(evidence, mask)
    centre = centre_region(float(evidence.mean()), *mask.shape)
    yield tell("iou", label.estimates["iou"])
    yield tell("iou.null_ones", exact(all_ones_iou(mask)))
    yield tell(
        "iou.null_random",
        Estimate(value=placed.analytic, low=placed.low, high=placed.high, level=0.95, method="every_shift"),
    )
    yield tell("iou.null_centre", exact(iou(centre, mask)))
    if "null_other_masks" in label.estimates:
        yield tell("iou.null_other_masks", label.estimates["null_other_masks"])
        yield tell("specificity", label.estimates["specificity"])
        yield tell("margin", label.estimates["margin"])
    for name in sorted(set(masks.masks) - {label.own}):
        yield tell("iou_with", label.estimates[OTHER + name], ekman_mask=name)
    for metric in ("precision", "recall", "f1", "area"):
        yield tell(metric, label.estimates[metric])
    for metric in ("energy_in_mask", "average_precision"):
        yield tell(metric, label.estimates[metric])
        yield tell(f"{metric}.null_ones", exact(float(mask.mean())))
    yield tell("auroc", label.estimates["auroc"])
    yield tell("auroc.null_chance", exact(0.5))


FURTHER_METRICS = ("iou", "iou.null_other_masks", "specificity", "margin", "auroc", "energy_outside_face")
"""What is measured of the maps of a further method; its other nulls are those of the first."""


def further_measurements(context: ProbeContext, label: ScoredLabel, masks: MaskSet) -> Iterator[Measurement]:
    """Yield the measurements of one class by a further method, under the condition ``method``."""
    place, condition = {"label": label.name}, {"method": label.method}
    left_out = exact(label.left_out, "faces", label.faces + label.left_out)
    yield context.measurement("faces_without_map", left_out, slice=place, condition=condition)
    reason = _reason(label, masks)
    if reason is not None:
        lacking = Estimate.not_measured(reason, n=label.faces, subjects=label.people)
        yield context.measurement("iou", lacking, slice=place, condition=condition)
    for metric in FURTHER_METRICS:
        found = label.estimates.get("null_other_masks" if metric == "iou.null_other_masks" else metric)
        if found is not None:
            yield context.measurement(metric, found, slice=place, condition=condition)


def class_agnostic_measurements(
    context: ProbeContext, labels: Sequence[ScoredLabel], masks: MaskSet, rule: Threshold
) -> Iterator[Measurement]:
    """Yield ``iou.null_mean_map``: what the mean of all classes' heatmaps, which knows no class, overlaps each mask."""
    maps = [label.heatmap for label in labels if label.heatmap is not None]
    if len(maps) < 2:
        return
    grey = stretch(np.stack(maps).mean(axis=0, dtype=np.float32))
    for label in labels:
        if label.heatmap is not None and label.own is not None:
            mask = masks.masks[label.own]
            overlap = iou(grey > evidence_threshold(grey, mask, rule), mask)
            yield context.measurement("iou.null_mean_map", exact(overlap), slice={"label": label.name})


def _reason(label: ScoredLabel, masks: MaskSet) -> str | None:
    if label.own is None:
        return no_mask_reason(label.name, None if masks.version else masks.masks)
    return label.reason


def exact(value: float, unit: str | None = None, n: int | None = None) -> Estimate:
    """Return an estimate without sampling error."""
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


def method_artifacts(
    labels: Sequence[ScoredLabel], methods: Mapping[str, MethodTold], names: Sequence[str]
) -> Iterator[ArrayOutput | JsonOutput]:
    """Yield the heatmaps of every method, for the grid of expressions by methods.

    ``methods.npz`` holds ``METHOD/LABEL`` (uint8, stretched); ``methods.json`` says of each method its title, family,
    layer and why it could not be used, and gives the overlap of each map with its mask.

    Args:
        labels: every class by every method.
        methods: what is told of each, the first method first.
        names: of the classes.
    """
    arrays: dict[str, NDArray[np.generic]] = {
        f"{label.method}/{label.name}": stretch(label.heatmap) for label in labels if label.heatmap is not None
    }
    if arrays:
        yield ArrayOutput("methods", arrays, "Mean heatmaps by every method")
    overlaps: dict[str, dict[str, list[float | None] | None]] = {name: {} for name in methods}
    for label in labels:
        found = label.estimates.get("iou")
        overlaps[label.method][label.name] = None if found is None else [found.value, found.low, found.high]
    content = {
        "methods": {name: asdict(told) for name, told in methods.items()},
        "order": list(methods),
        "labels": list(names),
        "iou": overlaps,
    }
    yield JsonOutput("methods", content, "Methods by which the model was explained")


@dataclass(frozen=True)
class MethodTold:
    """What is told of a method.

    Attributes:
        title: in a report.
        family: of methods with which it shares its passes.
        layer: that it explains by; None for a method that uses none.
        about: what its maps show, in a sentence.
        citation: the paper.
        unavailable: why it cannot explain this model; None if it can.
    """

    title: str
    family: str
    layer: str | None
    about: str
    citation: str
    unavailable: str | None


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
