"""From the sums of groups to estimates: intervals and the rule for small groups as for faces in memory."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ...results import Estimate
from ..intervals import Intervals, mean_intervals, rate_intervals
from ..rules import StatisticsRules
from ..sums import Floats, GroupSums, divide
from .measures import Measure


def estimates_of(
    measure: Measure,
    place: str,
    sums: GroupSums,
    squares: Floats | None,
    rules: StatisticsRules,
    words: tuple[str, str],
    *,
    overall: bool,
) -> list[Estimate]:
    """Return the estimate of each group, or why it is not measured.

    Args:
        measure: the metric.
        place: slice in words, e.g. `` of label happy``.
        sums: its sums by group.
        squares: for a mean, the sum over faces of the squared value, shape (groups,).
        rules: level and smallest groups.
        words: what one person and several are called.
        overall: whether these are all faces, for which people are enough, however wide the interval.
    """
    total = max(float(sums.n.sum()), 1e-300)
    value = float(sums.x.sum()) / total
    if measure.kind == "rate":
        intervals = rate_intervals(sums, rules.level)
        variance = value * (1 - value)
    else:
        assert squares is not None
        own = np.nan_to_num(sums.value)
        own_variance = divide(np.maximum(squares - 2 * own * sums.x + own**2 * sums.n, 0.0), sums.n, 0.0)
        intervals = mean_intervals(sums, own_variance, rules.level, measure.bounds)
        around = squares.sum() - 2 * value * sums.x.sum() + value**2 * sums.n.sum()
        variance = max(float(around), 0.0) / total
    width = measure.bounds[1] - measure.bounds[0] if measure.bounds else math.inf
    needed = 0.0 if overall else rules.effective_needed(variance, width)
    faces = sums.faces.astype(np.float64)
    if measure.kind == "rate":
        n_effective = np.minimum(intervals.n_effective, faces)
    else:
        n_effective = intervals.n_effective * divide(faces, sums.n, 1.0)
    intervals = replace(intervals, n_effective=n_effective)
    return [
        _estimate(measure, place, sums, intervals, group, needed, rules, words) for group in range(len(sums.subjects))
    ]


def _estimate(
    measure: Measure,
    place: str,
    sums: GroupSums,
    intervals: Intervals,
    group: int,
    needed: float,
    rules: StatisticsRules,
    words: tuple[str, str],
) -> Estimate:
    faces, people = int(sums.faces[group]), int(sums.subjects[group])
    n_effective = float(intervals.n_effective[group])
    reason = None
    if float(sums.n[group]) == 0:
        reason = f"no face here counts towards {measure.metric}{place}"
    elif people < rules.min_subjects:
        reason = f"{people:,} {words[people != 1]}; {rules.min_subjects} are needed"
    elif n_effective < needed * (1 - 1e-9):
        more = math.ceil((needed / n_effective - 1) * people)
        have = f"n_eff {math.floor(n_effective)} of {math.ceil(needed)} needed"
        reason = f"{have}: about {more:,} more {words[more != 1]}"
    if reason is not None:
        return Estimate.not_measured(reason, n=faces, subjects=people)
    low, high = float(intervals.low[group]), float(intervals.high[group])
    bounded = math.isfinite(low) and math.isfinite(high)
    return Estimate(
        value=float(intervals.value[group]),
        low=low if bounded else None,
        high=high if bounded else None,
        level=rules.level if bounded else None,
        method=intervals.method[group],
        n=faces,
        subjects=people,
        n_effective=n_effective,
        count=float(sums.x[group]) if measure.counted else None,
    )
