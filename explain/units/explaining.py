"""Explain the chosen faces and measure each map; say of the others why they have none."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.probes import ProbeContext
from ..attribution.faces import ExplainedBatch, explain_faces
from ..attribution.method import Explainer, Request, face_seeds
from ..heatmaps.selection import draw_faces, eligible_faces
from ..landmark_fit import misfits
from ..landmarks import FloatArray, to_68
from ..warp import canonical_warp
from .accounts import ExplainedFaces
from .alignment_params import AuAlignmentParams
from .attention import AttentionReader
from .codebook import Codebook
from .cosine import cosine, positive
from .evidence import Evidence, expression_maps, measure, sidedness
from .regions import FaceFrame
from .unit_maps import NO_FRAME, unit_maps

NO_LANDMARKS = "the face has no landmarks"


@dataclass(frozen=True)
class Explained:
    """What came of explaining.

    Attributes:
        faces: those with a map; None if there are none.
        left_out: for each class its faces without a map, by reason.
        chosen: how many were to be explained.
    """

    faces: ExplainedFaces | None
    left_out: dict[str, Counter[str]]
    chosen: int


@dataclass
class _Parts:
    """Numbers of the faces so far, batch by batch."""

    rows: list[NDArray[np.int64]] = field(default_factory=list)
    classes: list[NDArray[np.int64]] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    attention: dict[str, list[FloatArray]] = field(default_factory=dict)


def explain_units(
    context: ProbeContext,
    params: AuAlignmentParams,
    codebook: Codebook,
    explainer: Explainer,
    reader: AttentionReader,
) -> Explained:
    """Explain the chosen faces in one pass over them, each for its own class; memory grows by numbers, not by maps."""
    names = context.predictions.classes
    rows, classes = _choose(context, params)
    turned = _to_mirror(context, params, rows, classes)
    left_out: dict[str, Counter[str]] = {name: Counter() for name in names}
    parts = _Parts()
    with context.progress("faces", len(rows)) as advance:
        for explained in explain_faces(
            context.faces,
            context.model,
            [explainer],
            rows,
            classes,
            batch_size=context.batch_size,
            seed=context.seed,
            landmarks=True,
        ):
            reasons = _measure(explained, params.method, codebook, reader, parts)
            _mirror(explained, params.method, explainer, turned, context.seed, parts)
            for place, reason in zip(explained.classes.tolist(), reasons, strict=True):
                if reason is not None:
                    left_out[names[place]][reason] += 1
            advance(len(explained.batch))
    if not parts.rows:
        return Explained(None, left_out, len(rows))
    found = np.concatenate(parts.rows)
    faces = ExplainedFaces(
        found,
        np.concatenate(parts.classes),
        context.faces.subject_codes[found],
        Evidence.joined(parts.evidence),
        {layer: np.concatenate(values) for layer, values in parts.attention.items()},
    )
    return Explained(faces, left_out, len(rows))


def _choose(context: ProbeContext, params: AuAlignmentParams) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the faces to explain, in order, and the class of each."""
    found, people = context.predictions, context.faces.subject_codes
    select: Literal["predicted", "label", "correct"] = "correct" if params.select == "correct" else params.of
    chosen = []
    for place, name in enumerate(found.classes):
        rows = eligible_faces(found.predicted, found.labels, place, select)
        chosen.append(draw_faces(rows, people[rows], params.per_class, context.random("faces", name)))
    rows = np.concatenate(chosen)
    classes = np.repeat(np.arange(len(chosen)), [len(each) for each in chosen])
    order = np.argsort(rows)
    return rows[order], classes[order]


def _measure(
    explained: ExplainedBatch, method: str, codebook: Codebook, reader: AttentionReader, parts: _Parts
) -> list[str | None]:
    """Measure the faces of one batch that have a map and fitting landmarks; return why the others were not."""
    batch, maps = explained.batch, explained.maps[method]
    if batch.landmarks is None:
        raise RuntimeError("the faces were read without landmarks")
    landmarks = np.asarray(batch.landmarks, dtype=np.float64) - 0.5  # pixel centres at integers
    height, width = batch.pixels.shape[-2:]
    reasons = _problems(landmarks, maps.problems, height, width)
    usable = np.array([reason is None for reason in reasons])
    if not usable.any():
        return reasons
    chosen, points = torch.from_numpy(usable), landmarks[usable]
    drawn = unit_maps(points, codebook.units, height, width)
    expressions = expression_maps(drawn, codebook)
    parts.rows.append(batch.rows[usable])
    parts.classes.append(explained.classes[usable])
    parts.evidence.append(measure(maps.maps.float().cpu()[chosen], points, codebook, expressions, drawn))
    for layer, attention in reader.read(batch.pixels[chosen]).items():
        likeness = cosine(expressions, positive(attention)[:, None])
        parts.attention.setdefault(layer, []).append(likeness.double().numpy())
    return reasons


def _to_mirror(
    context: ProbeContext, params: AuAlignmentParams, rows: NDArray[np.int64], classes: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the faces that are explained mirrored as well."""
    people = context.faces.subject_codes
    chosen = []
    for place, name in enumerate(context.predictions.classes):
        mine = rows[classes == place]
        chosen.append(draw_faces(mine, people[mine], params.mirrored, context.random("mirrored", name)))
    return np.concatenate(chosen)


def _mirror(
    explained: ExplainedBatch,
    method: str,
    explainer: Explainer,
    turned: NDArray[np.int64],
    seed: int,
    parts: _Parts,
) -> None:
    """Explain some of the faces just measured mirrored, and note on which side of the picture their maps lie then."""
    batch = explained.batch
    measured = parts.rows[-1] if parts.rows else np.zeros(0, dtype=np.int64)
    here = np.isin(batch.rows, turned) & np.isin(batch.rows, measured)
    if batch.landmarks is None or not here.any():
        return
    chosen = torch.from_numpy(here)
    maps = explained.maps[method].maps
    request = Request(
        batch.pixels[chosen].flip(3).to(maps.device),
        torch.from_numpy(explained.classes[here]).to(maps.device),
        face_seeds(seed, [str(row) for row in batch.rows[here]]),
    )
    found = explainer.explain(request)[method]
    usable = np.array([problem is None for problem in found.problems])
    if not usable.any():
        return
    # Flipped back, a map lies over the face as it was; its sides then change over.
    back = found.maps.float().cpu()[torch.from_numpy(usable)].flip(2)
    sides = -sidedness(back, np.asarray(batch.landmarks, dtype=np.float64)[here][usable] - 0.5)
    places = np.searchsorted(measured, batch.rows[here][usable])
    parts.evidence[-1].mirrored[places] = sides


def _problems(landmarks: FloatArray, of_maps: tuple[str | None, ...], height: int, width: int) -> list[str | None]:
    """Return for each face None or why it is left out.

    Landmarks come first: where they are in a wrong frame, nothing else of the face is worth telling.
    """
    reasons: list[str | None] = [NO_LANDMARKS] * len(landmarks)
    seen = np.isfinite(landmarks).all(axis=(1, 2))
    if seen.any():
        fits, _ = misfits(canonical_warp(landmarks.shape[1]), landmarks[seen], width, height)
        framed = FaceFrame.of(to_68(landmarks[seen])).usable
        for at, reason, has_frame in zip(np.flatnonzero(seen).tolist(), fits, framed, strict=True):
            reasons[at] = reason or (of_maps[at] if has_frame else NO_FRAME)
    return reasons
