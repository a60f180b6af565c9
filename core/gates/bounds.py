"""Bounds of a measurement at another confidence, and of differences and ratios of two of them.

A gate tests each side of an interval by itself, at the error ``tail`` of that side: an interval of 95 % has a tail of
0.025. Bounds at another tail than the one that was measured are approximate, see :func:`at_tail`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri

from ..results import Estimate
from ..statistics.intervals import CLOPPER_PEARSON, KORN_GRAUBARD, WILSON, clopper_pearson

EXACT = "exact"
USUAL_LEVEL = 0.95
LARGEST_N = 1e12


@dataclass(frozen=True)
class Bounds:
    """A value with a bound on each side; ``high`` is infinite where nothing bounds a ratio from above."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        high = "no bound" if math.isinf(self.high) else f"{self.high:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {high}]"

    def shifted(self, by: float) -> Bounds:
        """Return all three moved by a number."""
        return Bounds(self.value + by, self.low + by, self.high + by)


def tail_of(level: float | None) -> float:
    """Return the error on each side of an interval of this level, the usual 95 % where none is given."""
    return (1 - (USUAL_LEVEL if level is None else level)) / 2


def at_tail(estimate: Estimate, tail: float) -> Bounds | None:
    """Return the bounds of an estimate at another error per side, or ``None`` where it has no interval.

    A Wilson or Clopper-Pearson interval tells by its width of how many independent rows it is, so it is made again
    (exact but for the degrees of freedom of a t quantile). Of any other the distance from the estimate to each bound
    is scaled by the ratio of the normal quantiles, which is approximate where the interval is skewed. What was counted
    and not estimated is its own bound.
    """
    value, low, high = estimate.value, estimate.low, estimate.high
    if value is None:
        return None
    if estimate.method == EXACT and low is None and high is None:
        return Bounds(value, value, value)
    if low is None or high is None:
        return None
    own = tail_of(estimate.level)
    if math.isclose(tail, own, rel_tol=1e-9):
        return Bounds(value, low, high)
    n = _independent_rows(estimate)
    if n is not None:
        return _wilson(value, n, tail) if _is_wilson(estimate) else _clopper_pearson(value, n, tail)
    scale = float(ndtri(tail) / ndtri(own))
    return Bounds(value, value - (value - low) * scale, value + (high - value) * scale)


def further_out(estimate: Estimate, tail: float) -> Bounds | None:
    """Return bounds that hold for several slices at once: as :func:`at_tail`, but of a rate by Clopper and Pearson.

    Such a bound lies far out, where Wilson's errs many times too often for rates near 0
    or 1: of 20 slices of 60 faces at a rate of 0.97, just at the limit, one or more would fail in 18 % of runs.
    """
    n = _independent_rows(estimate)
    if n is None or estimate.value is None:
        return at_tail(estimate, tail)
    return _clopper_pearson(estimate.value, n, tail)


def _is_wilson(estimate: Estimate) -> bool:
    return (estimate.method or "").startswith(WILSON)


def _independent_rows(estimate: Estimate) -> float | None:
    """Return of how many independent rows the interval of a rate is, ``None`` where it does not tell.

    Wilson's limits are, with ``k = z^2 / n``, ``(p + k/2 -/+ sqrt(k p q + k^2/4)) / (1 + k)``, so that their distance
    ``w`` solves ``(w^2 - 1) k^2 + (2 w^2 - 4 p q) k + w^2 = 0``, which has one positive root for ``w < 1``.
    """
    p, low, high = estimate.value, estimate.low, estimate.high
    if p is None or low is None or high is None or not 0 <= low <= p <= high <= 1 or not 0 < high - low < 1:
        return None
    tail = tail_of(estimate.level)
    if _is_wilson(estimate):
        w = high - low
        a, b, c = w * w - 1, 2 * w * w - 4 * p * (1 - p), w * w
        return float(ndtri(tail)) ** 2 * 2 * a / (-b - math.sqrt(b * b - 4 * a * c))
    if estimate.method not in {CLOPPER_PEARSON, KORN_GRAUBARD}:
        return None

    def missed(log_n: float) -> float:
        found = _clopper_pearson(p, math.exp(log_n), tail)
        return found.low - low if low > 0 else high - found.high

    ends = math.log(0.5), math.log(LARGEST_N)
    if missed(ends[0]) * missed(ends[1]) > 0:
        return None
    return math.exp(brentq(missed, *ends, xtol=1e-12))


def _wilson(p: float, n: float, tail: float) -> Bounds:
    k = float(ndtri(tail)) ** 2 / n
    half = math.sqrt(k * p * (1 - p) + k * k / 4)
    low, high = (p + k / 2 - half) / (1 + k), (p + k / 2 + half) / (1 + k)
    return Bounds(p, min(max(low, 0.0), p), max(min(high, 1.0), p))


def _clopper_pearson(p: float, n: float, tail: float) -> Bounds:
    low, high = clopper_pearson(np.array([p * n]), np.array([n]), 1 - 2 * tail)
    return Bounds(p, min(float(low[0]), p), max(float(high[0]), p))


def difference(one: Bounds, other: Bounds) -> Bounds:
    """Return ``one - other`` of two independent estimates.

    MOVER: the distances of the limits add up as standard errors do. Zou and Donner (2008), Statistics in Medicine
    27:1693. Each side has the error that the bounds put in have.
    """
    value = one.value - other.value
    down = math.hypot(max(0.0, one.value - one.low), max(0.0, other.high - other.value))
    up = math.hypot(max(0.0, one.high - one.value), max(0.0, other.value - other.low))
    return Bounds(value, value - down, value + up)


def ratio(one: Bounds, other: Bounds) -> Bounds | None:
    """Return ``one / other`` of two independent estimates, or ``None`` where that means nothing.

    MOVER-R, Donner and Zou (2012), Statistical Methods in Medical Research 21:347: defined for a numerator of 0, and
    unbounded above where the denominator may be 0. Both have to be 0 or more, and the denominator above 0.
    """
    if one.value < 0 or other.value <= 0:
        return None
    low, high = min(max(one.low, 0.0), one.value), max(one.high, one.value)
    under, over = min(max(other.low, 0.0), other.value), max(other.high, other.value)
    product, value = one.value * other.value, one.value / other.value
    inner_low, inner_high = low * (2 * one.value - low), high * (2 * one.value - high)
    outer_low, outer_high = under * (2 * other.value - under), over * (2 * other.value - over)
    root_low = math.sqrt(max(0.0, product**2 - inner_low * outer_high))
    root_high = math.sqrt(max(0.0, product**2 - inner_high * outer_low))
    # The lower limit is written with its root in the denominator, where twice the value may be the upper limit.
    bottom = inner_low / (product + root_low) if product + root_low > 0 else 0.0
    top = (product + root_high) / outer_low if outer_low > 0 else math.inf
    return Bounds(value, min(max(bottom, 0.0), value), max(top, value))
