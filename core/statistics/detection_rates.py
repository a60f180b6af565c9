"""Equal error rate and average precision of a detector, with intervals that respect people.

Both are functions of two distributions of scores, of positive (forged) and of negative (genuine) faces. How much each
face moves them is their *influence*; those of one person's faces are added up, so that two faces of one person are not
two samples, and the variance is that of :func:`~.auroc.auroc`. What the intervals cover in simulations stands in
``docs/forgery-detection.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..results import Estimate
from .auroc import METHOD_SEPARATED, few_of_a_kind, separated_limits, variance_of_kinds
from .intervals import logit_limits, t_quantile, wilson
from .rules import StatisticsRules
from .sums import Floats, Integers

EER_METHOD = "cluster_influence_wilson"
AP_METHOD = "cluster_influence_logit"
AP_LEFT_OUT_METHOD = "jackknife_people_logit"
FACES_TO_RANK = 2_000_000
"""Each person is left out in turn as long as this many faces (people times faces) are ranked by it."""
WINDOW = 0.2
SAME_SCORES = "all faces have the same score"


@dataclass(frozen=True, eq=False)
class EqualError:
    """Where misses and false alarms are equally frequent.

    Attributes:
        value: the rate of both, 0 to 1.
        threshold: the least score that is called positive there.
        influence: how much each face moves ``value``, shape (n,); sums to 0 over each kind.
        share: weight of the misses in it, 0 to 1; that of the false alarms is the rest.
    """

    value: float
    threshold: float
    influence: Floats
    share: float


def roc_points(scores: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Return thresholds in falling order, and the shares of negatives and of positives that reach each of them.

    Arrays have the shape (different scores + 1,); the first threshold is infinite and reached by none.
    """
    thresholds, place = np.unique(scores, return_inverse=True)
    place = place.reshape(-1)
    reached = []
    for kind in (~positive, positive):
        counts = np.bincount(place[kind], minlength=len(thresholds))[::-1]
        reached.append(np.concatenate([[0.0], np.cumsum(counts) / max(int(kind.sum()), 1)]))
    return np.concatenate([[np.inf], thresholds[::-1]]), reached[0], reached[1]


def equal_error(scores: Floats, positive: NDArray[np.bool_]) -> EqualError:
    """Return the equal error rate: where the straight lines between the points of the ROC curve meet FPR = 1 - TPR.

    With threshold t moving, FNR rises by the density of positive scores there and FPR falls by that of negative ones;
    so the rate moves by ``w dFNR + (1 - w) dFPR``, each at the threshold as it stands, with ``w`` the negatives' part
    of the density. The densities are counted where FNR and FPR differ by :data:`WINDOW` at most.

    Args:
        scores: shape (n,), finite.
        positive: shape (n,), with faces of both kinds.
    """
    thresholds, alarms, found = roc_points(scores, positive)
    ahead = alarms + found - 1  # false alarms less misses, rising from -1 to 1, at every point by something
    value = float(np.interp(0.0, ahead, alarms))
    above = int(np.searchsorted(ahead, 0.0, side="left"))
    part = float((0.0 - ahead[above - 1]) / (ahead[above] - ahead[above - 1]))
    called = np.where(scores > thresholds[above], 1.0, np.where(scores == thresholds[above], part, 0.0))
    wide = np.interp([-WINDOW, WINDOW], ahead, alarms)
    share = float(np.clip((wide[1] - wide[0]) / (2 * WINDOW), 0.0, 1.0))
    influence = np.empty(len(scores))
    influence[positive] = share * (1 - called[positive] - value) / int(positive.sum())
    influence[~positive] = (1 - share) * (called[~positive] - value) / int((~positive).sum())
    return EqualError(value, float(thresholds[above]), influence, share)


def equal_error_rate(
    scores: Floats, positive: NDArray[np.bool_], subjects: Integers, rules: StatisticsRules
) -> Estimate:
    """Return the equal error rate with Wilson limits for as many independent faces as its variance says.

    The variance is at least that of independent faces. Without an error, each person counts once. 0.5 for a score that
    knows nothing.

    Args:
        scores: score of each face, larger for positive ones, shape (n,), finite.
        positive: whether the face is of the positive kind, shape (n,).
        subjects: person of each face, shape (n,).
        rules: level and smallest number of people, of those with a positive and of those with a negative face too.
    """
    lacking = _not_measured(scores, positive, subjects, rules)
    if lacking is not None:
        return lacking
    found = equal_error(scores, positive)
    value, share = found.value, found.share
    people = len(np.unique(subjects))
    spread = value * (1 - value)
    if spread > 0:
        variance, degrees = variance_of_kinds(found.influence, positive, subjects)
        counts = int(positive.sum()), int((~positive).sum())
        independent = spread * (share**2 / counts[0] + (1 - share) ** 2 / counts[1])
        effective = spread / max(variance, independent)
    else:
        kinds = [len(np.unique(subjects[positive == kind])) for kind in (True, False)]
        effective, degrees = float(min(kinds)), people - 1
    quantile = t_quantile(rules.level, np.asarray([degrees], dtype=np.float64))
    low, high = wilson(np.asarray([value]), np.asarray([effective]), quantile)
    return Estimate(
        value=value,
        low=float(low[0]),
        high=float(high[0]),
        level=rules.level,
        method=EER_METHOD,
        n=len(scores),
        subjects=people,
        n_effective=min(effective, float(len(scores))),
    )


def precision_influence(scores: Floats, positive: NDArray[np.bool_], prevalence: float) -> tuple[float, Floats]:
    """Return average precision at a share of positives, and how much each face moves it, shape (n,).

    ``AP = mean over positives i of a_i / (a_i + b_i)`` with ``a_i`` the prevalence times the share of positives that
    score as high as i or higher, and ``b_i`` the rest times that share of negatives. At the share of positives in the
    data it is the sum of precisions times steps of recall. Influences sum to 0 over each kind.

    Args:
        scores: shape (n,), finite.
        positive: shape (n,), with faces of both kinds.
        prevalence: share of positives, above 0 and below 1.
    """
    above, below = np.sort(scores[positive]), np.sort(scores[~positive])
    p, n = len(above), len(below)
    hits = 1 - np.searchsorted(above, above, side="left") / p  # of each positive, in rising order of the scores
    alarms = 1 - np.searchsorted(below, above, side="left") / n
    a, b = prevalence * hits, (1 - prevalence) * alarms
    precision = a / (a + b)
    value = float(precision.mean())
    influence = np.empty(len(scores))
    for kind, slope, share, count in (
        (True, prevalence * b / (a + b) ** 2, hits, p),
        (False, -(1 - prevalence) * a / (a + b) ** 2, alarms, n),
    ):
        up_to = np.concatenate([[0.0], np.cumsum(slope)])  # a face moves the precision of the positives up to its score
        moved = up_to[np.searchsorted(above, scores[positive == kind], side="right")] - float((slope * share).sum())
        influence[positive == kind] = moved / (p * count)
    influence[positive] += (precision[np.searchsorted(above, scores[positive], side="left")] - value) / p
    return value, influence


def average_precision(
    scores: Floats,
    positive: NDArray[np.bool_],
    subjects: Integers,
    rules: StatisticsRules,
    prevalence: float | None = None,
) -> Estimate:
    """Return average precision at a share of positives, with limits on the logit scale.

    A score that knows nothing reaches the prevalence, so numbers at different ones cannot be compared. Few people make
    it too large and its influences too small; so limits come from leaving out each person in turn, about the value less
    the bias that this shows (jackknife; Efron and Stein 1981, Annals of Statistics 9:586), and from influences alone
    where that would take long.

    Args:
        scores: score of each face, larger for positive ones, shape (n,), finite.
        positive: whether the face is of the positive kind, shape (n,).
        subjects: person of each face, shape (n,).
        rules: level and smallest number of people, of those with a positive and of those with a negative face too.
        prevalence: share of positives, taken as known; that of these faces unless given.

    Raises:
        UsageError: when the prevalence is not between 0 and 1.
    """
    if prevalence is not None and not 0 < prevalence < 1:
        raise UsageError(f"expected a prevalence between 0 and 1, but got {prevalence}")
    lacking = _not_measured(scores, positive, subjects, rules)
    if lacking is not None:
        return lacking
    share = float(positive.mean()) if prevalence is None else prevalence
    people = len(np.unique(subjects))
    value, influence = precision_influence(scores, positive, share)
    if value == 1:
        low, high = separated_limits(value, positive, subjects, rules)
        method = METHOD_SEPARATED
    elif people * len(scores) <= FACES_TO_RANK:
        low, high = _left_out_limits(value, scores, positive, subjects, share, rules)
        method = AP_LEFT_OUT_METHOD
    else:
        variance, degrees = variance_of_kinds(influence, positive, subjects)
        low, high = logit_limits(value, variance, degrees + 1, rules.level)
        method = AP_METHOD
    return Estimate(value=value, low=low, high=high, level=rules.level, method=method, n=len(scores), subjects=people)


def _left_out_limits(
    value: float,
    scores: Floats,
    positive: NDArray[np.bool_],
    subjects: Integers,
    prevalence: float,
    rules: StatisticsRules,
) -> tuple[float, float]:
    """Return limits of average precision from leaving out each person in turn; both kinds have two people or more."""
    present = np.unique(subjects)
    without = np.empty(len(present))
    for place, person in enumerate(present):
        rest = subjects != person
        without[place] = precision_influence(scores[rest], positive[rest], prevalence)[0]
    people = len(present)
    most = 1 - 0.5 / (int(positive.sum()) + 1) ** 2  # nearer to 1 than any value short of it, so that it has a logit
    logits = np.log(np.minimum(without, most) / (1 - np.minimum(without, most)))
    whole = float(np.log(value / (1 - value)))
    centre = people * whole - (people - 1) * float(logits.mean())
    variance = (people - 1) / people * float(np.square(logits - logits.mean()).sum())
    kinds = [len(np.unique(subjects[positive == kind])) for kind in (True, False)]
    half = float(t_quantile(rules.level, np.asarray([min(kinds) - 1.0]))[0]) * np.sqrt(variance)
    low, high = (float(1 / (1 + np.exp(-(centre + side * half)))) for side in (-1, 1))
    return min(low, value), max(high, value)


def _not_measured(
    scores: Floats, positive: NDArray[np.bool_], subjects: Integers, rules: StatisticsRules
) -> Estimate | None:
    lacking = few_of_a_kind(positive, subjects, rules)
    if lacking is None and np.ptp(scores) == 0:
        return Estimate.not_measured(SAME_SCORES, n=len(scores), subjects=len(np.unique(subjects)))
    return lacking
