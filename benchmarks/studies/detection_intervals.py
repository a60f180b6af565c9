"""Do the intervals of equal error rate, average precision and lost AUROC cover, and what is called near chance?"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import t

from countenance.audit.forgery.chance import Place, jointly, place_of
from countenance.core.results import Estimate
from countenance.core.statistics.auroc import auroc, auroc_influence
from countenance.core.statistics.auroc_lost import auroc_lost
from countenance.core.statistics.detection_rates import (
    average_precision,
    equal_error,
    equal_error_rate,
    precision_influence,
)
from countenance.core.statistics.intervals import by_person, influence_variance
from countenance.core.statistics.rules import StatisticsRules

from .people import Floats, Integers, bootstrap_weights, draw_people
from .runner import OURS, Outcome, Row, Study

RULES = StatisticsRules()
REPLICATES = 99
BOOTSTRAP = "bootstrap of people"
STUDENT = "t of paired influences"
METHODS = 5
CALLED = {"called near chance": {Place.NEAR, Place.BARELY_BELOW}, "called barely above chance": {Place.BARELY_ABOVE}}
ALIKE = 0.5
POINTS = np.linspace(-8, 12, 4001)


def simulate(seed: int) -> Row:
    """Return coverage and width for one data set per design."""
    rng = np.random.default_rng([seed, 41])
    row: dict[Outcome, float] = {}
    for people, apart in ((10, False), (20, False), (50, False), (200, False), (30, True), (100, True)):
        for area in (0.5, 0.8, 0.97):
            _add(rng, row, people, area, apart=apart)
    for people in (20, 50, 100, 200):
        for area in (0.99, 0.997):
            scores, positive, subjects = _draw(rng, people, area, apart=False)
            _add_lost(rng, row, f"true AUROC {area}, {people} people", area, scores, positive, subjects)
    for people in (50, 100, 200):
        for area in (0.45, 0.5, 0.55, 0.6, 0.65, 0.7):
            scores, positive, subjects = _draw(rng, people, area, apart=False)
            for methods in (1, METHODS):
                found = place_of(auroc(scores, positive, subjects, jointly(RULES, methods)))
                for quantity, places in CALLED.items():
                    cell = f"one of {methods} methods, true AUROC {area}, {people} people"
                    row[Outcome(cell, quantity)] = float(found in places)
    return row


def _draw(rng: np.random.Generator, people: int, area: float, *, apart: bool) -> tuple[Floats, np.ndarray, Integers]:
    """Normal scores of both kinds, half of their variance a person's; 2 in 5 faces (or people) are forged."""
    subjects = draw_people(rng, people)
    forged = rng.permutation(people) < round(0.4 * people)
    positive = forged[subjects] if apart else rng.random(len(subjects)) < 0.4
    distance = np.sqrt(2) * ndtri(area)
    own, shared = rng.standard_normal(len(subjects)), rng.standard_normal(people)[subjects]
    return distance * positive + np.sqrt(ALIKE) * shared + np.sqrt(1 - ALIKE) * own, positive, subjects


def _add(rng: np.random.Generator, row: dict[Outcome, float], people: int, area: float, *, apart: bool) -> None:
    scores, positive, subjects = _draw(rng, people, area, apart=apart)
    distance, share = np.sqrt(2) * ndtri(area), float(positive.mean())
    design = f"true AUROC {area}, {people} people" + (", forged and genuine ones apart" if apart else "")
    hits, alarms = ndtr(distance - POINTS), ndtr(-POINTS)
    density = np.exp(-((POINTS - distance) ** 2) / 2) / np.sqrt(2 * np.pi)
    precision = share * hits / (share * hits + (1 - share) * alarms)
    truths = {"EER": float(ndtr(-distance / 2)), "average precision": float(np.trapezoid(density * precision, POINTS))}
    found = {
        "EER": equal_error_rate(scores, positive, subjects, RULES),
        "average precision": average_precision(scores, positive, subjects, RULES),
    }
    for name, estimate in found.items():
        _told(row, f"{name}: {design}", OURS, _limits(estimate), truths[name])
    if people <= 50 and area == 0.8 and not apart:  # enough to see what it does
        drawn = {name: [] for name in truths}
        for weights in bootstrap_weights(rng, people, REPLICATES):
            faces = np.repeat(np.arange(len(scores)), weights.astype(int)[subjects])
            if 0 < positive[faces].sum() < len(faces):
                drawn["EER"].append(equal_error(scores[faces], positive[faces]).value)
                of = precision_influence(scores[faces], positive[faces], share)[0]
                drawn["average precision"].append(of)
        for name, values in drawn.items():
            measured = found[name].value is not None and len(values) > 0
            low, high = np.quantile(values, [0.025, 0.975]) if measured else (np.nan, np.nan)
            _told(row, f"{name}: {design}", BOOTSTRAP, (float(low), float(high)) if measured else None, truths[name])
    if not apart:
        _add_lost(rng, row, design, area, scores, positive, subjects)


def _add_lost(
    rng: np.random.Generator,
    row: dict[Outcome, float],
    design: str,
    area: float,
    scores: Floats,
    positive: np.ndarray,
    subjects: Integers,
) -> None:
    """Judge the limits of the loss, beside a t interval that takes the error of the difference as it is."""
    distance = np.sqrt(2) * ndtri(area)
    after, worse = scores + rng.standard_normal(len(scores)), float(ndtr(distance / np.sqrt(4)))
    lost = auroc_lost(scores, after, positive, subjects, RULES)
    _told(row, f"lost AUROC: {design}", OURS, _limits(lost), area - worse)
    if lost.value is None:
        _told(row, f"lost AUROC: {design}", STUDENT, None, area - worse)
        return
    moved = auroc_influence(scores, positive)[1] - auroc_influence(after, positive)[1]
    error = np.sqrt(influence_variance(by_person(subjects, moved)))
    kinds = [len(np.unique(subjects[positive == kind])) for kind in (True, False)]
    half = float(t.ppf(0.975, min(kinds) - 1)) * error
    limits = max(lost.value - half, -1.0), min(lost.value + half, 1.0)
    _told(row, f"lost AUROC: {design}", STUDENT, limits, area - worse)


def _told(row: dict[Outcome, float], cell: str, method: str, limits: tuple[float, float] | None, truth: float) -> None:
    row[Outcome(cell, method)] = float("nan") if limits is None else float(limits[0] <= truth <= limits[1])
    row[Outcome(cell, method, "mean")] = float("nan") if limits is None else limits[1] - limits[0]


def _limits(estimate: Estimate) -> tuple[float, float] | None:
    return None if estimate.low is None or estimate.high is None else (estimate.low, estimate.high)


STUDY = Study(
    name="detection_intervals",
    version=2,
    title="Coverage of 95 % intervals of equal error rate, average precision and lost AUROC",
    about="Normal scores, half of their variance shared by a person; people have 2 to 20 faces (mean about 8), 2 in 5 "
    "of them forged, or 2 in 5 people (apart). Lost AUROC: the same faces with as much noise again; beside it a "
    "t interval from the error of the difference. The last columns say how often a method of this true AUROC is called "
    "near chance or barely above it, alone and where five methods are looked at.",
    simulate=simulate,
)
