"""CCC, PCC and RMSE of groups from one line of sums per person: leaving a person out is a subtraction."""

from __future__ import annotations

import numpy as np

from ...results import Direction, Estimate
from ..class_means import too_few
from ..intervals import NO_VARIATION, t_quantile
from ..paired.agreement import Agreement, Concordance, Correlation, RootMeanSquareError
from ..rules import StatisticsRules
from ..sums import Floats

AGREEMENTS: dict[str, tuple[Agreement, Direction]] = {
    "ccc": (Concordance(), "higher"),
    "pcc": (Correlation(), "higher"),
    "rmse": (RootMeanSquareError(), "lower"),
}
N, Y, P, YY, PP, YP = range(6)


def agreement_of(metric: str, lines: Floats, rules: StatisticsRules) -> Estimate:
    """Return the agreement of truth and prediction of one group, as of its faces one by one.

    Args:
        metric: one of :data:`AGREEMENTS`.
        lines: of each person: faces, truth, prediction, their squares and their product, summed, shape (people, 6).
        rules: level and smallest number of people.
    """
    statistic = AGREEMENTS[metric][0]
    lines = lines[lines[:, N] > 0]
    people, faces = len(lines), int(lines[:, N].sum())
    if people < max(rules.min_subjects, 2):
        return too_few(people, faces, rules)
    lines = _columns(metric, lines)
    total = lines.sum(axis=0)
    value, defined = statistic.value_of(total / total[0])
    if not defined:
        return Estimate.not_measured(statistic.without_value, n=faces, subjects=people)
    rest = total - lines
    left_out, left_defined = statistic.value_of(rest / rest[:, :1])
    if not left_defined.all():
        return Estimate.not_measured(f"{statistic.without_value} but of one person", n=faces, subjects=people)
    shown = Estimate(value=float(value), method=NO_VARIATION, n=faces, subjects=people)
    if statistic.at_end(value).any() or statistic.at_end(left_out).any():
        return shown
    without = statistic.transform(left_out)
    variance = (people - 1) / people * float(np.square(without - without.mean()).sum())
    half = float(t_quantile(rules.level, np.asarray([people - 1.0]))[0]) * np.sqrt(variance)
    low, high = (float(statistic.back(statistic.transform(value) + side * half)) for side in (-1, 1))
    limits = {"low": min(low, float(value)), "high": max(high, float(value)), "level": rules.level}
    return shown.model_copy(update={**limits, "method": statistic.method})


def _columns(metric: str, lines: Floats) -> Floats:
    """Return the columns that the statistic is made of, the truth measured from its mean."""
    if metric == "rmse":
        error = np.maximum(lines[:, YY] - 2 * lines[:, YP] + lines[:, PP], 0.0)
        return np.stack([lines[:, N], error], axis=1)
    centre = lines[:, Y].sum() / lines[:, N].sum()
    n, y, p = lines[:, N], lines[:, Y], lines[:, P]
    moved = lines.copy()
    moved[:, Y], moved[:, P] = y - centre * n, p - centre * n
    moved[:, YY] -= centre * (2 * y - centre * n)
    moved[:, PP] -= centre * (2 * p - centre * n)
    moved[:, YP] -= centre * (y + p - centre * n)
    return moved
