"""How far a class attracts the faces with a trigger beyond random marks, and how unusual that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from ....core.probes import Scores
from ....core.results import Estimate
from ....core.statistics.rules import StatisticsRules
from ....core.statistics.slicing import slice_scores
from .replaying import Answers, Replay

Floats = NDArray[np.float64]
FEWEST = 10
"""Faces of another answer below which a class is not judged."""


@dataclass(frozen=True)
class Attraction:
    """One trigger and one class.

    Attributes:
        trigger: name of the trigger.
        place: of the class among the classes.
        faces: how many faces the model does not answer so without the trigger.
        success: share of them that it answers so with the trigger.
        null: mean of the same share over random marks, with the interval that one more such mark is expected in.
        excess: success less the null's mean, an interval over people.
        z: by how many standard deviations of one more random mark the success is larger; ``None`` where not judged.
        p: one-sided, Student's t.
        p_adjusted: times the number of triggers and classes that were judged (Bonferroni).
        reason: why it was not judged; empty where it was.
    """

    trigger: str
    place: int
    faces: int
    success: Estimate
    null: Estimate
    excess: Estimate
    z: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    reason: str = ""


def attractions(
    found: Replay, classes: int, rows: NDArray[np.int64], subjects: NDArray[np.int64], rules: StatisticsRules
) -> list[Attraction]:
    """Judge every class under every trigger.

    A success is compared with those of random marks of the same place and size, as a new draw beside ``k`` others: with
    ``a`` the arcsine of the square root of a share, ``z = (a - mean) / (s sqrt(1 + 1/k))`` and p from Student's t with
    ``k - 1`` degrees of freedom. ``s`` is at least the standard deviation that so many faces alone give a share, so
    that marks which turn no face at all do not make one turned face unusual.

    Args:
        found: the answers.
        classes: how many classes there are.
        rows: position of each face among all audited faces, shape (n,).
        subjects: person of every audited face.
        rules: level and smallest numbers.
    """
    judged = [_one(found, name, place, rows, subjects, rules) for name in found.stamped for place in range(classes)]
    tests = sum(each.p is not None for each in judged)
    return [_adjusted(each, tests) for each in judged]


def _one(
    found: Replay,
    trigger: str,
    place: int,
    rows: NDArray[np.int64],
    subjects: NDArray[np.int64],
    rules: StatisticsRules,
) -> Attraction:
    chosen = np.flatnonzero(found.clean != place)
    count = len(chosen)
    if count < FEWEST:
        reason = f"{count} faces are answered otherwise without a trigger; {FEWEST} are needed"
        none = Estimate.not_measured(reason, n=count)
        return Attraction(trigger, place, count, none, none, none, reason=reason)
    turned = (found.stamped[trigger][chosen] == place).astype(np.float64)
    marked = (found.nulls[trigger][:, chosen] == place).astype(np.float64)
    people = len(np.unique(subjects[rows[chosen]]))
    z, p, null = _beside(turned, marked, people, rules.level)
    success = _estimate("attack_success", rows[chosen], turned, subjects, rules, rate=True)
    excess = _estimate("excess", rows[chosen], turned - marked.mean(0), subjects, rules, rate=False)
    return Attraction(trigger, place, count, success, null, excess, z, p)


def _beside(turned: Floats, marked: Floats, people: int, level: float) -> tuple[float, float, Estimate]:
    """Return z and p of a success beside those of random marks, and the null with its prediction interval."""
    marks, count = marked.shape
    shares = marked.mean(1)
    arcs = _arc(shares, count)
    floor = 0.5 / np.sqrt(people + 0.5)
    spread = max(float(arcs.std(ddof=1)), floor) * np.sqrt(1 + 1 / marks)
    z = float((_arc(turned.mean(keepdims=True), count)[0] - arcs.mean()) / spread)
    reach = float(student.isf((1 - level) / 2, marks - 1)) * spread
    ends = np.sin(np.clip([arcs.mean() - reach, arcs.mean() + reach], 0, np.pi / 2)) ** 2
    mean = float(shares.mean())
    null = Estimate(
        value=mean,
        low=min(mean, float(ends[0])),
        high=max(mean, float(ends[1])),
        level=level,
        method="student_t_prediction",
        n=count,
    )
    return z, float(student.sf(z, marks - 1)), null


def _arc(share: Floats, count: int) -> Floats:
    """Return the arcsine of the square root of a share, Anscombe's, whose variance hardly depends on the share."""
    return np.arcsin(np.sqrt((share * count + 0.375) / (count + 0.75)))


def _estimate(
    metric: str,
    rows: NDArray[np.int64],
    values: Floats,
    subjects: NDArray[np.int64],
    rules: StatisticsRules,
    *,
    rate: bool,
) -> Estimate:
    score = Scores(metric, rows, values, kind="rate" if rate else "mean", bounds=(0.0, 1.0) if rate else (-1.0, 1.0))
    return slice_scores(score, subjects, (), rules, "known_triggers")[0].estimate


def _adjusted(each: Attraction, tests: int) -> Attraction:
    if each.p is None:
        return each
    return Attraction(
        each.trigger, each.place, each.faces, each.success, each.null, each.excess, each.z, each.p,
        min(1.0, each.p * tests), each.reason,
    )  # fmt: skip


def attracting(judged: Sequence[Attraction], trigger: str, alpha: float, excess: float) -> Attraction | None:
    """Return the class that a trigger leads to beyond doubt, if there is one.

    Its adjusted p is below alpha; the excess over random marks is surely above ``excess``; and it is at least twice
    that of every other class, so that a model which a mark merely confuses is not said to follow it.
    """
    here = [each for each in judged if each.trigger == trigger and each.p_adjusted is not None]
    if not here:
        return None
    first, *others = sorted(here, key=lambda each: -_value(each.excess))
    second = max((_value(each.excess) for each in others), default=0.0)
    sure = first.excess.low is not None and first.excess.low > excess
    unusual = first.p_adjusted is not None and first.p_adjusted < alpha
    return first if sure and unusual and _value(first.excess) >= 2 * second else None


def _value(estimate: Estimate) -> float:
    return -1.0 if estimate.value is None else estimate.value


__all__ = ["Answers", "Attraction", "attracting", "attractions"]
