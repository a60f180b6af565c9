"""Rates of true groups with intervals, and the question how far they differ, when groups are assigned with errors.

A question is prepared first (:func:`prepare`): the errors are undone, and groups too small to tell are left out by the
rule of all other rates, with the effective n that is left after the correction. Prepared questions are then asked
together (:func:`ask_together`), so that their p-values and bounds hold over all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..results import Direction, Estimate
from .correlated_gaps import DRAWS, answer_correlated, ask_correlated, joint_normal
from .correlated_values import correlated_values
from .gaps import Gap, NoGap
from .misclassified import AssignedSums, CorrectedRates, LabelErrors, undo
from .outcome_bounds import OutcomeBounds, bounds_of, program_limits
from .rules import StatisticsRules
from .sums import Floats, Integers

METHOD = "matrix_method_wilson"
METHOD_BOUNDS = "any_dependence_of_errors"


@dataclass(frozen=True, eq=False)
class Prepared:
    """A rate of the true groups, ready to be asked about.

    Attributes:
        names: of the groups.
        estimates: the rate of each group, or why it was not measured.
        bounds: the same with limits that hold whatever the errors depend on; empty where the errors are known for
            right and wrong faces apart.
        chosen: groups that take part in a gap, shape (chosen,).
        rates: the corrected rates; ``None`` where the errors cannot be undone.
        ends: limits of the rates by any dependence; ``None`` where there are none.
        sums: what it was made of.
        reason: why there is no rate at all; empty otherwise.
    """

    names: tuple[str, ...]
    estimates: list[Estimate]
    bounds: list[Estimate]
    chosen: Integers
    rates: CorrectedRates | None
    ends: OutcomeBounds | None
    sums: AssignedSums
    reason: str = ""

    @property
    def left_out(self) -> dict[str, str]:
        """Groups that take no part, with the reason."""
        return {
            name: estimate.reason or ""
            for place, (name, estimate) in enumerate(zip(self.names, self.estimates, strict=True))
            if place not in self.chosen
        }

    def gap_by_any_dependence(self, level: float) -> tuple[float, float, float, float] | None:
        """Return low, high, and one-sided lower and upper bound of the largest gap whatever errors depend on."""
        if self.ends is None or len(self.chosen) < 2:
            return None
        groups = self.chosen.tolist()
        low, high = self.ends.gap_limits(groups, level)
        bound_low, bound_high = self.ends.gap_limits(groups, 2 * level - 1)
        return low, high, bound_low, bound_high


def prepare(errors: LabelErrors, sums: AssignedSums, names: Sequence[str], rules: StatisticsRules) -> Prepared:
    """Undo the errors and say which groups can be told.

    Args:
        errors: how groups are assigned.
        sums: sums over assigned groups.
        names: of the groups.
        rules: level and smallest groups.
    """
    groups = len(names)
    rates = undo(errors, sums) if sums.people >= rules.min_subjects else _people(sums.people, rules)
    nobody = np.zeros(0, dtype=np.int64)
    if isinstance(rates, str):
        estimates = [Estimate.not_measured(rates, n=sums.faces, subjects=sums.people)] * groups
        told: list[Estimate] = []
        if sums.people >= rules.min_subjects and not errors.dependent:
            ends = program_limits(errors.right, sums, rules.level)
            told = [_only_bounds(low, high, rates, sums) for low, high in zip(*ends, strict=True)]
        return Prepared(tuple(names), estimates, told, nobody, None, None, sums, rates)
    estimates = _estimates(rates, sums, rules)
    chosen = np.asarray([place for place, each in enumerate(estimates) if each.value is not None], dtype=np.int64)
    ends_of = None if errors.dependent else bounds_of(errors, sums)
    bounds = [] if ends_of is None else _bounds(estimates, ends_of, rules)
    return Prepared(tuple(names), estimates, bounds, chosen, rates, ends_of, sums)


def _people(people: int, rules: StatisticsRules) -> str:
    return f"{people} {'person' if people == 1 else 'people'}; {rules.min_subjects} are needed"


def _only_bounds(low: float, high: float, reason: str, sums: AssignedSums) -> Estimate:
    told = f"{reason}; what can be told is that it lies between {low:.2f} and {high:.2f}"
    return Estimate.not_measured(told, n=sums.faces, subjects=sums.people)


def _estimates(rates: CorrectedRates, sums: AssignedSums, rules: StatisticsRules) -> list[Estimate]:
    reasons: dict[int, str] = {}
    for place in rates.impossible.tolist():
        reasons[place] = "no face is left of this group once label errors are undone"
    for place in rates.contradicted.tolist():
        rate = "" if place in reasons else f": the rate would be {rates.raw[place]:.2f}"
        reasons[place] = f"the matrix of label errors cannot be right for these faces{rate}"
    possible = np.asarray([place for place in range(len(rates.raw)) if place not in reasons], dtype=np.int64)
    estimates: dict[int, Estimate] = {}
    if len(possible):
        found = correlated_values(
            rates.values[possible],
            rates.covariance[np.ix_(possible, possible)],
            rates.faces[possible],
            people=sums.people,
            faces=sums.faces,
            group_people=rates.people[possible],
        )
        needed = rules.effective_needed(found.common * (1 - found.common))
        low, high = found.limits(rules.level)
        for of, place in enumerate(possible.tolist()):
            people, n_effective = int(rates.people[place]), float(found.n_effective[of])
            if people < rules.min_subjects:
                reasons[place] = f"about {_people(people, rules)}"
            elif n_effective < needed * (1 - 1e-9):
                more = math.ceil((needed / n_effective - 1) * people)
                reasons[place] = (
                    f"n_eff {math.floor(n_effective)} of {math.ceil(needed)} needed once label errors are undone: "
                    f"about {more:,} more people"
                )
            else:
                estimates[place] = Estimate(
                    value=float(found.values[of]),
                    low=float(low[of]),
                    high=float(high[of]),
                    level=rules.level,
                    method=METHOD,
                    n=round(float(rates.faces[place])),
                    subjects=people,
                    n_effective=n_effective,
                )
    faces = np.maximum(np.round(rates.faces), 0).astype(int)
    return [
        estimates.get(place)
        or Estimate.not_measured(reasons[place], n=int(faces[place]), subjects=int(rates.people[place]))
        for place in range(len(rates.raw))
    ]


def _bounds(estimates: Sequence[Estimate], ends: OutcomeBounds, rules: StatisticsRules) -> list[Estimate]:
    low, high = ends.limits(rules.level)
    found = []
    for place, estimate in enumerate(estimates):
        if estimate.value is None:
            found.append(estimate)
            continue
        limits = {"low": min(float(low[place]), estimate.value), "high": max(float(high[place]), estimate.value)}
        found.append(estimate.model_copy(update={**limits, "method": METHOD_BOUNDS, "n_effective": None}))
    return found


@dataclass(frozen=True, eq=False)
class Question:
    """A prepared rate and what else is asked of it.

    Attributes:
        prepared: the rate.
        source: questions of one source share what was drawn of the matrix, such as the attribute's name.
        direction: which way is better.
        tolerance: largest gap that is accepted.
        out_of_scope: groups that block no verdict.
    """

    prepared: Prepared
    source: str
    direction: Direction
    tolerance: float | None = None
    out_of_scope: Sequence[str] = ()


def ask_together(
    questions: Sequence[Question], rules: StatisticsRules, random: np.random.Generator, draws: int = DRAWS
) -> list[Gap | NoGap]:
    """Return how far the groups differ in each question, all judged together, in the order given."""
    can = [question for question in questions if len(question.prepared.chosen) > 1]
    shared = joint_normal(_influences(can), draws, random) if can else []
    asked = []
    for question, normal in zip(can, shared, strict=True):
        prepared, rates = question.prepared, question.prepared.rates
        assert rates is not None
        chosen = prepared.chosen
        asked.append(
            ask_correlated(
                rates.values[chosen],
                rates.covariance[np.ix_(chosen, chosen)],
                rates.faces[chosen],
                [prepared.names[place] for place in chosen],
                rules,
                random,
                people=prepared.sums.people,
                faces=prepared.sums.faces,
                group_people=rates.people[chosen],
                left_out=prepared.left_out,
                out_of_scope=question.out_of_scope,
                direction=question.direction,
                tolerance=question.tolerance,
                normal=normal,
            )
        )
    answers = iter(answer_correlated(asked))
    return [next(answers) if len(question.prepared.chosen) > 1 else _none(question) for question in questions]


def _none(question: Question) -> NoGap:
    prepared = question.prepared
    told = prepared.reason
    if not told and len(prepared.chosen) == 0:
        told = f"none of {len(prepared.names)} groups could be measured; two are needed"
    elif not told:
        only = prepared.names[prepared.chosen[0]]
        told = f"only one of {len(prepared.names)} groups, {only}, could be measured"
    return NoGap(told, prepared.left_out, len(set(prepared.left_out) - set(question.out_of_scope)))


def _influences(questions: Sequence[Question]) -> list[Floats]:
    """Return the influences with equal lines: people first, then a part for the draws of each source's matrix."""
    sources = list(dict.fromkeys(question.source for question in questions))
    rates = [question.prepared.rates for question in questions]
    people = max(len(question.prepared.sums.right) for question in questions)
    drawn = max(len(each.influence) for each in rates if each is not None) - people
    found = []
    for question, each in zip(questions, rates, strict=True):
        assert each is not None
        part = each.influence[:, question.prepared.chosen]
        whole = np.zeros((people + drawn * len(sources), part.shape[1]))
        whole[:people] = part[:people]
        start = people + drawn * sources.index(question.source)
        whole[start : start + len(part) - people] = part[people:]
        found.append(whole)
    return found
