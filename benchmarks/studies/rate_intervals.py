"""Do the intervals of group rates cover? People with several faces each, and faces of different people."""

from __future__ import annotations

import numpy as np

from countenance.core.statistics.intervals import rate_intervals, wilson
from countenance.core.statistics.sums import Lines, add_up

from .people import Integers, beta_binomial, bootstrap_weights, draw_people
from .runner import OURS, Outcome, Row, Study

REPLICATES = 399


def _one_design(
    rng: np.random.Generator, groups: int, people: int, rate: float, icc: float, icc_of_first: float | None = None
) -> dict[tuple[str, str], float]:
    """Return coverage and mean width by method, over all groups, or over the first if it has its own ICC."""
    subjects, codes, values = [], [], []
    for group in range(groups):
        own = draw_people(rng, people, alone=icc == 0)
        subjects.append(own + group * people)
        codes.append(np.full(len(own), group))
        mixed = icc_of_first if group == 0 and icc_of_first is not None else icc
        values.append(beta_binomial(rng, own, rate, mixed))
    judged = 1 if icc_of_first is not None else groups
    faces, of, right = map(np.concatenate, (subjects, codes, values))
    sums = add_up(Lines.of(faces, of, groups), np.arange(len(faces)), right)
    ours = rate_intervals(sums, 0.95)
    limits = {
        OURS: (ours.low, ours.high),
        "Wilson, faces as independent": wilson(sums.value, sums.n, 1.959964),
    }
    if icc > 0:
        both = [_bootstrap(rng, subjects[g] - g * people, values[g], people) for g in range(judged)]
        limits["bootstrap of people"] = (np.asarray([low for low, _ in both]), np.asarray([high for _, high in both]))
    told = {}
    for method, (low, high) in limits.items():
        low, high = low[:judged], high[:judged]
        told[method, "rate"] = float(((low <= rate) & (rate <= high)).mean())
        told[method, "mean"] = float((high - low).mean())
    return told


def _bootstrap(rng: np.random.Generator, subjects: Integers, values: np.ndarray, people: int) -> tuple[float, float]:
    """Return percentile limits of the rate when people are drawn with replacement."""
    weights = bootstrap_weights(rng, people, REPLICATES)
    x, n = np.bincount(subjects, values, people), np.bincount(subjects, minlength=people)
    low, high = np.quantile((weights @ x) / (weights @ n), [0.025, 0.975])
    return float(low), float(high)


def simulate(seed: int) -> Row:
    """Return coverage (share of the groups) and mean width of one data set per design."""
    rng = np.random.default_rng([seed, 1])
    row: dict[Outcome, float] = {}

    def add(cell: str, told: dict[tuple[str, str], float]) -> None:
        row.update({Outcome(cell, method, quantity): value for (method, quantity), value in told.items()})

    for people in (10, 20, 50):
        for rate in (0.5, 0.7, 0.9, 0.97):
            add(f"20 groups of {people} people, rate {rate}", _one_design(rng, 20, people, rate, 0.3))
        for rate in (0.7, 0.9, 0.97):
            add(f"2 groups of {people} people, rate {rate}", _one_design(rng, 2, people, rate, 0.3))
        for rate in (0.7, 0.9):
            told = _one_design(rng, 20, people, rate, 0.15, icc_of_first=0.45)
            add(f"20 groups of {people} people, rate {rate}, one group three times as alike", told)
    for people in (200, 1000):
        for rate in (0.7, 0.97):
            add(f"1 group of {people} people, rate {rate}", _one_design(rng, 1, people, rate, 0.3))
    for people in (30, 100):
        for rate in (0.7, 0.9, 0.97):
            add(
                f"20 groups of {people} people with one face each, rate {rate}", _one_design(rng, 20, people, rate, 0.0)
            )
    return row


STUDY = Study(
    name="rate_intervals",
    version=1,
    title="Coverage of 95 % intervals of group rates",
    about="People have 2 to 20 faces (log-normal, mean about 8) with intraclass correlation 0.3 from a beta-binomial; "
    "in the stress test the judged group has 0.45 and the others 0.15.",
    simulate=simulate,
)
