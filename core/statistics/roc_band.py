"""The ROC curve on a grid of false alarm rates, with a pointwise band from drawing people anew.

People, not faces, are drawn with replacement (the cluster bootstrap of :mod:`.bootstrap`); the curve of each draw is
read at the same false alarm rates, and the band holds the middle of them at each rate on its own. It is for looking at:
a percentile band covers too little with few people (``docs/intervals.md``), and nothing is tested by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .detection_rates import roc_points
from .sums import Floats, Integers

REPLICATES = 500
GRID = 101
MOST_THRESHOLDS = 1000
NUMBERS_AT_ONCE = 2_000_000


@dataclass(frozen=True, eq=False)
class RocBand:
    """A ROC curve, arrays of shape (grid,).

    Attributes:
        false_alarms: share of negatives called positive, 0 to 1.
        detected: share of positives called positive at thresholds that give it.
        low: lower limit of the band; NaN where no draw held both kinds.
        high: upper limit.
        level: level of the band at each point.
    """

    false_alarms: Floats
    detected: Floats
    low: Floats
    high: Floats
    level: float


def roc_band(
    scores: Floats,
    positive: NDArray[np.bool_],
    subjects: Integers,
    random: np.random.Generator,
    *,
    level: float = 0.95,
    replicates: int = REPLICATES,
) -> RocBand:
    """Return the ROC curve with its band.

    The curve itself has every threshold. Draws use at most :data:`MOST_THRESHOLDS` of them, spread over the faces.

    Args:
        scores: shape (n,), finite.
        positive: shape (n,), with faces of both kinds.
        subjects: person of each face, shape (n,).
        random: source of the draws.
        level: level of the band at each point.
        replicates: how often people are drawn.
    """
    grid = np.linspace(0, 1, GRID)
    _, alarms, found = roc_points(scores, positive)
    negatives, positives = _by_person(scores, positive, subjects)
    curves = np.full((replicates, GRID), np.nan)
    people, columns = negatives.shape
    size = max(1, NUMBERS_AT_ONCE // max(people, columns))
    for start in range(0, replicates, size):
        count = min(size, replicates - start)
        times = random.multinomial(people, np.full(people, 1 / people), count).astype(np.float64)
        reached = [np.cumsum(times @ counts, axis=1) for counts in (negatives, positives)]
        for place, (n, p) in enumerate(zip(*reached, strict=True)):
            if n[-1] > 0 and p[-1] > 0:
                curves[start + place] = at_rates(grid, np.r_[0.0, n / n[-1]], np.r_[0.0, p / p[-1]])
    drawn = curves[~np.isnan(curves[:, 0])]
    tail = (1 - level) / 2
    nothing = np.full(GRID, np.nan)
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0) if len(drawn) else (nothing, nothing)
    detected = at_rates(grid, alarms, found)
    return RocBand(grid, detected, np.minimum(low, detected), np.maximum(high, detected), level)


def at_rates(rates: Floats, alarms: Floats, found: Floats) -> Floats:
    """Return the share of positives found at false alarm rates: the top of each step, straight lines between.

    Args:
        rates: shape (m,), 0 to 1.
        alarms: false alarm rate at each threshold, shape (k,), rising from 0 to 1.
        found: share of positives found there, shape (k,), rising from 0 to 1.
    """
    last = np.searchsorted(alarms, rates, side="right") - 1
    following = np.minimum(last + 1, len(alarms) - 1)
    width = alarms[following] - alarms[last]
    part = np.divide(rates - alarms[last], width, out=np.zeros(len(rates)), where=width > 0)
    between: Floats = found[last] + part * (found[following] - found[last])
    return between


def _by_person(scores: Floats, positive: NDArray[np.bool_], subjects: Integers) -> tuple[csr_array, csr_array]:
    """Return how many negatives and positives of each person reach a threshold first, each (people, thresholds)."""
    thresholds = np.unique(scores)
    if len(thresholds) > MOST_THRESHOLDS:
        thresholds = np.unique(np.quantile(scores, np.linspace(0, 1, MOST_THRESHOLDS), method="lower"))
    column = len(thresholds) - np.searchsorted(thresholds, scores, side="right")  # the highest scores come first
    present, person = np.unique(subjects, return_inverse=True)
    shape = (len(present), len(thresholds))
    counts = []
    for kind in (~positive, positive):
        entries = (np.ones(int(kind.sum())), (person.reshape(-1)[kind], column[kind]))
        counts.append(csr_array(entries, shape=shape))
    return counts[0], counts[1]
