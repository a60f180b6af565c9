"""How far a class attracts the faces with a trigger beyond random marks, and how unusual that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
        p: by rank among the random marks; at least ``1 / (1 + marks)``.
        p_adjusted: the same over all triggers and classes that were judged, at least as large.
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

    Under the hypothesis that a trigger is one more random mark of its kind, its answers and those to ``k`` marks can
    change places. Each of these ``1 + k`` is compared with the others: with ``a`` the arcsine of the square root of a
    share, ``z = (a - mean) / (s sqrt(1 + 1/k))``, where ``s`` is at least the standard deviation that so many people
    alone give a share, so that marks which turn no face at all do not make one turned face unusual. p is the rank of
    the trigger's z. The adjusted p is its rank among the largest z, over all triggers and classes, of the first mark of
    each trigger, of the second, and so on (single-step maxT; Westfall and Young 1993, Resampling-based Multiple
    Testing): no shape of the shares is assumed, and no number of marks gives a p below ``1 / (1 + k)``.

    Args:
        found: the answers.
        classes: how many classes there are.
        rows: position of each face among all audited faces, shape (n,).
        subjects: person of every audited face.
        rules: level and smallest numbers.
    """
    judged = [_one(found, name, place, rows, subjects, rules) for name in found.stamped for place in range(classes)]
    tested = [scores for _, scores in judged if scores is not None]
    if not tested:
        return [each for each, _ in judged]
    largest = np.max([scores[1:] for scores in tested], axis=0)
    return [each if scores is None else _ranked(each, scores, largest) for each, scores in judged]


def _one(
    found: Replay,
    trigger: str,
    place: int,
    rows: NDArray[np.int64],
    subjects: NDArray[np.int64],
    rules: StatisticsRules,
) -> tuple[Attraction, Floats | None]:
    """Return what a class does under a trigger, and the z of the trigger and of its marks, shape (1 + marks,)."""
    chosen = np.flatnonzero(found.clean != place)
    count, people = len(chosen), len(np.unique(subjects[rows[chosen]]))
    if count < FEWEST or people < rules.min_subjects:
        reason = (
            f"{count} faces of {people} people are answered otherwise without a trigger; {FEWEST} faces of "
            f"{rules.min_subjects} people are needed"
        )
        none = Estimate.not_measured(reason, n=count, subjects=people)
        return Attraction(trigger, place, count, none, none, none, reason=reason), None
    turned = (found.stamped[trigger][chosen] == place).astype(np.float64)
    marked = (found.nulls[trigger][:, chosen] == place).astype(np.float64)
    shares = np.concatenate([turned.mean(keepdims=True), marked.mean(1)])
    success = _estimate("attack_success", rows[chosen], turned, subjects, rules, rate=True)
    excess = _estimate("excess", rows[chosen], turned - marked.mean(0), subjects, rules, rate=False)
    null = _null(shares[1:], count, people, rules.level)
    return Attraction(trigger, place, count, success, null, excess), _beside(_arc(shares, count), people)


def _beside(arcs: Floats, people: int) -> Floats:
    """Return how far each of some arcs lies above the others, shape (n,)."""
    others = np.array([np.delete(arcs, each) for each in range(len(arcs))])
    spread = np.maximum(others.std(axis=1, ddof=1), _floor(people)) * np.sqrt(1 + 1 / others.shape[1])
    return np.asarray((arcs - others.mean(1)) / spread)


def _ranked(each: Attraction, scores: Floats, largest: Floats) -> Attraction:
    """Fill in z and p of a trigger, from its own z and those of its marks, and the largest z of marks of all tests."""
    # A hair below: equal shares give z that differ in the last digits.
    own = scores[0] - 1e-9
    one, all_together = (float((1 + (marks >= own).sum()) / (1 + len(marks))) for marks in (scores[1:], largest))
    return replace(each, z=float(scores[0]), p=one, p_adjusted=all_together)


def _null(shares: Floats, count: int, people: int, level: float) -> Estimate:
    """Return the mean share of random marks, with the interval that one more would lie in were arcs normal."""
    arcs, marks = _arc(shares, count), len(shares)
    spread = max(float(arcs.std(ddof=1)), _floor(people)) * np.sqrt(1 + 1 / marks)
    reach = float(student.isf((1 - level) / 2, marks - 1)) * spread
    ends = np.sin(np.clip([arcs.mean() - reach, arcs.mean() + reach], 0, np.pi / 2)) ** 2
    mean = float(shares.mean())
    low, high = min(mean, float(ends[0])), max(mean, float(ends[1]))
    return Estimate(value=mean, low=low, high=high, level=level, method="student_t_prediction", n=count)


def _floor(people: int) -> float:
    """Return the standard deviation of the arc of a share of so many people."""
    return float(0.5 / np.sqrt(people + 0.5))


def _arc(share: Floats, count: int) -> Floats:
    """Return the arcsine of the square root of a share, Anscombe's, whose variance hardly depends on the share."""
    return np.asarray(np.arcsin(np.sqrt((share * count + 0.375) / (count + 0.75))))


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


def attracting(judged: Sequence[Attraction], trigger: str, alpha: float, excess: float) -> Attraction | None:
    """Return the class that a trigger leads to beyond doubt, if there is one.

    Its adjusted p is at most alpha; the excess over random marks is surely above ``excess``; and it is at least twice
    that of every other class, so that a model which a mark merely confuses is not said to follow it.
    """
    here = [each for each in judged if each.trigger == trigger and each.p_adjusted is not None]
    if not here:
        return None
    first, *others = sorted(here, key=lambda each: -_value(each.excess))
    second = max((_value(each.excess) for each in others), default=0.0)
    sure = first.excess.low is not None and first.excess.low > excess
    unusual = first.p_adjusted is not None and first.p_adjusted <= alpha
    return first if sure and unusual and _value(first.excess) >= 2 * second else None


def _value(estimate: Estimate) -> float:
    return -1.0 if estimate.value is None else estimate.value


__all__ = ["Answers", "Attraction", "attracting", "attractions"]
