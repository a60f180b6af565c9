"""How well a predicted value agrees with the true one: concordance, correlation, root mean square error.

All three are functions of sums over faces, so of one line of sums per person: leaving a person out is a subtraction,
and the groups of a labelling are one product of matrices. With ``m`` for means over faces, ``y`` the truth and ``p``
the prediction:

- CCC ``2 cov / (var_y + var_p + (m_y - m_p)^2)``, moments divided by the number of faces (Lin 1989, Biometrics 45:255).
- PCC ``cov / (sd_y sd_p)``.
- RMSE, the root of the mean of ``(y - p)^2``.

Interval of one set of faces: each person left out in turn (jackknife), symmetric on the scale of ``atanh`` (CCC, PCC)
or of the logarithm (RMSE), t with ``people - 1`` degrees. Error of groups dealt out anew: from influences, the
gradient times a person's sums, whose squares add up to a form of the second moments of the lines.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from ...results import Estimate
from ..class_means import too_few
from ..intervals import NO_VARIATION, t_quantile
from ..rules import StatisticsRules
from ..sums import Floats, Integers, total_at
from .statistic import Labelled, PairedStatistic, common_value, likeness, moderate, pooled_variance, sums_under

METHOD_ATANH = "jackknife_people_atanh"
METHOD_LOG = "jackknife_people_log"
FLAT = 1e-12  # a variance of so small a share of the mean square is no more than rounding leaves
MOST = 1 - 1e-15  # largest correlation that has a finite atanh

Y, P, YY, PP, YP = range(1, 6)


class Agreement(PairedStatistic):
    """A function of the means of some columns, the first of which is 1 for every face."""

    method: str
    without_value: str

    @abstractmethod
    def columns(self, first: Floats, second: Floats) -> Floats:
        """Return the columns of each face, shape (faces, columns)."""

    @abstractmethod
    def value_of(self, means: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the statistic from means of shape (..., columns), 0 where it has no value, and whether it has."""

    @abstractmethod
    def gradient(self, means: Floats, value: Floats) -> Floats:
        """Return the derivative by the means, shape (..., columns), with 0 for the first column; finite everywhere."""

    @abstractmethod
    def transform(self, value: Floats) -> Floats:
        """Return the value on the scale on which its variance hardly depends on it."""

    @abstractmethod
    def back(self, transformed: Floats) -> Floats:
        """Return the value from :meth:`transform`."""

    @abstractmethod
    def unit(self, value: Floats) -> Floats:
        """Return the variance at a value relative to that of the transformed value: 1 over the slope squared."""

    @abstractmethod
    def at_end(self, value: Floats) -> NDArray[np.bool_]:
        """Return whether a value lies where the transformed scale is infinite."""

    def estimate(self, first: Floats, second: Floats, person: Integers, rules: StatisticsRules) -> Estimate:
        """Return the statistic of one set of faces; see :class:`~.statistic.PairedStatistic`."""
        present, person = np.unique(person, return_inverse=True)
        people, faces = len(present), len(first)
        if people < max(rules.min_subjects, 2):
            return too_few(people, faces, rules)
        lines = _lines(self.columns(first, second), person.reshape(-1), people)
        total = lines.sum(axis=0)
        value, defined = self.value_of(total / total[0])
        if not defined:
            return Estimate.not_measured(self.without_value, n=faces, subjects=people)
        rest = total - lines
        left_out, left_defined = self.value_of(rest / rest[:, :1])
        if not left_defined.all():
            return Estimate.not_measured(f"{self.without_value} but of one person", n=faces, subjects=people)
        shown = Estimate(value=float(value), method=NO_VARIATION, n=faces, subjects=people)
        if self.at_end(value).any() or self.at_end(left_out).any():
            return shown  # without error, or all of it one person's: nothing to judge the variation by
        without = self.transform(left_out)
        variance = (people - 1) / people * float(np.square(without - without.mean()).sum())
        half = float(t_quantile(rules.level, np.asarray([people - 1.0]))[0]) * np.sqrt(variance)
        low, high = (float(self.back(self.transform(value) + side * half)) for side in (-1, 1))
        limits = {"low": min(low, float(value)), "high": max(high, float(value)), "level": rules.level}
        return shown.model_copy(update={**limits, "method": self.method})

    def under_labellings(
        self, first: Floats, second: Floats, person: Integers, labels: Integers, groups: int
    ) -> Labelled:
        """Return the statistic of every group under every labelling; see :class:`~.statistic.PairedStatistic`."""
        people, columns = labels.shape[1], self.columns(first, second)
        lines = _lines(columns, person, people)
        alike = self._likeness(columns, lines)
        count = lines.shape[1]
        one, other = np.triu_indices(count)
        squares = lines[:, one] * lines[:, other]
        present = (lines[:, :1] > 0).astype(np.float64)
        sums = sums_under(labels, np.hstack([present, lines, squares]), groups)
        m, total, moments = sums[..., 0], sums[..., 1 : count + 1], sums[..., count + 1 :]
        faces = np.maximum(total[..., 0], 1.0)
        means = total / faces[..., None]
        value, defined = self.value_of(means)
        defined &= total[..., 0] > 0
        slope = self.gradient(means, value)
        slope[..., 0] = -(slope * means).sum(axis=-1)
        own = np.zeros_like(value)
        for place, (i, j) in enumerate(zip(one, other, strict=True)):
            own += (1 if i == j else 2) * slope[..., i] * slope[..., j] * moments[..., place]
        own = np.where(m > 1, np.maximum(own, 0) * m / np.maximum(m - 1, 1), 0.0) / faces**2
        worth = faces + alike * np.maximum(moments[..., 0] - faces, 0.0)  # the first square is that of the faces
        pooled = pooled_variance(own, self.unit(value), faces, worth, defined)
        return moderate(value, faces, own, pooled, self.unit, defined)

    def _likeness(self, columns: Floats, lines: Floats) -> float:
        """Return how alike faces of one person are in their influence on the statistic of all faces."""
        means = columns.mean(axis=0)
        value, defined = self.value_of(means)
        if not defined:
            return 0.0
        slope = self.gradient(means, value)
        slope[0] = -float(slope @ means)
        return likeness(columns @ slope, lines @ slope, lines[:, 0])

    def limits(self, value: Floats, variance: Floats, quantile: Floats | float) -> tuple[Floats, Floats]:
        """Return limits symmetric on the transformed scale; see :class:`~.statistic.PairedStatistic`."""
        unit = np.maximum(self.unit(common_value(value, variance)), np.finfo(float).tiny)
        half = quantile * np.sqrt(variance / unit)
        centre = self.transform(value)
        low, high = self.back(centre - half), self.back(centre + half)
        return np.minimum(low, value), np.maximum(high, value)


class _Correlation(Agreement):
    bounds = (-1.0, 1.0)
    method = METHOD_ATANH
    without_value = "every face has the same true value"

    def columns(self, first: Floats, second: Floats) -> Floats:
        centre = first.mean()  # neither statistic depends on it, and less is lost to rounding
        y, p = first - centre, second - centre
        return np.stack([np.ones(len(y)), y, p, y * y, p * p, y * p], axis=1)

    def transform(self, value: Floats) -> Floats:
        return np.asarray(np.arctanh(np.clip(value, -MOST, MOST)))

    def back(self, transformed: Floats) -> Floats:
        return np.asarray(np.tanh(transformed))

    def unit(self, value: Floats) -> Floats:
        return np.asarray(np.square(1 - np.square(value)))

    def at_end(self, value: Floats) -> NDArray[np.bool_]:
        return np.asarray(1 - np.abs(value) <= FLAT)


def _moments(means: Floats) -> tuple[Floats, Floats, Floats]:
    """Return variance of the truth, of the prediction (0 where no more than rounding) and covariance."""
    found = []
    for mean, square in ((Y, YY), (P, PP)):
        variance = means[..., square] - means[..., mean] ** 2
        found.append(np.where(variance > FLAT * means[..., square], variance, 0.0))
    covariance = means[..., YP] - means[..., Y] * means[..., P]
    return found[0], found[1], np.where((found[0] > 0) & (found[1] > 0), covariance, 0.0)


class Concordance(_Correlation):
    """Concordance correlation coefficient (CCC), -1 to 1."""

    name = "ccc"

    def value_of(self, means: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the CCC; it has no value where the truth is constant."""
        truth, predicted, covariance = _moments(means)
        defined = np.asarray(truth > 0)
        below = np.where(defined, truth + predicted + (means[..., Y] - means[..., P]) ** 2, 1.0)
        return np.where(defined, 2 * covariance / below, 0.0), defined

    def gradient(self, means: Floats, value: Floats) -> Floats:
        """Return the derivative of ``2 C / D`` with ``D = m_yy + m_pp - 2 m_y m_p``."""
        below = means[..., YY] + means[..., PP] - 2 * means[..., Y] * means[..., P]
        twice = np.divide(2.0, below, out=np.zeros_like(below), where=below > 0)
        slope = np.zeros_like(means)
        slope[..., Y], slope[..., P] = (-twice * (1 - value) * means[..., other] for other in (P, Y))
        slope[..., YY] = slope[..., PP] = -value * twice / 2
        slope[..., YP] = twice
        return slope


class Correlation(_Correlation):
    """Pearson's correlation coefficient (PCC), -1 to 1."""

    name = "pcc"
    without_value = "every face has the same true value, or the same predicted one"

    def value_of(self, means: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the PCC; it has no value where truth or prediction is constant."""
        truth, predicted, covariance = _moments(means)
        defined = np.asarray((truth > 0) & (predicted > 0))
        below = np.sqrt(np.where(defined, truth * predicted, 1.0))
        return np.where(defined, np.clip(covariance / below, -1.0, 1.0), 0.0), defined

    def gradient(self, means: Floats, value: Floats) -> Floats:
        """Return the derivative of ``C / sqrt(V_y V_p)``."""
        truth, predicted, _ = _moments(means)
        known = (truth > 0) & (predicted > 0)
        truth, predicted = np.where(known, truth, 1.0), np.where(known, predicted, 1.0)
        below = np.sqrt(truth * predicted)
        slope = np.zeros_like(means)
        slope[..., Y] = value * means[..., Y] / truth - means[..., P] / below
        slope[..., P] = value * means[..., P] / predicted - means[..., Y] / below
        slope[..., YY], slope[..., PP] = -value / (2 * truth), -value / (2 * predicted)
        slope[..., YP] = 1 / below
        return np.where(known[..., None], slope, 0.0)


class RootMeanSquareError(Agreement):
    """Root mean square error (RMSE), 0 or more, in the unit of the values."""

    name = "rmse"
    method = METHOD_LOG
    without_value = "there is no face"

    def columns(self, first: Floats, second: Floats) -> Floats:
        """Return 1 and the squared error of each face."""
        return np.stack([np.ones(len(first)), np.square(first - second)], axis=1)

    def value_of(self, means: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the RMSE, which every set of faces has."""
        value = np.sqrt(np.maximum(means[..., 1], 0))
        return value, np.ones(value.shape, dtype=np.bool_)

    def gradient(self, means: Floats, value: Floats) -> Floats:
        """Return the derivative of the root."""
        slope = np.zeros_like(means)
        slope[..., 1] = np.divide(0.5, value, out=np.zeros_like(value), where=value > 0)
        return slope

    def transform(self, value: Floats) -> Floats:
        """Return the logarithm, of 0 that of the smallest number."""
        return np.asarray(np.log(np.maximum(value, np.finfo(float).tiny)))

    def back(self, transformed: Floats) -> Floats:
        """Return the exponential."""
        return np.asarray(np.exp(np.minimum(transformed, 700.0)))

    def unit(self, value: Floats) -> Floats:
        """Return the square: an error varies in proportion to its size."""
        return np.asarray(np.square(value))

    def at_end(self, value: Floats) -> NDArray[np.bool_]:
        """Return whether there is no error at all."""
        return np.asarray(value <= 0)


def _lines(columns: Floats, person: Integers, people: int) -> Floats:
    """Return the sums of each person's columns, shape (people, columns)."""
    return np.stack([total_at(person, column, people) for column in columns.T], axis=1)
