"""Values of groups that move together, with their covariance, and limits of differences between them.

Where one person counts towards several groups (a pair of faces, a corrected or reweighted group) the groups' values
come with a covariance, made of what each person adds to each of them. Limits of a difference come from limits of its
two sides by MOVER with correlation r, ``sqrt(A^2 + B^2 - 2 r A B)`` (Zou 2007, Psychological Methods 12:399); a rate
has Wilson limits with ``n_eff = p q / variance``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import t

from .deals import Deals
from .gap_limits import GapLimits, Side
from .group_tests import GroupValues, Kind
from .intervals import EXTRA_DEGREES, wilson
from .sums import Floats, Integers, divide, total_at

NOTHING = 1e-15  # a variance below this is rounding


def people_covariance(influence: Floats) -> Floats:
    """Return the covariance of group values, ``S/(S-1) sum over people of psi psi'``, shape (groups, groups).

    Args:
        influence: how much each person moves the value of each group, shape (people, groups); every column sums to
            about 0. For a ratio ``X/N`` it is ``(x_s - p n_s) / N``.

    Raises:
        ValueError: with fewer than two people, of whom no variance can be told.
    """
    people = len(influence)
    if people < 2:
        raise ValueError(f"expected the influence of at least 2 people, but got {people}")
    covariance: Floats = influence.T @ influence * (people / (people - 1))
    return covariance


def influence_on_groups(x: Floats, n: Floats, group: Integers, person: Integers, groups: int) -> tuple[Floats, Floats]:
    """Return the value ``X/N`` of each group and how much each person moves it, shapes (groups,), (people, groups).

    Args:
        x: sum of values of each person in each group, shape (lines,).
        n: sum of weights, shape (lines,).
        group: of each line.
        person: of each line; those without a line have no row.
        groups: how many groups there are, each with a line.
    """
    codes, at = np.unique(person, return_inverse=True)
    total = total_at(group, n, groups)
    value = total_at(group, x, groups) / total
    influence = np.zeros((len(codes), groups))
    influence[at.reshape(-1), group] = (x - value[group] * n) / total[group]
    return value, influence


@dataclass(eq=False)
class CorrelatedValues:
    """Values of groups with their covariance, and what their limits need; made by :func:`correlated_values`.

    Attributes:
        values: the rate or mean of each group, shape (groups,).
        covariance: of the values, shape (groups, groups); every rate has been given a variance.
        weights: share of each group in "all the others", shape (groups,), above 0.
        n_effective: independent faces behind each rate, shape (groups,); of a mean one over its variance.
        degrees: degrees of freedom of each group's quantile, shape (groups,).
        kind: ``rate`` or ``mean``.
        bounds: smallest and largest possible value, or ``None``.
        people: people that took part.
        people_in_several: those of them that count towards several groups.
        faces: faces (or pairs) that took part.
    """

    values: Floats
    covariance: Floats
    weights: Floats
    n_effective: Floats
    degrees: Floats
    kind: Kind
    bounds: tuple[float, float] | None
    people: int
    people_in_several: int
    faces: int

    @property
    def common(self) -> float:
        """The value of all groups together."""
        return float(self.weights @ self.values / self.weights.sum())

    @property
    def others(self) -> Floats:
        """Weights that make "all the others" of each group, shape (groups, groups), 0 on the diagonal."""
        apart = np.where(np.eye(len(self.weights), dtype=np.bool_), 0.0, self.weights[None, :])
        return np.asarray(apart / apart.sum(axis=1, keepdims=True))

    @property
    def if_equal(self) -> Floats:
        """The covariance if all groups had the common rate; of means the covariance as it is."""
        if self.kind == "mean":
            return self.covariance
        error = np.sqrt(self.common * (1 - self.common) / self.n_effective)
        return np.asarray(correlation_of(self.covariance) * np.outer(error, error))

    @property
    def known(self) -> bool:
        """Whether there is variation: a rate has limits without."""
        return self.kind == "rate" or bool((np.diag(self.covariance) > 0).all())

    def observed(self) -> GroupValues:
        """Return the values as one labelling."""
        return self.as_group_values(self.values, self.n_effective)

    def as_group_values(self, values: Floats, n_effective: Floats) -> GroupValues:
        """Return values with this effective n; of means it is one over the variance."""
        unit = self.common * (1 - self.common) if self.kind == "rate" else 1.0
        return GroupValues(values[None, :], self.weights[None, :], n_effective[None, :], np.asarray([[unit]]))

    def dealt(self, times: int, random: np.random.Generator, deals: Deals | None) -> Iterator[GroupValues]:
        """Refuse: groups that share people cannot be dealt out anew; ``correlated_gaps`` draws instead."""
        raise TypeError("values that move together are drawn, not dealt out")

    def quantiles(self, alpha: float) -> tuple[Floats, Floats]:
        """Return the normal quantile for each group and its others; the limits give each its t quantile."""
        normal = np.full(len(self.values), ndtri(1 - alpha))
        return normal, normal

    def distances(self, values: GroupValues, quantile: Floats | float) -> tuple[Floats, Floats]:
        """Return how far the limits at this quantile lie below and above each value, shape (groups,)."""
        value = values.value[0]
        if self.kind == "rate":
            low, high = wilson(value, values.n_effective[0], quantile)
        else:
            half = quantile * np.sqrt(values.variance[0])
            low, high = value - half, value + half
            if self.bounds is not None:
                low, high = np.clip(low, self.bounds[0], value), np.clip(high, value, self.bounds[1])
        return np.maximum(value - low, 0), np.maximum(high - value, 0)

    def limits(self, level: float) -> tuple[Floats, Floats]:
        """Return two-sided limits of each group at confidence ``level``, each of shape (groups,)."""
        below, above = self.distances(self.observed(), as_t(float(ndtri(0.5 + level / 2)), self.degrees))
        return self.values - below, self.values + above


def correlated_values(
    values: Floats,
    covariance: Floats,
    weights: Floats,
    *,
    people: int,
    faces: int,
    group_people: Integers | None = None,
    people_in_several: int = 0,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    kind: Kind | None = None,
) -> CorrelatedValues:
    """Check the values and give those without variation an error.

    A rate of 0 or 1 in which no person stands out has no variance of its own. It is given as many independent faces
    per weight as the group that has least of them for its weight, or one per person where no group varies.

    Args:
        values: of each group, shape (groups,), finite and within the bounds.
        covariance: of the values, shape (groups, groups).
        weights: shape (groups,), above 0, in any unit.
        people: how many people took part.
        faces: how many faces (or pairs).
        group_people: people behind each group, shape (groups,), for its t quantile; all of them unless given.
        people_in_several: people that count towards several groups.
        bounds: smallest and largest possible value.
        kind: ``rate`` when the bounds are 0 and 1, ``mean`` otherwise, unless given.

    Raises:
        ValueError: when shapes, weights or values do not fit.
    """
    groups = len(values)
    if covariance.shape != (groups, groups) or weights.shape != (groups,):
        raise ValueError(f"expected weights of {groups} groups and a {groups} x {groups} covariance")
    if not (np.isfinite(values).all() and np.isfinite(covariance).all() and (weights > 0).all()):
        raise ValueError("expected finite values and covariances, and weights above 0")
    if bounds is not None and (values.min() < bounds[0] - 1e-9 or values.max() > bounds[1] + 1e-9):
        raise ValueError(f"values range from {values.min():.3g} to {values.max():.3g}, beyond the bounds {bounds}")
    kind = kind or ("rate" if bounds == (0.0, 1.0) else "mean")
    values = np.asarray(values if bounds is None else np.clip(values, *bounds), dtype=np.float64)
    covariance = np.asarray((covariance + covariance.T) / 2, dtype=np.float64)
    behind = np.full(groups, people) if group_people is None else np.asarray(group_people)
    degrees = np.maximum(behind - 1, 0) + float(EXTRA_DEGREES)
    variance = np.diag(covariance)
    if kind == "rate":
        n_effective, covariance = _with_error(values, covariance, weights, people)
    else:
        n_effective = 1 / np.maximum(variance, np.finfo(float).tiny)
    return CorrelatedValues(
        values=values,
        covariance=covariance,
        weights=np.asarray(weights, dtype=np.float64),
        n_effective=n_effective,
        degrees=degrees,
        kind=kind,
        bounds=bounds,
        people=people,
        people_in_several=people_in_several,
        faces=faces,
    )


def _with_error(values: Floats, covariance: Floats, weights: Floats, people: int) -> tuple[Floats, Floats]:
    """Return the effective n of rates, and the covariance with an error for those that show none."""
    variance, unit = np.diag(covariance).copy(), values * (1 - values)
    varies = (variance > NOTHING) & (unit > 1e-9)
    n_effective = divide(unit, np.where(varies, variance, 0.0), 0.0)
    if varies.any():
        per_weight = float((n_effective[varies] / weights[varies]).min())
    else:
        per_weight = people / float(weights.sum())
    common = float(weights @ values / weights.sum())
    fallback = np.minimum(weights * per_weight, divide(np.full(len(values), common * (1 - common)), variance, np.inf))
    n_effective = np.where(varies, n_effective, np.maximum(fallback, 1e-9))
    needs = variance <= NOTHING  # of a rate of 0 or 1, the error it would have at the common rate
    covariance = np.where(needs[:, None] | needs[None, :], 0.0, covariance)
    given = np.where(needs, common * (1 - common) / n_effective, variance)
    return n_effective, covariance + np.diag(np.where(needs, given, 0.0))


class CorrelatedLimits(GapLimits):
    """Limits of the groups, of the others of each group, and of differences between them, with their correlations.

    Quantiles are normal ones; each group is given the t quantile of its own people at the same level.
    """

    def __init__(self, groups: CorrelatedValues) -> None:
        """Work out all the others of each group."""
        super().__init__(groups)
        self.groups = groups
        others, covariance = groups.others, groups.covariance
        self._correlation = correlation_of(covariance)
        variance = np.einsum("gi,ij,gj->g", others, covariance, others).clip(0)
        errors = np.sqrt(np.diag(covariance).clip(0) * variance)
        self._with_rest = divide(np.diag(others @ covariance).copy(), errors, 0.0).clip(-1, 1)
        rest = others @ groups.values
        self.rest = groups.as_group_values(rest, _n_of_others(groups, rest, variance))
        self._degrees_of_rest = np.full(len(rest), groups.people - 1.0 + EXTRA_DEGREES)

    @property
    def error_ratio(self) -> float:
        """Largest error of a group against all others, over what it would be if the groups were independent."""
        groups = self.groups
        contrast = groups.others - np.eye(len(groups.values))
        alone = np.square(contrast) @ np.diag(groups.if_equal)
        together = np.einsum("gi,ij,gj->g", contrast, groups.if_equal, contrast).clip(0)
        return float(np.sqrt(divide(together, alone, 1.0).max()))

    def pairs(self, quantile: Floats | float, side: Side) -> Floats:
        """Return the limit of first less second group for every ordered pair, shape (groups (groups - 1),)."""
        value = self.groups.values
        below, above = self.groups.distances(self.own, as_t(quantile, self.groups.degrees))
        difference = value[:, None] - value[None, :]
        if side == "low":
            limit = difference - mover(below[:, None], above[None, :], self._correlation)
        else:
            limit = difference + mover(above[:, None], below[None, :], self._correlation)
        return np.asarray(limit[~np.eye(len(value), dtype=np.bool_)], dtype=np.float64)

    def against_rest(self, own: Floats | float, rest: Floats | float, side: Side, sign: int) -> Floats:
        """Return the limit of all others less the group (``sign`` 1) or the group less all others (-1)."""
        groups = self.groups
        below, above = groups.distances(self.own, as_t(own, groups.degrees))
        rest_below, rest_above = groups.distances(self.rest, as_t(rest, self._degrees_of_rest))
        outward = (rest_below, above) if (side == "low") == (sign > 0) else (rest_above, below)
        distance = mover(*outward, self._with_rest)
        difference = sign * (self.rest.value[0] - groups.values)
        return np.asarray(difference - distance if side == "low" else difference + distance)


def _n_of_others(groups: CorrelatedValues, rest: Floats, variance: Floats) -> Floats:
    """Return the effective n of all the others of each group; where they show no error, the sum of theirs."""
    if groups.kind == "mean":
        return np.asarray(1 / np.maximum(variance, np.finfo(float).tiny))
    unit = rest * (1 - rest)
    varies = (variance > NOTHING) & (unit > 1e-9)
    together = (groups.others > 0) @ groups.n_effective
    return np.where(varies, divide(unit, np.where(varies, variance, 0.0), 0.0), together)


def as_t(quantile: Floats | float, degrees: Floats) -> Floats:
    """Return the t quantile of each group at the level of a normal quantile."""
    found: Floats = np.asarray(t.isf(ndtr(-np.asarray(quantile)), degrees), dtype=np.float64)
    return found


def mover(one: Floats, other: Floats, correlation: Floats) -> Floats:
    """Return ``sqrt(A^2 + B^2 - 2 r A B)``, the distance of the limit of a difference (Zou 2007)."""
    square = np.square(one) + np.square(other) - 2 * correlation * one * other
    return np.asarray(np.sqrt(np.maximum(square, 0)))


def correlation_of(covariance: Floats) -> Floats:
    """Return the correlations, 0 with a group that has no variance."""
    error = np.sqrt(np.diag(covariance).clip(0))
    scale = np.outer(error, error)
    found = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 0).clip(-1, 1)
    np.fill_diagonal(found, 1.0)
    return found
