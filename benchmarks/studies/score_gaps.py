"""Do the test and the bounds of the largest difference between groups hold? Means like the overlap of maps, rates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import betaincinv

from countenance.core.probes import Scores
from countenance.core.statistics.gaps import Gap
from countenance.core.statistics.groups import build_groups
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import Slicer

from .people import Floats, Integers, alike_uniforms, beta_binomial, bootstrap_weights, draw_people
from .runner import Outcome, Row, Study

PERMUTATIONS = 499
REPLICATES = 199
SHARES = {2: (0.7, 0.3), 4: (0.45, 0.3, 0.15, 0.1), 6: (0.35, 0.25, 0.15, 0.1, 0.08, 0.07)}
LOWER = 1  # the second largest group is the one that a planted gap lowers
HOLDS, TEST, WORST = "bounds hold", "p at most .05", "bounds of worst against rest hold"
BOOTSTRAP, FACES = "bootstrap of people: limits hold", "faces permuted: p at most .05"


@dataclass(frozen=True)
class Design:
    """How one data set is drawn.

    Attributes:
        score: ``overlap 0.25`` (a skewed mean between 0 and 1), or ``rate 0.7`` and the like.
        people: how many.
        groups: 2, 4 or 6 of unequal size.
        gap: how much lower the second largest group lies.
        faces: ``2-20 faces`` or ``1 face`` of each person.
        more: ``""``; ``smallest group twice as spread``; ``smallest group twice as alike``; ``half the people in
            several groups``; ``an effect of 0.25 within people``, up in half of them and down in the others, of an
            attribute that every picture has anew.
    """

    score: str
    people: int
    groups: int
    gap: float
    faces: str = "2-20 faces"
    more: str = ""

    def __str__(self) -> str:
        lower = f"one group lower by {self.gap}" if self.gap else "even"
        return f"{self.people} people, {self.faces}, {self.groups} groups, {self.score}, {self.more or lower}"

    @property
    def kind(self) -> Literal["rate", "mean"]:
        """Whether the score is a rate or a mean."""
        return "rate" if self.score.startswith("rate") else "mean"

    def level_of(self, group: int) -> float:
        """Return the true mean or rate of a group."""
        return float(self.score.split(" ")[1]) - (self.gap if group == LOWER else 0)


def designs() -> list[Design]:
    """Return every design of the study."""
    planted = {"overlap 0.25": 0.06, "rate 0.7": 0.15, "rate 0.9": 0.1}
    found = []
    for people in (100, 300, 1000):
        for groups in SHARES:
            for score, gap in planted.items():
                found += [Design(score, people, groups, 0.0), Design(score, people, groups, gap)]
    for people in (100, 300):
        for groups in (2, 6):
            for score in ("overlap 0.25", "rate 0.7"):
                found += [Design(score, people, groups, gap, "1 face") for gap in (0.0, planted[score])]
            for more in ("smallest group twice as spread", "smallest group twice as alike"):
                found.append(Design("overlap 0.25", people, groups, 0.0, more=more))
        found.append(Design("overlap 0.25", people, 4, 0.0, more="half the people in several groups"))
        found.append(Design("rate 0.7", people, 2, 0.0, more="an effect of 0.25 within people"))
    return found


def draw(rng: np.random.Generator, design: Design) -> tuple[Integers, Integers, Floats]:
    """Return person, group and value of each face."""
    person = draw_people(rng, design.people, alone=design.faces == "1 face")
    group = rng.choice(design.groups, design.people, p=SHARES[design.groups])[person]
    if design.more == "half the people in several groups":
        several = (rng.random(design.people) < 0.5)[person]
        group = np.where(several, rng.choice(design.groups, len(person), p=SHARES[design.groups]), group)
    if design.more == "an effect of 0.25 within people":
        group = rng.integers(0, 2, len(person))
        effect = rng.choice([-0.25, 0.25], design.people)[person] * np.where(group == 0, 1, -1)
        return person, group, (rng.random(len(person)) < design.level_of(0) + effect).astype(np.float64)
    values = np.empty(len(person))
    alike = np.full(design.groups, 0.3)
    spread = np.ones(design.groups)
    if design.more == "smallest group twice as alike":
        alike[:], alike[-1] = 0.25, 0.5
    if design.more == "smallest group twice as spread":
        spread[-1] = 2.0
    if design.kind == "rate":
        for code in range(design.groups):
            rows = np.flatnonzero(group == code)
            if len(rows):
                values[rows] = beta_binomial(rng, person[rows], design.level_of(code), 0.3)
        return person, group, values
    uniform = {correlation: alike_uniforms(rng, person, correlation) for correlation in np.unique(alike)}
    for code in range(design.groups):
        rows, mean = group == code, design.level_of(code)
        size = (8 + 1) / spread[code] ** 2 - 1  # standard deviation spread * sqrt(mean (1 - mean) / 9)
        values[rows] = betaincinv(mean * size, (1 - mean) * size, uniform[alike[code]][rows])
    return person, group, values


def judge(seed: int, design: Design) -> dict[str, float]:
    """Return what came of one data set, 0 or 1; widths under ``METHOD | mean``."""
    rng = np.random.default_rng([seed, *str(design).encode()])
    person, group, values = draw(rng, design)
    groups = build_groups({"group": group.astype(str)}, ["group"])
    rows = np.arange(len(values))
    scores = Scores("score", rows, values, kind=design.kind, bounds=(0, 1), direction="higher", gaps=True)
    told = dict.fromkeys((TEST, HOLDS, f"{HOLDS} | mean", WORST, f"{WORST} | mean"), np.nan)
    compared = design.kind == "mean" and not design.gap and design.faces != "1 face"
    if compared:
        told |= dict.fromkeys((FACES, BOOTSTRAP, f"{BOOTSTRAP} | mean"), np.nan)
    found = Slicer(person, [groups], StatisticsRules(), seed, PERMUTATIONS).gaps(scores, "study")[0].gap
    if not isinstance(found, Gap):
        return told
    measured = [int(name) for name in found.groups]
    levels = np.asarray([design.level_of(code) for code in measured])
    truth = levels.max() - levels.min()
    largest, worst = found.largest, found.worst_vs_rest
    assert worst is not None
    low, high, worst_low, worst_high = _known(largest.low, largest.high, worst.low, worst.high)
    told[TEST] = float(largest.p <= 0.05)
    told[HOLDS], told[f"{HOLDS} | mean"] = float(low <= truth + 1e-12 and truth <= high), high - low
    weights = np.asarray([np.count_nonzero(group == code) for code in measured], dtype=np.float64)
    rest = (levels @ weights - levels * weights) / (weights.sum() - weights)
    lag = float((rest - levels).max())
    told[WORST] = float(worst_low <= lag + 1e-12 and lag <= worst_high)
    told[f"{WORST} | mean"] = worst_high - worst_low
    if compared:
        low, high = _bootstrap(rng, person, group, values, measured)
        told[BOOTSTRAP] = float(low <= truth <= high)
        told[f"{BOOTSTRAP} | mean"] = high - low
        alone = Slicer(rows, [groups], StatisticsRules(), seed, PERMUTATIONS).gaps(scores, "study")[0].gap
        told[FACES] = float(alone.largest.p <= 0.05) if isinstance(alone, Gap) else np.nan
    return told


def _known(*bounds: float | None) -> list[float]:
    """Return bounds that are there in every data set of the study."""
    found = [bound for bound in bounds if bound is not None]
    assert len(found) == len(bounds)
    return found


def _bootstrap(
    rng: np.random.Generator, person: Integers, group: Integers, values: Floats, measured: list[int]
) -> tuple[float, float]:
    """Return percentile limits of the largest difference when people are drawn with replacement."""
    people = int(person.max()) + 1
    weights = bootstrap_weights(rng, people, REPLICATES)
    means = []
    for code in measured:
        rows = group == code
        n = weights @ np.bincount(person[rows], minlength=people)
        means.append(weights @ np.bincount(person[rows], values[rows], people) / np.maximum(n, 1))
    gaps = np.max(means, axis=0) - np.min(means, axis=0)
    low, high = np.quantile(gaps, [0.025, 0.975])
    return float(low), float(high)


def simulate(seed: int) -> Row:
    """Return what came of one data set per design."""
    row: dict[Outcome, float] = {}
    for design in designs():
        for name, value in judge(seed, design).items():
            method, _, quantity = name.partition(" | ")
            row[Outcome(str(design), method, quantity or "rate")] = value
    return row


STUDY = Study(
    name="score_gaps",
    version=2,
    title="Test and bounds of the largest difference between groups",
    about="People have 2 to 20 faces (log-normal, mean about 8), or one each. A rate has intraclass correlation 0.3 "
    "(beta-binomial); an overlap is a beta variable with mean 0.25 and standard deviation 0.14, alike within a person "
    "by a Gaussian copula of 0.3. Groups have shares .7 .3; .45 .3 .15 .1; or .35 .25 .15 .1 .08 .07; those too small "
    "are left out. A planted gap lowers the second largest group. Bounds hold when the true difference lies in the "
    "95 % interval. 499 permutations.",
    simulate=simulate,
)
