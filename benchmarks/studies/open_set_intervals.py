"""Does the interval of the false positive rate at 95 % true positive rate cover?"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from countenance.audit.robustness.open_set.rates import _replicates, fpr_estimate, threshold_of
from countenance.core.probes import Scores
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import slice_scores

from .runner import OURS, Outcome, Row, Study

RULES = StatisticsRules()
PEOPLE = ((20, 2), (50, 1), (50, 4), (100, 2), (400, 1))
DISTANCES = (0.0, 0.5, 1.5, 3.0, 4.5)
ALIKE = 0.3
BOOTSTRAP, FIXED = "people drawn anew alone", "threshold taken as known"


def simulate(seed: int) -> Row:
    """Return coverage and width for one data set per design."""
    rng = np.random.default_rng([seed, 61])
    row: dict[Outcome, float] = {}

    def add(cell: str, method: str, low: float, high: float, truth: float) -> None:
        row[Outcome(cell, method)] = float(low <= truth <= high)
        row[Outcome(cell, method, "mean")] = high - low

    for people, each in PEOPLE:
        for distance in DISTANCES:
            for shared in (True, False):
                whose = np.repeat(np.arange(people), each)
                truth = float(1 - ndtr(ndtri(0.05) + distance))
                known, common = _scores(rng, whose, people, None)
                unknown = _scores(rng, whose, people, common if shared else None)[0] - distance
                others = whose if shared else whose + people
                cell = (
                    f"{people} people, {each} of each, unknowns of {'the same' if shared else 'other'} people, "
                    f"rate {truth:.3f}"
                )
                found = fpr_estimate(known, unknown, whose, others, RULES, np.random.default_rng(seed))
                assert found.low is not None
                assert found.high is not None
                add(cell, OURS, found.low, found.high, truth)
                drawn = _replicates(known, unknown, whose, others, np.random.default_rng(seed), 0.95)
                add(cell, BOOTSTRAP, *map(float, np.quantile(drawn, [0.025, 0.975])), truth)
                accepted = (unknown >= threshold_of(known)).astype(np.float64)
                rate = Scores("rate", np.arange(len(unknown)), accepted, kind="rate", bounds=(0.0, 1.0))
                plain = slice_scores(rate, whose, (), RULES, "study")[0].estimate
                assert plain.low is not None
                assert plain.high is not None
                add(cell, FIXED, plain.low, plain.high, truth)
    return row


def _scores(
    rng: np.random.Generator, whose: np.ndarray, people: int, common: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return standard normal scores that are alike within a person, and what each person's share."""
    common = rng.standard_normal(people) if common is None else common
    own = rng.standard_normal(len(whose))
    return np.sqrt(ALIKE) * common[whose] + np.sqrt(1 - ALIKE) * own, common


STUDY = Study(
    name="open_set_intervals",
    version=1,
    title="Coverage of 95 % intervals of the false positive rate at 95 % true positive rate",
    about="Scores of known faces and of unknowns are normal with variance 1, their means standard deviations apart; "
    "scores of one person are alike (correlation 0.3). The threshold is set by the known faces of each data set. "
    "Unknowns are made from the faces of the same people, or come from as many others.",
    simulate=simulate,
)
