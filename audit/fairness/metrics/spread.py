"""How far the accuracies of groups are spread: the skewed error ratio and their standard deviation.

Both are positive for groups that are all alike, so each stands with what groups of the same sizes and one common error
rate show. Wang and Deng 2020, CVPR, report both for face verification: SER is the largest error rate over the smallest,
the standard deviation that of the sample of groups.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import ndtri

from ....core.results import Estimate
from ....core.statistics.indices import skewed_error_ratio, standard_deviation
from ....core.statistics.sums import Floats

METHOD_RATIO = "max_pair_of_log_rates"
METHOD_SPREAD = "null_quantile_and_contrasts"
METHOD_NULL = "drawn_at_common_rate"
DRAWS = 4000


def error_ratio(
    accuracies: Floats, n_effective: Floats, n: int, random: np.random.Generator, level: float
) -> Iterator[tuple[str, Estimate]]:
    """Yield the suffix and estimate of the skewed error ratio and of its null.

    Limits come from the logarithms of the error rates, with half an error and one face added to each group: the lower
    one is the largest lower limit over pairs that hold together, the upper one the largest of single ones.

    Args:
        accuracies: of each group, shape (groups,).
        n_effective: independent faces or pairs behind each, shape (groups,).
        n: how many there are in all.
        random: source of the draws.
        level: confidence level.
    """
    if len(accuracies) < 2:
        yield "", Estimate.not_measured(_few(len(accuracies)), n=n)
        return
    value = float(skewed_error_ratio(accuracies))
    if not np.isfinite(value):
        yield "", Estimate.not_measured("a group has no error at all, so the ratio has no finite value", n=n)
        return
    errors = 1 - accuracies
    shrunk = (errors * n_effective + 0.5) / (n_effective + 1)
    log, error = np.log(shrunk), np.sqrt((1 - shrunk) / (shrunk * n_effective))
    apart = np.hypot(error[:, None], error[None, :])
    off = ~np.eye(len(errors), dtype=np.bool_)
    difference = log[:, None] - log[None, :]
    drawn = random.standard_normal((DRAWS, len(errors))) * error
    largest = np.abs((drawn[:, :, None] - drawn[:, None, :]) / apart)[:, off].max(axis=1)
    together, single = float(np.quantile(largest, (1 + level) / 2)), float(ndtri((1 + level) / 2))
    low = float(np.exp(max((difference - together * apart)[off].max(), 0.0)))
    high = float(np.exp((difference + single * apart)[off].max()))
    yield "", Estimate(value=value, low=min(low, value), high=max(high, value), level=level, method=METHOD_RATIO, n=n)
    counts = _drawn(errors, n_effective, random)
    rate = (counts + 0.5) / (n_effective + 1)
    yield ".null_drawn", _null(rate.max(axis=1) / rate.min(axis=1), level, n)


def spread_of_accuracy(
    accuracies: Floats, n_effective: Floats, n: int, random: np.random.Generator, level: float
) -> Iterator[tuple[str, Estimate]]:
    """Yield the suffix and estimate of the standard deviation of accuracies (of a sample) and of its null.

    The deviation is the largest of the contrasts ``c (accuracies - mean)`` of length ``1 / sqrt(groups - 1)``: the
    lower limit subtracts the upper quantile of pure noise, the upper adds the largest standard error of a contrast.
    Arguments as in :func:`error_ratio`.
    """
    if len(accuracies) < 2:
        yield "", Estimate.not_measured(_few(len(accuracies)), n=n)
        return
    value = float(standard_deviation(accuracies, ddof=1))
    errors = 1 - accuracies
    noise = np.std(_drawn(errors, n_effective, random) / n_effective, axis=1, ddof=1)
    common = float(np.average(errors, weights=n_effective))
    unit = np.maximum(errors * (1 - errors), common * (1 - common) * (errors * (1 - errors) == 0))
    centred = np.eye(len(errors)) - 1 / len(errors)
    variance = centred @ np.diag(unit / n_effective) @ centred / (len(errors) - 1)
    widest = float(np.sqrt(np.linalg.eigvalsh(variance).max()))
    tail = (1 + level) / 2
    yield (
        "",
        Estimate(
            value=value,
            low=max(value - float(np.quantile(noise, tail)), 0.0),
            high=value + float(ndtri(tail)) * widest,
            level=level,
            method=METHOD_SPREAD,
            n=n,
        ),
    )
    yield ".null_drawn", _null(noise, level, n)


def _drawn(errors: Floats, n_effective: Floats, random: np.random.Generator) -> Floats:
    """Return numbers of errors if every group had the common error rate, shape (draws, groups)."""
    common = float(np.average(errors, weights=n_effective))
    whole = np.maximum(np.round(n_effective), 1).astype(np.int64)
    counts = random.binomial(whole, common, (DRAWS, len(whole)))
    return np.asarray(counts * (n_effective / whole), dtype=np.float64)


def _null(drawn: Floats, level: float, n: int) -> Estimate:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value=float(drawn.mean()), low=float(low), high=float(high), level=level, method=METHOD_NULL, n=n)


def _few(groups: int) -> str:
    return f"{groups} {'group has' if groups == 1 else 'groups have'} a measured accuracy; two are needed"
