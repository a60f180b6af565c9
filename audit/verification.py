"""Pairs of faces: matches at one threshold, their error rates with intervals, and the TPR at a small FPR.

A pair matches from the threshold on. False matches are counted among impostor pairs (two people), false non-matches
among genuine ones (one person). Intervals are Clopper-Pearson with the effective number of pairs, which falls where
pairs share people (:mod:`countenance.core.statistics.dyads`): near 0, where these rates lie, other limits promise too
much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom

from ..core.faces import Faces
from ..core.predictions import Predictions
from ..core.results import Estimate
from ..core.statistics.dyads import Pairs
from ..core.statistics.intervals import KORN_GRAUBARD, Intervals, clopper_pearson, rate_intervals, t_quantile
from ..core.statistics.rules import StatisticsRules
from ..core.statistics.sums import Floats, GroupSums, Integers

METHOD_TPR = "mover_of_threshold"
IMPOSTORS_PER_FPR = 10
SHARE_OF_NEAREST = 0.05
IMPOSTOR, GENUINE, ALL = "impostor", "genuine", ""


@dataclass(frozen=True, eq=False)
class Comparisons:
    """The pairs of an audit.

    Attributes:
        similarity: shape (pairs,).
        same: whether a pair is of one person, shape (pairs,).
        first: person of the first face, shape (pairs,), numbered from 0.
        second: person of the second face, shape (pairs,).
        people: how many people there are.
    """

    similarity: Floats
    same: NDArray[np.bool_]
    first: Integers
    second: Integers
    people: int

    @classmethod
    def of(cls, faces: Faces, predictions: Predictions) -> Comparisons:
        """Return the pairs of a verification target."""
        both = np.concatenate([faces.frame[column].to_numpy(dtype=object) for column in ("subject_a", "subject_b")])
        codes, known = pd.factorize(both)
        first, second = np.split(codes.astype(np.int64), 2)
        return cls(predictions.values[:, 0], predictions.truth == 1, first, second, len(known))

    def __len__(self) -> int:
        return len(self.similarity)

    def rows(self, kind: str) -> Integers:
        """Return the positions of the ``impostor``, the ``genuine`` or all pairs."""
        keep = np.ones(len(self), dtype=np.bool_) if kind == ALL else self.same == (kind == GENUINE)
        return np.flatnonzero(keep).astype(np.int64)

    def grouped(self, rows: Integers, codes: Integers | None = None, groups: int = 1) -> Pairs:
        """Return the pairs at ``rows`` in the groups that ``codes`` gives all pairs; one group without."""
        group = np.zeros(len(rows), dtype=np.int64) if codes is None else codes[rows]
        return Pairs(self.first[rows], self.second[rows], group, groups)


@dataclass(frozen=True)
class Threshold:
    """The similarity from which pairs match.

    Attributes:
        value: the threshold.
        matched: how many impostor pairs reach it.
        impostors: how many impostor pairs there are.
    """

    value: float
    matched: int
    impostors: int


def threshold_at(similarity: Floats, share: float) -> float:
    """Return the smallest threshold that no more than this share of the similarities reaches, shape (n,), n > 0.

    Where the share is less than one of them, it lies just above the largest.
    """
    allowed = min(math.floor(share * len(similarity) + 1e-9), len(similarity))
    if allowed == len(similarity):
        return float(similarity.min())
    ordered = np.partition(similarity, len(similarity) - 1 - allowed)
    return float(np.nextafter(ordered[len(similarity) - 1 - allowed], np.inf))


def find_threshold(comparisons: Comparisons, fmr: float, given: float | None) -> Threshold | None:
    """Return the threshold of the plan, or that at which this share of all impostor pairs matches.

    ``None`` where none was given and there is no impostor pair to set it by.
    """
    impostors = comparisons.similarity[~comparisons.same]
    if given is None and not len(impostors):
        return None
    value = threshold_at(impostors, fmr) if given is None else given
    return Threshold(value, int((impostors >= value).sum()), len(impostors))


@dataclass(frozen=True, eq=False)
class GroupRates:
    """A rate of pairs by group.

    Attributes:
        estimates: of each group; what was not measured says why.
        values: 0 or 1 of each pair, shape (pairs,).
        pairs: the pairs in their groups.
        n_effective: independent pairs each group is worth, shape (groups,).
    """

    estimates: list[Estimate]
    values: Floats
    pairs: Pairs
    n_effective: Floats

    @property
    def measured(self) -> Integers:
        """The groups that have a number."""
        return np.flatnonzero([estimate.value is not None for estimate in self.estimates]).astype(np.int64)


def rates(
    pairs: Pairs,
    values: Floats,
    rules: StatisticsRules,
    what: str,
    *,
    overall: bool = False,
    nearest: Floats | None = None,
) -> GroupRates:
    """Return the rate of each group with its interval.

    Where all values are alike they do not say how alike pairs of one person are. The pairs nearest to an error do:
    a twentieth of them, taken for errors, gives the effective number of pairs, which for events this rare is larger.

    Args:
        pairs: the pairs in their groups.
        values: 0 or 1 of each, shape (pairs,).
        rules: level and smallest groups.
        what: which pairs these are: ``impostor``, ``genuine`` or nothing.
        overall: whether there is one group of all, which needs people only.
        nearest: how near each pair is to an error, shape (pairs,); larger is nearer.
    """
    sums = pairs.sums(values)
    found = rate_intervals(sums, rules.level, exact=True)
    if nearest is not None and len(values) and values.min() == values.max():
        found = _without_variation(pairs, sums, nearest, rules.level)
    p = float(values.mean()) if len(values) else 0.0
    needed = 0.0 if overall else rules.effective_needed(p * (1 - p))
    estimates = [_estimate(found, sums, group, needed, rules, what) for group in range(pairs.groups)]
    return GroupRates(estimates, values, pairs, found.n_effective)


def covariance_of(found: GroupRates, chosen: Integers) -> Floats:
    """Return the covariance of the rates of these groups, shape (k, k).

    The variances are the steadier ones behind the intervals, those of a rate of 0 or 1 at the rate of all groups; the
    correlations are those of the people, 0 where people are in one group each.
    """
    values = np.asarray([found.estimates[code].value for code in chosen], dtype=np.float64)
    weights = np.asarray([found.estimates[code].n for code in chosen], dtype=np.float64)
    common = float(weights @ values / weights.sum())
    unit = np.where((values > 0) & (values < 1), values * (1 - values), common * (1 - common))
    error = np.sqrt(unit / found.n_effective[chosen])
    own = found.pairs.covariance(found.values)[np.ix_(chosen, chosen)]
    raw = np.sqrt(np.maximum(np.diag(own), 0))
    scale = np.outer(raw, raw)
    correlation = np.divide(own, scale, out=np.zeros_like(own), where=scale > 0).clip(-1, 1)
    np.fill_diagonal(correlation, 1.0)
    covariance: Floats = correlation * np.outer(error, error)
    return covariance


def _without_variation(pairs: Pairs, sums: GroupSums, nearest: Floats, level: float) -> Intervals:
    """Return the limits of rates that are all 0 or all 1, with the effective n of the pairs nearest to an error."""
    close = (nearest >= threshold_at(nearest, SHARE_OF_NEAREST)).astype(np.float64)
    n_effective = rate_intervals(pairs.sums(close), level, exact=True).n_effective
    p = np.nan_to_num(sums.value)
    people = np.maximum(sums.subjects - 1, 1).astype(np.float64)
    ratio = t_quantile(level, np.maximum(sums.n - 1, 1)) / t_quantile(level, people)
    safe = np.maximum(n_effective * np.square(ratio), 1e-9)
    low, high = clopper_pearson(p * safe, safe, level)
    return Intervals(sums.value, np.minimum(low, p), np.maximum(high, p), n_effective, [KORN_GRAUBARD] * pairs.groups)


def _estimate(
    found: Intervals, sums: GroupSums, group: int, needed: float, rules: StatisticsRules, what: str
) -> Estimate:
    pairs, people = int(sums.faces[group]), int(sums.subjects[group])
    named = f"{what} pair" if what else "pair"
    if pairs == 0:
        return Estimate.not_measured(f"no {named} here", n=0, subjects=0)
    if people < rules.min_subjects:
        have = f"{people} {'person' if people == 1 else 'people'} in {named}s; {rules.min_subjects} are needed"
        return Estimate.not_measured(have, n=pairs, subjects=people)
    n_effective = float(found.n_effective[group])
    if n_effective < needed * (1 - 1e-9):
        more = math.ceil((needed / n_effective - 1) * pairs)
        have = f"n_eff {math.floor(n_effective)} of {math.ceil(needed)} needed: about {more:,} more {named}s"
        return Estimate.not_measured(have, n=pairs, subjects=people)
    return Estimate(
        value=float(found.value[group]),
        low=float(found.low[group]),
        high=float(found.high[group]),
        level=rules.level,
        method=found.method[group],
        n=pairs,
        subjects=people,
        n_effective=n_effective,
        count=float(sums.x[group]),
    )


def tpr_at_fpr(comparisons: Comparisons, fpr: float, rules: StatisticsRules) -> Estimate:
    """Return the share of genuine pairs that match where ``fpr`` of these impostor pairs do.

    The threshold is one of these pairs themselves, and uncertain. Its limits are those between which the share of
    matching impostor pairs, as many as they are worth, falls in 95 of 100 samples; what the genuine pairs lose or gain
    between them is joined to their own limits as the square root of the sum of squares (MOVER).

    Args:
        comparisons: genuine and impostor pairs, e.g. of one group.
        fpr: share of impostor pairs that match.
        rules: level and smallest groups.
    """
    genuine = comparisons.similarity[comparisons.same]
    impostors = comparisons.similarity[~comparisons.same]
    needed = math.ceil(IMPOSTORS_PER_FPR / fpr - 1e-9)
    if len(impostors) < needed:
        reason = f"{len(impostors):,} impostor pairs; {needed:,} are needed for a TPR at an FPR of {fpr:g}"
        return Estimate.not_measured(reason, n=len(genuine))
    threshold = threshold_at(impostors, fpr)
    rows = comparisons.rows(GENUINE)
    matched = (genuine >= threshold).astype(np.float64)
    own = rates(comparisons.grouped(rows), matched, rules, GENUINE, overall=True, nearest=-genuine)
    of_genuine = own.estimates[0]
    if of_genuine.value is None or of_genuine.low is None or of_genuine.high is None:
        return of_genuine
    others = comparisons.grouped(comparisons.rows(IMPOSTOR)).sums((impostors >= threshold).astype(np.float64))
    worth = float(rate_intervals(others, rules.level, exact=True).n_effective[0])
    whole = max(round(worth), 1)
    fewest, most = (float(binom.ppf((1 + side * rules.level) / 2, whole, fpr)) / whole for side in (-1, 1))
    strict = float((genuine >= threshold_at(impostors, fewest)).mean())
    lenient = float((genuine >= threshold_at(impostors, min(most, 1.0))).mean())
    value = of_genuine.value
    return _with_limits(
        of_genuine,
        value - math.hypot(value - of_genuine.low, value - min(strict, value)),
        value + math.hypot(of_genuine.high - value, max(lenient, value) - value),
    )


def _with_limits(estimate: Estimate, low: float, high: float) -> Estimate:
    """Return the estimate with these limits, kept between 0 and 1."""
    return estimate.model_copy(update={"low": max(low, 0.0), "high": min(high, 1.0), "method": METHOD_TPR})


def take(comparisons: Comparisons, rows: Integers) -> Comparisons:
    """Return only the pairs at these positions."""
    return replace(
        comparisons,
        similarity=comparisons.similarity[rows],
        same=comparisons.same[rows],
        first=comparisons.first[rows],
        second=comparisons.second[rows],
    )
