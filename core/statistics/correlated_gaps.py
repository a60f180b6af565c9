"""Gaps between group values that move together: of pairs, of corrected or of reweighted groups.

Where one person counts towards several groups there is nothing to deal out anew. Everything is as in
:mod:`countenance.core.statistics.gaps` (two families of differences, lower bound simultaneous, upper bound
intersection-union), but critical values, p-values and nulls come from normal draws with the covariance of the groups'
values, standardised as the observed differences are. How often the bounds hold in simulations:
``docs/uncertain-attributes.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..results import Direction, Measurement
from .correlated_values import CorrelatedLimits, CorrelatedValues, correlated_values, people_covariance
from .gap_answers import answer
from .gap_questions import (
    METHOD_GAP,
    METHOD_JOINT,
    METHOD_NULL,
    METHOD_PEOPLE,
    METHOD_WITHIN,
    METHOD_WORST,
)
from .gaps import Asked, Difference, Gap
from .group_tests import Kind, Statistics, in_errors
from .rules import StatisticsRules
from .sums import Floats, Integers

__all__ = [
    "answer_correlated",
    "ask_correlated",
    "correlated_gap",
    "joint_normal",
    "normal_draws",
    "people_covariance",
    "told_as_drawn",
]

DRAWS = 4000
DRAWN_METHODS = {
    METHOD_GAP: "max_pair_normal",
    METHOD_WORST: "group_against_rest_normal",
    METHOD_NULL: "equal_groups_normal",
    METHOD_PEOPLE: "normal_test",
    METHOD_WITHIN: "normal_test",
    METHOD_JOINT: "joint_step_down_normal",
}
PAIRS_AT_ONCE = 1_000_000


def correlated_gap(
    values: Floats,
    covariance: Floats,
    weights: Floats,
    names: Sequence[str],
    rules: StatisticsRules,
    random: np.random.Generator,
    *,
    people: int,
    faces: int,
    group_people: Integers | None = None,
    left_out: Mapping[str, str] | None = None,
    out_of_scope: Sequence[str] = (),
    people_in_several: int = 0,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    kind: Kind | None = None,
    direction: Direction = "none",
    tolerance: float | None = None,
    draws: int = DRAWS,
) -> Gap:
    """Return the largest difference between groups whose values are correlated; arguments as :func:`ask_correlated`."""
    asked = ask_correlated(
        values,
        covariance,
        weights,
        names,
        rules,
        random,
        people=people,
        faces=faces,
        group_people=group_people,
        left_out=left_out,
        out_of_scope=out_of_scope,
        people_in_several=people_in_several,
        bounds=bounds,
        kind=kind,
        direction=direction,
        tolerance=tolerance,
        draws=draws,
    )
    return answer_correlated([asked])[0]


def ask_correlated(
    values: Floats,
    covariance: Floats,
    weights: Floats,
    names: Sequence[str],
    rules: StatisticsRules,
    random: np.random.Generator,
    *,
    people: int,
    faces: int,
    group_people: Integers | None = None,
    left_out: Mapping[str, str] | None = None,
    out_of_scope: Sequence[str] = (),
    people_in_several: int = 0,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    kind: Kind | None = None,
    direction: Direction = "none",
    tolerance: float | None = None,
    draws: int = DRAWS,
    normal: Floats | None = None,
) -> Asked:
    """Ask for the largest difference between correlated values, to be answered together with other questions.

    Args:
        values: of each group, shape (groups,), two groups or more.
        covariance: of the values, shape (groups, groups), e.g. from :func:`people_covariance`.
        weights: share of each group in "all the others", shape (groups,), above 0, e.g. its faces.
        names: of the groups.
        rules: level of the bounds.
        random: source of the draws.
        people: people that took part.
        faces: faces (or pairs) that took part.
        group_people: people behind each group, shape (groups,), for its t quantile; all of them unless given.
        left_out: groups that took no part, with the reason.
        out_of_scope: those of them that block no verdict.
        people_in_several: people that count towards several groups.
        bounds: smallest and largest possible value.
        kind: ``rate`` when the bounds are 0 and 1, ``mean`` otherwise, unless given.
        direction: which way is better.
        tolerance: largest gap that is accepted.
        draws: how many normal draws make critical values, p-values and nulls.
        normal: draws that questions share, from :func:`joint_normal`, shape (draws, groups); their own unless given.

    Raises:
        ValueError: with fewer than two groups, or when the arrays do not fit.
    """
    if len(values) < 2 or len(names) != len(values):
        raise ValueError(f"expected two groups or more with a name each, but got {len(values)} and {len(names)} names")
    groups = correlated_values(
        values,
        covariance,
        weights,
        people=people,
        faces=faces,
        group_people=group_people,
        people_in_several=people_in_several,
        bounds=bounds,
        kind=kind,
    )
    null = groups.if_equal
    drawn = normal_draws(null, draws, random) if normal is None else _rescaled(normal, null, random)
    absent = dict(left_out or {})
    statistics = _statistics(drawn, groups, null)
    return Asked(
        names=tuple(names),
        left_out=absent,
        out_of_scope=tuple(name for name in out_of_scope if name in absent),
        limits=CorrelatedLimits(groups),
        seen=_statistics(groups.values[None, :], groups, null),
        dealt=statistics,
        placebo=statistics.part(slice(0, 1)),  # there is no placebo of groups that were never dealt out
        direction=direction,
        level=rules.level,
        tolerance=tolerance,
    )


def answer_correlated(asked: Sequence[Asked]) -> list[Gap]:
    """Return the answers to questions of :func:`ask_correlated` that are judged together, in the order given."""
    found = []
    for question, gap in zip(asked, answer(asked), strict=True):
        largest = _corrected(gap.largest, question)
        worst = None if gap.worst_vs_rest is None else _corrected(gap.worst_vs_rest, question)
        found.append(replace(gap, largest=largest, worst_vs_rest=worst))
    return found


def told_as_drawn(measurements: Sequence[Measurement]) -> list[Measurement]:
    """Return the measurements of a gap with the names of methods that draw, where they named ones that deal out."""
    found = []
    for item in measurements:
        method = DRAWN_METHODS.get(item.estimate.method or "", item.estimate.method)
        found.append(item.model_copy(update={"estimate": item.estimate.model_copy(update={"method": method})}))
    return found


def joint_normal(influences: Sequence[Floats], draws: int, random: np.random.Generator) -> list[Floats]:
    """Return draws for several questions that depend on each other as their values do, (draws, groups) of each.

    Args:
        influences: of each question how much each person moves each group, shape (people, groups); the same people in
            the same order, zeros for those who take no part.
        draws: how many.
        random: source of the draws.
    """
    together = np.hstack(list(influences))
    drawn = normal_draws(together.T @ together, draws, random)
    ends = np.cumsum([part.shape[1] for part in influences])[:-1]
    return [np.asarray(part) for part in np.split(drawn, ends, axis=1)]


def normal_draws(covariance: Floats, draws: int, random: np.random.Generator) -> Floats:
    """Return draws with this covariance, which may be singular, shape (draws, groups)."""
    scale, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(scale.clip(0))
    return np.asarray(random.standard_normal((draws, len(covariance))) @ root.T)


def _rescaled(normal: Floats, covariance: Floats, random: np.random.Generator) -> Floats:
    """Return draws whose columns have the variances of ``covariance``; a column without any is drawn by itself."""
    spread = normal.std(axis=0)
    own = random.standard_normal(normal.shape)
    standard = np.where(spread > 0, normal / np.where(spread > 0, spread, 1.0), own)
    return np.asarray(standard * np.sqrt(np.diag(covariance).clip(0)))


def _statistics(drawn: Floats, groups: CorrelatedValues, null: Floats) -> Statistics:
    """Return the statistics of values of the groups, one line per draw."""
    contrast = groups.others - np.eye(drawn.shape[1])  # all the others less the group
    lag = drawn @ contrast.T
    below = in_errors(lag, np.einsum("gi,ij,gj->g", contrast, null, contrast).clip(0))
    return Statistics(
        gap=np.ptp(drawn, axis=1),
        pair=_pair_statistic(drawn, null),
        rest=np.abs(below).max(axis=1),
        below=below.max(axis=1),
        above=(-below).max(axis=1),
        lag=lag.max(axis=1),
        lead=(-lag).max(axis=1),
    )


def _pair_statistic(values: Floats, covariance: Floats) -> Floats:
    """Return the largest difference of two groups in errors, for each line of values."""
    one, other = np.triu_indices(values.shape[1], 1)
    own = np.diag(covariance)
    variance = (own[one] + own[other] - 2 * covariance[one, other]).clip(0)
    found = np.empty(len(values))
    size = max(1, PAIRS_AT_ONCE // len(one))
    for start in range(0, len(values), size):
        part = values[start : start + size]
        found[start : start + size] = in_errors(np.abs(part[:, one] - part[:, other]), variance).max(axis=1)
    return found


def _corrected(difference: Difference, question: Asked) -> Difference:
    """Take out the placebo, of which there is none, and let the detectable size grow with the errors.

    The size was worked out as if groups were independent. What lies above the tolerance is in proportion to the error
    of a group against all others, so it is multiplied by the largest ratio of that error to the independent one.
    """
    size, limits = difference.detectable, question.limits
    if size is not None and isinstance(limits, CorrelatedLimits):
        tolerance = question.tolerance or 0.0
        size = tolerance + (size - tolerance) * limits.error_ratio
        if limits.groups.bounds is not None and size > limits.groups.bounds[1] - limits.groups.bounds[0]:
            size = None
    return replace(difference, placebo=None, placebo_p=None, placebo_p_adjusted=None, detectable=size)
