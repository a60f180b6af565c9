"""Changes between two models on the same faces: do the intervals cover, and how often is chance called a change?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from countenance.core.statistics.false_discovery import benjamini_hochberg
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.same_faces import Change, Ratio, change_of_auroc, change_of_means, change_of_rate

from .runner import Outcome, Row, Study

COVERED, CALLED = "covered", "called a change"
PEOPLE = (12, 40, 200)
ALIKE, SAME_FACE = (
    0.2,
    0.6,
)  # shares of the variance that a person's faces, and the two answers to a face, have in common
LEVEL = 0.95
Floats = NDArray[np.float64]


def draw(random: np.random.Generator, people: int, faces: int) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return the person of each face and what each of two models makes of it, standard normal and alike."""
    person = np.repeat(np.arange(people), faces)
    shared = np.sqrt(ALIKE) * random.normal(size=people)[person]
    shared = shared + np.sqrt(SAME_FACE) * random.normal(size=len(person))
    rest = np.sqrt(1 - ALIKE - SAME_FACE)
    old, new = (shared + rest * random.normal(size=len(person)) for _ in range(2))
    return person, old, new


def simulate(seed: int) -> Row:
    """Return for each design whether the interval covers and whether chance is called a change."""
    row: dict[Outcome, float] = {}
    for people in PEOPLE:
        for faces in (1, 4):
            size = f"{people} people, {faces} each" if faces > 1 else f"{people} people, 1 face each"
            random = np.random.default_rng([seed, people, faces])
            person, old, new = draw(random, people, faces)
            ones = np.ones(len(person))
            for rate in (0.8, 0.97):
                least = ndtri(rate)
                was, now = ((each < least).astype(float) for each in (old, new))
                fell = (new < ndtri(rate - 0.1)).astype(float)
                _judge(row, f"rate {rate}, {size}", change_of_rate(was, now, person, LEVEL), 0.0)
                _judge(row, f"rate {rate} less 0.1, {size}", change_of_rate(was, fell, person, LEVEL), -0.1)
            mean = change_of_means([Ratio(ndtr(old), ones)], [Ratio(ndtr(new) - 0.1, ones)], person, LEVEL)
            _judge(row, f"mean less 0.1, {size}", mean, -0.1)
            label = random.random(len(person)) < 0.4
            calls = [(label + 0.7 * each > 0.6).astype(float) for each in (old, new)]
            precision = change_of_means(*([Ratio(each * label, each)] for each in calls), person, LEVEL)
            _judge(row, f"precision, {size}", precision, 0.0)
            scores = [1.2 * label + each for each in (old, new)]
            auroc = change_of_auroc(scores[0], scores[1], label, person, StatisticsRules(LEVEL, min_subjects=5))
            _judge(row, f"AUROC, {size}", auroc, 0.0)
    random = np.random.default_rng([seed, 7])
    p = many(random)
    cell = "any of 57 accuracies and recalls, 300 people, 3 each"
    row[Outcome(cell, CALLED)] = float((benjamini_hochberg(p) <= 1 - LEVEL).any())
    row[Outcome(cell + ", not adjusted", CALLED)] = float((p <= 1 - LEVEL).any())
    return row


def many(random: np.random.Generator) -> Floats:
    """Return the p-values of accuracy and recall by class and group where nothing changed."""
    person, old, new = draw(random, 300, 3)
    group = random.integers(0, 6, 300)[person]
    label = random.integers(0, 7, len(person))
    was, now = ((each < 1.0).astype(float) for each in (old, new))
    insides = [np.ones(len(person), dtype=bool), *(group == each for each in range(6))]
    insides += [label == each for each in range(7)]
    insides += [(group == one) & (label == other) for one in range(6) for other in range(7)]
    insides.append((group < 3) & (label < 3))
    return np.asarray([change_of_rate(was[of], now[of], person[of], LEVEL).p for of in insides])


def _judge(row: dict[Outcome, float], cell: str, change: Change | None, truth: float) -> None:
    if change is None or not change.high > change.low:
        return
    row[Outcome(cell, COVERED)] = float(change.low <= truth <= change.high)
    if truth == 0:
        row[Outcome(cell, CALLED)] = float(change.p <= 1 - LEVEL)


STUDY = Study(
    name="same_faces",
    version=1,
    title="Changes between two models on the same faces",
    about="How often the 95 % interval of the change covers it, and how often no change is called one (p of 0.05 or "
    "less). Two models answer the same faces; a fifth of the variance is the person's, three fifths are the face's.",
    simulate=simulate,
)
