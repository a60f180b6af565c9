"""The probe ``global_heatmaps``: where a model looks for each expression, on one face, beside what chance gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr
from torch import Tensor

from ...core.files import sha256_of_bytes, sha256_of_file
from ...core.probes import Note, Output, ProbeContext, ProbeParams, Scores, probe
from ...core.results import Estimate
from ...core.target import Target
from ..attribution.engine import CamEngine
from ..attribution.source import LayerError
from ..canonical import CANVAS_HEIGHT, CANVAS_WIDTH
from ..expressions import expression_of
from ..face_drawing import face_region
from ..landmark_fit import MISFITS
from ..masks import MaskError, MaskSet, ekman_masks, load_masks
from .agreement import Threshold, evidence_threshold, iou, stretch
from .class_maps import FaceExplainer, PersonMaps
from .heatmap_findings import mask_finding, misfit_finding, outside_finding, summary_finding, unusable_finding
from .heatmap_outputs import ScoredLabel, artifacts, label_measurements
from .heatmap_scores import HeatmapScorer
from .people_intervals import people_intervals
from .selection import Select, draw_faces, eligible_faces

MANY_PEOPLE = 50
"""From so many people on the interval of ``energy_outside_face`` held in every design that was studied."""


class GlobalHeatmapsParams(ProbeParams):
    """Which faces are explained, how, and which masks their mean maps are scored against."""

    method: Literal["gradcam", "gradcam++", "xgradcam", "hirescam", "layercam"] = Field(
        default="gradcam", description="rule that turns features and gradients into a map"
    )
    layer: str | None = Field(
        default=None, description="dotted name of the layer to explain by; the last feature map unless given"
    )
    per_class: int = Field(default=100, ge=2, le=500, description="faces explained for each class, at most")
    select: Select = Field(
        default="predicted",
        description="faces the model calls so (predicted), faces labelled so (label), or both (correct)",
    )
    masks: str | None = Field(
        default=None,
        description="folder of own masks EXPRESSION.png on the 224 x 275 canvas; the project's six unless given",
    )
    threshold: Threshold = Field(
        default="otsu", description="which part of a map is evidence: otsu, or area for as much as the mask covers"
    )
    _folder: Path = PrivateAttr(default_factory=Path)

    def model_post_init(self, context: Any, /) -> None:
        """Take the plan's folder, to which ``masks`` is relative, from the validation context, and check the masks."""
        if isinstance(context, dict) and "folder" in context:
            self._folder = Path(context["folder"])
            if self.masks is not None:
                try:
                    self.mask_set()
                except MaskError as error:
                    raise ValueError(str(error)) from error

    def digest_of_files(self) -> str:
        """Return a hash of the user's own masks, by name and content; empty for the project's."""
        if self.masks is None:
            return ""
        drawn = sorted((self._folder / self.masks).glob("*.png"))
        return sha256_of_bytes("".join(f"{file.name} {sha256_of_file(file)} " for file in drawn).encode())

    def mask_set(self) -> MaskSet:
        """Return the masks to score against.

        Raises:
            MaskError: if the folder cannot be used.
        """
        return ekman_masks() if self.masks is None else load_masks(self._folder / self.masks)


@probe(
    "global_heatmaps",
    version=1,
    title="Where the model looks for each expression",
    pillar="explanation",
    params=GlobalHeatmapsParams,
    needs={"model", "gradients", "layers", "images", "landmarks"},
    shows="Which regions of the face the model's answer for each class hangs on, averaged over people after each "
    "map was warped to one face; how far that overlaps the region in which, by one contested account, the "
    "expression shows; and how far chance, a blank map or another expression's region would.",
    hides="Why a region matters, what a single face shows, and evidence finer than the layer's grid. A class "
    "activation map may miss what the model uses. Overlap with a mask is no mark of correctness.",
    citation="Gaya-Morey et al. 2024, arXiv 2401.11835; Selvaraju et al. 2017 (Grad-CAM); Barrett et al. 2019, "
    "Psychological Science in the Public Interest 20(1)",
    contested=(
        "iou",
        "margin",
        "specificity",
        "auroc",
        "precision",
        "recall",
        "energy_in_mask",
        "face_iou",
        "face_specificity",
    ),
)
def global_heatmaps(context: ProbeContext, params: GlobalHeatmapsParams) -> Iterator[Output]:
    """Mean class activation map of each class on the canonical face, scored against masks of expressions."""
    masks = params.mask_set()
    names = context.predictions.classes
    if params.select != "predicted" and not context.predictions.labelled:
        reason = f"the faces have no labels, by which select: {params.select} would choose them"
        yield from _nothing(context, names, reason)
        return
    try:
        example = _example(context.model)
        engine = CamEngine(context.model.net, example, params.layer, method=params.method, scores=context.model.logits)
    except LayerError as error:
        if params.layer is not None:
            raise
        yield from _nothing(context, names, str(error))
        return
    people = context.faces.subject_codes
    chosen = [_choose(context, params, place, people) for place in range(len(names))]
    scored = []
    folded: list[float] = []
    left_out: dict[str, Counter[str]] = {}
    with context.progress("faces", sum(map(len, chosen))) as advance:
        for place, name in enumerate(names):
            found = _explain(context, engine, params, masks, place, chosen[place], advance)
            folded += found.folded
            left_out[name] = found.left_out
            label = _score(context, params, masks, name, found)
            scored.append(label)
            yield from label_measurements(context, label, masks)
            yield from _face_scores(name, masks, found, label)
            yield from _findings(context, params, label, masks, found)
    misfit = misfit_finding(context, left_out, sum(map(len, chosen)))
    if misfit is not None:
        yield misfit
    measured = [label for label in scored if label.own is not None and label.measured]
    yield from summary_finding(
        context, {str(label.own): label.overlaps for label in measured}, [label.name for label in measured]
    )
    yield from artifacts(scored, masks, engine.layer_name)
    yield Note(_how(context, params, masks, engine.layer_name, folded) + _few(scored))
    if engine.bypassed(example):
        yield Note(
            f"Part of the answer does not go through the layer {engine.layer_name}: what hangs on that part is not "
            "in the maps."
        )


def _example(target: Target) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return target.prepare(torch.rand((target.fixed_batch or 2, 3, *target.size), generator=generator))


def _choose(
    context: ProbeContext, params: GlobalHeatmapsParams, place: int, people: NDArray[np.int64]
) -> NDArray[np.int64]:
    found = context.predictions
    rows = eligible_faces(found.predicted, found.labels, place, params.select)
    return draw_faces(rows, people[rows], params.per_class, context.random("faces", found.classes[place]))


@dataclass
class _Explained:
    """The faces of one class, explained.

    Attributes:
        maps: their maps by person.
        rows: the faces that have a map.
        overlap: IoU of each face's map with the class's own mask.
        specificity: that IoU less the mean with the other masks.
        left_out: faces without a map, by reason.
        folded: share of folded canvas of each face.
    """

    maps: PersonMaps = field(default_factory=PersonMaps)
    rows: list[int] = field(default_factory=list)
    overlap: list[float] = field(default_factory=list)
    specificity: list[float] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    folded: list[float] = field(default_factory=list)


def _explain(
    context: ProbeContext,
    engine: CamEngine,
    params: GlobalHeatmapsParams,
    masks: MaskSet,
    place: int,
    rows: NDArray[np.int64],
    advance: Callable[[int], None],
) -> _Explained:
    """Explain the chosen faces of one class, add their maps up by person, score each against the masks."""
    found = _Explained()
    own = expression_of(context.predictions.classes[place])
    people = context.faces.subject_codes
    explainer = FaceExplainer(context.faces, context.model, engine, context.batch_size)
    for face in explainer.maps(rows, place, advance, found.left_out):
        found.maps.add(int(people[face.row]), face.map)
        found.folded.append(face.folded)
        if own in masks.masks:
            grey = stretch(face.map)
            evidence = grey > evidence_threshold(grey, masks.masks[own], params.threshold)
            overlaps = {name: iou(evidence, mask) for name, mask in masks.masks.items()}
            others = [value for name, value in overlaps.items() if name != own]
            found.rows.append(face.row)
            found.overlap.append(overlaps[own])
            found.specificity.append(overlaps[own] - float(np.mean(others)) if others else 0.0)
    return found


def _score(
    context: ProbeContext, params: GlobalHeatmapsParams, masks: MaskSet, name: str, found: _Explained
) -> ScoredLabel:
    """Average one class's maps over people and score the mean; too few people are told so."""
    expression = expression_of(name)
    own = expression if expression in masks.masks else None
    faces, people, left_out = found.maps.faces, found.maps.people, found.left_out.total()
    needed = max(2, context.rules.min_subjects)
    wrong = sum(number for reason, number in found.left_out.items() if reason in MISFITS)
    if wrong > faces:
        reason = f"landmarks do not fit {wrong:,} of {faces + left_out:,} faces"
        return ScoredLabel(name, own, faces, people, left_out, reason)
    if people < needed:
        reason = _too_few(people, needed, name, params.select, context.faces.has_subjects)
        return ScoredLabel(name, own, faces, people, left_out, reason)
    means = found.maps.means()
    heatmap = means.mean(axis=0, dtype=np.float64).astype(np.float32)
    scorer = HeatmapScorer(masks.masks, own, face_region(), params.threshold)
    grey = stretch(heatmap)
    return ScoredLabel(
        name,
        own,
        faces,
        people,
        left_out,
        None,
        heatmap=heatmap,
        threshold=evidence_threshold(grey, masks.masks[own], params.threshold) if own else None,
        estimates=people_intervals(means, scorer, context.rules.level, faces, context.random("halves", name)),
    )


def _too_few(people: int, needed: int, name: str, select: Select, by_person: bool) -> str:
    how = {"predicted": "called", "label": "labelled", "correct": "rightly called"}[select]
    if by_person:
        return f"{people:,} {'person' if people == 1 else 'people'} {how} {name} with a map; {needed} are needed"
    return f"{people:,} {'face' if people == 1 else 'faces'} {how} {name} with a map; {needed} are needed"


def _face_scores(name: str, masks: MaskSet, found: _Explained, label: ScoredLabel) -> Iterator[Scores]:
    """Yield the scores of single faces, which the runner slices by group."""
    if label.own is None or not label.measured:
        return
    rows, place = np.array(found.rows, dtype=np.int64), {"label": name}
    order = np.argsort(rows)
    overlap, specificity = np.array(found.overlap)[order], np.array(found.specificity)[order]
    yield Scores("face_iou", rows[order], overlap, bounds=(0, 1), slice=place)
    if len(masks.masks) > 1:
        yield Scores("face_specificity", rows[order], specificity, bounds=(-1, 1), slice=place)


def _findings(
    context: ProbeContext, params: GlobalHeatmapsParams, label: ScoredLabel, masks: MaskSet, found: _Explained
) -> Iterator[Output]:
    left = unusable_finding(context, label.name, found.left_out, label.faces)
    if left is not None:
        yield left
    if not label.measured:
        return
    outside = outside_finding(
        context, label.name, label.estimates["energy_outside_face"], float((~face_region()).mean())
    )
    if outside is not None:
        yield outside
    if label.own is not None:
        area = float(masks.masks[label.own].mean())
        about_masks = mask_finding(context, label.name, label.own, label.estimates, area, params.select)
        if about_masks is not None:
            yield about_masks


def _nothing(context: ProbeContext, names: tuple[str, ...], reason: str) -> Iterator[Output]:
    """Say for every class that nothing was measured, and why."""
    for name in names:
        yield context.measurement("iou", Estimate.not_measured(reason), slice={"label": name})
    yield Note(f"No class was explained: {reason}.")


def _few(labels: list[ScoredLabel]) -> str:
    """Say which intervals do not hold with few people, as measured by the studies of this probe."""
    few = [f"{label.name} ({label.people})" for label in labels if label.measured and label.people < MANY_PEOPLE]
    if not few:
        return ""
    return (
        f" Fewer than {MANY_PEOPLE} people for {', '.join(few)}: what lies outside the face in a few of them only may "
        "be missed, so the upper end of energy_outside_face may be too low."
    )


def _how(context: ProbeContext, params: GlobalHeatmapsParams, masks: MaskSet, layer: str, folded: list[float]) -> str:
    chosen = {"predicted": "the model calls so", "label": "labelled so", "correct": "the model rightly calls so"}
    told = (
        f"{params.method} at the layer {layer}, of the score of the class; up to {params.per_class} faces "
        f"{chosen[params.select]} for each class, every person weighing the same; maps warped to a canvas of "
        f"{CANVAS_WIDTH} x {CANVAS_HEIGHT} pixels by {context.faces.landmarks_kind} landmarks; masks {masks.name}, "
        f"version {masks.version}."
    )
    if context.faces.landmarks_kind in ("5", "aligned"):
        told += " Five points align a face as a whole only: where mouth and brows lie is approximate."
    elif folded:
        told += f" Triangles folded over on {np.mean(folded):.2%} of the canvas, {max(folded):.2%} in the worst face."
    return told
