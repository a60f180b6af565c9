"""How many faces must groups have before a tolerance can be passed at all?

A limit on a gap is passed when the upper bound of the true gap does not exceed it. That bound shrinks with the
number of faces and not with the quality of the model: with too few, no model passes, however even. This module says
so before anything is run, with the number of faces that it takes.

Two questions: ``gap`` (largest difference of two groups) and ``worst_vs_rest`` (worst group against all others). The
numbers are those of independent faces; several faces of one person are worth fewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from .intervals import wilson
from .rules import StatisticsRules
from .sums import Floats, Integers

Question = Literal["gap", "worst_vs_rest"]
POWER = 0.8
ONE_SIDED = 0.95
LIKELY_RATE = 0.9
LIKELY_ICC = 0.3
DRAWS = 1000
CELLS_AT_ONCE = 2_000_000
RARELY = 0.05
RAISE, RAISES = 0.03, 8
NAMED_GROUPS = 5


def range_quantile(probability: float, groups: int) -> float:
    """Return the quantile of the range (largest less smallest) of independent standard normal variables.

    The range of ``G`` of them is at most ``r`` with probability ``G`` times the integral over ``x`` of
    ``phi(x) (Phi(x + r) - Phi(x))^(G - 1)``, where ``x`` is the smallest.

    Args:
        probability: above 0 and below 1.
        groups: how many variables, at least 2.
    """
    x = np.linspace(-9, 9, 3601)
    density = np.exp(-np.square(x) / 2) / sqrt(2 * np.pi) * (x[1] - x[0])
    below = ndtr(x)

    def over(r: float) -> float:
        return groups * float(density @ (ndtr(x + r) - below) ** (groups - 1)) - probability

    return float(brentq(over, 1e-9, 18.0, xtol=1e-10))


def faces_to_pass_gap(
    groups: int, variance: float, tolerance: float, *, power: float = POWER, level: float = ONE_SIDED
) -> float:
    """Return the independent faces per group with which groups that are alike pass, for the largest difference.

    ``variance ((r + sqrt 2 z) / tolerance)^2`` with ``r`` the quantile of the range of the groups' values in errors.

    Args:
        groups: how many groups of equal size, at least 2.
        variance: variance of one face, ``p (1 - p)`` for a rate.
        tolerance: the limit, above 0.
        power: probability of passing.
        level: one-sided level of the upper bound.
    """
    return variance * ((range_quantile(power, groups) + sqrt(2) * float(ndtri(level))) / tolerance) ** 2


def faces_to_pass_worst(
    groups: int,
    variance: float,
    tolerance: float,
    *,
    variance_of_worst: float | None = None,
    power: float = POWER,
    level: float = ONE_SIDED,
) -> float:
    """Return the independent faces per group with which groups that are alike pass, for the worst against all others.

    ``((a sd + z sd_of_worst) / tolerance)^2 G / (G - 1)`` with ``a`` the normal quantile of ``power^(1/G)``. Up to a
    tenth too small for rates near 1 and many groups, since the lowest of many skewed rates lies lower than that.

    Args:
        groups: how many groups of equal size, at least 2.
        variance: variance of one face, ``p (1 - p)`` for a rate.
        tolerance: the limit, above 0.
        variance_of_worst: that in a group worse by the tolerance, ``(p - t) (1 - p + t)`` for a rate; the same as
            ``variance`` unless given.
        power: probability of passing.
        level: one-sided level of the upper bound.
    """
    worst = variance if variance_of_worst is None else variance_of_worst
    reach = float(ndtri(power ** (1 / groups))) * sqrt(variance) + float(ndtri(level)) * sqrt(worst)
    return (reach / tolerance) ** 2 * groups / (groups - 1)


def faces_to_pass(question: Question, groups: int, rate: float, tolerance: float) -> float:
    """Return the independent faces per group with which groups of one rate pass with probability .8."""
    if question == "gap" or groups == 2:  # of two groups the worst against the rest is their difference
        return faces_to_pass_gap(groups, rate * (1 - rate), tolerance)
    low = max(rate - tolerance, 0.0)
    return faces_to_pass_worst(groups, rate * (1 - rate), tolerance, variance_of_worst=low * (1 - low))


def smallest_possible_upper_bound(n_effective: Floats, level: float = ONE_SIDED) -> float:
    """Return what the upper bound of a gap of rates would be if no face were answered wrongly, for either question.

    No other answers give a smaller one: every group then shows the same rate, and the limits of a rate are nearest to
    it at 0 and at 1. It is the distance of Wilson's limit from there, ``z^2 / (n + z^2)``, in the smallest group.

    Args:
        n_effective: independent faces of each group, above 0, shape (groups,).
        level: one-sided level of the upper bound.
    """
    square = float(ndtri(level)) ** 2
    return square / (float(np.min(n_effective)) + square)


def faces_to_ever_pass(tolerance: float, level: float = ONE_SIDED) -> float:
    """Return the independent faces of the smallest group with which any answers could pass; infinite for 0."""
    square = float(ndtri(level)) ** 2
    return float("inf") if tolerance <= 0 else max(square * (1 - tolerance) / tolerance, 0.0)


def pass_probability(
    n_effective: Floats,
    rate: float,
    tolerance: float,
    question: Question,
    random: np.random.Generator,
    *,
    level: float = ONE_SIDED,
    draws: int = DRAWS,
) -> float:
    """Return how often groups that truly have one rate would pass, by simulating independent faces.

    Args:
        n_effective: independent faces of each group, rounded down to whole ones, at least 1 each.
        rate: rate of every group.
        tolerance: the limit.
        question: ``gap`` or ``worst_vs_rest``.
        random: source of the draws.
        level: one-sided level of the upper bound.
        draws: how many data sets.
    """
    n = np.maximum(np.floor(np.asarray(n_effective, dtype=np.float64)), 1.0)
    bound = _upper_of_pairs if question == "gap" else _upper_of_worst
    size = max(1, CELLS_AT_ONCE // len(n) ** (2 if question == "gap" else 1))
    z, passed = float(ndtri(level)), 0
    for start in range(0, draws, size):
        value = random.binomial(n.astype(np.int64), rate, (min(size, draws - start), len(n))) / n
        passed += int((bound(value, n, z) <= tolerance).sum())
    return passed / draws


def _upper_of_pairs(value: Floats, n: Floats, z: float) -> Floats:
    low, high = wilson(value, n, z)
    reach = np.hypot((high - value)[:, :, None], (value - low)[:, None, :])
    limit = value[:, :, None] - value[:, None, :] + reach
    limit[:, np.arange(len(n)), np.arange(len(n))] = -np.inf
    upper: Floats = limit.max(axis=(1, 2))
    return upper


def _upper_of_worst(value: Floats, n: Floats, z: float) -> Floats:
    others = n.sum() - n
    rest = ((value * n).sum(axis=1, keepdims=True) - value * n) / others
    below, above = value - wilson(value, n, z)[0], wilson(rest, others, z)[1] - rest
    upper: Floats = (rest - value + np.hypot(below, above)).max(axis=1)
    return upper


def passable(
    tolerance: float,
    people_per_group: Sequence[int] | Integers,
    faces_per_group: Sequence[int] | Integers,
    *,
    names: Sequence[str] | None = None,
    question: Question = "gap",
    rules: StatisticsRules | None = None,
    rate: float = LIKELY_RATE,
    icc: float = LIKELY_ICC,
    seed: int = 0,
) -> list[str]:
    """Say in plain sentences why a limit on a gap of rates cannot, or hardly ever can, be passed with these faces.

    Groups with fewer people than the rules ask for are told first: until they have more, no verdict is a pass. What
    follows is about the other groups.

    Args:
        tolerance: the limit on the gap.
        people_per_group: people of each group whose faces count, shape (groups,).
        faces_per_group: faces of each group that count, shape (groups,).
        names: names of the groups.
        question: ``gap`` or ``worst_vs_rest``.
        rules: smallest groups.
        rate: the rate to reckon with, since it is not known before the run.
        icc: how alike faces of one person are.
        seed: of the simulated data sets.

    Returns:
        The sentences; none where nothing stands against passing.
    """
    people, faces = (np.asarray(part, dtype=np.float64) for part in (people_per_group, faces_per_group))
    called = np.asarray(names if names is not None else [f"group {place + 1}" for place in range(len(people))])
    needed = (rules or StatisticsRules()).min_subjects
    told = _too_small(called, people, needed)
    use = people >= needed
    if use.sum() < 2:
        return told
    called, people, faces = called[use], people[use], faces[use]
    n_effective = faces / (1 + icc * np.maximum(faces / people - 1, 0))
    never = _never(tolerance, called, faces)
    if never:
        return [*told, never]
    chance = pass_probability(n_effective, rate, tolerance, question, np.random.default_rng(seed))
    if chance < RARELY:
        take = _rounded_up(_enough(question, len(faces), rate, tolerance, seed))
        several = f", or more where people have several faces (alike by {icc:g})" if (faces > people).any() else ""
        told.append(
            f"A model with the same rate in every group ({rate:g}, say) would pass the limit of {tolerance:g} in "
            f"{_of_a_hundred(chance)} audits; to pass in 80 it takes about {take:,} faces in each of the {len(faces)} "
            f"groups, each of another person{several}. The smallest group has {int(faces.min()):,}."
        )
    return told


def _enough(question: Question, groups: int, rate: float, tolerance: float, seed: int) -> float:
    """Return the faces per group of the formula, raised where it is too small until simulated models pass."""
    take = faces_to_pass(question, groups, rate, tolerance)
    if question == "gap":
        return take
    for _ in range(RAISES):
        sizes = np.full(groups, ceil(take))
        if pass_probability(sizes, rate, tolerance, question, np.random.default_rng(seed)) >= POWER:
            break
        take *= 1 + RAISE
    return take


def _never(tolerance: float, names: Floats, faces: Floats) -> str:
    bound = smallest_possible_upper_bound(faces)
    if tolerance >= bound:
        return ""
    smallest = int(faces.argmin())
    take = faces_to_ever_pass(tolerance)
    told = (
        f"The limit of {tolerance:g} can never be passed with these faces: without a single wrong answer the upper "
        f"bound of the gap would still be {bound:.3f}, from the {int(faces[smallest]):,} faces of {names[smallest]}; "
    )
    return told + ("no number of faces is enough for 0." if np.isinf(take) else f"{ceil(take):,} are the least.")


def _too_small(names: Floats, people: Floats, needed: int) -> list[str]:
    small = np.flatnonzero(people < needed)
    if not len(small):
        return []
    named = [f"{names[place]} ({int(people[place]):,})" for place in small[:NAMED_GROUPS]]
    more = f" and {len(small) - NAMED_GROUPS} more" if len(small) > NAMED_GROUPS else ""
    have = "has" if len(small) == 1 else "have"
    return [
        f"{len(small)} of {len(people)} groups {have} fewer than the {needed} people that it takes to be measured: "
        f"{', '.join(named)}{more}. While a group is not measured nothing can be passed, unless the plan names it as "
        "out of scope."
    ]


def _of_a_hundred(chance: float) -> str:
    return "fewer than 1 of 100" if chance < 0.01 else f"about {chance * 100:.0f} of 100"


def _rounded_up(number: float) -> int:
    """Return the number rounded up to two leading digits."""
    size = int(10 ** max(len(str(int(number))) - 2, 0))
    return ceil(number / size) * size
