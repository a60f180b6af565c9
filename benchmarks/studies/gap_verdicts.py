"""Do the verdicts on gaps hold? Wrong fails, wrong passes, bounds, power at the stated size, corrected gaps.

``python -m benchmarks.studies gap_verdicts --runs 400`` draws; ``python -m benchmarks.studies.gap_bars`` judges the
rows that there are against the bars. What is judged is what ``group_metrics`` does with a rate: which groups are
measured, both gates (largest gap, worst group against the rest), their bounds, detectable sizes and corrected gaps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import ndtri

from countenance.core.statistics.cross_fit import cross_fitted_gap, cross_fitted_worst
from countenance.core.statistics.detectable import detectable
from countenance.core.statistics.gap_answers import answer
from countenance.core.statistics.gap_data import SummedData
from countenance.core.statistics.gaps import Asked, Difference, Gap, ask
from countenance.core.statistics.group_tests import critical_values
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.streamed.estimates import estimates_of
from countenance.core.statistics.streamed.measures import Measure

from .people import Floats, Integers
from .runner import Outcome, Row, Study
from .uneven_groups import Design, Drawn, draw, of_all_others

PERMUTATIONS, FEW = 499, 39
TOLERANCE, LARGE, ALPHA = 0.02, 0.2, 0.05
RULES, RATE = StatisticsRules(), Measure("rate", (1, 0), (0, 1), direction="higher")
GATES = ("gap", "worst")
KINDS = ("one group low", "two groups apart", "half the groups low", "evenly spread")
PLACES = ("best", "median", "worst")
DESIGNS = (
    Design("faces", 2_000, 6, 0.7),
    Design("faces", 2_000, 42, 0.7),
    Design("faces", 2_000, 126, 0.9),
    Design("faces", 5_000, 6, 0.9),
    Design("faces", 5_000, 14, 0.7),
    Design("faces", 5_000, 42, 0.9),
    Design("faces", 20_000, 14, 0.9),
    Design("faces", 20_000, 42, 0.7),
    Design("faces", 20_000, 126, 0.9),
    Design("people", 2_000, 6, 0.9),
    Design("people", 5_000, 6, 0.7),
    Design("people", 5_000, 14, 0.7),
    Design("people", 5_000, 42, 0.9),
    Design("people", 20_000, 14, 0.9),
    Design("people", 20_000, 42, 0.7),
    Design("people", 20_000, 126, 0.7),
)
# Faces per group at which a model that treats all alike passes with probability .8, by groups, rate and tolerance;
# a gate each. From the formulas in ``docs/gap-study.md``.
PASSING = (
    ("gap", 2, 0.7, 0.1, 361), ("gap", 2, 0.9, 0.1, 155), ("gap", 6, 0.7, 0.1, 649), ("gap", 6, 0.9, 0.1, 279),
    ("gap", 6, 0.9, 0.05, 1113), ("gap", 14, 0.7, 0.1, 850), ("gap", 14, 0.9, 0.1, 365),
    ("worst", 6, 0.7, 0.1, 328), ("worst", 6, 0.9, 0.1, 172), ("worst", 6, 0.7, 0.05, 1239),
    ("worst", 14, 0.7, 0.1, 368), ("worst", 14, 0.9, 0.1, 195), ("worst", 42, 0.7, 0.1, 414),
    ("worst", 42, 0.9, 0.1, 222),
)  # fmt: skip
EQUAL = tuple(Design("faces", 400 * groups, groups, rate, equal=True) for groups in (6, 14, 42) for rate in (0.7, 0.9))


@dataclass(frozen=True, eq=False)
class Judged:
    """The answer of the package to one data set, beside the truth.

    Attributes:
        gap: the answer; ``None`` where fewer than two groups are measured.
        measured: the groups that take part.
        truth: the true difference of each gate, over the groups that take part.
        asked: the question as dealt.
        rates_covered: share of the intervals of groups of ten people or more that hold the true rate.
    """

    gap: Gap | None
    measured: Integers
    truth: dict[str, float]
    asked: Asked | None
    rates_covered: float

    def of(self, gate: str) -> Difference | None:
        """Return the answer of one gate."""
        if self.gap is None:
            return None
        return self.gap.largest if gate == "gap" else self.gap.worst_vs_rest

    def fails(self, gate: str, tolerance: float = TOLERANCE) -> float:
        """Return 1 when the gate fails."""
        found = self.of(gate)
        return np.nan if found is None or found.bound_low is None else float(found.bound_low > tolerance)

    def passes(self, gate: str, tolerance: float) -> float:
        """Return 1 when the gate passes."""
        found = self.of(gate)
        if found is None or found.bound_high is None or self.gap is None:
            return 0.0
        return float(found.bound_high <= tolerance and not self.gap.blocking)

    def covers(self, gate: str) -> float:
        """Return 1 when the two-sided interval holds the true difference."""
        found = self.of(gate)
        if found is None or found.low is None or found.high is None:
            return np.nan
        return float(found.low <= self.truth[gate] + 1e-9 and self.truth[gate] <= found.high + 1e-9)


def judge(
    random: np.random.Generator, drawn: Drawn, rates: Floats, *, permutations: int = PERMUTATIONS, correct: bool = False
) -> Judged:
    """Return what the package says of a data set, as it does for a rate of a probe.

    Args:
        random: source of the permutations.
        drawn: the data set.
        rates: true rates of the groups.
        permutations: how often the groups are dealt out.
        correct: whether gaps are cross-fitted.
    """
    sums = drawn.sums()
    estimates = estimates_of(RATE, "", sums, None, RULES, ("person", "people"), overall=False)
    measured = np.asarray([code for code, each in enumerate(estimates) if each.value is not None], dtype=np.int64)
    inside = [
        each.low - 1e-12 <= rate <= each.high + 1e-12
        for each, rate in zip(estimates, rates, strict=True)
        if each.low is not None and each.high is not None
    ]
    covered = float(np.mean(inside)) if inside else np.nan
    if len(measured) < 2:
        return Judged(None, measured, {}, None, covered)
    data = SummedData(drawn.scored(measured), "rate", (0.0, 1.0))
    both = None
    if correct:
        x, n, group, _ = data.lines()
        both = (
            cross_fitted_gap(x, n, group, len(measured), random),
            cross_fitted_worst(x, n, group, len(measured), random),
        )
    asked = ask(
        data,
        [str(code) for code in measured],
        {str(code): each.reason or "" for code, each in enumerate(estimates) if each.value is None},
        RULES,
        random,
        direction="higher",
        permutations=permutations,
        cross_fitted=both,
    )
    levels = rates[measured]
    truth = {
        "gap": float(levels.max() - levels.min()),
        "worst": float((of_all_others(asked.limits.own, levels) - levels).max()),
    }
    return Judged(answer([asked])[0], measured, truth, asked, covered)


def stated_sizes(judged: Judged, tolerance: float) -> dict[str, Floats]:
    """Return, for each gate, the detectable size of every measured group, NaN where none would be shown."""
    asked = judged.asked
    assert asked is not None
    own, dealt = asked.limits.own, asked.dealt
    of_pair, of_rest = critical_values((dealt.pair, dealt.rest), ALPHA)
    (one_sided,) = critical_values((dealt.below,), ALPHA)
    return {
        "gap": detectable(own, "rate", of_rest, of_pair, tolerance=tolerance, sign=0).of_group,
        "worst": detectable(own, "rate", one_sided, tolerance=tolerance, sign=1).of_group,
    }


def planted(design: Design, gap: float, kind: str, group: int | None = None) -> Floats:
    """Return the rates of the groups when a gap of this size and kind is planted."""
    rates, last = np.full(design.groups, design.rate), design.groups - 1
    middle = last // 2 if group is None else group
    if kind == "one group low":
        rates[middle] -= gap
    elif kind == "two groups apart":
        rates -= gap / 2
        rates[0] += gap / 2
        rates[middle] -= gap / 2
    elif kind == "half the groups low":
        rates[1::2] -= gap
    else:
        order = np.random.default_rng(design.groups).permutation(design.groups)
        rates -= gap * order / last
    return rates


def of_design(seed: int, design: Design) -> dict[str, float]:
    """Return what came of the data sets of one design."""
    random = np.random.default_rng([seed, *str(design).encode()])
    told: dict[str, float] = {}

    def put(rates: Floats, *, correct: bool = False) -> Judged:
        return judge(random, draw(random, design, rates), rates, correct=correct)

    fair = put(np.full(design.groups, design.rate), correct=True)
    told["rates covered, fair"] = fair.rates_covered
    for gate in GATES:
        told[f"{gate}: fails, fair"] = fair.fails(gate)
        told[f"{gate}: bound above 0, fair"] = fair.fails(gate, 0.0)
    for kind in ("one group low", "half the groups low"):
        at_tolerance = put(planted(design, TOLERANCE, kind))
        for gate in GATES:
            told[f"{gate}: fails, {kind} by .02"] = at_tolerance.fails(gate)
            told[f"{gate}: covered, {kind} by .02"] = at_tolerance.covers(gate)
    kind = KINDS[seed % len(KINDS)]
    large = put(planted(design, LARGE, kind), correct=True)
    for gate in GATES:
        told[f"{gate}: covered, fair"] = fair.covers(gate)
        told[f"{gate}: covered, true gap .2"] = large.covers(gate)
        for name, judged, here in (("fair", fair, True), *((name, large, name == kind) for name in KINDS)):
            found = judged.of(gate)
            usable = here and found is not None and found.cross_fitted is not None
            for how in ("naive", "corrected"):
                told[f"{gate}: {how} less true, {name} | mean"] = (
                    (found.value if how == "naive" else float(found.cross_fitted)) - judged.truth[gate]  # type: ignore[arg-type, union-attr]
                    if usable
                    else np.nan
                )
    told |= _power(seed, design, fair, put)
    return told


def _power(seed: int, design: Design, fair: Judged, put: Callable[[Floats], Judged]) -> dict[str, float]:
    """Plant the size that the fair data state, in the best, a middling and the worst group; one gate per seed."""
    gate = GATES[seed % 2]
    kept = ("rate", "mean")
    told = {f"{name}: shown, {place} group | {what}": np.nan for name in GATES for place in PLACES for what in kept}
    if fair.gap is None:
        return told
    sizes = stated_sizes(fair, TOLERANCE)[gate]
    order = np.argsort(sizes)[: np.count_nonzero(np.isfinite(sizes))]
    if len(order) == 0:
        return told
    for place, rank in zip(PLACES, (0, len(order) // 2, len(order) - 1), strict=True):
        group, size = int(fair.measured[order[rank]]), float(sizes[order[rank]])
        if size > design.rate:
            continue
        judged = put(planted(design, size, "one group low", group))
        if group in judged.measured:
            told[f"{gate}: shown, {place} group | rate"] = judged.fails(gate)
            told[f"{gate}: shown, {place} group | mean"] = size
    return told


def bonferroni_size(design: Design) -> float:
    """Return the gap that Bonferroni's two-sided test of equal groups against the rest shows in 8 of 10 samples."""
    n, others, p = design.rows / design.groups, design.rows * (1 - 1 / design.groups), design.rate
    critical, size = float(ndtri(1 - ALPHA / (2 * design.groups))), 0.1
    for _ in range(60):
        low = p - size
        size = critical * np.sqrt(p * (1 - p) * (1 / n + 1 / others))
        size += float(ndtri(0.8)) * np.sqrt(low * (1 - low) / n + p * (1 - p) / others)
    return float(size)


def simulate(seed: int) -> Row:
    """Return what came of one seed: all designs, passes at the sizes they take, stated sizes of equal groups."""
    row: dict[Outcome, float] = {}
    for design in DESIGNS:
        for name, value in of_design(seed, design).items():
            method, _, quantity = name.partition(" | ")
            row[Outcome(str(design), method, quantity or "rate")] = value
    for gate, groups, rate, tolerance, faces in PASSING:
        design = Design("faces", faces * groups, groups, rate, equal=True)
        random = np.random.default_rng([seed, groups, faces])
        cell = f"{groups} equal groups of {faces} faces, rate {rate}, tolerance {tolerance}"
        for name, gap in (("passes, fair", 0.0), ("passes, one group low by the tolerance", tolerance)):
            rates = planted(design, gap, "one group low")
            judged = judge(random, draw(random, design, rates), rates, permutations=FEW)
            row[Outcome(cell, f"{gate}: {name}")] = judged.passes(gate, tolerance)
    for design in EQUAL:
        random = np.random.default_rng([seed, design.groups, 7])
        rates = np.full(design.groups, design.rate)
        sizes = stated_sizes(judge(random, draw(random, design, rates), rates), 0.0)
        for gate in GATES:
            ratio = float(np.median(sizes[gate])) / _bonferroni(design)
            row[Outcome(str(design), f"{gate}: stated size over Bonferroni's", "mean")] = ratio
    return row


@cache
def _bonferroni(design: Design) -> float:
    return bonferroni_size(design)


STUDY = Study(
    name="gap_verdicts",
    version=1,
    title="Verdicts on gaps between groups",
    about="Groups have the products of shares .55 .45, .30 .19 .15 .13 .10 .08 .05 and of three or nine ages. Faces of "
    "different people, or people with 2 to 20 faces (log-normal, mean about 8) of intraclass correlation 0.3 "
    "(beta-binomial). 499 permutations; tolerance .02.",
    simulate=simulate,
)
