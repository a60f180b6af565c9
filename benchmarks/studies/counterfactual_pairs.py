"""Do the tests of changed pairs keep their promise: flips beyond the control, flips one way, and their difference?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from countenance.audit.fairness.counterfactual_pairs.comparisons import Changed, difference, p_more, p_one_way
from countenance.core.statistics.rules import StatisticsRules
from countenance.explain.units.exchange import holm

from .people import Floats, Integers
from .runner import Outcome, Row, Study

CHANGES, CLASSES = 6, 4
BEYOND, ONE_WAY, HOLDS = "flips beyond the control found", "flips one way found", "interval of the difference holds"


@dataclass(frozen=True)
class Design:
    """How pairs are drawn.

    Attributes:
        people: how many.
        each: pairs of each person and change.
        control: flip rate of the control and of changes that do nothing more.
        more: how much higher the flip rate of the first change is.
        one_way: whether its further flips all go to one class; else they go anywhere.
    """

    people: int
    each: int
    control: float
    more: float
    one_way: bool = False

    def __str__(self) -> str:
        told = "no change does more than the control"
        if self.more:
            told = f"one change flips {self.more} more, " + ("one way" if self.one_way else "any way")
        several = "1 pair" if self.each == 1 else f"{self.each} pairs"
        return f"{self.people} people, {several} each, control {self.control}: {told}"


DESIGNS = tuple(
    Design(people, each, control, *more)
    for people, each in ((40, 1), (40, 7), (150, 1))
    for control in (0.02, 0.15)
    for more in ((0.0,), (0.2, False), (0.2, True))
)


def draw(rng: np.random.Generator, design: Design, rate: float, ability: Floats) -> tuple[Floats, Integers, Integers]:
    """Return whether each pair flips, the person, and from and to which class, alike within a person."""
    people = np.repeat(np.arange(design.people), design.each)
    flips = rng.random(len(people)) < np.clip(rate * ability, 0, 1)[people]
    before = rng.integers(0, CLASSES, len(people))
    after = (before + rng.integers(1, CLASSES, len(people))) % CLASSES
    return flips.astype(np.float64), people, np.stack([before, np.where(flips, after, before)])


def judge(seed: int, design: Design) -> dict[str, float]:
    """Return what came of one data set: six changes and a control."""
    rng = np.random.default_rng([seed, *str(design).encode()])
    ability = rng.gamma(2.0, 0.5, design.people)  # some people's answers flip more easily; mean 1
    control_flips, people, _ = draw(rng, design, design.control, ability)
    control = Changed(control_flips, people)
    beyond, ways, holds = [], [], []
    for number in range(CHANGES):
        flips, _, answers = draw(rng, design, design.control, ability)
        expected = 0.0
        if number == 0 and design.more:
            further = (rng.random(len(people)) < np.clip(design.more * ability, 0, 1)[people]) & (flips == 0)
            to = np.zeros(len(people), dtype=np.int64)
            if not design.one_way:
                to = (answers[0] + rng.integers(1, CLASSES, len(people))) % CLASSES
            answers[1] = np.where(further, to, answers[1])
            flips = (answers[0] != answers[1]).astype(np.float64)
            expected = np.nan
        found = difference(Changed(flips, people), control, "rate", StatisticsRules())
        beyond.append(p_more(Changed(flips, people), control))
        steps = np.eye(CLASSES)[answers[1]] - np.eye(CLASSES)[answers[0]]
        ways += [p_one_way(steps[:, place], people) for place in range(CLASSES)]
        if np.isfinite(expected):
            assert found.low is not None
            assert found.high is not None
            holds.append(found.low <= expected <= found.high)
    first = slice(0, 1) if design.more else slice(0, CHANGES)
    one_way = holm(np.asarray(ways)).reshape(CHANGES, CLASSES) <= 0.05
    told = {
        BEYOND: float((holm(np.asarray(beyond)) <= 0.05)[first].any()),
        ONE_WAY: float(one_way[first].any()),
        HOLDS: float(np.mean(holds)),
    }
    if design.more:
        told["another change is blamed"] = float(
            (holm(np.asarray(beyond)) <= 0.05)[1:].any() or bool(one_way[1:].any())
        )
    return told


def simulate(seed: int) -> Row:
    """Return what came of one data set per design."""
    return {Outcome(str(design), method): value for design in DESIGNS for method, value in judge(seed, design).items()}


STUDY = Study(
    name="counterfactual_pairs",
    version=1,
    title="Flips of changed pairs",
    about="Six changes and a control, four classes; how easily the answers of a person flip is a gamma variable with "
    "mean 1 and variance 0.5, shared by all of their pairs. In the first of three designs each, no change does "
    "more than the control: any finding is wrong. In the others the first change flips 0.2 more of the answers, "
    "to any class or all to one. The interval is that of the difference between a change that does nothing more "
    "and the control.",
    simulate=simulate,
)
