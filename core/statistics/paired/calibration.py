"""Calibration error of every group, also when the groups are dealt out anew.

The expected calibration error (ECE) adds up absolute values, so chance alone makes it positive, the more so the smaller
the group: compared as they are, small groups would look worse calibrated than large ones. What is compared is
therefore ``sqrt(max(0, ECE^2 - null^2))``, with ``null`` the ECE that a calibrated model would show on the same
confidences of as many people. In simulations of groups of 12 to 600 people its bias was -0.02 to 0.03 where that of
the ECE itself was 0 to 0.09, and that of ``ECE - null`` -0.08 to 0: a null taken off whole is too much once a model
is not calibrated. The study ``paired_gaps`` shows what that does to the gaps.

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

    def __init__(self, bins: int = BINS) -> None:
        """Use so many bins, 2 to 15."""
        self.bins = bins

    def estimate(self, first: Floats, second: Floats, person: Integers, rules: StatisticsRules) -> Estimate:
        """Return the ECE as observed, chance included, of one set of faces; see ``ece.py`` for its null."""
        return calibration_error(second, first, person, rules, self.bins).observed

    def under_labellings(
        self, first: Floats, second: Floats, person: Integers, labels: Integers, groups: int
    ) -> Labelled:
        """Return the ECE without what chance adds, of every group; see :class:`~.statistic.PairedStatistic`."""
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
        index = np.abs(sums[..., :bins]).sum(axis=-1) / faces
        null = np.sqrt(sums[..., bins : 2 * bins]).sum(axis=-1) / faces
        value = np.sqrt(np.maximum(index**2 - OF_FOLDED * null**2, 0))
        mean = rest / faces
        squares = np.maximum(rr - 2 * mean * rn + mean**2 * nn, 0)
        own = np.where(m > 1, squares * m / np.maximum(m - 1, 1), 0.0) / faces**2
        worth = faces + alike * np.maximum(nn - faces, 0)
        pooled = pooled_variance(own, np.ones_like(own), faces, worth, defined)
        return moderate(value, faces, own, pooled, np.ones_like, defined)

    def limits(self, value: Floats, variance: Floats, quantile: Floats | float) -> tuple[Floats, Floats]:
        """Return value less and plus quantile times error, within 0 and 1."""
        half = quantile * np.sqrt(variance)
        return np.clip(value - half, 0, value), np.clip(value + half, value, 1)
