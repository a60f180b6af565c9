"""From scores of known faces and unknowns to AUROC, false positive rates and who is rejected or accepted wrongly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.collector import Collector
from ....core.probes import Note, Output, PairedScores, ProbeContext, Scores
from ....core.results import Estimate
from ....core.statistics.auroc import METHOD, auroc, auroc_influence
from ....core.statistics.intervals import logit_limits
from ....core.statistics.slicing import Slicer
from ....core.statistics.sums import total_at
from .confidence import SCORES, TITLES, Floats
from .rates import ACCEPTED, fpr_estimate, threshold_of

Integers = NDArray[np.int64]
UNKNOWN, SCORE, LEFT_OUT = "unknown", "score", "left_out"
AUROC, FPR = "unknown_auroc", "fpr95"
OVER_ALL = "all"


@dataclass(frozen=True, eq=False)
class Asked:
    """Known faces and some unknowns with what the model's scores say of them.

    Attributes:
        condition: entry of the measurement key, e.g. ``{"unknown": "noise"}``.
        title: of the unknowns, in words.
        known: scores of the known faces by name, shape (n,).
        unknown: scores of the unknowns by name, shape (m,).
        known_people: person of each known face.
        unknown_people: person or source of each unknown, in the same numbering.
    """

    condition: Mapping[str, str]
    title: str
    known: Mapping[str, Floats]
    unknown: Mapping[str, Floats]
    known_people: Integers
    unknown_people: Integers


@dataclass(frozen=True, eq=False)
class Told:
    """What a score says of some unknowns."""

    asked: Asked
    score: str
    auroc: Estimate
    fpr: Estimate


def tell(context: ProbeContext, asked: Asked) -> list[Told]:
    """Return AUROC and false positive rate of every score that there is."""
    found = []
    for score in SCORES:
        if score not in asked.known:
            continue
        both = np.concatenate([asked.known[score], asked.unknown[score]])
        positive = np.arange(len(both)) < len(asked.known[score])
        people = np.concatenate([asked.known_people, asked.unknown_people])
        random = context.random("fpr95", score, *asked.condition.values())
        found.append(
            Told(
                asked,
                score,
                auroc(both, positive, people, context.rules),
                fpr_estimate(
                    asked.known[score],
                    asked.unknown[score],
                    asked.known_people,
                    asked.unknown_people,
                    context.rules,
                    random,
                ),
            )
        )
    return found


def measurements(context: ProbeContext, told: Told, *, with_auroc: bool = True) -> Iterator[Output]:
    """Yield both numbers as measurements."""
    condition = {**told.asked.condition, SCORE: told.score}
    if with_auroc:
        yield context.measurement(AUROC, told.auroc, condition=condition, direction="higher")
    yield context.measurement(FPR, told.fpr, condition=condition, direction="lower")


def not_measured(context: ProbeContext, condition: Mapping[str, str], reasons: Mapping[str, str]) -> Iterator[Output]:
    """Yield why scores could not be measured."""
    for score, reason in reasons.items():
        where = {**condition, SCORE: score}
        yield context.measurement(AUROC, Estimate.not_measured(reason), condition=where, direction="higher")
        yield context.measurement(FPR, Estimate.not_measured(reason), condition=where, direction="lower")


def nulls(context: ProbeContext) -> Iterator[Output]:
    """Yield what a score that knows nothing reaches."""
    method = "definition"
    yield context.measurement(f"{AUROC}.null", Estimate(value=0.5, method=method), direction="higher")
    yield context.measurement(f"{FPR}.null", Estimate(value=ACCEPTED, method=method), direction="lower")


def rejected(
    rows: Integers, known: Mapping[str, Floats], tolerance: float, condition: Mapping[str, str] | None = None
) -> Iterator[Scores]:
    """Yield which known faces lie below the score that 95 % of them reach: by group, compared."""
    for score, values in known.items():
        yield Scores(
            "known_rejected",
            rows,
            (values < threshold_of(values)).astype(np.float64),
            kind="rate",
            bounds=(0.0, 1.0),
            direction="lower",
            condition={**(condition or {}), SCORE: score},
            overall=False,
            gaps=True,
            title=f"rejection of known faces under the {TITLES[score]}",
            tolerance=tolerance,
        )


def above_unknowns(rows: Integers, asked: Asked, tolerance: float) -> Iterator[Scores]:
    """Yield of each known face which share of these very unknowns it scores above: by group, compared."""
    for score, known in asked.known.items():
        ordered = np.sort(asked.unknown[score])
        places = np.searchsorted(ordered, known, side="left") + np.searchsorted(ordered, known, side="right")
        yield Scores(
            "known_above_unknown",
            rows,
            places / (2 * len(ordered)),
            bounds=(0.0, 1.0),
            direction="higher",
            condition={**asked.condition, SCORE: score},
            overall=False,
            gaps=True,
            title=f"rank of known faces above {asked.title} under the {TITLES[score]}",
            tolerance=tolerance,
        )


def twins_by_group(
    context: ProbeContext, rows: Integers, asked: Asked, copies: int, tolerance: float
) -> Iterator[Output]:
    """Yield AUROC and acceptance by group of unknowns that are made from the faces, so that they have a group too.

    Args:
        context: of the probe.
        rows: positions of the faces, shape (n,).
        asked: the faces and what was made from them: ``copies`` times n, all faces of a kind together, kind by kind.
        copies: how many were made from each face.
        tolerance: largest gap between groups that is accepted.
    """
    together = context.faces.take(np.tile(rows, 1 + copies))
    slicer = Slicer(together.subject_codes, together.groupings, context.rules, context.seed)
    collector = Collector(context.probe_id, together, slicer, None)
    everyone = np.arange(len(together), dtype=np.int64)
    with np.errstate(divide="ignore"):  # where a score separates the two entirely there is no variance
        for score, known in asked.known.items():
            condition = {**asked.condition, SCORE: score}
            both = np.concatenate([known, asked.unknown[score]])
            collector.take(
                PairedScores(
                    AUROC,
                    "auroc",
                    everyone,
                    (everyone < len(rows)).astype(np.float64),
                    both,
                    direction="higher",
                    condition=condition,
                    gaps=True,
                    title=f"AUROC of known faces against {asked.title} under the {TITLES[score]}",
                    tolerance=tolerance,
                )
            )
            collector.take(
                Scores(
                    "unknown_accepted",
                    everyone[len(rows) :],
                    (asked.unknown[score] >= threshold_of(known)).astype(np.float64),
                    kind="rate",
                    bounds=(0.0, 1.0),
                    direction="lower",
                    condition=condition,
                    overall=False,
                    gaps=True,
                    title=f"acceptance of {asked.title} under the {TITLES[score]}",
                    tolerance=tolerance,
                )
            )
        collector.finish()
    yield from collector.measurements
    yield from collector.findings
    yield from (Note(f"Unknowns made from faces: {text}") for text in collector.notes)


def mean_auroc(context: ProbeContext, asked: list[Asked], score: str) -> Estimate:
    """Return the mean AUROC over several sets of unknowns, the interval from each person's influence on all of them."""
    values, persons, influences = [], [], []
    for each in asked:
        both = np.concatenate([each.known[score], each.unknown[score]])
        value, influence = auroc_influence(both, np.arange(len(both)) < len(each.known[score]))
        values.append(value)
        influences.append(influence / len(asked))
        persons.append(np.concatenate([each.known_people, each.unknown_people]))
    names, person = np.unique(np.concatenate(persons), return_inverse=True)
    people, value = len(names), float(np.mean(values))
    sums = total_at(person.reshape(-1), np.concatenate(influences), people)
    faces = len(asked[0].known_people) + len(asked[0].unknown_people)
    variance = float(np.square(sums).sum()) * people / max(people - 1, 1)
    if not 0 < value < 1 or people < context.rules.min_subjects:
        reason = f"{people} people" if 0 < value < 1 else "every AUROC is 0 or 1"
        return Estimate.not_measured(f"no interval of the mean: {reason}", n=faces, subjects=people)
    low, high = logit_limits(value, variance, people, context.rules.level)
    return Estimate(value=value, low=low, high=high, level=context.rules.level, method=METHOD, n=faces, subjects=people)
