"""From the numbers of single faces to scores by class: which faces count, and against which null."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.probes import Scores
from ..landmarks import FloatArray
from .codebook import Codebook
from .evidence import Evidence, even_energy
from .regions import face_parts

COSINE = (0.0, 1.0)
CORRELATION = (-1.0, 1.0)


@dataclass(frozen=True)
class ExplainedFaces:
    """Every face that has a map, with its numbers.

    Attributes:
        rows: ``(n,)`` positions of the faces.
        classes: ``(n,)`` the class that each map is of.
        people: ``(n,)`` the person of each.
        evidence: the numbers.
        attention: ``(n, e)`` cosine of a layer's attention with the map of each expression, by layer.
    """

    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    people: NDArray[np.int64]
    evidence: Evidence
    attention: Mapping[str, FloatArray]

    def take(self, chosen: NDArray[np.bool_]) -> ExplainedFaces:
        """Return some of the faces."""
        attention = {layer: values[chosen] for layer, values in self.attention.items()}
        return ExplainedFaces(
            self.rows[chosen], self.classes[chosen], self.people[chosen], self.evidence.take(chosen), attention
        )

    def labels(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the classes that have faces here, in order."""
        present = set(self.classes.tolist())
        return tuple(name for number, name in enumerate(names) if number in present)


def specificity(likeness: FloatArray) -> FloatArray:
    """Return how much nearer a map is to each expression than to the others on average, ``(n, e)``.

    Expressions that a face has no map of do not count; NaN where no other is left.
    """
    known = np.isfinite(likeness)
    count = known.sum(axis=1, keepdims=True) - 1
    total = np.where(known, likeness, 0.0).sum(axis=1, keepdims=True)
    others = np.divide(total - likeness, count, out=np.full(likeness.shape, np.nan), where=known & (count > 0))
    return np.asarray(likeness - others)


def scores_of(
    faces: ExplainedFaces, names: Sequence[str], places: Mapping[str, int | None], codebook: Codebook
) -> Iterator[Scores]:
    """Yield every score and its nulls, class by class.

    Args:
        faces: that have a map.
        names: of the target's classes.
        places: for each class the position of its expression in the codebook, None if it has none.
        codebook: the units.
    """
    found = faces.evidence
    for label in faces.labels(names):
        number = names.index(label)
        mine = np.flatnonzero(faces.classes == number)
        place = places[label]
        if place is not None:
            yield from _alignment(faces, mine, label, place, list(codebook.expressions))
        yield _one(faces, mine, "asymmetry", found.asymmetry, CORRELATION, label)
        if np.isfinite(found.mirrored[mine]).any():
            of_faces = (found.asymmetry - found.mirrored) / 2
            yield _one(faces, mine, "asymmetry.null_mirrored", found.mirrored, CORRELATION, label, by_group=False)
            yield _one(faces, mine, "asymmetry.of_faces", of_faces, CORRELATION, label, by_group=False)
        away = "share of the map outside the face"
        yield _one(faces, mine, "outside_face", found.outside, COSINE, label, title=away)
        yield _one(faces, mine, "outside_face.null_even", found.outside_even, COSINE, label, by_group=False)
        columns = [("energy", "unit", f"AU{unit}", found.energy[:, at]) for at, unit in enumerate(codebook.units)]
        columns += [("part_energy", "part", part, found.parts[:, at]) for at, part in enumerate(face_parts())]
        for metric, kind, name, values in columns:
            more = {kind: name}
            yield _one(faces, mine, metric, values, COSINE, label, more=more, by_group=False)
            yield _others(faces, number, metric, values, label, more)


def _alignment(
    faces: ExplainedFaces, mine: NDArray[np.int64], label: str, place: int, expressions: list[str]
) -> Iterator[Scores]:
    found = faces.evidence

    def null(metric: str, values: FloatArray, bounds: tuple[float, float]) -> Scores:
        return _one(faces, mine, metric, values, bounds, label, by_group=False)

    own, specific = found.cosine[:, place], specificity(found.cosine)[:, place]
    yield _one(faces, mine, "cam_cos", own, COSINE, label, title="likeness of the map to the action units")
    yield _one(faces, mine, "cam_cos.specificity", specific, CORRELATION, label)
    for other, name in enumerate(expressions):
        if other != place:
            margin = own - found.cosine[:, other]
            more = {"other": name}
            yield _one(faces, mine, "cam_cos.margin", margin, CORRELATION, label, more=more, by_group=False)
    yield null("cam_cos.null_constant", found.constant[:, place], COSINE)
    yield null("cam_cos.null_centre", found.centre[:, place], COSINE)
    yield null("cam_cos.null_mean_map", found.mean_map[:, place], COSINE)
    yield null("cam_cos.null_other_expressions", own - specific, COSINE)
    correlation, more_than_others = found.pearson[:, place], specificity(found.pearson)[:, place]
    yield _one(faces, mine, "cam_pearson", correlation, CORRELATION, label)
    yield null("cam_pearson.null_centre", found.centre_pearson[:, place], CORRELATION)
    yield null("cam_pearson.null_mean_map", found.mean_map_pearson[:, place], CORRELATION)
    yield null("cam_pearson.null_other_expressions", correlation - more_than_others, CORRELATION)
    for layer, values in faces.attention.items():
        more = {"layer": layer}
        yield _one(faces, mine, "att_cos", values[:, place], COSINE, label, more=more, by_group=False)
        yield _one(
            faces, mine, "att_cos.null_constant", found.constant[:, place], COSINE, label, more=more, by_group=False
        )


def _one(
    faces: ExplainedFaces,
    mine: NDArray[np.int64],
    metric: str,
    values: FloatArray,
    bounds: tuple[float, float],
    label: str,
    *,
    more: Mapping[str, str] | None = None,
    by_group: bool = True,
    title: str = "",
) -> Scores:
    """Return the score of a class's own maps, over the faces that have one; gaps between groups if it has a title."""
    known = mine[np.isfinite(values[mine])]
    return Scores(
        metric,
        faces.rows[known],
        np.clip(values[known], *bounds),  # rounding may leave them by a hair
        bounds=bounds,
        slice={"label": label, **(more or {})},
        by_group=by_group,
        gaps=bool(title),
        title=title,
        keep=".null_" not in metric,
    )


def _others(
    faces: ExplainedFaces, number: int, metric: str, values: FloatArray, label: str, more: Mapping[str, str]
) -> Scores:
    """Return the same score of the other classes' maps, each class weighing the same: the class-agnostic null."""
    known = np.flatnonzero((faces.classes != number) & np.isfinite(values))
    classes = faces.classes[known]
    weights = 1.0 / np.bincount(classes, minlength=int(classes.max(initial=0)) + 1)[classes]
    return Scores(
        f"{metric}.null_other_classes",
        faces.rows[known],
        values[known] * weights,
        weights,
        bounds=COSINE,
        slice={"label": label, **more},
        by_group=False,
        keep=False,
    )


def even_shares(codebook: Codebook) -> tuple[dict[str, float], dict[str, float]]:
    """Return the energy of an even map, by unit (``AU12``) and by part of the face."""
    units, parts = even_energy(codebook.units)
    by_unit = {f"AU{unit}": float(units[at]) for at, unit in enumerate(codebook.units)}
    return by_unit, {part: float(parts[at]) for at, part in enumerate(face_parts())}
