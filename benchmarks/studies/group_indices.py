"""Do bounds and tests of indices over groups hold, and how far off are an index and its corrected estimate?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from countenance.core.probes import Scores
from countenance.core.statistics import index_bounds as bounds
from countenance.core.statistics import indices
from countenance.core.statistics.deals import Deals
from countenance.core.statistics.gap_data import SummedData
from countenance.core.statistics.groups import build_groups
from countenance.core.statistics.index_rates import Rate
from countenance.core.statistics.permutations import ScoredFaces
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.slicing import slice_scores

from .people import Floats, Integers, beta_binomial, draw_people
from .runner import Outcome, Row, Study

PERMUTATIONS = 499
ALPHA = 0.025
MISSES, ALARMS = 0.3, 0.1
HOLDS, TEST = "bounds hold", "p at most .05"
SEEN, CORRECTED, WIDTH = "index less truth", "corrected less truth", "width"
TRUTHS = ("even", "one group off", "half off", "spread")


@dataclass(frozen=True)
class Design:
    """How one data set is drawn: people, groups, whether each has several faces, and how the groups differ."""

    people: int
    groups: int
    several: bool
    truth: str

    def __str__(self) -> str:
        return f"{self.people} people, {'2-20 faces' if self.several else '1 face'}, {self.groups} groups, {self.truth}"

    @property
    def shares(self) -> Floats:
        """Return the shares of the groups: the largest is five times the smallest."""
        sizes = np.geomspace(5, 1, self.groups)
        return sizes / sizes.sum()

    def rates(self, level: float) -> Floats:
        """Return the true error rate of each group; the second largest group is the one that is off."""
        shift = np.zeros(self.groups)
        if self.truth == "one group off":
            shift[1] = 0.6
        elif self.truth == "half off":
            shift[::2] = 0.4
        elif self.truth == "spread":
            shift = np.linspace(-0.35, 0.35, self.groups)
        return level * (1 + shift)


def designs() -> list[Design]:
    """Return every design of the study."""
    sizes = [(2000, 6, False), (5000, 14, False), (400, 6, True), (1000, 14, True)]
    return [Design(*size, truth) for size in sizes for truth in TRUTHS]


Known = Callable[[Floats, Floats], Floats]
Found = Callable[[Rate, Rate, np.random.Generator], bounds.Index]
# Of each index: from the true rates of misses and of false alarms, and from the data.
INDICES: dict[str, tuple[Known, Found]] = {
    "difference": (lambda a, _: indices.difference(a), lambda a, _, r: bounds.difference_index([a], ALPHA, r)),
    "equalised odds difference": (
        lambda a, b: indices.largest_difference([a, b]),
        lambda a, b, r: bounds.difference_index([a, b], ALPHA, r),
    ),
    "ratio": (lambda a, _: indices.ratio(a), lambda a, _, r: bounds.ratio_index([a], ALPHA)),
    "max to min": (lambda a, _: indices.max_to_min(a), lambda a, _, r: bounds.max_to_min_index(a, ALPHA)),
    "max to geometric mean": (
        lambda a, _: indices.max_to_geometric_mean(a),
        lambda a, _, r: bounds.max_to_geometric_mean_index(a, ALPHA),
    ),
    "Gini": (lambda a, _: indices.gini(a), lambda a, _, r: bounds.spread_index(a, "gini", ALPHA)),
    "mean absolute deviation": (
        lambda a, _: indices.mean_absolute_deviation(a),
        lambda a, _, r: bounds.spread_index(a, "mean_absolute_deviation", ALPHA),
    ),
    "standard deviation": (
        lambda a, _: indices.standard_deviation(a, ddof=1),
        lambda a, _, r: bounds.spread_index(a, "standard_deviation", ALPHA),
    ),
    "GARBE": (indices.garbe, lambda a, b, r: bounds.spreads_index([a, b], "gini", (0.5, 0.5), ALPHA)),
    "sum of error differences": (
        indices.sum_of_error_differences,
        lambda a, b, r: bounds.spreads_index([a, b], "mean_absolute_deviation", (1, 1), ALPHA),
    ),
    "fairness discrepancy rate": (
        indices.fairness_discrepancy_rate,
        lambda a, b, r: bounds.fairness_discrepancy_index([a, b], 0.5, ALPHA),
    ),
    "inequity ratio": (indices.inequity_ratio, lambda a, b, r: bounds.inequity_index([a, b], 0.5, ALPHA)),
}


def judge(seed: int, design: Design) -> dict[tuple[str, str], float]:
    """Return what came of one data set, by index and what was judged; NaN where too few groups are measured."""
    rng = np.random.default_rng([seed, *str(design).encode()])
    group = rng.choice(design.groups, design.people, p=design.shares)
    told = {(name, each): np.nan for name in INDICES for each in (HOLDS, TEST, SEEN, CORRECTED, WIDTH)}
    deals = Deals(design.people, PERMUTATIONS, seed)
    rates, truths = [], []
    measured: list[set[int]] = []
    drawn = []
    for level in (MISSES, ALARMS):
        person = draw_people(rng, design.people, alone=not design.several)
        values = _errors(rng, person, group[person], design.rates(level), design.several)
        drawn.append((person, values, level))
        measured.append(_measured(person, group[person], values))
    taking_part = np.asarray(sorted(measured[0] & measured[1]), dtype=np.int64)
    if len(taking_part) < 2:
        return told
    for person, values, level in drawn:
        faces = ScoredFaces.of(person, group[person], design.groups, values).only(taking_part)
        rates.append(Rate.of(SummedData(faces, "rate", (0, 1)), PERMUTATIONS, rng, deals))
        truths.append(design.rates(level)[taking_part])
    for name, (known, found) in INDICES.items():
        truth, index = float(known(*truths)), found(*rates, rng)
        told[name, HOLDS] = float(index.low <= truth + 1e-9 and truth - 1e-9 <= index.high)
        told[name, TEST] = float(index.p <= 0.05)
        told[name, SEEN] = index.value - truth
        told[name, CORRECTED] = np.nan if index.corrected is None else index.corrected - truth
        told[name, WIDTH] = index.high - index.low
    return told


def _errors(rng: np.random.Generator, person: Integers, group: Integers, rates: Floats, several: bool) -> Floats:
    values = np.empty(len(person))
    for code, rate in enumerate(rates):
        rows = np.flatnonzero(group == code)
        values[rows] = beta_binomial(rng, person[rows], rate, 0.3 if several else 0) if len(rows) else 0
    return values


def _measured(person: Integers, group: Integers, values: Floats) -> set[int]:
    """Return the groups that the toolkit's rule measures."""
    groups = build_groups({"group": group.astype(str)}, ["group"])
    scores = Scores("error", np.arange(len(values)), values, kind="rate", bounds=(0, 1), overall=False)
    told = slice_scores(scores, person, [groups], StatisticsRules(), "study")
    return {int(item.slice["group"]) for item in told if item.estimate.value is not None}


def simulate(seed: int) -> Row:
    """Return what came of one data set per design, by index and truth: means over the numbers of people and groups."""
    found: dict[Outcome, list[float]] = {}
    for design in designs():
        for (name, judged), value in judge(seed, design).items():
            quantity = "rate" if judged in (HOLDS, TEST) else "mean"
            method = HOLDS if judged == WIDTH else judged
            found.setdefault(Outcome(f"{name}, {design.truth}", method, quantity), []).append(value)
    return {outcome: _mean(values) for outcome, values in found.items()}


def _mean(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


STUDY = Study(
    name="group_indices",
    version=1,
    title="Bounds and tests of indices over groups",
    about="Misses with a rate of .3 and false alarms with one of .1. 2,000 people in 6 groups and 5,000 in 14 with one "
    "face each; 400 in 6 and 1,000 in 14 with 2 to 20 faces (log-normal, mean about 8) and intraclass correlation 0.3 "
    "(beta-binomial); rows are means over these four. The largest group is five times the smallest; small groups are "
    "left out. One group off: the second largest has error rates 1.6 times those of the others; half off: every second "
    "group 1.4 times; spread: from .65 to 1.35 times. 499 permutations.",
    simulate=simulate,
)
