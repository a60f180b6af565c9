"""How sure an estimate must be, and how small a group may be."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.special import ndtri

from ..errors import UsageError


@dataclass(frozen=True)
class StatisticsRules:
    """Level of confidence and the rule for small groups.

    A group is measured when it has at least ``min_subjects`` people, below which no interval here keeps its
    promise, and at least :meth:`effective_needed` independent faces, below which its interval would be too
    wide to be of use.

    Attributes:
        level: confidence level of every interval, above 0 and below 1.
        min_subjects: people a group must have to be measured, at least 1.
        half_width: half the width of interval that is still of use, as a share of the metric's range.
        min_effective: effective sample size a group must have whatever the rate.
    """

    level: float = 0.95
    min_subjects: int = 10
    half_width: float = 0.15
    min_effective: float = 25.0

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise UsageError(f"expected a confidence level between 0 and 1, such as 0.95, but got {self.level}")
        if self.min_subjects < 1:
            raise UsageError(f"expected min_subjects to be at least 1, but got {self.min_subjects}")
        if self.half_width <= 0:
            raise UsageError(f"expected half_width to be above 0, such as 0.15, but got {self.half_width}")
        if self.min_effective < 0:
            raise UsageError(f"expected min_effective to be 0 or more, but got {self.min_effective}")

    @property
    def z(self) -> float:
        """The standard normal quantile of the two-sided level: 1.96 at 0.95."""
        return float(ndtri(0.5 + self.level / 2))

    def effective_needed(self, variance: float, width: float = 1.0) -> float:
        """Return the effective sample size a group needs to be measured.

        The variance is that of all groups together. A rule that looked at a group's own variance would keep
        the groups whose rate happened to come out near 0 or 1, and so widen the differences between those
        shown.

        Args:
            variance: variance of one face's value over all groups: ``p (1 - p)`` for a rate.
            width: width of the metric's range, 1 for a rate; infinite when it has none.
        """
        return max(self.min_effective, variance * (self.z / (self.half_width * width)) ** 2)
