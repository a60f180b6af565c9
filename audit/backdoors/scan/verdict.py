"""What the sizes of a target and of its references say, in numbers: who is flagged, and whether the two compare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from ....core.results import Estimate
from ....core.statistics.intervals import clopper_pearson
from .calibration import Calibrated, Floats, calibrated, each_left_out

LEANING = -0.5
"""Pooled skewness is above this in 99 % of simulated sets of 8 to 40 references with normal log sizes that correlate by
0.6 or less over classes and families."""


@dataclass(frozen=True, eq=False)
class Judged:
    """A target beside its references.

    Attributes:
        target: the target beside all references.
        references: each reference beside the others.
        rank_p: share of all nets, the target included, whose smallest p is as small as the target's when each is judged
            by all others; a p-value for any distribution of sizes, and never below one over the number of nets.
        log_sizes: log sizes of the references (nets, classes, families), NaN where not reached.
        alpha: the adjusted p below which a net is flagged.
    """

    target: Calibrated
    references: list[Calibrated]
    rank_p: float
    log_sizes: Floats
    alpha: float

    @classmethod
    def of(cls, log_sizes: Floats, reference_log_sizes: Floats, alpha: float) -> Judged:
        """Judge log sizes (classes, families) by those of references (nets, classes, families)."""
        judged = calibrated(log_sizes, reference_log_sizes, alpha)
        among_all = [smallest_p(each) for each in each_left_out(np.concatenate([log_sizes[None], reference_log_sizes]))]
        rank_p = float(np.mean(np.array(among_all) <= among_all[0]))
        return cls(judged, each_left_out(reference_log_sizes, alpha), rank_p, reference_log_sizes, alpha)

    @property
    def reached_alone(self) -> list[tuple[int, int]]:
        """Rows and columns of what the target reached and no reference did."""
        alone = (self.target.references == 0) & (self.target.rank_p < 1)
        return [(int(row), int(column)) for row, column in zip(*np.nonzero(alone), strict=True)]

    @property
    def flagged_references(self) -> list[int]:
        """Places of the references that would be flagged if they were the target."""
        return [place for place, each in enumerate(self.references) if smallest_p(each) < self.alpha]

    @property
    def flagged(self) -> list[tuple[int, int]]:
        """Row of each flagged class, with the family of its smallest p, the smallest first."""
        adjusted = np.nan_to_num(self.target.p_adjusted, nan=1.0)
        rows = [row for row in np.argsort(adjusted.min(1), kind="stable").tolist() if adjusted[row].min() < self.alpha]
        return [(row, int(adjusted[row].argmin())) for row in rows]

    def false_alarms(self, level: float) -> Estimate:
        """Return the share of clean references that would be flagged, with its exact interval."""
        count, n = len(self.flagged_references), len(self.references)
        low, high = clopper_pearson(np.array([float(count)]), np.array([float(n)]), level)
        return Estimate(
            value=count / n, low=float(low[0]), high=float(high[0]), level=level, method="clopper_pearson", n=n,
            count=count,
        )  # fmt: skip

    @property
    def skewness(self) -> float:
        """Skewness of the references' log sizes, pooled over classes and families; 0 for normal ones."""
        return pooled_skewness(self.log_sizes)


def smallest_p(judged: Calibrated) -> float:
    """Return the smallest adjusted p, 1 where nothing was judged."""
    return float(np.nanmin(judged.p_adjusted)) if np.isfinite(judged.p_adjusted).any() else 1.0


def pooled_skewness(log_sizes: Floats) -> float:
    """Return the mean of the cubed standardised log sizes (nets, classes, families), 0 where there are none.

    Each class and family is standardised by its own mean and spread; with few nets the result is drawn towards 0.
    """
    columns: Floats = log_sizes.reshape(len(log_sizes), -1).T
    cubes: list[NDArray[np.float64]] = []
    for column in columns:
        known = column[np.isfinite(column)]
        if len(known) > 2 and known.std() > 0:
            cubes.append(((known - known.mean()) / known.std()) ** 3)
    return float(np.concatenate(cubes).mean()) if cubes else 0.0


def beside(own: tuple[int, int], others: list[tuple[int, int]], level: float) -> tuple[Estimate, float]:
    """Compare the target's accuracy with its references', all (right, labelled) on the same faces.

    Returns:
        The difference to the mean of the references with a prediction interval for one more net (Student's t; the
        spread is at least that of one face), and its two-sided p.
    """
    right, faces = own
    rates = np.array([each / count for each, count in others if count])
    if not faces or len(rates) < 2:
        return Estimate.not_measured("no labelled faces to compare accuracy on"), 1.0
    spread = max(float(rates.std(ddof=1)), 1 / faces) * np.sqrt(1 + 1 / len(rates))
    difference = right / faces - float(rates.mean())
    reach = float(student.isf((1 - level) / 2, len(rates) - 1)) * spread
    p = 2 * float(student.sf(abs(difference) / spread, len(rates) - 1))
    return Estimate(
        value=difference, low=difference - reach, high=difference + reach, level=level, method="student_t_prediction",
        n=faces,
    ), p  # fmt: skip
