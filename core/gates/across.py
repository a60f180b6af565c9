"""Gates across slices: the largest minus the smallest, or the smallest over the largest.

``D``, the true largest minus smallest, is at least the difference of any two slices. So the largest lower bound of all
ordered pairs bounds it from below if all hold together, for which each takes the error ``tail / (K (K - 1))``
(Bonferroni). "``D`` is at most ``d``" says so of every pair (an intersection-union test), so the largest upper bound of
all pairs bounds it from above without correction. The ratio goes the same way. Each pair is MOVER of two slices that
are taken as independent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..plan import GateSpec
from ..results import Estimate, Measurement
from .bounds import Bounds, at_tail, ratio, tail_of
from .judged import NOT_SETTLED, Judged, NotJudged, margin_of, too_few, verdict_of

Floats = NDArray[np.float64]


def judge_across(gate: GateSpec, matched: Sequence[Measurement]) -> tuple[list[Judged], list[NotJudged], list[str]]:
    """Judge the difference or ratio of the slices that were measured.

    Returns:
        The one outcome (none where fewer than two slices were measured), what could not take part, and the keys of
        the others: the smallest, the largest, and those between.
    """
    usable, not_judged = [], []
    for item in matched:
        reason = _refused(gate, item)
        if reason is None:
            usable.append(item)
        else:
            not_judged.append(NotJudged(item.key, reason))
    usable.sort(key=lambda item: item.estimate.value or 0.0)
    keys = [item.key for item in [*usable[:1], *usable[:0:-1]]]
    if len(usable) < 2:
        others = f" ({not_judged[0].key}: {not_judged[0].reason})" if not_judged else ""
        lone = f"it is the only slice that was measured, and across needs two{others}"
        alone = [NotJudged(key, lone) for key in keys]
        return [], [*alone, *not_judged], keys
    count = len(usable)
    pairs = count * (count - 1) if gate.correction == "bonferroni" else 1
    estimates = [item.estimate for item in usable]
    tails = [tail_of(gate.confidence or estimate.level) for estimate in estimates]
    passing = _bounds(estimates, tails, gate)
    failing = _bounds(estimates, [tail / pairs for tail in tails], gate)
    smallest, largest = usable[0], usable[-1]
    told = (
        f"of {count} slices {smallest.key} is the smallest, {smallest.estimate}, and {largest.key} the largest, "
        f"{largest.estimate}: "
    )
    if passing is None or failing is None:
        return [], [NotJudged(largest.key, "it is the largest and 0, and a ratio needs one above 0"), *not_judged], keys
    together = _together(gate, passing, failing)
    told += f"{'largest minus smallest' if gate.across == 'difference' else 'smallest over largest'} is {together}"
    verdict = verdict_of(gate, passing, failing)
    why = NOT_SETTLED if verdict == "inconclusive" else ""
    return [Judged(largest.key, verdict, margin_of(gate, passing.value), told, why)], not_judged, keys


def _refused(gate: GateSpec, item: Measurement) -> str | None:
    if item.estimate.value is None:
        return item.estimate.reason
    if at_tail(item.estimate, tail_of(item.estimate.level)) is None:
        return "it has no interval, so it cannot be held against others"
    if gate.across == "ratio" and item.estimate.value < 0:
        return f"a ratio needs slices of 0 or more, and it is {item.estimate.value:.3f}"
    return too_few(gate, item)


def _bounds(estimates: Sequence[Estimate], tails: Sequence[float], gate: GateSpec) -> Bounds | None:
    """Return value, lower and upper bound of all pairs at once, each bound at the errors given."""
    each = [at_tail(estimate, tail) for estimate, tail in zip(estimates, tails, strict=True)]
    slices = [bounds for bounds in each if bounds is not None]
    return across_difference(slices) if gate.across == "difference" else across_ratio(slices)


def _together(gate: GateSpec, passing: Bounds, failing: Bounds) -> Bounds:
    """Return the interval to tell: on each side the bound that is tested there."""
    if gate.at_least is not None:
        return Bounds(passing.value, min(passing.low, passing.value), max(failing.high, passing.value))
    return Bounds(passing.value, min(failing.low, passing.value), max(passing.high, passing.value))


def across_difference(slices: Sequence[Bounds]) -> Bounds:
    """Return the largest minus the smallest of slices.

    ``low`` is the largest lower bound of any difference of two, 0 or more; ``high`` the largest upper one.
    """
    value, low, high = _arrays(slices)
    down, up = np.maximum(value - low, 0), np.maximum(high - value, 0)
    lowest, highest = 0.0, 0.0
    for row in range(len(value)):
        differences = value[row] - value
        others = np.arange(len(value)) != row
        lowest = max(lowest, float((differences - np.hypot(down[row], up))[others].max()))
        highest = max(highest, float((differences + np.hypot(up[row], down))[others].max()))
    return Bounds(float(value.max() - value.min()), lowest, highest)


def across_ratio(slices: Sequence[Bounds]) -> Bounds | None:
    """Return the smallest over the largest of slices, ``None`` where none is above 0.

    ``high`` is the smallest upper bound of any ratio of two, at most 1; ``low`` the smallest lower one.
    """
    if max(each.value for each in slices) <= 0:
        return None
    low, high = 1.0, 1.0
    for row, one in enumerate(slices):
        for column, other in enumerate(slices):
            found = ratio(one, other) if row != column else None
            if found is not None:  # a slice at 0 is in no denominator, and bounds the ratio as a numerator
                low, high = min(low, found.low), min(high, found.high)
    value = min(each.value for each in slices) / max(each.value for each in slices)
    return Bounds(value, low, high)


def _arrays(slices: Sequence[Bounds]) -> tuple[Floats, Floats, Floats]:
    table = np.array([(each.value, each.low, each.high) for each in slices], dtype=np.float64)
    return table[:, 0], table[:, 1], table[:, 2]
