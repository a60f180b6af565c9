"""Limits of differences between groups: of every pair, and of every group against all others together.

Limits of the groups are put together by MOVER (Zou and Donner 2008, Statistics in Medicine 27:1693). People in several
groups (an attribute of the picture) make the groups alike; the limits treat the groups as independent, which is then
too cautious.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from .gap_data import GapData
from .group_tests import the_others
from .sums import Floats

Side = Literal["low", "high"]


class GapLimits:
    """Limits of the groups of one question, of the others of each, and of differences between them."""

    def __init__(self, data: GapData) -> None:
        """Work out the values once."""
        self.data = data
        self.own = data.observed()
        self.rest = the_others(self.own)

    def pairs(self, quantile: Floats | float, side: Side) -> Floats:
        """Return the limit of first less second group for every ordered pair, shape (groups (groups - 1),)."""
        value = self.own.value[0]
        below, above = self.data.distances(self.own, quantile)
        difference = value[:, None] - value[None, :]
        if side == "low":
            limit = difference - np.hypot(below[:, None], above[None, :])
        else:
            limit = difference + np.hypot(above[:, None], below[None, :])
        return np.asarray(limit[~np.eye(len(value), dtype=np.bool_)], dtype=np.float64)

    def against_rest(self, own: Floats | float, rest: Floats | float, side: Side, sign: int) -> Floats:
        """Return the limit of all others less the group (``sign`` 1) or the group less all others (-1)."""
        below, above = self.data.distances(self.own, own)
        rest_below, rest_above = self.data.distances(self.rest, rest)
        difference = sign * (self.rest.value[0] - self.own.value[0])
        outward = (rest_below, above) if (side == "low") == (sign > 0) else (rest_above, below)
        limit: Floats = difference + (-1 if side == "low" else 1) * np.hypot(*outward)
        return limit

    def lowest_largest(self, of_pair: float, of_rest: float) -> float:
        """Return the lower bound of the largest difference at these critical values."""
        families = [self.pairs(of_pair, "low")]
        families += [self.against_rest(of_rest, of_rest, "low", sign) for sign in (1, -1)]
        return float(np.concatenate(families).max())

    def highest_largest(self, alpha: float) -> float:
        """Return the upper bound of the largest difference: every pair at its ordinary one-sided level."""
        own, _ = self.data.quantiles(alpha)
        return float(self.pairs(own, "high").max())

    def lowest_worst(self, critical: float, sign: int) -> float:
        """Return the lower bound of how far the worst group is behind all others."""
        return float(self.against_rest(critical, critical, "low", sign).max())

    def highest_worst(self, alpha: float, sign: int) -> float:
        """Return its upper bound: every group at its ordinary one-sided level."""
        own, rest = self.data.quantiles(alpha)
        return float(self.against_rest(own, rest, "high", sign).max())
