"""How far an AUROC falls when something is done to the faces, with limits that hold near 1 too."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..results import Estimate
from .auroc import auroc, auroc_influence, few_of_a_kind
from .intervals import by_person
from .rules import StatisticsRules
from .sums import Floats, Integers

METHOD = "mover_of_auroc_limits"


def auroc_lost(
    before: Floats, after: Floats, positive: NDArray[np.bool_], subjects: Integers, rules: StatisticsRules
) -> Estimate:
    """Return AUROC of the same faces before less after something was done to them.

    With ``A`` and ``B`` the two AUROCs, ``a`` and ``b`` their own limits and ``r`` how their errors go together, the
    lower limit is ``A - B - sqrt((A - a_low)^2 + (b_high - B)^2 - 2 r (A - a_low)(b_high - B))`` and the upper one its
    mirror image (MOVER; Zou 2007, Psychological Methods 12:399). ``r`` is the correlation of each person's influences
    (DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44:837, clustered by person as in Obuchowski 1997). Near 1 the
    errors are skewed, and at 1 influences vanish: there :func:`~.auroc.auroc` has limits all the same, and so has the
    difference. Scores that are all equal afterwards have an AUROC of one half, ties counting half.

    Args:
        before: score of each face before, shape (n,), finite.
        after: score after, shape (n,), finite.
        positive: whether the face is of the positive kind, shape (n,).
        subjects: person of each face, shape (n,).
        rules: level and smallest number of people, of those with a positive and of those with a negative face too.
    """
    lacking = few_of_a_kind(positive, subjects, rules)
    if lacking is not None:
        return lacking
    first, second = (auroc(each, positive, subjects, rules) for each in (before, after))
    alike = _correlation(*(by_person(subjects, auroc_influence(each, positive)[1]) for each in (before, after)))
    a, a_low, a_high = _with_limits(first)
    b, b_low, b_high = _with_limits(second)
    return Estimate(
        value=a - b,
        low=max(a - b - _distance(a - a_low, b_high - b, alike), -1.0),
        high=min(a - b + _distance(a_high - a, b - b_low, alike), 1.0),
        level=rules.level,
        method=METHOD,
        n=len(before),
        subjects=first.subjects,
    )


def _with_limits(estimate: Estimate) -> tuple[float, float, float]:
    assert estimate.value is not None
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.value, estimate.low, estimate.high


def _correlation(one: Floats, other: Floats) -> float:
    """Return the correlation of influences, which sum to 0; 0 where one of them is 0 throughout."""
    scale = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    return float(np.clip((one * other).sum() / scale, -1, 1)) if scale > 0 else 0.0


def _distance(one: float, other: float, alike: float) -> float:
    return float(np.sqrt(max(one**2 + other**2 - 2 * alike * one * other, 0.0)))
