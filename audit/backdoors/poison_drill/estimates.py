"""AUROC averaged over nets that are tested on the same faces, with an interval for people and for training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from ....core.results import Estimate
from ....core.statistics.auroc import auroc, auroc_influence, few_of_a_kind, variance_of_kinds
from ....core.statistics.intervals import clopper_pearson, logit_limits
from ....core.statistics.rules import StatisticsRules

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
METHOD = "people_and_nets"
ALIKE = "people_all_alike"


def mean_auroc(
    scores: Sequence[Floats], positive: NDArray[np.bool_], people: Integers, rules: StatisticsRules
) -> Estimate:
    """Return the mean AUROC of nets.

    Its variance is that of the mean influence of people (Obuchowski 1997, Biometrics 53:567), whom all nets share, plus
    that between nets over their number; degrees of freedom after Satterthwaite (1946, Biometrics Bulletin 2:110). Of a
    single net the interval holds the choice of people alone.

    Args:
        scores: of each net, (n,) each, of the same faces.
        positive: whether a face is of the positive kind, (n,).
        people: person of each face, (n,).
        rules: level and smallest number of people.
    """
    if len(scores) == 1:
        return auroc(scores[0], positive, people, rules)
    lacking = few_of_a_kind(positive, people, rules)
    if lacking is not None:
        return lacking
    value, variance, degrees = _pooled([auroc_influence(each, positive) for each in scores], positive, people)
    if not 0 < value < 1:
        return auroc(scores[0], positive, people, rules)  # every net separates the kinds alike
    low, high = logit_limits(value, variance, degrees + 1, rules.level)
    return Estimate(
        value=value, low=low, high=high, level=rules.level, method=METHOD, n=len(positive),
        subjects=len(np.unique(people)),
    )  # fmt: skip


def auroc_difference(
    first: Sequence[Floats],
    second: Sequence[Floats],
    positive: NDArray[np.bool_],
    people: Integers,
    rules: StatisticsRules,
) -> tuple[Estimate, float | None]:
    """Return by how much the first nets' mean AUROC exceeds the second's, and the two-sided p of no difference.

    Nets are paired by their seed, and tested on the same faces; see :func:`mean_auroc` for the variance.
    """
    lacking = few_of_a_kind(positive, people, rules)
    if lacking is not None:
        return lacking, None
    pairs = []
    for one, other in zip(first, second, strict=True):
        (a, of_a), (b, of_b) = auroc_influence(one, positive), auroc_influence(other, positive)
        pairs.append((a - b, of_a - of_b))
    value, variance, degrees = _pooled(pairs, positive, people)
    persons = len(np.unique(people))
    about = Estimate(value=value, n=len(positive), subjects=persons, method=METHOD)
    if variance <= 0:  # no person differs from another: all that is known is that so many people all agree
        if value == 0:
            return about, 1.0
        ends = [
            abs(value) * float(limit[0])
            for limit in clopper_pearson(np.ones(1) * persons, np.ones(1) * persons, rules.level)
        ]
        low, high = sorted(np.sign(value) * end for end in ends)
        return about.model_copy(update={"low": low, "high": high, "level": rules.level, "method": ALIKE}), 2.0 ** (
            1 - persons
        )
    error = float(np.sqrt(variance))
    half = float(t.ppf(0.5 + rules.level / 2, degrees)) * error
    p = float(2 * t.sf(abs(value) / error, degrees))
    low, high = max(-1.0, value - half), min(1.0, value + half)
    return about.model_copy(update={"low": low, "high": high, "level": rules.level}), p


def _pooled(
    nets: Sequence[tuple[float, Floats]], positive: NDArray[np.bool_], people: Integers
) -> tuple[float, float, int]:
    """Return mean, variance of the mean, and its degrees of freedom."""
    values = np.array([value for value, _ in nets])
    influence = np.mean([each for _, each in nets], axis=0)
    of_people, degrees = variance_of_kinds(influence, positive, people)
    if len(values) < 2:
        return float(values[0]), of_people, degrees
    of_nets = float(values.var(ddof=1)) / len(values)
    total = of_people + of_nets
    each = of_people**2 / degrees + of_nets**2 / (len(values) - 1)
    return float(values.mean()), total, max(1, int(total**2 / each)) if each > 0 else degrees
