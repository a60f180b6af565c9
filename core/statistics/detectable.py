"""How large would a difference between groups have to be for these data to show it?

"No gap was shown" says little without the gap that would have been. The size stated here is the smallest true
difference whose lower bound still exceeds the tolerance when chance is against it: the observed values are moved
towards each other by 1.036 standard errors, their 85 % quantile, so that a difference of that size is shown with a
probability of at least 80 %. At the 80 % quantile itself (0.84) the promise was missed in part of the designs that
were simulated; so the promise is computed with that margin. What the power really is: ``docs/intervals.md``.

The limits are those of the test: Wilson limits at a critical value with the effective n for rates, critical value
times the error for means, put together by MOVER (Zou and Donner 2008, Statistics in Medicine 27:1693).
Sizes are NaN where no value within the bounds would be shown. Arrays broadcast; one entry per group or per pair.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .group_tests import GroupValues, Kind, the_others
from .intervals import wilson
from .sums import Floats

UNFAVOURABLE = 1.036
STEPS = 45
Sign = Literal[-1, 0, 1]
_Limit = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Detectable:
    """The sizes that would be shown.

    Attributes:
        of_group: size of a difference of this group alone from all others, shape (groups,); NaN where none would be
            shown.
        any_group: the largest of them, which is shown whichever group it is; ``None`` where there is a group with
            which none would be shown.
    """

    of_group: Floats
    any_group: float | None


def detectable(
    values: GroupValues,
    kind: Kind,
    critical_rest: float,
    critical_pair: float | None = None,
    *,
    tolerance: float = 0.0,
    sign: Sign = 1,
    bounds: tuple[float, float] | None = None,
    z: float = UNFAVOURABLE,
) -> Detectable:
    """Return the smallest true difference that would be shown, for each group that alone differs from all others.

    Args:
        values: the groups as observed; the first labelling counts.
        kind: ``rate`` or ``mean``.
        critical_rest: critical value of a group against all others, in errors.
        critical_pair: that of two groups; a group then counts as shown when either family shows it. ``None`` for
            bounds that rest on group against all others alone.
        tolerance: the difference that the lower bound must exceed.
        sign: 1 for a group below the others, -1 above, 0 for either: the larger of the sizes that are possible.
        bounds: smallest and largest possible value of a mean.
        z: how many standard errors chance may be against it.
    """
    rest = the_others(values)
    centre = float((values.value[0] * values.weight[0]).sum() / values.weight[0].sum())
    if kind == "rate":
        own, others = values.n_effective[0], rest.n_effective[0]
        partner = _best_other(own)
    else:
        own, others = values.variance[0], rest.variance[0]
        partner = -_best_other(-own)
    sizes = []
    for side in (1, -1) if sign == 0 else (sign,):
        either = [against_rest(centre, own, others, critical_rest, kind, tolerance, side, bounds, z)]
        if critical_pair is not None:
            either.append(against_rest(centre, own, partner, critical_pair, kind, tolerance, side, bounds, z))
        sizes.append(np.fmin.reduce(either))
    of_group: Floats = np.fmax.reduce(sizes)
    return Detectable(of_group, None if np.isnan(of_group).any() else float(of_group.max()))


def _best_other(n_effective: Floats) -> Floats:
    """Return, for every group, the largest effective n of another one."""
    largest = int(n_effective.argmax())
    best = np.full(len(n_effective), n_effective[largest])
    best[largest] = np.delete(n_effective, largest).max()
    return best


def against_rest(
    centre: float,
    own: Floats,
    others: Floats,
    critical: float,
    kind: Kind,
    tolerance: float = 0.0,
    sign: int = 1,
    bounds: tuple[float, float] | None = None,
    z: float = UNFAVOURABLE,
) -> Floats:
    """Return the smallest true difference of a group from all others (or from one other) that would be shown.

    Args:
        centre: value of all others, which is that of all groups together.
        own: effective n of the group for a rate, its error variance for a mean.
        others: the same of those it is compared with.
        critical: critical value of the lower limit, in errors.
        kind: ``rate`` or ``mean``.
        tolerance: the difference that the lower limit must exceed.
        sign: 1 for a group below the others, -1 above.
        bounds: smallest and largest possible value of a mean.
        z: how many standard errors chance may be against it.
    """
    if kind == "mean":
        room = np.inf if bounds is None else centre - bounds[0] if sign > 0 else bounds[1] - centre
        size = tolerance + (critical + z) * np.sqrt(own + others)
        return np.where(size <= room, size, np.nan)
    centre = centre if sign > 0 else 1 - centre  # Wilson limits of a rate and of its complement mirror each other
    below = centre - wilson(np.asarray(centre), others, critical)[0]

    def lower_limit(size: Floats) -> Floats:
        rate = centre - size
        seen = rate + z * np.sqrt(rate * (1 - rate) / own + centre * (1 - centre) / others)
        seen = np.minimum(seen, 1.0)
        above = wilson(seen, own, critical)[1] - seen
        limit: Floats = centre - seen - np.hypot(below, above)
        return limit

    return _smallest(lower_limit, tolerance, np.broadcast_to(centre, np.shape(own)))


def detectable_pair(
    centre: float,
    higher: Floats,
    lower: Floats,
    critical: float,
    kind: Kind,
    tolerance: float = 0.0,
    bounds: tuple[float, float] | None = None,
    z: float = UNFAVOURABLE,
) -> Floats:
    """Return the smallest true difference of two groups, one above and one below all others, that would be shown.

    The two lie equally far from the value of all groups together, or as near to that as the bounds allow.

    Args:
        centre: value of all groups together.
        higher: effective n of the group above for a rate, its error variance for a mean.
        lower: the same of the group below.
        critical: critical value of the lower limit of a pair, in errors.
        kind: ``rate`` or ``mean``.
        tolerance: the difference that the lower limit must exceed.
        bounds: smallest and largest possible value of a mean.
        z: how many standard errors chance may be against it.
    """
    if kind == "mean":
        size = tolerance + (critical + z) * np.sqrt(higher + lower)
        return np.where(size <= (np.inf if bounds is None else bounds[1] - bounds[0]), size, np.nan)

    def lower_limit(size: Floats) -> Floats:
        middle = np.clip(centre, size / 2, 1 - size / 2)
        above, below = middle + size / 2, middle - size / 2
        of_above, of_below = above * (1 - above) / higher, below * (1 - below) / lower
        move = z / np.sqrt(np.maximum(of_above + of_below, 1e-300))  # shared in proportion to the variances
        above, below = above - move * of_above, below + move * of_below
        down, up = above - wilson(above, higher, critical)[0], wilson(below, lower, critical)[1] - below
        limit: Floats = above - below - np.hypot(down, up)
        return limit

    return _smallest(lower_limit, tolerance, np.ones(np.broadcast_shapes(np.shape(higher), np.shape(lower))))


def _smallest(lower_limit: _Limit, tolerance: float, largest: Floats) -> Floats:
    """Return the smallest size whose lower limit exceeds the tolerance, by bisection; the limit grows with the size."""
    low, high = np.minimum(np.full(largest.shape, tolerance), largest), largest.astype(np.float64)
    shown = lower_limit(high) > tolerance
    for _ in range(STEPS):
        middle = (low + high) / 2
        enough = lower_limit(middle) > tolerance
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(shown, high, np.nan)
