"""Cluster bootstrap: people drawn anew with replacement in every group. Offered, not the default.

Field and Welsh (2007), Journal of the Royal Statistical Society B 69:369. For anything that is a function of sums over
faces: rates, means, ratios such as F1, CCC, PCC, RMSE. A percentile interval of it covers too little where there are
few people: 67 to 89 % instead of 95 % for the rate of a group of ten, less still for rates near 0 or 1, about 94 % with
200 people (simulated; ``docs/intervals.md`` has what is used instead). It is never to be used for a number that chance
alone makes positive, such as a largest difference or a calibration error: of one that is truly 0 it covers nothing.

A replicate draws as many people of a group as there are. What is drawn is only how often each person comes, so a
replicate costs by people, whatever their faces.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from ..errors import UsageError
from .sums import Floats, Integers, divide, total_at

REPLICATES = 1000
NUMBERS_AT_ONCE = 500_000  # what fits into the processor's cache
Statistic = Callable[[Floats], Floats]


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """A statistic of every group with its bootstrap interval, shape (groups,); NaN where it has no value.

    Attributes:
        value: as observed.
        low: lower percentile limit.
        high: upper percentile limit.
        people: people of each group.
        replicates: the statistic of every replicate, shape (replicates, groups).
        level: confidence level that the limits are named after; see the module for what they cover.
    """

    value: Floats
    low: Floats
    high: Floats
    people: Integers
    replicates: Floats
    level: float


def ratio(sums: Floats) -> Floats:
    """Return first over second sum, NaN where the second is 0: a rate or mean from columns (value, weight)."""
    return divide(sums[..., 0].reshape(-1), sums[..., 1].reshape(-1), np.nan).reshape(sums.shape[:-1])


def cluster_bootstrap(
    columns: Floats,
    person: Integers,
    group: Integers,
    groups: int,
    random: np.random.Generator,
    *,
    statistic: Statistic = ratio,
    replicates: int = REPLICATES,
    level: float = 0.95,
) -> Bootstrap:
    """Return the statistic of every group with the percentile interval of the cluster bootstrap.

    Args:
        columns: what each face adds to the sums, shape (faces, columns); for a rate, value and weight.
        person: person of each face, shape (faces,), whole numbers from 0. A person with faces in several groups is
            drawn in each of them on its own.
        group: group of each face, shape (faces,), 0 to ``groups - 1``.
        groups: how many groups there are.
        random: source of the draws.
        statistic: from sums of shape (..., columns) to values of shape (...); NaN where there is none.
        replicates: how often people are drawn.
        level: confidence level.

    Raises:
        UsageError: when the shapes do not fit, there are no replicates, or the level is not between 0 and 1.
    """
    if columns.ndim != 2 or not len(columns) == len(person) == len(group):
        raise UsageError(
            f"expected columns of shape (faces, columns) with person and group of each face, but got {columns.shape}, "
            f"{len(person)} and {len(group)}"
        )
    if replicates < 1 or not 0 < level < 1:
        raise UsageError(f"expected replicates and a level between 0 and 1, but got {replicates} and {level}")
    size = int(person.max(initial=-1)) + 1
    line, at = np.unique(group * size + person, return_inverse=True)
    lines = np.stack([total_at(at.reshape(-1), column, len(line)) for column in columns.T], axis=1)
    people = np.bincount(line // size, minlength=groups).astype(np.int64)
    observed = np.stack([total_at(line // size, column, groups) for column in lines.T], axis=1)
    values = statistic(_drawn(lines, people, replicates, random))
    tail = (1 - level) / 2
    return Bootstrap(
        value=statistic(observed),
        low=_quantile(values, tail),
        high=_quantile(values, 1 - tail),
        people=people,
        replicates=values,
        level=level,
    )


def _drawn(lines: Floats, people: Integers, replicates: int, random: np.random.Generator) -> Floats:
    """Return the sums of every group in every replicate, shape (replicates, groups, columns).

    Args:
        lines: what each person adds, group by group, shape (people of all groups, columns).
        people: people of each group, shape (groups,).
        replicates: how often people are drawn.
        random: source of the draws.
    """
    sums = np.empty((replicates, len(people), lines.shape[1]))
    of = np.repeat(people.astype(np.uint64), people)
    first = np.repeat(np.cumsum(people) - people, people).astype(np.int32)
    size = max(1, NUMBERS_AT_ONCE // max(len(lines), 1))
    for start in range(0, replicates, size):
        count = min(size, replicates - start)
        numbers = random.integers(0, 2**32, (count, len(lines)), dtype=np.uint32)
        chosen = ((numbers * of) >> np.uint64(32)).astype(np.int32) + first  # uniform but for one part in 2^32
        pointers = np.concatenate([[0], np.cumsum(np.tile(people, count))])
        shape = (count * len(people), len(lines))
        draw = csr_array((np.ones(chosen.size), chosen.reshape(-1), pointers), shape=shape)
        sums[start : start + count] = (draw @ lines).reshape(count, len(people), -1)
    return sums


def _quantile(values: Floats, share: float) -> Floats:
    """Return the quantile of the replicates that have a value, by linear interpolation; NaN where none has."""
    ordered = np.sort(values.T, axis=1)  # NaN come last
    known = np.count_nonzero(~np.isnan(ordered), axis=1)
    place = share * np.maximum(known - 1, 0)
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(known - 1, 0))
    row, part = np.arange(len(ordered)), place - below
    found: Floats = ordered[row, below] * (1 - part) + ordered[row, above] * part
    return found
