"""The probe ``global_heatmaps``: where a model looks for each expression, on one face, beside what chance gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...core.probes import Note, Output, ProbeContext, probe
from ...core.results import Estimate
from ..attribution.cams import CamExplainer
from ..attribution.method import Explainer
from ..attribution.registry import METHODS, build_explainers
from ..attribution.source import LayerError
from ..canonical import CANVAS_HEIGHT, CANVAS_WIDTH
from ..face_drawing import face_region
from ..masks import MaskSet
from .class_maps import FaceExplainer
from .examples import examples
from .explained_label import ExplainedLabel, explain_label, face_scores, fact_scores, score_label
from .heatmap_findings import (
    by_expression,
    mask_finding,
    misfit_finding,
    outside_finding,
    summary_finding,
    unusable_finding,
)
from .heatmap_outputs import (
    MethodTold,
    ScoredLabel,
    artifacts,
    class_agnostic_measurements,
    further_measurements,
    label_measurements,
    method_artifacts,
)
from .params import GlobalHeatmapsParams
from .selection import draw_faces, eligible_faces

AVERAGED = {
    "stretched": "stretched to 0..1 before the mean",
    "raw": "as the method gives it (those of the grad-cam package are stretched all the same)",
}
MANY_PEOPLE = 50
"""From so many people on the interval of ``energy_outside_face`` held in every design that was studied."""


@probe(
    "global_heatmaps",
    version=2,
    title="Where the model looks for each expression",
    pillar="explanation",
    params=GlobalHeatmapsParams,
    needs={"model", "images", "landmarks"},
    shows="Which regions of the face the model's answer for each class hangs on, averaged over people after each "
    "map was warped to one face; how far that overlaps the region in which, by one contested account, the "
    "expression shows; and how far chance, a blank map or another expression's region would.",
    hides="Why a region matters, what a single face shows, and evidence finer than the layer's grid. A map may miss "
    "what the model uses; whether it depends on the model at all is what explanation_checks tells. Overlap with a mask "
    "is no mark of correctness.",
    citation="Gaya-Morey et al. 2024, arXiv 2401.11835; Selvaraju et al. 2017 (Grad-CAM); Barrett et al. 2019, "
    "Psychological Science in the Public Interest 20(1)",
    contested=(
        "iou",
        "margin",
        "specificity",
        "auroc",
        "precision",
        "recall",
        "f1",
        "energy_in_mask",
        "average_precision",
        "face_iou",
        "face_specificity",
        "face_pointing_game",
    ),
)
def global_heatmaps(context: ProbeContext, params: GlobalHeatmapsParams) -> Iterator[Output]:
    """Mean heatmap of each class on the canonical face, by one or several methods, scored against masks."""
    masks = params.mask_set()
    names = context.predictions.classes
    if params.select != "predicted" and not context.predictions.labelled:
        reason = f"the faces have no labels, by which select: {params.select} would choose them"
        yield from _nothing(context, names, reason)
        return
    wanted = (params.method, *params.further_methods)
    built = build_explainers(
        context.model, wanted, layer=params.layer, batch_size=context.batch_size, settings=params.settings
    )
    if params.method in built.unavailable:
        reason = built.unavailable[params.method]
        if params.layer is not None:
            raise LayerError(reason)
        yield from _nothing(context, names, reason)
        return
    seed = int(context.random("maps").integers(2**62))
    explainer = FaceExplainer(context.faces, context.model, built.explainers, context.batch_size, seed)
    chosen = [_choose(context, params, place) for place in range(len(names))]
    explained: list[ExplainedLabel] = []
    scored: dict[str, list[ScoredLabel]] = {method: [] for method in explainer.methods}
    with context.progress("faces", sum(map(len, chosen))) as advance:
        for place, name in enumerate(names):
            found = explain_label(explainer, params, masks, name, place, chosen[place], advance)
            explained.append(found)
            for method in explainer.methods:
                scored[method].append(score_label(context, params, masks, found, method))
            found.find_typical(scored[params.method][-1].heatmap)
            yield from _label_outputs(context, params, masks, found, scored)
    first = scored[params.method]
    for method, reason in built.unavailable.items():
        for name in names:
            missing = Estimate.not_measured(reason)
            yield context.measurement("iou", missing, slice={"label": name}, condition={"method": method})
    yield from class_agnostic_measurements(context, first, masks, params.threshold)
    yield from _overall_findings(context, params, explained, first, sum(map(len, chosen)))
    layer = _layer_of(params.method, built.explainers)
    layout = next((f" ({each.layer_layout})" for each in built.explainers if isinstance(each, CamExplainer)), "")
    yield from artifacts(first, masks, layer or "")
    told = {method: _told(method, built.explainers, built.unavailable) for method in wanted}
    ordered = [label for method in wanted if method in scored for label in scored[method]]
    yield from method_artifacts(ordered, told, names)
    yield from examples(context, explainer, params.method, explained)
    folded = [share for found in explained for share in found.folded]
    yield Note(_how(context, params, masks, f"{layer}{layout}" if layer else None, folded) + _few(first))
    yield from _bypass_note(built.explainers)


def _label_outputs(
    context: ProbeContext,
    params: GlobalHeatmapsParams,
    masks: MaskSet,
    found: ExplainedLabel,
    scored: Mapping[str, Sequence[ScoredLabel]],
) -> Iterator[Output]:
    """Yield what is told of one class: by the first method everything, by further ones the scores."""
    for method, labels in scored.items():
        if method == params.method:
            yield from label_measurements(context, labels[-1], masks)
            yield from face_scores(found, labels[-1])
            yield from _findings(context, params, labels[-1], masks, found)
        else:
            yield from further_measurements(context, labels[-1], masks)
    yield from fact_scores(found)


def _overall_findings(
    context: ProbeContext,
    params: GlobalHeatmapsParams,
    explained: Sequence[ExplainedLabel],
    scored: Sequence[ScoredLabel],
    faces: int,
) -> Iterator[Output]:
    left_out = {found.name: found.by_method[params.method].left_out for found in explained}
    misfit = misfit_finding(context, left_out, faces)
    if misfit is not None:
        yield misfit
    measured = [label for label in scored if label.own is not None and label.measured]
    yield from summary_finding(
        context, by_expression((str(label.own), label.overlaps) for label in measured), [one.name for one in measured]
    )


def _layer_of(method: str, explainers: Sequence[Explainer]) -> str | None:
    return next((each.layer_name for each in explainers if method in each.methods), None)


def _told(method: str, explainers: Sequence[Explainer], unavailable: Mapping[str, str]) -> MethodTold:
    info = METHODS[method]
    layer = _layer_of(method, explainers)
    return MethodTold(info.title, info.family, layer, info.about, info.citation, unavailable.get(method))


def _bypass_note(explainers: Sequence[Explainer]) -> Iterator[Note]:
    for explainer in explainers:
        if isinstance(explainer, CamExplainer) and explainer.bypassed():
            yield Note(
                f"Part of the answer does not go through the layer {explainer.layer_name}: what hangs on that part is "
                "not in the maps."
            )


def _choose(context: ProbeContext, params: GlobalHeatmapsParams, place: int) -> NDArray[np.int64]:
    found, people = context.predictions, context.faces.subject_codes
    rows = eligible_faces(found.predicted, found.labels, place, params.select)
    return draw_faces(rows, people[rows], params.per_class, context.random("faces", found.classes[place]))


def _findings(
    context: ProbeContext, params: GlobalHeatmapsParams, label: ScoredLabel, masks: MaskSet, found: ExplainedLabel
) -> Iterator[Output]:
    left = unusable_finding(context, label.name, found.by_method[params.method].left_out, label.faces)
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


def _few(labels: Sequence[ScoredLabel]) -> str:
    """Say which intervals do not hold with few people, as measured by the studies of this probe."""
    few = [f"{label.name} ({label.people})" for label in labels if label.measured and label.people < MANY_PEOPLE]
    if not few:
        return ""
    return (
        f" Fewer than {MANY_PEOPLE} people for {', '.join(few)}: what lies outside the face in a few of them only may "
        "be missed, so the upper end of energy_outside_face may be too low."
    )


def _how(
    context: ProbeContext, params: GlobalHeatmapsParams, masks: MaskSet, layer: str | None, folded: list[float]
) -> str:
    chosen = {"predicted": "the model calls so", "label": "labelled so", "correct": "the model rightly calls so"}
    title = METHODS[params.method].title
    how = f"{title} at the layer {layer}" if layer else title
    told = (
        f"{how}, of the score of the class; up to {params.per_class} faces {chosen[params.select]} for each class, "
        f"every person weighing the same, each map {AVERAGED[params.average]}; maps warped to a canvas of "
        f"{CANVAS_WIDTH} x {CANVAS_HEIGHT} pixels by {context.faces.landmarks_kind} landmarks; masks {masks.name}, "
        f"version {masks.version}."
    )
    if context.faces.landmarks_kind in ("5", "aligned"):
        told += " Five points align a face as a whole only: where mouth and brows lie is approximate."
    elif folded:
        told += f" Triangles folded over on {np.mean(folded):.2%} of the canvas, {max(folded):.2%} in the worst face."
    return told
