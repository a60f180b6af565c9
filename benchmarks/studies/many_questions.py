"""Do p-values and bounds hold when many gaps are asked at once? Two metrics of seven classes, three attributes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from countenance.core.probes import Scores
from countenance.core.results import Direction
from countenance.core.statistics.gap_questions import GroupQuestion, close
from countenance.core.statistics.gaps import Gap
from countenance.core.statistics.groups import plan_groups
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import Slicer

from .people import Floats, Integers, beta_binomial, draw_people
from .runner import Outcome, Row, Study

PERMUTATIONS = 299
BASE_RATES = np.asarray([0.35, 0.22, 0.15, 0.11, 0.08, 0.06, 0.03])
SHARES = {"two": (0.55, 0.45), "seven": (0.30, 0.19, 0.15, 0.13, 0.10, 0.08, 0.05), "three": (0.5, 0.3, 0.2)}
RECALL = 0.7
PLANTED_CLASS, PLANTED_GROUP = 0, "1"
ANY, PLACEBO, HOLM = "some p adjusted at most .05", "some placebo p adjusted at most .05", "some p by Holm at most .05"
LOW, WORST_LOW = "some lower bound above 0", "some lower bound of worst against rest above 0"
FOUND, FALSE = "true questions found", "some false question found"
HOLM_FOUND = "true questions found by Holm"


@dataclass(frozen=True)
class Design:
    """How one data set is drawn: people (8 faces each on average) and by how much one recall is lower in one group."""

    people: int
    lower: float

    def __str__(self) -> str:
        planted = f"one class's recall lower by {self.lower} in one of two groups" if self.lower else "even"
        return f"{self.people} people, {planted}"


DESIGNS = (Design(1000, 0.0), Design(1000, 0.15), Design(1000, 0.25))


def draw(rng: np.random.Generator, design: Design) -> tuple[Integers, dict[str, Integers], Integers, Integers]:
    """Return person, groups by attribute, label and answer of each face."""
    person = draw_people(rng, design.people)
    groups = {name: rng.choice(len(shares), design.people, p=shares)[person] for name, shares in SHARES.items()}
    label = rng.choice(len(BASE_RATES), len(person), p=BASE_RATES)
    right: Floats = beta_binomial(rng, person, RECALL, 0.3)
    low = (
        (label == PLANTED_CLASS) & (groups["two"] == int(PLANTED_GROUP)) if design.lower else np.zeros(len(label), bool)
    )
    right = np.where(low & (rng.random(len(label)) < design.lower / RECALL), 0.0, right)
    other = rng.choice(len(BASE_RATES), len(person), p=BASE_RATES)
    other = np.where(other == label, (label + 1 + rng.integers(0, len(BASE_RATES) - 1, len(label))) % 7, other)
    return person, groups, label, np.where(right > 0, label, other)


def ask_all(seed: int, design: Design) -> list[GroupQuestion]:
    """Return the answers to the questions about recall and FPR of every class by every attribute."""
    rng = np.random.default_rng([seed, design.people, round(100 * design.lower)])
    person, groups, label, answer = draw(rng, design)
    columns = {name: codes.astype(str) for name, codes in groups.items()}
    slicer = Slicer(
        person, plan_groups(columns, columns, [["two", "seven", "three"]]), StatisticsRules(), seed, PERMUTATIONS
    )
    asked = []
    for place in range(len(BASE_RATES)):
        of = {"label": str(place)}
        positive = np.flatnonzero(label == place)
        negative = np.flatnonzero(label != place)
        hit = (answer == place).astype(np.float64)
        sides: tuple[tuple[str, Integers, Direction], ...] = (
            ("recall", positive, "higher"),
            ("fpr", negative, "lower"),
        )
        for metric, rows, direction in sides:
            scores = Scores(
                metric, rows, hit[rows], kind="rate", bounds=(0, 1), direction=direction, slice=of, gaps=True
            )
            asked += slicer.ask(scores, "study")
    return close(asked)


def judge(seed: int, design: Design) -> dict[str, float]:
    """Return what came of one data set, 0 or 1, or the share of the true questions that were found."""
    answered = [(each, each.gap) for each in ask_all(seed, design) if isinstance(each.gap, Gap)]
    p = np.asarray([gap.largest.p for _, gap in answered])
    adjusted = np.asarray([gap.largest.p_adjusted for _, gap in answered])
    order = np.argsort(p)
    holm = np.empty(len(p))
    holm[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    # A lower recall in one group lowers its class's recall; the other classes of that group get its faces, so that
    # their FPR differs too: those questions are neither true nor false here.
    planted = np.asarray([q.metric == "recall" and q.slice["label"] == str(PLANTED_CLASS) for q, _ in answered])
    by_two = np.asarray(["two" in q.attribute for q, _ in answered])
    recall = np.asarray([q.metric == "recall" for q, _ in answered])
    true, false = planted & by_two, ~by_two | (recall & ~planted)
    if design.lower:
        return {
            FOUND: float((adjusted[true] <= 0.05).mean()),
            HOLM_FOUND: float((holm[true] <= 0.05).mean()),
            FALSE: float((adjusted[false] <= 0.05).any()),
        }
    return {
        ANY: float((adjusted <= 0.05).any()),
        HOLM: float((holm <= 0.05).any()),
        PLACEBO: float(min(gap.largest.placebo_p_adjusted or 0.0 for _, gap in answered) <= 0.05),
        LOW: float(max(gap.largest.bound_low or 0.0 for _, gap in answered) > 0),
        WORST_LOW: float(max(gap.worst_vs_rest.bound_low or 0.0 for _, gap in answered if gap.worst_vs_rest) > 0),
    }


def simulate(seed: int) -> Row:
    """Return what came of one data set per design."""
    judged = {str(design): judge(seed, design) for design in DESIGNS}
    return {Outcome(name, method, "rate"): value for name, row in judged.items() for method, value in row.items()}


STUDY = Study(
    name="many_questions",
    version=5,
    title="Many gaps asked at once",
    about="Seven classes with base rates .35 to .03, their recall (.7) and FPR, by attributes of 2, 7 and 3 groups and "
    "their 42 combinations: up to 56 questions a data set. People have 2 to 20 faces (mean about 8), intraclass "
    "correlation 0.3. A planted gap lowers the recall of the most frequent class in one of the two groups; the true "
    "questions are this recall by that attribute and by the combination. 299 permutations.",
    simulate=simulate,
)
