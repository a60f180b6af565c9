"""The probe ``au_alignment``: which action units a model's evidence for each expression comes near, beside chance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...core.expressions import expression_of
from ...core.probes import Note, Output, ProbeContext, Scores, probe
from ...core.results import Estimate
from ...core.statistics.slicing import Slicer
from ..attribution.registry import METHODS, build_explainers
from ..heatmaps.heatmap_findings import misfit_finding, unusable_finding
from .accounts import ExplainedFaces, scores_of, specificity
from .alignment_outputs import Account, alignment_findings, artifacts, exact_nulls
from .alignment_params import AuAlignmentParams
from .attention import AttentionReader
from .codebook import Codebook
from .exchange import Exchange, exchange_labels
from .explaining import Explained, explain_units
from .unit_maps import FIVE_POINTS


@probe(
    "au_alignment",
    version=1,
    title="Which action units the model's evidence comes near",
    pillar="explanation",
    params=AuAlignmentParams,
    needs={"model", "images", "landmarks"},
    shows="How much of a model's evidence for each class lies in the regions of facial action units, on which side and "
    "how much outside the face; how alike its maps are to the maps of the units that are said to make the expression; "
    "and how alike maps are that know nothing: constant, central, the same for all, of other expressions.",
    hides="Whether the model uses what its maps show, and movements: a region has no direction, so raised and lowered "
    "lip corners are one. Regions of the mouth overlap. Likeness is no mark of correctness.",
    citation="Belharbi et al. 2024, FG, arXiv 2402.00281; Ekman, Friesen and Hager 2002 (FACS); Barrett et al. 2019, "
    "Psychological Science in the Public Interest 20(1)",
    contested=("cam_cos", "cam_cos.specificity", "cam_pearson", "att_cos", "energy"),
)
def au_alignment(context: ProbeContext, params: AuAlignmentParams) -> Iterator[Output]:
    """Likeness of single faces' maps to the maps of action units, and energy by unit, side and part of the face."""
    codebook, names = params.units(), context.predictions.classes
    reason = _no_way(context, params)
    explainer = None
    if reason is None:
        built = build_explainers(
            context.model,
            [params.method],
            layer=params.layer,
            batch_size=context.batch_size,
            settings=params.settings,
        )
        explainer = next(iter(built.explainers), None)
        reason = built.unavailable.get(params.method)
    if explainer is None:
        for name in names:
            yield context.measurement("cam_cos", Estimate.not_measured(reason or ""), slice={"label": name})
        yield Note(f"No class was explained: {reason}.")
        return
    reader = AttentionReader(context.model, explainer.layer_name)
    found = explain_units(context, params, codebook, explainer, reader)
    yield from _left_out(context, found)
    places = _places(names, codebook)
    few = _few(context, params, found)
    for name in names:
        if places[name] is None:
            yield context.measurement("cam_cos", Estimate.not_measured(codebook.reason(name)), slice={"label": name})
        elif name in few:
            yield context.measurement("cam_cos", few[name], slice={"label": name})
    if found.faces is not None and len(few) < len(names):
        enough = np.array([name not in few for name in names])
        yield from _account(context, params, codebook, found.faces.take(enough[found.faces.classes]), places)
    yield Note(_how(context, params, codebook, explainer.layer_name, reader, found))


def _no_way(context: ProbeContext, params: AuAlignmentParams) -> str | None:
    """Say why no face can be explained, None if some can."""
    if context.faces.landmarks_kind in ("5", "aligned"):
        return FIVE_POINTS
    if (params.of == "label" or params.select == "correct") and not context.predictions.labelled:
        return f"the faces have no labels, which {'of: label' if params.of == 'label' else 'select: correct'} needs"
    return None


def _places(names: tuple[str, ...], codebook: Codebook) -> dict[str, int | None]:
    """Return for each class the position of its expression in the codebook, None if it has no units."""
    expressions = list(codebook.expressions)
    return {name: expressions.index(expression_of(name)) if codebook.units_of(name) else None for name in names}


def _few(context: ProbeContext, params: AuAlignmentParams, found: Explained) -> dict[str, Estimate]:
    """Return the classes of which too few people have a map, and say so."""
    how, few = {"predicted": "called", "label": "labelled"}[params.of], {}
    needed = max(2, context.rules.min_subjects)
    for number, name in enumerate(context.predictions.classes):
        mine = np.zeros(0, dtype=np.bool_) if found.faces is None else found.faces.classes == number
        people = 0 if found.faces is None else len(np.unique(found.faces.people[mine]))
        if people < needed:
            one, many = ("person", "people") if context.faces.has_subjects else ("face", "faces")
            told = f"{people:,} {one if people == 1 else many} {how} {name} with a map; {needed} are needed"
            few[name] = Estimate.not_measured(told, n=int(mine.sum()), subjects=people)
    return few


def _left_out(context: ProbeContext, found: Explained) -> Iterator[Output]:
    names = context.predictions.classes
    for number, name in enumerate(names):
        used = 0 if found.faces is None else int((found.faces.classes == number).sum())
        count = found.left_out[name].total()
        total = Estimate(value=float(count), unit="faces", n=count + used, method="exact")
        yield context.measurement("faces_without_map", total, slice={"label": name})
        finding = unusable_finding(context, name, found.left_out[name], used)
        if finding is not None:
            yield finding
    misfit = misfit_finding(context, found.left_out, found.chosen)
    if misfit is not None:
        yield misfit


def _account(
    context: ProbeContext,
    params: AuAlignmentParams,
    codebook: Codebook,
    faces: ExplainedFaces,
    places: dict[str, int | None],
) -> Iterator[Output]:
    """Yield scores and nulls, and what follows from their estimates over all faces."""
    names = context.predictions.classes
    everyone = Slicer(context.faces.subject_codes, (), context.rules)
    estimates: dict[tuple[str, str, str], Estimate] = {}
    for scores in scores_of(faces, names, places, codebook):
        yield scores
        estimates[_name(scores)] = everyone.measure(scores, context.probe_id)[0].estimate
    account = Account(
        faces.labels(names),
        estimates,
        _exchanges(context, faces, places),
        codebook,
        params.of,
    )
    yield from exact_nulls(context, account)
    for label, tested in account.exchanges.items():
        value = Estimate(
            value=tested.p, method="exchange_of_labels_holm", n=int((faces.classes == names.index(label)).sum())
        )
        yield context.measurement("cam_cos.specificity.p", value, slice={"label": label})
    yield from alignment_findings(context, account, faces, places)
    yield from artifacts(account)


def _name(scores: Scores) -> tuple[str, str, str]:
    place = dict(scores.slice)
    label = place.pop("label")
    return scores.metric, label, next(iter(place.values()), "")


def _exchanges(context: ProbeContext, faces: ExplainedFaces, places: dict[str, int | None]) -> dict[str, Exchange]:
    """Test each class that has units against the maps of the other classes."""
    names = context.predictions.classes
    likeness = specificity(faces.evidence.cosine)
    missing = np.full(len(faces.rows), np.nan)
    values = np.stack([missing if (at := places[name]) is None else likeness[:, at] for name in names], axis=1)
    with_units = [number for number, name in enumerate(names) if places[name] is not None]
    whole = np.isfinite(values[:, with_units]).all(axis=1)
    tested = exchange_labels(values[whole], faces.classes[whole], faces.people[whole], context.random("exchange"))
    return {names[number]: outcome for number, outcome in tested.items()}


def _how(
    context: ProbeContext,
    params: AuAlignmentParams,
    codebook: Codebook,
    layer: str | None,
    reader: AttentionReader,
    found: Explained,
) -> str:
    explained = "the class the model calls them" if params.of == "predicted" else "the class of their label"
    only = ", only faces that it calls so rightly" if params.select == "correct" else ""
    where = f" at the layer {layer}" if layer is not None else ""
    told = (
        f"{METHODS[params.method].title}{where}, of the score of {explained}{only}; up to {params.per_class} faces for "
        f"each class; action units by the codebook {codebook.name}, version {codebook.version}, drawn over "
        f"{context.faces.landmarks_kind} landmarks. Energy is the share of a map's sum on the canonical face; regions "
        "overlap, and AU23, AU24, AU26 and AU27 have one region, as have AU12 and AU15."
    )
    if reader.reason is not None:
        told += f" Attention of layers was not measured: {reader.reason}."
    if found.faces is not None:
        dropped = found.faces.evidence.dropped.sum(axis=0).astype(int)
        outside = [
            f"AU{unit} ({count:,})" for unit, count in zip(codebook.units, dropped.tolist(), strict=True) if count
        ]
        if outside:
            told += f" Regions outside the crop, left out of their expressions' maps: {', '.join(outside)} faces."
    return told
