"""What of a calibration error should be compared between groups of unequal size?"""

from __future__ import annotations

import numpy as np

from countenance.core.statistics.ece import calibration_error
from countenance.core.statistics.paired import PAIRED
from countenance.core.statistics.rules import StatisticsRules

from .paired_gaps import EVEN, Design, draw
from .runner import OURS, Outcome, Row, Study

PEOPLE = (12, 40, 150, 600)
TRUTHS = (0.0, 0.04, 0.08, 0.16)


def simulate(seed: int) -> Row:
    """Return what each way shows of one data set per size and truth."""
    row: dict[Outcome, float] = {}
    for true in TRUTHS:
        for people in PEOPLE:
            cell = f"ECE {true:.2f}, {people} people"
            rng = np.random.default_rng([seed, *cell.encode()])
            person, _, first, confidence = draw(rng, Design("ece", people, 2, EVEN))
            right = first * (rng.random(len(first)) >= true / confidence)  # right by chance confidence - true
            found = calibration_error(confidence, right, person, StatisticsRules())
            labels = np.zeros((1, int(person.max()) + 1), dtype=np.int64)
            ours = PAIRED["ece"].under_labellings(right, confidence, person, labels, 1).value[0, 0]
            shown, null = found.observed.value, found.null.value
            assert shown is not None
            assert null is not None
            row[Outcome(cell, OURS)] = float(ours)
            row[Outcome(cell, "the ECE")] = shown
            row[Outcome(cell, "the ECE less its null")] = shown - null
    return row


STUDY = Study(
    name="calibration_null",
    version=1,
    title="Calibration error of small and large groups",
    about="Mean of what each way shows, times 100, where the true calibration error is as the row says: the ECE, the "
    "ECE less what a calibrated model would show, and the signed root of the difference of their squares, which gaps "
    "between groups compare. Confidence is uniform between 0.3 and 1 and exceeds accuracy by the true error.",
    simulate=simulate,
)
