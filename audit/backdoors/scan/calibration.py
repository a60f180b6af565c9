"""How unusual a size is beside those that clean nets of the same recipe need.

Natural sizes differ more between classes than a backdoor moves them, so a comparison within one net (the median
absolute deviation of Neural Cleanse) flags clean nets and misses triggers; each class is compared with itself on clean
reference nets instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from .censored import deviations_at, line_through_scores, p_below

Floats = NDArray[np.float64]
OWN_SHARE = 0.7
"""Share of a class's own variance; the rest is the mean over classes."""
LARGEST_DEVIATION = 5.0
"""With so few reference nets that only what deviates more is flagged, a scan is not worth its time."""
FEWEST = 3


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Sizes of one net beside those of reference nets; all (classes, families).

    Attributes:
        mean: mean of the references' log sizes; with unreached ones among them, of the distribution that they suggest.
        sd: standard deviation of the references' log sizes alike, after shrinking.
        references: how many references had a size here.
        unreached: how many had none: they would need more than was tried.
        z: how many standard deviations of a prediction the log size lies below the mean; NaN where not judged or
            judged by rank.
        p: one-sided; 1 where the net itself reached no size; NaN where not judged.
        p_adjusted: times the number of classes and families, at most 1 (Bonferroni).
        rank_p: share of the nets, this one included, with a size no larger: for any distribution of sizes, never below
            one over the number of nets, and not adjusted. NaN where not judged.
        flagged_below: log of the size below which ``p_adjusted`` would be under ``alpha``; NaN where judged by rank.
    """

    mean: Floats
    sd: Floats
    references: NDArray[np.int64]
    unreached: NDArray[np.int64]
    z: Floats
    p: Floats
    p_adjusted: Floats
    rank_p: Floats
    flagged_below: Floats

    @property
    def smallest(self) -> tuple[int, int] | None:
        """Class and family of the smallest p, ties broken by z; ``None`` where nothing was judged."""
        if not np.isfinite(self.p).any():
            return None
        order = np.lexsort((-np.nan_to_num(self.z, nan=-np.inf).ravel(), np.nan_to_num(self.p, nan=2.0).ravel()))
        place = np.unravel_index(int(order[0]), self.p.shape)
        return int(place[0]), int(place[1])


def calibrated(log_sizes: Floats, reference_log_sizes: Floats, alpha: float = 0.05) -> Calibrated:
    """Compare a net's log sizes (classes, families) with those of clean references (nets, classes, families).

    ``z = (mean - log size) / (s sqrt(1 + 1/r))`` and p from Student's t with ``r - 1`` degrees of freedom, as for a
    new observation beside ``r`` others. ``s^2`` is 0.7 times the class's own variance plus 0.3 times the mean over
    classes of the family, and never below the class's own: with normal log sizes p is then never too small, whatever
    the variances of the classes are.

    NaN stands for a size that was not reached. A net that does not reach one is never flagged for it. References that
    do not are taken as larger than those that do: mean and deviation are then those of the normal distribution of which
    only the lower part is known, ``r`` in z counts the references with a size, and p is that of
    :func:`~.censored.p_below`. Where fewer than three references reach a size, p is ``rank_p``, which is too coarse to
    flag a class, but keeps its place in the ranking.

    Simulated (2,000 clean nets a setting, seven classes, five families, in two of which 0 to 72 % of the sizes of a
    class are unreached, as on drawn faces), 1.1 to 2.3 % of clean nets are flagged at 0.05 beside 8, 12 and 40
    references where sizes beyond a limit are unreached, 0.7 to 1.6 % where it is chance. Of single tests at 0.05/35 up
    to 1.4 times as many as wanted flag beside few references (left out, 3.3 times), which the shrinking makes up for.

    Raises:
        ValueError: when the references are of another shape.
    """
    sizes = np.asarray(log_sizes, dtype=np.float64)
    others = np.asarray(reference_log_sizes, dtype=np.float64)
    if others.ndim != 3 or others.shape[1:] != sizes.shape:
        raise ValueError(f"expected reference sizes of shape (nets, {sizes.shape}), but got {others.shape}")
    nets = len(others)
    reached = np.isfinite(sizes)
    count = np.isfinite(others).sum(0)
    mean, own = _of_references(others, count)
    sd = np.sqrt(np.maximum(own, OWN_SHARE * own + (1 - OWN_SHARE) * _over_classes(own)))
    reach = np.sqrt(1 + 1 / np.maximum(count, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(reached, (mean - np.where(reached, sizes, 0.0)) / (sd * reach), np.nan)
        no_larger = (np.where(np.isfinite(others), others, np.inf) <= np.where(reached, sizes, np.inf)).sum(0)
    rank_p = np.full(sizes.shape, np.nan) if nets < FEWEST else np.where(reached, (1 + no_larger) / (nets + 1), 1.0)
    p, critical = student.sf(z, np.maximum(nets - 1, 1)), np.full(sizes.shape, np.nan)
    for place in zip(*np.nonzero(count >= FEWEST), strict=True):
        critical[place] = _critical(alpha / sizes.size, int(count[place]), nets)
        if count[place] < nets and np.isfinite(z[place]):
            p[place] = p_below(float(z[place] * reach[place]), int(count[place]), nets)
    p = np.where(reached & (count >= FEWEST), p, rank_p)
    return Calibrated(
        mean=mean,
        sd=sd,
        references=count.astype(np.int64),
        unreached=(nets - count).astype(np.int64),
        z=z,
        p=p,
        p_adjusted=np.minimum(p * sizes.size, 1.0),
        rank_p=rank_p,
        flagged_below=mean - critical * sd,
    )


def _of_references(others: Floats, count: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return mean and variance over nets of each class and family, NaN where fewer than three have a size."""
    mean, variance = np.full(count.shape, np.nan), np.full(count.shape, np.nan)
    whole = count == len(others)
    if len(others) >= FEWEST:
        mean[whole], variance[whole] = others[:, whole].mean(0), others[:, whole].var(0, ddof=1)
    for place in zip(*np.nonzero((count >= FEWEST) & ~whole), strict=True):
        known = np.sort(others[:, place[0], place[1]])[: count[place]]  # NaN stands last
        found, deviation = line_through_scores(known, len(others))
        mean[place], variance[place] = found, deviation**2
    return mean, variance


@lru_cache(maxsize=4096)
def _critical(p: float, reached: int, nets: int) -> float:
    """Return how many deviations below the mean p is reached."""
    if reached == nets:
        return float(student.isf(p, nets - 1) * np.sqrt(1 + 1 / nets))
    return deviations_at(p, reached, nets)


def _over_classes(variance: Floats) -> Floats:
    """Return the mean over classes, repeated for each class; of families that no class has, NaN."""
    there = np.isfinite(variance)
    total = np.where(there, variance, 0.0).sum(0) / np.maximum(there.sum(0), 1)
    return np.broadcast_to(total, variance.shape)


def each_left_out(reference_log_sizes: Floats, alpha: float = 0.05) -> list[Calibrated]:
    """Judge each reference net (nets, classes, families) by the others."""
    return [
        calibrated(reference_log_sizes[place], np.delete(reference_log_sizes, place, axis=0), alpha)
        for place in range(len(reference_log_sizes))
    ]


def critical_deviation(references: int, tests: int, alpha: float = 0.05) -> float:
    """Return how many standard deviations of the references a log size must lie below their mean to be flagged.

    ``t sqrt(1 + 1/r)``: 3.97 for 12 references and 35 tests, 3.22 for 40.
    """
    return float(student.isf(alpha / tests, references - 1) * np.sqrt(1 + 1 / references))


def references_needed(tests: int, alpha: float = 0.05) -> int:
    """Return the smallest number of reference nets that a scan is made with: 8 for 35 tests.

    Those at which :func:`critical_deviation` is 5 at most. Triggers that this scan found in trials lay 3.2 to 10.5
    standard deviations below the references, half of them more than 5: with fewer nets most of what it can find would
    be missed, and "not flagged" would say little.
    """
    count = FEWEST + 1  # each net is judged by the others, which are three at least
    while critical_deviation(count, tests, alpha) > LARGEST_DEVIATION:
        count += 1
    return count
