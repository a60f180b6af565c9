"""How far do groups differ once they have the same mix of labels and of controls? Post-stratification with errors.

Faces are sorted into cells: their label, crossed with the levels of control attributes. A group's value as observed
weighs its cells by its own faces; reweighted, all groups are given the mix of all their faces together::

    sum_c w_c x_gc / sum_c w_c d_gc        x, d: means over the faces of group g in cell c; w_c: share of the cell

(Holt and Smith 1979, Journal of the Royal Statistical Society A 142:33). Only cells that every group has can be
weighed: what a group does on faces that nobody saw it have is not told by the data. So a group that lacks much of the
common mix is left out, and of the others only the cells that they share are used, with the share of faces kept told.

Errors come from what each person adds to each value (influence): the residual of her faces, weighed, less that of the
cell. The mix itself is taken as given: the question is about this mix. The same people stand behind the value as
observed and as reweighted, so what goes away is told with the error of the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .intervals import wilson
from .sums import Floats, Integers, total_at

DRAWS = 4000


@dataclass(frozen=True, eq=False)
class Support:
    """Which groups are compared on which cells.

    Attributes:
        groups: positions of the groups that take part.
        cells: whether each cell is used, shape (cells,).
        left_out: groups that are not compared, with the reason.
        kept: share of the faces of the groups that take part that lie in cells that are used, 0 to 1.
        reason: why nothing can be compared, or ``None``.
    """

    groups: Integers
    cells: NDArray[np.bool_]
    left_out: dict[int, str]
    kept: float
    reason: str | None = None


def common_support(
    people: Integers,
    faces: Integers,
    of_group: Integers,
    cell_names: Sequence[str],
    *,
    least_people: int,
    least_kept: float,
    least: int,
) -> Support:
    """Return the groups that have most of the common mix, and the cells that all of them have.

    Args:
        people: people of each group in each cell, shape (groups, cells).
        faces: faces of each group in each cell, shape (groups, cells).
        of_group: people of each group, shape (groups,); one may be in several cells.
        cell_names: names of the cells, for reasons.
        least_people: people a group must have in a cell for it to be used.
        least_kept: share of the common mix a group must have, and share of the faces that must be kept.
        least: people a group must have in all.
    """
    left_out: dict[int, str] = {}
    mix = faces.sum(axis=0)
    has = people >= least_people
    for group in range(len(people)):
        covered = float(mix[has[group]].sum() / max(mix.sum(), 1))
        own = int(of_group[group])
        if own < least:
            left_out[group] = f"{own} {'person' if own == 1 else 'people'}; {least} are needed"
        elif covered < least_kept:
            lacking = np.flatnonzero(~has[group] & (mix > 0))
            lacking = lacking[np.argsort(-mix[lacking], kind="stable")]
            named = "; ".join(cell_names[cell] for cell in lacking[:3])
            more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
            left_out[group] = (
                f"fewer than {least_people} people with {named}{more}: it has {covered:.0%} of the common mix, "
                f"{least_kept:.0%} are needed"
            )
    groups = np.asarray([group for group in range(len(people)) if group not in left_out], dtype=np.int64)
    if len(groups) < 2:
        few = "fewer than two groups have enough of the common mix of labels and controls"
        return Support(groups, np.zeros(len(mix), dtype=np.bool_), left_out, 0.0, few)
    cells = np.asarray(has[groups].all(axis=0), dtype=np.bool_)
    compared = faces[groups].sum(axis=0)
    kept = float(compared[cells].sum() / max(compared.sum(), 1))
    reason: str | None = None
    if kept < least_kept:
        reason = f"the groups share cells that hold {kept:.0%} of their faces; {least_kept:.0%} are needed"
    return Support(groups, cells, left_out, kept, reason)


@dataclass(frozen=True, eq=False)
class Weighed:
    """Values of groups, as observed and reweighted; with what each person adds, arrays of shape (people, groups).

    Attributes:
        observed: value of each group by its own mix, shape (groups,).
        reweighted: value by the common mix, shape (groups,).
        of_observed: influence of each person on the first.
        of_reweighted: influence of each person on the second.
        squares_observed: sum of the squared weights of the faces behind each observed value, shape (groups,).
        squares_reweighted: the same of the reweighted value.
        faces: faces behind each denominator, shape (groups,).
        people: people behind it, shape (groups,).
    """

    observed: Floats
    reweighted: Floats
    of_observed: Floats
    of_reweighted: Floats
    squares_observed: Floats
    squares_reweighted: Floats
    faces: Integers
    people: Integers

    def covariance(self, which: Literal["observed", "reweighted"]) -> Floats:
        """Return the covariance of the values, shape (groups, groups).

        As elsewhere the error of a group rests on its own people and on all groups together, whichever says more: the
        variance of one face is ``p q`` times one design effect for all groups, and no group has a smaller one.
        """
        if which == "observed":
            value, influence, squares = self.observed, self.of_observed, self.squares_observed
        else:
            value, influence, squares = self.reweighted, self.of_reweighted, self.squares_reweighted
        covariance = group_covariance(influence, self.people)
        own, alone = np.diag(covariance), value * (1 - value) * squares
        size = np.square(self.faces.astype(np.float64))
        below = float(size @ alone)
        pooled = alone * (float(size @ own) / below if below > 0 else 0.0)
        scale = np.sqrt(np.maximum(1.0, np.divide(pooled, own, out=np.ones_like(own), where=own > 0)))
        return np.asarray(covariance * np.outer(scale, scale))


def weigh(
    person: Integers,
    group: Integers,
    cell: Integers,
    shape: tuple[int, int, int],
    above: Floats,
    below: Floats,
) -> Weighed | None:
    """Return a ratio of means of every group, as observed and at the common mix; ``None`` where one has none.

    Args:
        person: person of each face, shape (faces,), whole numbers from 0.
        group: group of each, whole numbers from 0; every group has faces in every cell.
        cell: cell of each, whole numbers from 0.
        shape: how many people, groups and cells there are.
        above: 1 for faces that are counted, shape (faces,).
        below: 1 for faces they are a share of, shape (faces,).
    """
    people, groups, cells = shape
    place = group * cells + cell
    size = groups * cells
    n = total_at(place, None, size)
    numerator, denominator = total_at(place, above, size), total_at(place, below, size)
    mix = total_at(cell, None, cells) / len(cell)
    whole = np.stack([part.reshape(groups, cells).sum(axis=1) for part in (numerator, denominator)])
    weight = (np.tile(mix, groups) / np.maximum(n, 1))[place]
    mixed = np.stack([total_at(group, weight * part, groups) for part in (above, below)])
    if (whole[1] <= 0).any() or (mixed[1] <= 0).any():
        return None
    observed, reweighted = whole[0] / whole[1], mixed[0] / mixed[1]
    own = (above - observed[group] * below) / whole[1][group]
    residual = above - reweighted[group] * below
    centred = residual - (total_at(place, residual, size) / np.maximum(n, 1))[place]
    several = np.unique(person * size + place) % size
    behind = total_at(several, None, size)
    small = np.sqrt(behind / np.maximum(behind - 1, 1))  # few people in a cell hide a part of its variation
    moved = weight * centred * small[place] / mixed[1][group]
    at = person * groups + group
    counted = below > 0
    with_faces = np.unique(at[counted])
    shares = (below / whole[1][group], weight * below / mixed[1][group])
    return Weighed(
        observed,
        reweighted,
        total_at(at, own, people * groups).reshape(people, groups),
        total_at(at, moved, people * groups).reshape(people, groups),
        total_at(group, np.square(shares[0]), groups),
        total_at(group, np.square(shares[1]), groups),
        np.bincount(group[counted], minlength=groups).astype(np.int64),
        np.bincount(with_faces % groups, minlength=groups).astype(np.int64),
    )


def group_covariance(influence: Floats, people: Integers) -> Floats:
    """Return the covariance of group values, with ``m / (m - 1)`` for the people of each group.

    Args:
        influence: shape (people, groups).
        people: people of each group, shape (groups,).
    """
    scale = np.sqrt(people / np.maximum(people - 1, 1))
    covariance: Floats = (influence.T @ influence) * np.outer(scale, scale)
    return covariance


def value_limits(value: Floats, variance: Floats, z: float) -> tuple[Floats, Floats]:
    """Return Wilson limits of rates with this variance, ``n_eff = p q / variance``; without variation n is not known.

    Where a rate is 0 or 1 its variance is that of one half spread over what the others show, so it has no limits here:
    NaN.
    """
    unit = value * (1 - value)
    known = (variance > 0) & (unit > 0)
    n = np.where(known, unit / np.where(known, variance, 1.0), 1.0)
    low, high = wilson(value, n, z)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


@dataclass(frozen=True)
class Explained:
    """How much of the difference between two groups goes away.

    Attributes:
        lower: position of the group that is lower as observed.
        upper: position of the one that is higher.
        observed: their difference as observed.
        reweighted: their difference at the common mix.
        away: the first less the second.
        low: lower limit of ``away``, simultaneous over all pairs of groups.
        high: upper limit.
    """

    lower: int
    upper: int
    observed: float
    reweighted: float
    away: float
    low: float
    high: float


def explained(weighed: Weighed, level: float, random: np.random.Generator, draws: int = DRAWS) -> Explained:
    """Return what goes away of the largest observed difference.

    The pair is chosen by what was observed, so the limits hold for all pairs at once: normal draws with the covariance
    of the changes give the quantile of the largest of them in standard errors.
    """
    lower, upper = int(weighed.observed.argmin()), int(weighed.observed.argmax())
    change = weighed.observed - weighed.reweighted
    covariance = group_covariance(weighed.of_observed - weighed.of_reweighted, weighed.people)
    one, other = np.triu_indices(len(change), 1)
    own = np.diag(covariance)
    error = np.sqrt(np.maximum(own[one] + own[other] - 2 * covariance[one, other], 0))
    scale, axes = np.linalg.eigh(covariance)
    drawn = random.standard_normal((draws, len(change))) @ (axes * np.sqrt(scale.clip(0))).T
    largest = np.zeros(draws)
    for first, second, spread in zip(one, other, error, strict=True):
        if spread > 0:
            largest = np.maximum(largest, np.abs(drawn[:, first] - drawn[:, second]) / spread)
    critical = float(np.quantile(largest, level))
    variance = own[upper] + own[lower] - 2 * covariance[upper, lower]
    away = float(change[upper] - change[lower])
    half = critical * float(np.sqrt(max(variance, 0.0)))
    seen = float(weighed.observed[upper] - weighed.observed[lower])
    return Explained(lower, upper, seen, seen - away, away, away - half, away + half)
