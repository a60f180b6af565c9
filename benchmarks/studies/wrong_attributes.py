"""Do corrected gaps hold when people were put into wrong groups? Errors at equal and at outcome-dependent rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from countenance.core.statistics.corrected_gaps import Question, ask_together, prepare
from countenance.core.statistics.gaps import Gap
from countenance.core.statistics.misclassified import AssignedSums, LabelErrors
from countenance.core.statistics.rules import StatisticsRules
from countenance.core.statistics.two_annotators import two_annotators
from countenance.synth.wrong_attributes import WrongGroups, assign_wrongly

from .people import Floats, Integers, beta_binomial
from .runner import Outcome, Row, Study

FACES = 6000
DRAWS = 1999
CHECKED = 200
TWO, SIX = (0.6, 0.4), (0.35, 0.25, 0.15, 0.1, 0.08, 0.07)
UNEVEN = (0.65, 0.35)  # with errors that depend on the outcome, unequal sizes make a gap where there is none
RULES = StatisticsRules()
HOLDS, SHOWN, GAP = "limits hold", "gap shown", "mean gap"
ASSIGNED, CORRECTED = "as assigned", "corrected"
TWO_MATRICES, ANY = "two matrices", "any dependence"


@dataclass(frozen=True)
class Design:
    """How one data set is drawn.

    Attributes:
        name: what it is called.
        shares: of the groups.
        rates: true rate of each group.
        rate: share of people put into a wrong group.
        times: how many times as often the wrong ones are people the model fails on.
        known: how the matrix is known: ``exactly``, ``checked`` (so many faces per group), ``half`` of the errors, or
            ``annotators`` (a second one, no matrix).
    """

    name: str
    shares: tuple[float, ...]
    rates: tuple[float, ...]
    rate: float = 0.1
    times: float = 1.0
    known: str = "exactly"

    @property
    def gap(self) -> float:
        """The true gap."""
        return max(self.rates) - min(self.rates)


DESIGNS = (
    Design("2 groups, gap .15, no errors", TWO, (0.7, 0.55), rate=0.0),
    Design("2 groups, gap .15, 10 % wrong", TWO, (0.7, 0.55)),
    Design("2 groups, even, 10 % wrong", TWO, (0.7, 0.7)),
    Design("6 groups, one lower by .2, 10 % wrong", SIX, (0.75, 0.55, 0.75, 0.75, 0.75, 0.75)),
    Design("6 groups, one lower by .2, 30 % wrong", SIX, (0.75, 0.55, 0.75, 0.75, 0.75, 0.75), rate=0.3),
    Design("2 groups, gap .15, 10 % wrong, matrix of 200 + 200 checked", TWO, (0.7, 0.55), known="checked"),
    Design("2 groups, gap .15, 10 % wrong, matrix says 5 %", TWO, (0.7, 0.55), known="half"),
    Design("2 groups, gap .15, 10 % wrong, two annotators", TWO, (0.7, 0.55), known="annotators"),
    Design("2 groups, gap .15, 10 % wrong, 3 times as often on failures", UNEVEN, (0.75, 0.6), times=3.0),
    Design("2 groups, even, 10 % wrong, 3 times as often on failures", UNEVEN, (0.7, 0.7), times=3.0),
    Design("2 groups, even, no errors", UNEVEN, (0.7, 0.7), rate=0.0),
)


def draw(rng: np.random.Generator, design: Design, people: int) -> tuple[Integers, Integers, Floats]:
    """Return person, true group and outcome of each face; several faces of one person have a correlation of .3."""
    person = np.repeat(np.arange(people), FACES // people)
    group = rng.choice(len(design.shares), people, p=design.shares)[person]
    right = np.empty(FACES)
    for code, rate in enumerate(design.rates):
        rows = np.flatnonzero(group == code)
        right[rows] = beta_binomial(rng, person[rows], rate, 0.3 if people < FACES else 0.0)
    return person, group, right


def errors_of(design: Design, planted: WrongGroups, rng: np.random.Generator) -> LabelErrors:
    """Return what is known of the errors."""
    matrix = planted.overall
    if design.known == "checked":
        counted = np.stack([rng.multinomial(CHECKED, row) / CHECKED for row in matrix])
        return LabelErrors.known(counted, checked=CHECKED, random=rng)
    if design.known == "half":
        matrix = (matrix + np.eye(len(matrix))) / 2
    return LabelErrors.known(matrix)


def judge(seed: int, design: Design, people: int) -> dict[str, float]:
    """Return what came of one data set, by column of the table."""
    rng = np.random.default_rng([seed, people, *design.name.encode()])
    person, group, right = draw(rng, design, people)
    groups = len(design.shares)

    def assigned() -> WrongGroups:
        return assign_wrongly(rng, person, group, right > 0, groups, rate=design.rate, times=design.times)

    planted = assigned()
    if design.known == "annotators":
        errors = two_annotators(planted.group, assigned().group, person, groups, rng).errors
    else:
        errors = errors_of(design, planted, rng)
    sums = AssignedSums.of(person, planted.group, right, people=people, groups=groups)
    ways = {ASSIGNED: LabelErrors.none(groups), CORRECTED: errors}
    if design.times != 1:
        ways[TWO_MATRICES] = LabelErrors.known(planted.right, planted.wrong)
    told: dict[str, float] = {}
    names = [str(code) for code in range(groups)]
    for way, known in ways.items():
        prepared = prepare(known, sums, names, RULES)
        gap = ask_together([Question(prepared, "attribute", "higher")], RULES, rng, DRAWS)[0]
        told |= _judged(way, gap, design.gap)
        limits = prepared.gap_by_any_dependence(RULES.level)
        if way == CORRECTED:
            told[f"{ANY}: {HOLDS}"] = np.nan if limits is None else float(limits[0] <= design.gap <= limits[1])
            told[f"{ANY}: {HOLDS} | mean"] = np.nan if limits is None else limits[1] - limits[0]
    return told


def _judged(way: str, gap: object, truth: float) -> dict[str, float]:
    columns = (f"{way}: {HOLDS}", f"{way}: {HOLDS} | mean", f"{way}: {SHOWN}", f"{way}: {GAP}")
    if not isinstance(gap, Gap) or gap.largest.low is None or gap.largest.high is None:
        return dict.fromkeys(columns, np.nan)
    found, low, high = gap.largest, gap.largest.low, gap.largest.high
    holds = low <= truth + 1e-12 and truth <= high
    return dict(zip(columns, (float(holds), high - low, float(found.p <= 0.05), found.value), strict=True))


def simulate(seed: int) -> Row:
    """Return what came of one data set per design, with one face and with four faces of each person."""
    row: dict[Outcome, float] = {}
    for design in DESIGNS:
        for people, told in ((FACES, "1 face each"), (FACES // 4, "4 faces each")):
            for column, value in judge(seed, design, people).items():
                method, _, quantity = column.partition(" | ")
                row[Outcome(f"{design.name}, {told}", method, quantity or "rate")] = value
    return row


STUDY = Study(
    name="wrong_attributes",
    version=1,
    title="Gaps with people in wrong groups",
    about="6,000 faces of 6,000 people or of 1,500 with four each (correlation .3); groups have shares .6 .4 (.65 .35 "
    "where errors depend on the outcome) or .35 .25 .15 .1 .08 .07. So many people are put into a wrong group, at "
    "equal rates, or three times as often where the model fails on all their faces as where it fails on none. "
    "`as assigned` ignores it, `corrected` undoes it by one matrix over all faces, `two matrices` by one of the right "
    "and one of the wrong faces, `any dependence` are the limits that assume nothing about the outcome. Limits hold "
    "when the true gap lies in the 95 % interval; a gap is shown when p is at most .05; mean gaps are in hundredths.",
    simulate=simulate,
)
