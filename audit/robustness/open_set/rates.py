"""Which share of unknowns is accepted at the score that 95 % of the known faces reach, with its interval."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

from ....core.probes import Scores
from ....core.results import Estimate
from ....core.statistics.class_means import too_few
from ....core.statistics.rules import StatisticsRules
from ....core.statistics.slicing import slice_scores

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
ACCEPTED = 0.95
REPLICATES = 500
METHOD = "people_bootstrap_or_rate"
NUMBERS_AT_ONCE = 2_000_000
_ROUNDING = 1e-9


def threshold_of(known: Floats, share: float = ACCEPTED) -> float:
    """Return the largest score that at least ``share`` of the known faces reach; known, shape (n,), at least one."""
    return float(np.sort(known)[::-1][ceil(share * len(known) - _ROUNDING) - 1])


def false_positive_rate(known: Floats, unknown: Floats, share: float = ACCEPTED) -> float:
    """Return the share of unknowns that reach the score which ``share`` of the known faces reach (FPR at that TPR)."""
    return float((unknown >= threshold_of(known, share)).mean())


def fpr_estimate(
    known: Floats,
    unknown: Floats,
    known_people: Integers,
    unknown_people: Integers,
    rules: StatisticsRules,
    random: np.random.Generator,
    *,
    share: float = ACCEPTED,
) -> Estimate:
    """Return the false positive rate with an interval that knows that the threshold was estimated.

    People are drawn anew with replacement, the threshold set anew and the rate taken anew (percentile limits). Where
    the rate is near 0 or 1 no draw varies enough: the interval is never narrower than that of the rate at the threshold
    as it is.

    Args:
        known: scores of known faces, shape (n,).
        unknown: scores of unknowns, shape (m,).
        known_people: person of each known face, whole numbers.
        unknown_people: person (or source) of each unknown, in the same numbering.
        rules: level and smallest number of people, of known faces and of unknowns.
        random: source of the draws.
        share: of the known faces that is accepted.
    """
    for people, count in ((known_people, len(known)), (unknown_people, len(unknown))):
        if len(np.unique(people)) < rules.min_subjects:
            return too_few(len(np.unique(people)), count, rules)
    accepted = (unknown >= threshold_of(known, share)).astype(np.float64)
    given = Scores("fpr95", np.arange(len(unknown)), accepted, kind="rate", bounds=(0.0, 1.0))
    codes = np.unique(unknown_people, return_inverse=True)[1].reshape(-1)
    rate = slice_scores(given, codes, (), rules, "open_set")[0].estimate
    drawn = _replicates(known, unknown, known_people, unknown_people, random, share)
    low, high = np.quantile(drawn, [(1 - rules.level) / 2, (1 + rules.level) / 2])
    return Estimate(
        value=rate.value,
        low=min(float(low), rate.low if rate.low is not None else float(low)),
        high=max(float(high), rate.high if rate.high is not None else float(high)),
        level=rules.level,
        method=METHOD,
        n=len(unknown),
        subjects=rate.subjects,
        count=float(accepted.sum()),
    )


def _replicates(
    known: Floats,
    unknown: Floats,
    known_people: Integers,
    unknown_people: Integers,
    random: np.random.Generator,
    share: float,
) -> Floats:
    """Return the rate of every replicate, shape (replicates,).

    People who have both known faces and unknowns are drawn with both; where nobody has both, the two are drawn apart,
    as many of each as there are.
    """
    names, codes = np.unique(np.concatenate([known_people, unknown_people]), return_inverse=True)
    of_known, of_unknown = codes.reshape(-1)[: len(known)], codes.reshape(-1)[len(known) :]
    apart = not np.isin(of_known, of_unknown).any()
    pools = [np.unique(of_known), np.unique(of_unknown)] if apart else [np.arange(len(names))]
    down, up = np.argsort(-known, kind="stable"), np.argsort(-unknown, kind="stable")
    found = np.empty(REPLICATES)
    at_once = max(1, NUMBERS_AT_ONCE // len(codes))
    for start in range(0, REPLICATES, at_once):
        count = min(at_once, REPLICATES - start)
        times = np.zeros((count, len(names)))
        for pool in pools:
            times[:, pool] = random.multinomial(len(pool), np.full(len(pool), 1 / len(pool)), size=count)
        reached = times[:, of_known[down]].cumsum(axis=1)
        place = (reached >= share * reached[:, -1:] - _ROUNDING).argmax(axis=1)
        thresholds = known[down][place]
        passed = np.concatenate([np.zeros((count, 1)), times[:, of_unknown[up]].cumsum(axis=1)], axis=1)
        places = np.searchsorted(-unknown[up], -thresholds, side="right")
        total = passed[:, -1]
        rates = passed[np.arange(count), places] / np.maximum(total, 1)
        found[start : start + count] = np.where(total > 0, rates, float((unknown >= threshold_of(known, share)).mean()))
    return found
