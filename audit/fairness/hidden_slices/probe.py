"""The probe ``hidden_slices``: on which faces that nobody named is the model worse?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....core.keys import format_key
from ....core.probes import Note, Output, ProbeContext, TableOutput, probe
from ....core.results import Estimate, Finding, Measurement
from ....core.statistics.slice_outcomes import Rate, SliceOutcome, confirm_slices
from ....core.statistics.slice_search import Feature, FoundSlice, SearchedFaces, search
from .features import Features, features_of
from .params import HiddenSlicesParams
from .pictures import read_pictures

SIGNIFICANT = 0.05
LARGE = 0.1
TOLD_APART = 0.02  # a difference of rates and an excess beyond the labels that differ by less are told as one
MOST_COMBINATIONS = 20_000
METHOD_TEST = "permutation_and_t_of_people"
METHOD_EXCESS = "sandwich_t"
CAVEATS = [
    "Found by a search on half of the people; the numbers are of the other half, who took no part in it.",
    "It tells where the model is worse, not why: what the faces have in common may go with the true cause.",
]
PLANNED = "The plan names this group, so it stands among the gaps too."
EMBEDDING = (
    "A cluster in the model's own view of the faces: it is worse there than its label and the model's confidence tell."
)


@dataclass(frozen=True, eq=False)
class _Looked:
    """What is shared by everything that is said of the slices."""

    features: Features
    classes: tuple[str, ...]
    planned: frozenset[frozenset[str]]

    def name(self, found: FoundSlice) -> str:
        """Return the conditions in words: ``glasses: yes, light: dim``."""
        parts = [(self.features.all[place], level) for place, level in found.conditions]
        return ", ".join(f"{feature.name}: {feature.levels[level]}" for feature, level in parts)

    def about(self, found: FoundSlice) -> str:
        """Return what the faces of a cluster have in common; empty for other slices."""
        place, level = found.conditions[0]
        return self.features.words.get((self.features.all[place].name, level), "")

    def label(self, found: FoundSlice) -> str:
        """Return the label of a slice, empty for all labels."""
        return "" if found.label is None else self.classes[found.label]

    def is_planned(self, found: FoundSlice) -> bool:
        """Whether the plan names the attribute or the intersection."""
        return frozenset(self.features.all[place].name for place, _ in found.conditions) in self.planned

    def place(self, found: FoundSlice) -> dict[str, str]:
        """Return the slice of its measurements."""
        label = self.label(found)
        return {"slice": self.name(found), **({"label": label} if label else {})}


@probe(
    "hidden_slices",
    version=1,
    title="Slices nobody named",
    pillar="fairness",
    params=HiddenSlicesParams,
    needs={"labels"},
    shows="On which faces the model is wrong more often than their labels explain: combinations of attributes, also "
    "those that the plan does not name, of the quality of the picture, and clusters of pictures that look alike; found "
    "on half of the people, tested on the other half.",
    hides="Slices of people too few to be seen twice, slices that no feature here describes, and why the model is "
    "worse on a slice. The model's confidence is no feature: where it is low the model is wrong more often by design, "
    "and nobody knows it before the model has answered.",
    citation="Chung et al. 2019, arXiv 1807.06068 (Slice Finder); Eyuboglu et al. 2022, arXiv 2203.14960 (Domino); "
    "Holm 1979",
)
def hidden_slices(context: ProbeContext, params: HiddenSlicesParams) -> Iterator[Output]:
    """Worst slices by search over attributes, quality and clusters, confirmed on people who took no part in it."""
    rows, note = _rows(context, params)
    if note:
        yield Note(note)
    known = {spec.derive or name for name, spec in context.faces.attributes.items()}
    pictures = read_pictures(context, params, rows, known)
    for reason in pictures.reasons:
        yield Note(reason)
    person = np.unique(context.faces.subject_codes[rows], return_inverse=True)[1].reshape(-1).astype(np.int64)
    searched = _half(person, context.random("halves"))
    features = features_of(context.faces, rows, pictures, searched, params.clusters, context.random("clusters"))
    if not features.all:
        yield Note("No slices were looked for: the faces have no attribute and no picture to tell them apart by.")
        return
    depth, note = _depth(features.all, params.depth)
    if note:
        yield Note(note)
    labels, classes = _labels(context, rows)
    wrong = (context.predictions.predicted[rows] != context.predictions.labels[rows]).astype(np.float64)
    confidence = context.predictions.probabilities[rows].max(axis=1)
    rules = context.rules
    found, looked_at = search(
        SearchedFaces.of(person[searched], labels[searched], wrong[searched], confidence[searched]),
        features.take(searched),
        depth=depth,
        wanted=params.confirm,
        least_people=rules.min_subjects,
        least_faces=int(np.ceil(rules.min_effective)),
    )
    other = ~searched
    outcomes = confirm_slices(
        SearchedFaces.of(person[other], labels[other], wrong[other], confidence[other]),
        wrong[other],
        features.take(other),
        found,
        rules,
        context.random("test"),
        params.permutations,
    )
    looked = _Looked(features, classes, frozenset(frozenset(one.attributes) for one in context.faces.groupings))
    yield Note(_told(features, pictures.told, looked_at, len(found), np.unique(person[searched]).size, person))
    outcomes.sort(key=lambda one: (np.isnan(one.p_adjusted), one.p_adjusted, -np.nan_to_num(one.excess)))
    yield TableOutput("slices", _table(looked, outcomes), "Worst slices, on people who took no part in the search")
    for outcome in outcomes:
        yield from _measurements(context, looked, outcome)
    worse = (one for one in outcomes if one.p_adjusted <= SIGNIFICANT and one.excess_low > 0)
    for rank, outcome in enumerate(worse):
        yield _finding(context, looked, outcome, rank)


def _rows(context: ProbeContext, params: HiddenSlicesParams) -> tuple[NDArray[np.int64], str]:
    """Return the labelled faces, or a random part of their people where there are too many pictures to read."""
    rows = np.flatnonzero(context.predictions.labels >= 0)
    pictured = context.target is not None and context.faces.height_width is not None and bool(params.pictures)
    if not pictured or len(rows) <= params.faces:
        return rows, ""
    person = np.unique(context.faces.subject_codes[rows], return_inverse=True)[1].reshape(-1)
    sizes = np.bincount(person)
    order = context.random("people").permutation(len(sizes))
    kept = np.zeros(len(sizes), dtype=np.bool_)
    kept[order[np.cumsum(sizes[order]) <= params.faces]] = True
    chosen = rows[kept[person]]
    return chosen, (
        f"Of {len(rows):,} labelled faces {len(chosen):,} of {int(kept.sum()):,} people, drawn at random, were looked "
        "at (`faces` of the probe), since their pictures are read."
    )


def _half(person: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.bool_]:
    """Return which faces the search may see: those of half of the people."""
    people = int(person.max(initial=-1)) + 1
    first = np.zeros(people, dtype=np.bool_)
    first[random.permutation(people)[: (people + 1) // 2]] = True
    return np.asarray(first[person], dtype=np.bool_)


def _labels(context: ProbeContext, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return the labels that occur as whole numbers from 0, and their names."""
    shown, places = np.unique(context.predictions.labels[rows], return_inverse=True)
    return places.reshape(-1).astype(np.int64), tuple(context.predictions.classes[place] for place in shown)


def _depth(features: Sequence[Feature], asked: int) -> tuple[int, str]:
    """Return how many features are combined: fewer than asked where there are too many of them."""
    crossed = sum(feature.crossed for feature in features)
    depth = asked
    while depth > 1 and sum(comb(crossed, size) for size in range(1, depth + 1)) > MOST_COMBINATIONS:
        depth -= 1
    if depth == asked:
        return depth, ""
    return depth, f"There are {crossed} features: at most {depth} of them were combined, not {asked}."


def _told(
    features: Features, embedding: str, looked_at: int, tested: int, people: int, person: NDArray[np.int64]
) -> str:
    names = ", ".join(feature.name for feature in features.all)
    told = (
        f"{looked_at:,} slices were looked at on {people:,} people, and {tested} of them tested on the other "
        f"{int(person.max(initial=-1)) + 1 - people:,}. Slices are made of: {names}."
    )
    return told + (f" The embedding is {embedding}." if embedding else "")


def _estimate(rate: Rate, level: float) -> Estimate:
    return Estimate(
        value=rate.value,
        low=rate.low,
        high=rate.high,
        level=level,
        method=rate.method,
        n=rate.faces,
        subjects=rate.people,
        n_effective=rate.n_effective,
        count=rate.count,
    )


def _measurements(context: ProbeContext, looked: _Looked, outcome: SliceOutcome) -> Iterator[Measurement]:
    place, level = looked.place(outcome.found), context.rules.level
    if outcome.inside is None or outcome.others is None:
        not_measured = Estimate.not_measured(outcome.reason or "")
        yield context.measurement("error_rate", not_measured, slice=place, direction="lower")
        return
    faces, people = outcome.inside.faces, outcome.inside.people
    yield context.measurement("error_rate", _estimate(outcome.inside, level), slice=place, direction="lower")
    yield context.measurement("error_rate.others", _estimate(outcome.others, level), slice=place, direction="lower")
    excess = Estimate(
        value=outcome.excess,
        low=outcome.excess_low,
        high=outcome.excess_high,
        level=level,
        method=METHOD_EXCESS,
        n=faces,
        subjects=people,
    )
    yield context.measurement("error_excess", excess, slice=place, direction="lower")
    for name, p in (("error_excess.p", outcome.p), ("error_excess.p_adjusted", outcome.p_adjusted)):
        estimate = Estimate(value=p, method=METHOD_TEST, n=faces, subjects=people)
        yield context.measurement(name, estimate, slice=place)
    if outcome.share_of_errors is not None:
        yield context.measurement("share_of_errors", _estimate(outcome.share_of_errors, level), slice=place)


def _table(looked: _Looked, outcomes: Sequence[SliceOutcome]) -> pd.DataFrame:
    """Lay out every slice that was tested, the surest first."""
    rows = []
    for one in outcomes:
        inside, others = one.inside, one.others
        rows.append(
            {
                "slice": looked.name(one.found),
                "label": looked.label(one.found),
                "in_common": looked.about(one.found),
                "planned": looked.is_planned(one.found),
                "faces": inside.faces if inside else np.nan,
                "people": inside.people if inside else np.nan,
                "error_rate": inside.value if inside else np.nan,
                "error_rate_low": inside.low if inside else np.nan,
                "error_rate_high": inside.high if inside else np.nan,
                "error_rate_others": others.value if others else np.nan,
                "error_excess": one.excess,
                "error_excess_low": one.excess_low,
                "error_excess_high": one.excess_high,
                "p": one.p,
                "p_adjusted": one.p_adjusted,
                "share_of_faces": one.share_of_faces,
                "share_of_errors": one.share_of_errors.value if one.share_of_errors else np.nan,
                "excess_in_search": one.found.excess,
                "not_tested_because": one.reason or "",
            }
        )
    return pd.DataFrame(rows)


def _finding(context: ProbeContext, looked: _Looked, outcome: SliceOutcome, rank: int) -> Finding:
    found = outcome.found
    assert outcome.inside is not None
    assert outcome.others is not None
    assert outcome.share_of_errors is not None
    label, about = looked.label(found), looked.about(found)
    labelled = f" labelled {label}" if label else ""
    common = f" (more common there: {about})" if about else ""
    at_confidence = looked.features.all[found.conditions[0][0]].at_confidence
    plain = outcome.inside.value - outcome.others.value
    beyond = ""
    if abs(plain - outcome.excess) > TOLD_APART:
        beyond = (
            f": {outcome.excess:.1%} [{outcome.excess_low:.1%}, {outcome.excess_high:.1%}] more than "
            f"{'its labels and the confidence of the model' if at_confidence else 'its labels'} would let expect"
        )
    p = f"{outcome.p_adjusted:.3f}" if outcome.p_adjusted > 0.001 else "at most 0.001"
    caveats = [*CAVEATS]
    if looked.is_planned(found):
        caveats.append(PLANNED)
    if at_confidence:
        caveats.append(EMBEDDING)
    return context.finding(
        f"slice.{rank + 1}",
        "medium" if outcome.excess >= LARGE and not looked.is_planned(found) else "low",
        f"The model is wrong on {outcome.inside.value:.1%} of the faces{labelled} with {looked.name(found)}{common}, "
        f"and on {outcome.others.value:.1%} of all others{labelled} ({outcome.inside.faces:,} faces of "
        f"{outcome.inside.people:,} people; p {p}){beyond}. They are {outcome.share_of_faces:.1%} of the faces and "
        f"have {outcome.share_of_errors.value:.1%} of the errors.",
        evidence=[
            format_key(context.probe_id, metric, looked.place(found)) for metric in ("error_rate", "error_excess")
        ],
        caveats=caveats,
        p_adjusted=outcome.p_adjusted,
    )
