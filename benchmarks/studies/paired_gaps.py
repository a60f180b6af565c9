"""Do test and bounds of the largest difference hold for statistics that are no means: AUROC, CCC, PCC, RMSE, ECE?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import ndtr

from countenance.core.probes import PairedScores, StatisticName
from countenance.core.statistics.gaps import Gap
from countenance.core.statistics.groups import build_groups
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import Slicer

from .people import Floats, Integers, draw_people
from .runner import Outcome, Row, Study

PERMUTATIONS = 499
SHARES = {2: (0.7, 0.3), 6: (0.35, 0.25, 0.15, 0.1, 0.08, 0.07), 14: tuple(np.repeat([0.12, 0.06, 0.04], (4, 6, 4)))}
WORSE = 1  # the group that a planted gap makes worse
ALIKE = 0.3
TEST, ABOVE, HOLDS, WORST = "p at most .05", "lower bound above 0", "bounds hold", "bounds of worst against rest hold"

# Of each statistic: the parameter of a good model, of one that is worse in one group, and of one near the end of range.
# AUROC: distance of the two kinds in standard deviations. CCC, PCC, RMSE: standard deviation of the error of the
# prediction. ECE: by how much confidence exceeds accuracy.
LEVELS: dict[StatisticName, tuple[float, float, float]] = {
    "auroc": (1.2, 0.5, 2.6),
    "ccc": (0.7, 1.3, 0.25),
    "pcc": (0.7, 1.3, 0.25),
    "rmse": (0.7, 1.0, 0.25),
    "ece": (0.0, 0.2, 0.1),
}
EVEN, PLANTED, END = "even", "one group worse", "even, near the end of the range"
UNLIKE, CLOSER = "even, groups unlike in all else", "even, smallest group twice as alike"


@dataclass(frozen=True)
class Design:
    """How one data set is drawn.

    Attributes:
        statistic: what is compared.
        people: how many.
        groups: 2, 6 or 14 of unequal size.
        kind: what is true of the groups.
    """

    statistic: StatisticName
    people: int
    groups: int
    kind: str

    def __str__(self) -> str:
        return f"{self.statistic}, {self.people} people, {self.groups} groups, {self.kind}"

    def level_of(self, group: int) -> float:
        """Return the parameter of a group."""
        good, worse, end = LEVELS[self.statistic]
        if self.kind == PLANTED and group == WORSE:
            return worse
        return end if self.kind == END else good


def designs() -> list[Design]:
    """Return every design of the study."""
    found = []
    for statistic in LEVELS:
        for people, groups in ((100, 2), (100, 6), (300, 2), (300, 6), (1000, 6), (1000, 14)):
            found += [Design(statistic, people, groups, kind) for kind in (EVEN, PLANTED)]
        for people, groups in ((300, 2), (300, 6), (1000, 6)):
            found += [Design(statistic, people, groups, kind) for kind in (END, UNLIKE, CLOSER)]
    return found


def draw(rng: np.random.Generator, design: Design) -> tuple[Integers, Integers, Floats, Floats]:
    """Return person, group, first and second number of each face."""
    person = draw_people(rng, design.people)
    own_group = rng.choice(design.groups, design.people, p=SHARES[design.groups])
    group = own_group[person]
    last = group == design.groups - 1
    alike = np.where(last & (design.kind == CLOSER), 2 * ALIKE, ALIKE)
    level = np.asarray([design.level_of(code) for code in range(design.groups)])[group]

    def noise(share: Floats) -> Floats:
        of_person = rng.standard_normal(design.people)[person]
        return np.asarray(np.sqrt(share) * of_person + np.sqrt(1 - share) * rng.standard_normal(len(person)))

    unlike = design.kind == UNLIKE
    if design.statistic == "auroc":
        share = np.where(last, 0.15, 0.5) if unlike else np.full(len(person), 0.4)  # of positive faces
        first = (ndtr(noise(np.full(len(person), ALIKE))) < share).astype(np.float64)
        second = level * first + noise(alike)
        return person, group, first, np.where(last, 3 * second + 1, second) if unlike else second
    if design.statistic == "ece":
        second = (
            rng.uniform(0.3, 1, len(person))
            if not unlike
            else np.where(last, 0.95, 0.6) + rng.uniform(-0.05, 0.05, len(person))
        )
        first = (ndtr(noise(alike)) < np.maximum(second - level, 0)).astype(np.float64)
        return person, group, first, second
    first = noise(np.full(len(person), ALIKE))
    second = first + level * noise(alike)
    if unlike and design.statistic != "rmse":
        first, second = (np.where(last, 3 * each, each) for each in (first, second))
    elif unlike:
        first, second = (each + np.where(last, 5 * first, 0) for each in (first, second))
    return person, group, first, second


@cache
def truth(statistic: StatisticName, level: float) -> float:
    """Return the statistic of endlessly many people."""
    if statistic == "auroc":
        return float(ndtr(level / np.sqrt(2)))
    if statistic == "rmse":
        return level
    if statistic == "ece":
        return level  # confidence is at least 0.3, so nothing is cut off at an accuracy of 0
    return 2 / (2 + level**2) if statistic == "ccc" else 1 / np.sqrt(1 + level**2)


def judge(seed: int, design: Design) -> dict[str, float]:
    """Return what came of one data set, 0 or 1; widths under ``METHOD | mean``."""
    rng = np.random.default_rng([seed, *str(design).encode()])
    person, group, first, second = draw(rng, design)
    groups = build_groups({"group": group.astype(str)}, ["group"])
    better = "lower" if design.statistic in ("rmse", "ece") else "higher"
    scores = PairedScores("score", design.statistic, np.arange(len(person)), first, second, better, gaps=True)
    told = dict.fromkeys((TEST, ABOVE, HOLDS, f"{HOLDS} | mean", WORST, f"{WORST} | mean"), np.nan)
    found = Slicer(person, [groups], StatisticsRules(), seed, PERMUTATIONS).gaps(scores, "study")[0].gap
    if not isinstance(found, Gap):
        return told
    measured = [int(name) for name in found.groups]
    levels = np.asarray([truth(design.statistic, design.level_of(code)) for code in measured])
    gap = levels.max() - levels.min()
    largest, worst = found.largest, found.worst_vs_rest
    assert worst is not None
    low, high, worst_low, worst_high = _known(largest.low, largest.high, worst.low, worst.high)
    told[TEST], told[ABOVE] = float(largest.p <= 0.05), float((largest.bound_low or 0.0) > 0)
    told[HOLDS], told[f"{HOLDS} | mean"] = float(low <= gap + 1e-12 and gap <= high), high - low
    weights = np.asarray([np.count_nonzero(group == code) for code in measured], dtype=np.float64)
    rest = (levels @ weights - levels * weights) / (weights.sum() - weights)
    behind = float(((rest - levels) * (1 if better == "higher" else -1)).max())
    told[WORST] = float(worst_low <= behind + 1e-12 and behind <= worst_high)
    told[f"{WORST} | mean"] = worst_high - worst_low
    return told


def _known(*bounds: float | None) -> list[float]:
    """Return bounds that are there in every data set of the study."""
    found = [bound for bound in bounds if bound is not None]
    assert len(found) == len(bounds)
    return found


def simulate(seed: int) -> Row:
    """Return what came of one data set per design."""
    row: dict[Outcome, float] = {}
    for design in designs():
        for name, value in judge(seed, design).items():
            method, _, quantity = name.partition(" | ")
            row[Outcome(str(design), method, quantity or "rate")] = value
    return row


STUDY = Study(
    name="paired_gaps",
    version=1,
    title="Test and bounds of the largest difference between groups in AUROC, CCC, PCC, RMSE and calibration error",
    about="People have 2 to 20 faces (log-normal, mean about 8), alike within a person by a Gaussian copula of 0.3. "
    "Groups have shares .7 .3; .35 .25 .15 .1 .08 .07; or four of .12, six of .06 and four of .04. AUROC: normal "
    "scores of 40 % positive and 60 % negative faces, 0.80 (0.64 in a worse group; 0.97 near the end of the range). "
    "CCC, PCC, RMSE: a normal truth and normal errors of 0.7 (1.3, for RMSE 1.0; 0.25). Calibration error: confidence "
    "exceeds accuracy by 0 (0.2; 0.1). Groups unlike in all else: the smallest has 15 % positive faces where others "
    "have 50 %, and scores three times as wide (AUROC); a truth three times as wide (CCC, PCC), six times (RMSE); "
    "confidence 0.95 where others have 0.6 (calibration). Bounds hold when the true difference lies in the 95 % "
    "interval; the lower bound is the one-sided one at 95 %. 499 permutations.",
    simulate=simulate,
)
