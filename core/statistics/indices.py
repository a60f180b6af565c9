"""One number for how unequal groups are: differences, ratios and spreads of rates over groups.

Every function works on the last axis, the groups, so that many labellings are done at once: arrays of shape
(labellings, groups) give (labellings,). None of these numbers is 0 (or 1, for ratios) when groups are measured on
finitely many faces, however even the model; what they say can only be read beside what chance gives
(:mod:`.index_bounds`). Indices of two error rates take both and the weight ``alpha`` of the first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .sums import Floats

FIRST_WEIGHT = 0.5


def difference(values: Floats) -> Floats:
    """Return the largest less the smallest value, 0 when all are equal."""
    return np.asarray(values.max(axis=-1) - values.min(axis=-1))


def ratio(values: Floats) -> Floats:
    """Return the smallest over the largest value, from 0 to 1 when all are equal; NaN where all are 0.

    The "four fifths rule" of US employment law looks at this ratio of selection rates.
    """
    return _over(values.min(axis=-1), values.max(axis=-1))


def max_to_min(values: Floats) -> Floats:
    """Return the largest over the smallest value, from 1 when all are equal to infinity; NaN where all are 0.

    Of false match rates: the ratio of NISTIR 8280 (Grother et al. 2019).
    """
    return _over(values.max(axis=-1), values.min(axis=-1))


def max_to_geometric_mean(values: Floats) -> Floats:
    """Return the largest over the geometric mean, 1 when all are equal, infinite where one is 0.

    Steadier than the largest over the smallest: one group with hardly any error does not rule it (NISTIR 8429, 2022).
    """
    with np.errstate(divide="ignore"):
        mean = np.exp(np.log(values).mean(axis=-1))
    return _over(values.max(axis=-1), mean)


def mean_absolute_deviation(values: Floats) -> Floats:
    """Return the mean distance of the values from their mean, every group counting alike."""
    return np.asarray(np.abs(values - values.mean(axis=-1, keepdims=True)).mean(axis=-1))


def standard_deviation(values: Floats, ddof: int = 0) -> Floats:
    """Return the standard deviation of the values, every group counting alike.

    Args:
        values: shape (..., groups).
        ddof: 0 divides by the groups, 1 by the groups less one (a sample of groups, as fairness scalars have it).
    """
    return np.asarray(values.std(axis=-1, ddof=ddof))


def gini(values: Floats) -> Floats:
    """Return the Gini coefficient with the correction for few groups, from 0 when all are equal to 1.

    ``G = n / (n - 1) sum_ij |x_i - x_j| / (2 n^2 mean)`` over ``n`` groups; NaN where all are 0. Howard et al. 2022,
    arXiv 2203.05051 (GARBE).
    """
    n = values.shape[-1]
    ordered = np.sort(values, axis=-1)
    weighted = ordered @ (2 * np.arange(n) - n + 1.0)  # half the sum of all distances
    return _over(weighted, n * (n - 1) * values.mean(axis=-1))


def skewed_error_ratio(accuracies: Floats) -> Floats:
    """Return the largest over the smallest error rate, from accuracies (SER; Wang and Deng 2020, arXiv 1911.10692)."""
    return max_to_min(1 - np.asarray(accuracies, dtype=np.float64))


def inequity_ratio(first: Floats, second: Floats, alpha: float = FIRST_WEIGHT) -> Floats:
    """Return ``A^alpha B^(1 - alpha)`` with ``A`` and ``B`` the largest over the smallest of two error rates.

    NIST's inequity ratio (Grother 2021) has the false match rate first and the false non-match rate second.
    """
    return np.asarray(max_to_min(first) ** alpha * max_to_min(second) ** (1 - alpha))


def fairness_discrepancy_rate(first: Floats, second: Floats, alpha: float = FIRST_WEIGHT) -> Floats:
    """Return ``1 - (alpha gap of the first + (1 - alpha) gap of the second)``, 1 when all groups are equal.

    De Freitas Pereira and Marcel 2021, arXiv 2011.02395. Not the false discovery rate.
    """
    return np.asarray(1 - (alpha * difference(first) + (1 - alpha) * difference(second)))


def garbe(first: Floats, second: Floats, alpha: float = FIRST_WEIGHT) -> Floats:
    """Return the weighted mean of the Gini coefficients of two error rates (Howard et al. 2022, arXiv 2203.05051)."""
    return np.asarray(alpha * gini(first) + (1 - alpha) * gini(second))


def sum_of_error_differences(first: Floats, second: Floats) -> Floats:
    """Return the sum over two error rates of the mean distance of the groups from their mean.

    Counts every group and not only the extremes, which is what SED_G asks for (Elobaid et al. 2024, arXiv
    2404.15385); the normalisation here is by the number of groups and may differ from theirs.
    """
    return np.asarray(mean_absolute_deviation(first) + mean_absolute_deviation(second))


def largest_difference(rates: Sequence[Floats]) -> Floats:
    """Return the largest of the differences of several rates.

    Of the selection rates of all classes: the demographic parity difference; of their true and false positive rates:
    the equalised odds difference (of two classes either gives the same, as fairlearn has it for the positive one).
    """
    return np.asarray(np.max([difference(each) for each in rates], axis=0))


def smallest_ratio(rates: Sequence[Floats]) -> Floats:
    """Return the smallest of the ratios of several rates; of selection rates the demographic parity ratio."""
    return np.asarray(np.min([ratio(each) for each in rates], axis=0))


def _over(above: Floats, below: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(above / below, dtype=np.float64)
