"""Are all groups alike? Differences in units of their error, and what permutations make of them.

The error of a group's value rests on its own people and on all groups together, whichever says more: with each
group's own error alone, a small group whose error came out small by chance would win every maximum.
Formulas over labellings: arrays of shape (labellings, groups), a labelling being one way to deal the groups out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .permutations import FACES, NN, SUBJECTS, VV, VW, WW, XN, XX, N, X
from .sums import Floats, Integers

Kind = Literal["rate", "mean"]
PAIRS_AT_ONCE = 1_000_000


@dataclass(frozen=True, eq=False)
class GroupValues:
    """What every group shows, arrays of shape (labellings, groups).

    Attributes:
        value: the rate or mean.
        weight: its denominator ``n``, the group's share in "all the others".
        n_effective: independent faces that the faces are worth.
        unit: variance of one face, one for all groups, shape (labellings, 1).
    """

    value: Floats
    weight: Floats
    n_effective: Floats
    unit: Floats

    @property
    def variance(self) -> Floats:
        """Error variance of every value: of a rate, as if it were that of all groups together."""
        return self.unit / self.n_effective


def group_values(sums: Floats, kind: Kind) -> GroupValues:
    """Return value and moderated error of every group from its sums.

    A rate has ``n_eff = N / max(1, pooled, own design effect)``, as its interval has (``intervals.effective_n``),
    and the variance ``p q / n_eff`` with ``p`` the rate of all groups together. For a mean ``p q`` becomes the
    variance of one face around the mean of its group, pooled over groups; the group's own design effect is its
    residual variance over that, so that a group whose faces vary more than those of others has the larger error.

    Args:
        sums: shape (labellings, groups, columns), as a ``Dealer`` gives them; every group has a face.
        kind: ``rate`` for counts out of weights, ``mean`` otherwise.
    """
    m, n = sums[..., SUBJECTS], sums[..., N]
    value = sums[..., X] / n
    squares = np.maximum(sums[..., XX] - 2 * value * sums[..., XN] + value**2 * sums[..., NN], 0)
    residual = np.where(m > 1, squares * m / np.maximum(m - 1, 1), 0.0)
    common = _variance_of_a_face(sums, value, kind)
    unit = value * (1 - value) if kind == "rate" else np.broadcast_to(common, value.shape)
    pooled = 1 + _pooled_icc(sums, residual, unit)[:, None] * (sums[..., NN] / n - 1)
    own = np.divide(residual, unit * n, out=np.zeros_like(n), where=unit * n > 0)
    n_effective = n / np.maximum(1.0, np.maximum(pooled, own))
    if kind == "rate":
        n_effective = np.where(one_face_each(sums), n, n_effective)
    return GroupValues(value, n, n_effective, common)


def one_face_each(sums: Floats) -> NDArray[np.bool_]:
    """Return whether every person of a group has one face of weight 1, shape (labellings, groups)."""
    m, n = sums[..., SUBJECTS], sums[..., N]
    return np.asarray((sums[..., FACES] == m) & (sums[..., NN] == n) & (n == m), dtype=np.bool_)


def _variance_of_a_face(sums: Floats, value: Floats, kind: Kind) -> Floats:
    """Return ``p q`` of all groups together, or the variance around the groups' means, shape (labellings, 1)."""
    n = sums[..., N].sum(axis=1, keepdims=True)
    if kind == "rate":
        overall = sums[..., X].sum(axis=1, keepdims=True) / n
        return np.asarray(overall * (1 - overall))
    squares = np.maximum(sums[..., VV] - 2 * value * sums[..., VW] + value**2 * sums[..., WW], 0)
    squares = np.where(squares > 1e-12 * sums[..., VV], squares, 0.0)  # no more than rounding leaves
    faces, groups = sums[..., FACES].sum(axis=1, keepdims=True), sums.shape[1]
    return np.asarray(squares.sum(axis=1, keepdims=True) / n * faces / np.maximum(faces - groups, 1))


def _pooled_icc(sums: Floats, residual: Floats, unit: Floats) -> Floats:
    """Return the intraclass correlation of faces of one person pooled over groups, shape (labellings,).

    As ``intervals.pooled_icc``, for many labellings at once.
    """
    use = sums[..., SUBJECTS] > 1
    n, more = sums[..., N], sums[..., NN] - sums[..., N]
    below = np.where(use, unit * more, 0.0).sum(axis=1)
    above = np.where(use, residual - unit * n, 0.0).sum(axis=1)
    known = np.clip(np.divide(above, below, out=np.zeros_like(below), where=below > 0), 0.0, 1.0)
    return np.where(below > 0, known, (more > 0).any(axis=1).astype(np.float64))


def the_others(values: GroupValues) -> GroupValues:
    """Return, for every group, all the other groups together."""
    n, x = values.weight, values.value * values.weight
    squares = np.square(n) / values.n_effective
    weight = n.sum(axis=1, keepdims=True) - n
    others = squares.sum(axis=1, keepdims=True) - squares
    n_effective = np.divide(weight**2, others, out=np.full(weight.shape, np.inf), where=others > 0)  # none varies
    return GroupValues((x.sum(axis=1, keepdims=True) - x) / weight, weight, n_effective, values.unit)


@dataclass(frozen=True, eq=False)
class Statistics:
    """One number per labelling, shape (labellings,).

    Attributes:
        gap: largest value less smallest value.
        pair: largest difference of two groups, in errors.
        rest: largest difference of a group and all others together, in errors.
        below: how far the group furthest below the others lies, in errors.
        above: how far the group furthest above the others lies, in errors.
        lag: largest distance of a group below all others together.
        lead: largest distance of a group above all others together.
    """

    gap: Floats
    pair: Floats
    rest: Floats
    below: Floats
    above: Floats
    lag: Floats
    lead: Floats

    def part(self, chosen: slice) -> Statistics:
        """Return the numbers of some of the labellings."""
        return Statistics(**{each.name: getattr(self, each.name)[chosen] for each in fields(self)})


def statistics_of(values: Iterable[GroupValues]) -> Statistics:
    """Return the statistics of labellings whose values come in parts."""
    parts = [_statistics(part) for part in values]
    return Statistics(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _statistics(values: GroupValues) -> tuple[Floats, ...]:
    value = values.value
    variance, rest = values.variance, the_others(values)
    lag = rest.value - value
    below = in_errors(lag, variance + rest.variance)
    one, other = np.triu_indices(value.shape[1], 1)
    pair = np.empty(len(value))
    size = max(1, PAIRS_AT_ONCE // max(len(one), 1))
    for start in range(0, len(value), size):
        part = slice(start, start + size)
        v, s = value[part], variance[part]
        pair[part] = in_errors(np.abs(v[:, one] - v[:, other]), s[:, one] + s[:, other]).max(axis=1)
    gap = value.max(axis=1) - value.min(axis=1)
    both = np.abs(below).max(axis=1), below.max(axis=1), (-below).max(axis=1)
    return gap, pair, *both, lag.max(axis=1), (-lag).max(axis=1)


def in_errors(difference: Floats, variance: Floats) -> Floats:
    """Return differences over their errors; without error, 0 for no difference and infinity for one.

    Rounded, so that labellings that differ by rounding alone are tied.
    """
    some = np.abs(difference) > 1e-12
    with np.errstate(divide="ignore"):
        return np.round(np.where(some, difference, 0.0) / np.where(some, np.sqrt(variance), 1.0), 9)


def p_value(observed: float, permuted: Floats) -> float:
    """Return the share of labellings, the observed one included, that reach the observed statistic.

    Phipson and Smyth (2010), Statistical Applications in Genetics and Molecular Biology 9:39.
    """
    return float((1 + np.count_nonzero(permuted >= observed)) / (len(permuted) + 1))


def combined_p_value(observed: tuple[float, float], permuted: tuple[Floats, Floats]) -> float:
    """Return the p-value of the smaller of two p-values, each labelling judged by the same rule."""
    smallest = np.full(len(permuted[0]) + 1, np.inf)
    for one, many in zip(observed, permuted, strict=True):
        both = np.concatenate([[one], many])
        reached = len(both) - np.searchsorted(np.sort(both), both, side="left")
        smallest = np.minimum(smallest, reached / len(both))
    return float(np.count_nonzero(smallest <= smallest[0]) / len(smallest))


def critical_values(permuted: tuple[Floats, ...], alpha: float) -> tuple[float, ...]:
    """Return one critical value per family so that any is exceeded with probability ``alpha``, each as likely.

    Beran (1988), Journal of the American Statistical Association 83:679, by ranks among the permutations.

    Args:
        permuted: statistics of the families under the same permutations, each of shape (permutations,).
        alpha: probability that any family exceeds its value; at least ``1 / (permutations + 1)``.
    """
    count = len(permuted[0])
    wanted = int(np.floor(alpha * (count + 1) + 1e-9))
    if wanted < 1:
        raise ValueError(f"{count} permutations are too few for a level of {alpha}")
    ranks = np.full(count, count, dtype=np.int64)
    for many in permuted:
        ranks = np.minimum(ranks, _rank_from_top(many))
    beyond = int(np.sort(ranks)[wanted - 1]) - 1
    return tuple(float(np.sort(many)[::-1][beyond]) for many in permuted)


def _rank_from_top(many: Floats) -> Integers:
    """Return 1 for the largest; tied ones share the best rank that any of them could have."""
    ordered = np.sort(many)
    rank: Integers = len(many) - np.searchsorted(ordered, many, side="right") + 1
    return rank
