"""Area under the ROC curve, with an interval that respects people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..results import Estimate
from .class_means import too_few
from .intervals import clopper_pearson, logit_limits
from .rules import StatisticsRules
from .sums import Floats, Integers, total_at

METHOD = "cluster_influence_logit"
METHOD_SEPARATED = "clopper_pearson_pairs"


def auroc(scores: Floats, positive: NDArray[np.bool_], subjects: Integers, rules: StatisticsRules) -> Estimate:
    """Return the probability that a positive face scores above a negative one, ties counting half.

    Standard error from the influence of each person (Obuchowski 1997, Biometrics 53:567), limits on the logit scale.
    A few people with a positive face are few however many have none: the influences of positive and of negative faces
    each have a variance with as many degrees of freedom as people less one, and the t quantile those of their sum
    (Satterthwaite 1946, Biometrics Bulletin 2:110), at most ``people - 1``. When the scores separate the two kinds
    entirely there is no standard error: as many pairs of a positive and a negative as can be made of different
    people, all of them in the right (or wrong) order, give Clopper-Pearson limits.

    Args:
        scores: score of each face, shape (n,), finite.
        positive: whether the face is of the positive kind, shape (n,).
        subjects: person of each face, shape (n,).
        rules: level and smallest number of people, of those with a positive and of those with a negative face too.
    """
    people = len(np.unique(subjects))
    lacking = few_of_a_kind(positive, subjects, rules)
    if lacking is not None:
        return lacking
    value, influence = auroc_influence(scores, positive)
    if 0 < value < 1:
        variance, degrees = variance_of_kinds(influence, positive, subjects)
        low, high = logit_limits(value, variance, degrees + 1, rules.level)
        method = METHOD
    else:
        low, high = separated_limits(value, positive, subjects, rules)
        method = METHOD_SEPARATED
    return Estimate(value=value, low=low, high=high, level=rules.level, method=method, n=len(scores), subjects=people)


def few_of_a_kind(positive: NDArray[np.bool_], subjects: Integers, rules: StatisticsRules) -> Estimate | None:
    """Return why two kinds of faces cannot be held against each other, ``None`` where they can.

    Args:
        positive: whether the face is of the positive kind, shape (n,).
        subjects: person of each face, shape (n,).
        rules: smallest number of people, of those with a positive and of those with a negative face too.
    """
    faces, people = len(positive), len(np.unique(subjects))
    if people < rules.min_subjects:
        return too_few(people, faces, rules)
    if positive.all() or not positive.any():
        lacking = "negative" if positive.all() else "positive"
        return Estimate.not_measured(f"no {lacking} face to compare with", n=faces, subjects=people)
    for kind, name in ((True, "positive"), (False, "negative")):
        count = len(np.unique(subjects[positive == kind]))
        if count < rules.min_subjects:
            of = f"{count} {'person' if count == 1 else 'people'} with a {name} face"
            return Estimate.not_measured(f"{of}; {rules.min_subjects} are needed", n=faces, subjects=people)
    return None


def separated_limits(
    value: float, positive: NDArray[np.bool_], subjects: Integers, rules: StatisticsRules
) -> tuple[float, float]:
    """Return the limits of a rate of 0 or 1 over pairs of a positive and a negative face, all of different people."""
    kinds = [len(np.unique(subjects[positive == kind])) for kind in (True, False)]
    pairs = np.asarray([float(max(min(*kinds, len(np.unique(subjects)) // 2), 1))])
    limits = clopper_pearson(value * pairs, pairs, rules.level)
    return float(limits[0][0]), float(limits[1][0])


def variance_of_kinds(influence: Floats, positive: NDArray[np.bool_], subjects: Integers) -> tuple[float, int]:
    """Return error variance of a statistic of two kinds of faces, and its degrees of freedom; see :func:`auroc`.

    Args:
        influence: how much each face moves the statistic, shape (n,); sums to 0 over each kind.
        positive: whether the face is of the positive kind, shape (n,); there are both kinds.
        subjects: person of each face, shape (n,).
    """
    present, person = np.unique(subjects, return_inverse=True)
    parts = [total_at(person.reshape(-1), influence * (positive == kind), len(present)) for kind in (True, False)]
    kinds = [len(np.unique(subjects[positive == kind])) for kind in (True, False)]
    return _variance(parts[0], parts[1], kinds[0], kinds[1])


def _variance(a: Floats, b: Floats, positive: int, negative: int) -> tuple[float, int]:
    """Return error variance and degrees of freedom, rounded down.

    Args:
        a: influence of each person's positive faces, shape (people,).
        b: influence of her negative faces.
        positive: people with a positive face.
        negative: people with a negative face.
    """
    people = len(a)
    of_positive = float(np.square(a).sum()) * positive / max(positive - 1, 1)
    of_negative = float(np.square(b).sum()) * negative / max(negative - 1, 1)
    together = of_positive + of_negative
    shared = 2 * float((a * b).sum()) * people / (people - 1)
    each = of_positive**2 / max(positive - 1, 1) + of_negative**2 / max(negative - 1, 1)
    degrees = together**2 / each if each > 0 else 1.0
    return max(together + shared, 0.0), int(min(max(degrees, 1.0), people - 1.0))


def auroc_influence(scores: Floats, positive: NDArray[np.bool_]) -> tuple[float, Floats]:
    """Return the AUROC and the influence of each face, shape (n,).

    A positive face has ``(share of negatives below it - AUROC) / positives``, a negative one ``(share of
    positives above it - AUROC) / negatives``, ties counting half.
    """
    above, below = np.sort(scores[positive]), np.sort(scores[~positive])
    wins = _share_below(below, scores[positive])
    value = float(wins.mean())
    influence = np.empty(len(scores))
    influence[positive] = (wins - value) / len(above)
    influence[~positive] = (1 - _share_below(above, scores[~positive]) - value) / len(below)
    return value, influence


def _share_below(ordered: Floats, scores: Floats) -> Floats:
    """Return which share of ``ordered`` lies below each score, ties counting half."""
    places = np.searchsorted(ordered, scores, side="left") + np.searchsorted(ordered, scores, side="right")
    share: Floats = places / (2 * len(ordered))
    return share
