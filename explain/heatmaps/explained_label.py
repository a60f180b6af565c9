"""Explain the chosen faces of one class by every method, and score the mean maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...core.expressions import expression_of
from ...core.heatmap_similarity import normalised_correlation
from ...core.probes import ProbeContext, Scores
from ..attribution.method import PEAK
from ..canonical import CANVAS_HEIGHT, CANVAS_WIDTH
from ..face_drawing import face_region
from ..landmark_fit import MISFITS
from ..masks import MaskSet
from .agreement import energy_in_mask, evidence_threshold, iou, pointing_game, stretch
from .class_maps import FaceExplainer, FaceMaps, PersonMaps
from .heatmap_outputs import ScoredLabel
from .heatmap_scores import HeatmapScorer
from .params import GlobalHeatmapsParams
from .people_intervals import people_intervals
from .selection import Select

SMALL = 4
"""Maps of single faces are kept at one pixel in four along each side, to find the most typical one."""


@dataclass
class MethodMaps:
    """The maps of one class by one method.

    Attributes:
        maps: added up by person.
        left_out: faces without a map, by reason.
        facts: what the method tells of its own maps: name to values by row.
    """

    maps: PersonMaps
    left_out: Counter[str] = field(default_factory=Counter)
    facts: dict[str, dict[int, float]] = field(default_factory=dict)


@dataclass
class ExplainedLabel:
    """The chosen faces of one class, explained.

    Attributes:
        name: of the class.
        by_method: the maps of each method.
        rows: the faces that have a map by the first method.
        scores: of single faces by the first method: name to values in the order of ``rows``.
        folded: share of folded canvas of each face.
        small: ``(chosen faces, height / 4, width / 4)``, of which the first ``len(rows)`` are the maps of these faces
            by the first method; empty once the most typical face is known. One piece of memory: many small ones would
            keep the large ones between them from being given back.
        typical: the face whose map is most like the mean map, and their correlation; None where there is no mean map.
    """

    name: str
    by_method: dict[str, MethodMaps]
    rows: list[int] = field(default_factory=list)
    scores: dict[str, list[float]] = field(default_factory=dict)
    folded: list[float] = field(default_factory=list)
    small: NDArray[np.float16] = field(default_factory=lambda: np.empty((0, 0, 0), dtype=np.float16))
    typical: tuple[int, float] | None = None

    def find_typical(self, heatmap: NDArray[np.float32] | None) -> None:
        """Find the face whose map is most like the mean map, and let the single maps go."""
        if heatmap is not None:
            mean = heatmap[::SMALL, ::SMALL]
            maps = self.small[: len(self.rows)]
            alike = [normalised_correlation(map, mean) if map.min() < map.max() else -1.0 for map in maps]
            best = int(np.argmax(alike))
            self.typical = self.rows[best], alike[best]
        self.small = np.empty((0, 0, 0), dtype=np.float16)


def explain_label(
    explainer: FaceExplainer,
    params: GlobalHeatmapsParams,
    masks: MaskSet,
    name: str,
    place: int,
    rows: NDArray[np.int64],
    advance: Callable[[int], None],
) -> ExplainedLabel:
    """Explain the chosen faces of a class, add their maps up by person, score each single map by the first method.

    Args:
        explainer: makes the maps.
        params: of the probe.
        masks: to score against.
        name: of the class.
        place: of the class.
        rows: the faces.
        advance: is told how many are done.
    """
    people = explainer.faces.subject_codes
    most = len(np.unique(people[rows]))
    found = ExplainedLabel(name, {method: MethodMaps(PersonMaps(most)) for method in explainer.methods})
    shape = (len(rows), -(-CANVAS_HEIGHT // SMALL), -(-CANVAS_WIDTH // SMALL))
    found.small = np.empty(shape, dtype=np.float16)
    left_out = {method: each.left_out for method, each in found.by_method.items()}
    for face in explainer.maps(rows, place, advance, left_out):
        for method, map in face.maps.items():
            kept = found.by_method[method]
            facts = face.facts[method]
            scale = facts.get(PEAK, 1.0) if params.average == "raw" else 1.0
            kept.maps.add(int(people[face.row]), map * np.float32(scale))
            for fact, value in facts.items():
                kept.facts.setdefault(fact, {})[face.row] = value
        if params.method in face.maps:
            found.small[len(found.rows)] = face.maps[params.method][::SMALL, ::SMALL]
            found.rows.append(face.row)
            found.folded.append(face.folded)
            for score, value in _score_face(face, params, masks, name).items():
                found.scores.setdefault(score, []).append(value)
    return found


def _score_face(face: FaceMaps, params: GlobalHeatmapsParams, masks: MaskSet, name: str) -> dict[str, float]:
    """Score the map of one face by the first method."""
    grey = stretch(face.maps[params.method])
    scores = {"face_energy_outside": energy_in_mask(grey, ~face_region())}
    own = expression_of(name)
    if own not in masks.masks:
        return scores
    evidence = grey > evidence_threshold(grey, masks.masks[own], params.threshold)
    overlaps = {expression: iou(evidence, mask) for expression, mask in masks.masks.items()}
    others = [value for expression, value in overlaps.items() if expression != own]
    scores["face_iou"] = overlaps[own]
    scores["face_pointing_game"] = pointing_game(grey, masks.masks[own])
    if others:
        scores["face_specificity"] = overlaps[own] - float(np.mean(others))
    return scores


def score_label(
    context: ProbeContext, params: GlobalHeatmapsParams, masks: MaskSet, found: ExplainedLabel, method: str
) -> ScoredLabel:
    """Average one class's maps by a method over people and score the mean; too few people are told so.

    The maps are used up.
    """
    kept = found.by_method[method]
    expression = expression_of(found.name)
    own = expression if expression in masks.masks else None
    faces, people, left_out = kept.maps.faces, kept.maps.people, kept.left_out.total()
    needed = max(2, context.rules.min_subjects)
    wrong = sum(number for reason, number in kept.left_out.items() if reason in MISFITS)
    reason = None
    if wrong > faces:
        reason = f"landmarks do not fit {wrong:,} of {faces + left_out:,} faces"
    elif people < needed:
        reason = _too_few(people, needed, found.name, params.select, context.faces.has_subjects)
        if left_out > faces:
            commonest, count = kept.left_out.most_common(1)[0]
            reason += f"; of {faces + left_out:,} faces {count:,} have none: {commonest}"
    if reason is not None:
        return ScoredLabel(found.name, method, own, faces, people, left_out, reason)
    means = kept.maps.means()
    heatmap = means.mean(axis=0, dtype=np.float64).astype(np.float32)
    scorer = HeatmapScorer(masks.masks, own, face_region(), params.threshold)
    grey = stretch(heatmap)
    return ScoredLabel(
        found.name,
        method,
        own,
        faces,
        people,
        left_out,
        None,
        heatmap=heatmap,
        threshold=evidence_threshold(grey, masks.masks[own], params.threshold) if own else None,
        estimates=people_intervals(means, scorer, context.rules.level, faces, context.random("halves", found.name)),
    )


def _too_few(people: int, needed: int, name: str, select: Select, by_person: bool) -> str:
    how = {"predicted": "called", "label": "labelled", "correct": "rightly called"}[select]
    if by_person:
        return f"{people:,} {'person' if people == 1 else 'people'} {how} {name} with a map; {needed} are needed"
    return f"{people:,} {'face' if people == 1 else 'faces'} {how} {name} with a map; {needed} are needed"


_BOUNDS: Mapping[str, tuple[float, float]] = {"face_specificity": (-1.0, 1.0)}
COMPARED: Mapping[str, str] = {
    "face_iou": "overlap of the single faces' heatmaps with the mask",
    "face_specificity": "overlap with the own mask less that with the others, in single faces' heatmaps",
    "face_energy_outside": "share of evidence outside the face",
}
"""Scores of single faces whose gap between groups is measured, and what a sentence calls them."""


def face_scores(found: ExplainedLabel, label: ScoredLabel) -> Iterator[Scores]:
    """Yield the scores of single faces, which the runner slices by group."""
    if not label.measured:
        return
    rows = np.array(found.rows, dtype=np.int64)
    order = np.argsort(rows)
    for metric, values in found.scores.items():
        yield Scores(
            metric,
            rows[order],
            np.array(values)[order],
            bounds=_BOUNDS.get(metric, (0.0, 1.0)),
            slice={"label": found.name},
            gaps=metric in COMPARED,
            title=COMPARED.get(metric, ""),
        )


def fact_scores(found: ExplainedLabel) -> Iterator[Scores]:
    """Yield what methods tell of their own maps, such as the completeness error of integrated gradients."""
    for method, kept in found.by_method.items():
        for fact, by_row in kept.facts.items():
            if fact == PEAK:
                continue
            rows = np.array(sorted(by_row), dtype=np.int64)
            values = np.array([by_row[int(row)] for row in rows])
            usable = np.isfinite(values)
            yield Scores(
                fact,
                rows[usable],
                values[usable],
                slice={"label": found.name},
                condition={"method": method},
                by_group=False,
            )
