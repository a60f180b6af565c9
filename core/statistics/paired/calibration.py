"""Calibration error of every group, also when the groups are dealt out anew.

The expected calibration error (ECE) adds up absolute values, so chance alone makes it positive, the more so the smaller
the group: compared as they are, small groups would look worse calibrated than large ones. What is compared is the ECE
*beyond chance*: the root of ``ECE^2 - null^2``, with ``null`` the ECE that a calibrated model would show on the same
confidences of as many people, their faces as alike as they are. Where the ECE is below its null the root of the
difference is negative: set to 0, calibrated groups would be above 0 on average, many of them together no less than one,
and bounds of how far a badly calibrated group is behind all others would miss the truth in up to 15 of 100 data sets.
The ECE less its null, for comparison, is too small where there is something to compare (study ``calibration_null``).

The error is that of the mean signed gap, confidence less accuracy around the gap that all faces have in a bin: faces
of one person are alike, so their bins err to the same side, and no other sum of signed bins varies more.
"""

from __future__ import annotations

import numpy as np

from ...results import Estimate
from ..ece import bin_of, calibration_error
from ..rules import StatisticsRules
from ..sums import Floats, Integers, divide, total_at
from .statistic import Labelled, PairedStatistic, likeness, moderate, pooled_variance, sums_under

BINS = 10
OF_FOLDED = 2 / np.pi  # squared mean of the absolute value of a standard normal number


class CalibrationGap(PairedStatistic):
    """Expected calibration error over bins of equal width; ``first`` is 1 for right answers, ``second`` confidence."""

    name = "ece"
    bounds = (0.0, 1.0)

    def __init__(self, bins: int = BINS) -> None:
        """Use so many bins, 2 to 15."""
        self.bins = bins

    def estimate(self, first: Floats, second: Floats, person: Integers, rules: StatisticsRules) -> Estimate:
        """Return the ECE as observed, chance included, of one set of faces; see ``ece.py`` for its null."""
        return calibration_error(second, first, person, rules, self.bins).observed

    def under_labellings(
        self, first: Floats, second: Floats, person: Integers, labels: Integers, groups: int
    ) -> Labelled:
        """Return the ECE beyond chance, negative below; see :class:`~.statistic.PairedStatistic`."""
        people, bins = labels.shape[1], self.bins
        place = bin_of(second, bins)
        at, size = person * bins + place, people * bins
        gap = second - first
        count = total_at(place, None, bins)
        residual = gap - divide(total_at(place, gap, bins), count, 0.0)[place]
        n, r = total_at(person, None, people), total_at(person, residual, people)
        alike = likeness(residual, r, n)
        number, unit = (total_at(at, each, size).reshape(people, bins) for each in (None, second * (1 - second)))
        noise = unit * (1 + alike * np.maximum(number - 1, 0))
        shown = total_at(at, gap, size).reshape(people, bins)
        moments = np.stack([(n > 0).astype(np.float64), n, r, r * r, r * n, n * n], axis=1)
        sums = sums_under(labels, np.hstack([shown, noise, moments]), groups)
        m, faces, rest, rr, rn, nn = np.moveaxis(sums[..., 2 * bins :], -1, 0)
        defined, faces = faces > 0, np.maximum(faces, 1.0)
        mean = rest / faces
        squares = np.maximum(rr - 2 * mean * rn + mean**2 * nn, 0)
        own = np.where(m > 1, squares * m / np.maximum(m - 1, 1), 0.0) / faces**2
        worth = faces + alike * np.maximum(nn - faces, 0)
        pooled = pooled_variance(own, np.ones_like(own), faces, worth, defined)
        noisier = np.divide(own, pooled, out=np.ones_like(own), where=pooled > 0)
        null = np.sqrt(sums[..., bins : 2 * bins] * np.maximum(noisier, 1.0)[..., None]).sum(axis=-1) / faces
        index = np.abs(sums[..., :bins]).sum(axis=-1) / faces
        beyond = index**2 - OF_FOLDED * null**2
        value = np.sign(beyond) * np.sqrt(np.abs(beyond))
        return moderate(value, faces, own, pooled, np.ones_like, defined)

    def limits(self, value: Floats, variance: Floats, quantile: Floats | float) -> tuple[Floats, Floats]:
        """Return value less and plus quantile times error; below 0 too, as the value itself may be."""
        half = quantile * np.sqrt(variance)
        return value - half, np.clip(value + half, value, 1)
