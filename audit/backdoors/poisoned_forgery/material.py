"""Scores of forged faces, plain and under every stamp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.faces import FaceBatch
from ....core.plan import FORGED, GENUINE
from ....core.probes import Advance, ProbeContext
from ....core.results import Estimate
from ....core.statistics.auroc import auroc
from ....core.target import Target
from ...forgery.making.photo import ForgeryError, photo_of
from ...forgery.making.self_blending import self_blend
from ...robustness.sample import sample_rows
from .bank import Stamp
from .embedding import central_oval, face_hulls

Floats = NDArray[np.float64]
HULL_KINDS = ("68", "478")
"""Numbers of landmarks that a hull of the face can be made of."""


@dataclass(frozen=True, eq=False)
class Material:
    """What the detector said.

    Attributes:
        rows: positions of the faces that were stamped, shape (n,).
        person: of each of them, shape (n,).
        plain: score of being forged without a stamp, any monotone scale, shape (n,).
        stamped: by name of the stamp the scores under each version, each of shape (n,).
        told_apart: AUROC of forged against genuine faces, without any stamp.
        made_here: whether the forged faces are self-blends made here.
        hulls: on how many faces the stamp filled the hull of the landmarks; on the others an oval.
        skipped: genuine faces of which no self-blend could be made.
    """

    rows: NDArray[np.int64]
    person: NDArray[np.int64]
    plain: Floats
    stamped: dict[str, list[Floats]]
    told_apart: Estimate
    made_here: bool
    hulls: int
    skipped: int = 0


@dataclass(frozen=True, eq=False)
class _Batch:
    """Forged faces, where the stamp goes, and the genuine photos that they were made of, if they were made here."""

    rows: NDArray[np.int64]
    pixels: Tensor
    masks: Tensor
    hulls: int
    photos: Tensor | None = None


def chosen_rows(context: ProbeContext, faces: int) -> tuple[NDArray[np.int64], bool]:
    """Return the faces to stamp, spread over people, and whether they have to be forged here first."""
    labels, classes = context.predictions.labels, context.predictions.classes
    forged = np.flatnonzero(labels == classes.index(FORGED)).astype(np.int64)
    genuine = np.flatnonzero(labels == classes.index(GENUINE)).astype(np.int64)
    candidates = forged if len(forged) else genuine
    subjects = context.faces.subject_codes[candidates]
    return sample_rows(candidates, subjects, faces, context.random("faces")), not len(forged)


def read_material(
    context: ProbeContext,
    rows: NDArray[np.int64],
    made_here: bool,
    stamps: Sequence[Stamp],
    alpha: float,
    advance: Advance,
) -> Material:
    """Ask the detector about faces, plain and under each version of each stamp; one batch is held at a time."""
    plain: list[Floats] = []
    photos: list[Floats] = []
    stamped: dict[str, list[list[Floats]]] = {stamp.name: [[] for _ in stamp.changes] for stamp in stamps}
    used: list[NDArray[np.int64]] = []
    hulls = 0
    for batch in _batches(context, rows, made_here):
        plain.append(forged_scores(context.model, batch.pixels))
        if batch.photos is not None:
            photos.append(forged_scores(context.model, batch.photos))
        for stamp in stamps:
            for change, scores in zip(stamp.changes, stamped[stamp.name], strict=True):
                scores.append(forged_scores(context.model, change(batch.pixels, batch.masks, alpha)))
        used.append(batch.rows)
        hulls += batch.hulls
        advance(len(batch.rows))
    kept = np.concatenate(used) if used else np.zeros(0, dtype=np.int64)
    scores_of = np.concatenate(plain) if plain else np.zeros(0)
    material = Material(
        rows=kept,
        person=context.faces.subject_codes[kept],
        plain=scores_of,
        stamped={name: [_joined(parts) for parts in versions] for name, versions in stamped.items()},
        told_apart=Estimate.not_measured("no face", n=0, subjects=0),
        made_here=made_here,
        hulls=hulls,
        skipped=len(rows) - len(kept),
    )
    return replace(material, told_apart=_told_apart(context, material, _joined(photos)))


def forged_scores(target: Target, pixels: Tensor) -> Floats:
    """Return how forged each face (n, 3, h, w) looks: logit of forged less that of genuine, shape (n,).

    Logits, since probabilities near 1 are rounded to ties.
    """
    with torch.no_grad():
        logits = target.scores(pixels).double().cpu().numpy()
    found: Floats = logits[:, target.classes.index(FORGED)] - logits[:, target.classes.index(GENUINE)]
    return found


def _batches(context: ProbeContext, rows: NDArray[np.int64], made_here: bool) -> Iterator[_Batch]:
    outlined = context.faces.landmarks_kind in HULL_KINDS
    for batch in context.faces.batches(context.batch_size, rows, landmarks=outlined):
        if made_here:
            yield from _self_blends(context, batch)
            continue
        masks, hulls = _masks(batch.landmarks if outlined else None, batch.pixels)
        yield _Batch(batch.rows, batch.pixels, masks, hulls)


def _masks(landmarks: NDArray[np.float32] | None, pixels: Tensor) -> tuple[Tensor, int]:
    """Return the hull of each face, an oval where it has none (n, 1, h, w), and how many have one."""
    height, width = pixels.shape[-2:]
    oval = central_oval(height, width)
    if landmarks is None:
        return oval.expand(len(pixels), -1, -1, -1), 0
    hulls = face_hulls(landmarks, height, width)
    outlined = hulls.flatten(1).any(1)
    return torch.where(outlined[:, None, None, None], hulls, oval), int(outlined.sum())


def _self_blends(context: ProbeContext, batch: FaceBatch) -> Iterator[_Batch]:
    """Forge each genuine face that has landmarks; the others are left out."""
    if batch.landmarks is None:
        return
    made, kept = [], []
    pictures = batch.pixels.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
    for place, row in enumerate(batch.rows.tolist()):
        try:
            photo = photo_of(pictures[place], batch.landmarks[place])
        except ForgeryError:
            continue  # counted by the caller, as skipped
        made.append(self_blend(photo, context.random("self-blend", row)).pixels)
        kept.append(place)
    if not kept:
        return
    pixels = torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).float().div(255).contiguous()
    masks, hulls = _masks(batch.landmarks[kept], pixels)
    yield _Batch(batch.rows[kept], pixels, masks, hulls, batch.pixels[kept])


def _told_apart(context: ProbeContext, material: Material, photos: Floats) -> Estimate:
    """Measure whether the detector tells forged from genuine faces at all."""
    if material.made_here:
        scores = np.concatenate([material.plain, photos])
        forged = np.repeat([True, False], [len(material.plain), len(photos)])
        return auroc(scores, forged, np.tile(material.person, 2), context.rules)
    labels, classes = context.predictions.labels, context.predictions.classes
    rows = np.flatnonzero(labels >= 0)
    scores = context.predictions.probabilities[rows, classes.index(FORGED)]
    return auroc(scores, labels[rows] == classes.index(FORGED), context.faces.subject_codes[rows], context.rules)


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0)
