"""The metrics of one yes-or-no question: is it this class, is this unit active?

``labelled`` says what the truth is, ``answered`` what the model says, ``probability`` how sure it is of yes. All but
AUROC and the calibration error are sums over people, so that a group's estimate is one number over another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.probes import PairedScores, Scores, StatisticName
from ....core.results import Direction

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]

RATES = ("accuracy", "recall", "precision", "f1", "fpr", "fnr", "fdr", "for", "selection_rate", "base_rate")
CALIBRATION = ("auroc", "brier", "confidence_minus_accuracy", "ece")
WITHOUT_POSITIVES = frozenset({"accuracy", "fpr", "selection_rate", "brier", "confidence_minus_accuracy", "ece"})
"""What can be said of a class that no face is labelled with; the rest has no denominator, or is 0 or 1 as such."""


@dataclass(frozen=True, eq=False)
class Question:
    """One yes-or-no question put to some faces.

    Attributes:
        rows: positions of the faces, shape (m,).
        labelled: whether the truth is yes, shape (m,).
        answered: whether the model says yes, shape (m,).
        probability: the model's probability of yes, shape (m,).
        label: what it is about, e.g. ``happy``.
    """

    rows: Rows
    labelled: Truths
    answered: Truths
    probability: Floats
    label: str

    def scores(self, metrics: Collection[str]) -> Iterator[Scores | PairedScores]:
        """Yield the score of each of these metrics that has anything to count."""
        for metric in metrics:
            if not self.labelled.any() and metric not in WITHOUT_POSITIVES:
                continue
            if metric in _RATES:
                yield self._rate(metric)
            elif metric in CALIBRATION:
                yield self._calibration(metric)

    def _rate(self, metric: str) -> Scores:
        rate = _RATES[metric]
        of = rate.share_of(self.labelled, self.answered)
        counted = rate.counts(self.labelled, self.answered)[of].astype(np.float64)
        weights = None
        if metric == "f1":
            counted *= 2
            weights = (self.labelled.astype(np.float64) + self.answered)[of]
        return rate_scores(metric, self.rows[of], counted, rate.direction, self.label, weights)

    def _calibration(self, metric: str) -> Scores | PairedScores:
        truth = self.labelled.astype(np.float64)
        if metric == "auroc":
            return paired_scores(metric, "auroc", self.rows, truth, self.probability, "higher", self.label)
        if metric == "ece":
            return paired_scores(metric, "ece", self.rows, truth, self.probability, "lower", self.label)
        if metric == "brier":
            return mean_scores(metric, self.rows, np.square(self.probability - truth), (0, 1), "lower", self.label)
        return mean_scores(metric, self.rows, self.probability - truth, (-1, 1), "none", self.label)


@dataclass(frozen=True)
class _Rate:
    """Which faces a rate is a share of, which of these it counts, and which way is better."""

    share_of: Callable[[Truths, Truths], Truths]
    counts: Callable[[Truths, Truths], Truths]
    direction: Direction


def _all(labelled: Truths, _: Truths) -> Truths:
    return np.ones_like(labelled)


_RATES: dict[str, _Rate] = {
    "accuracy": _Rate(_all, lambda labelled, answered: labelled == answered, "higher"),
    "recall": _Rate(lambda labelled, _: labelled, lambda _, answered: answered, "higher"),
    "precision": _Rate(lambda _, answered: answered, lambda labelled, _: labelled, "higher"),
    "f1": _Rate(
        lambda labelled, answered: labelled | answered, lambda labelled, answered: labelled & answered, "higher"
    ),
    "fpr": _Rate(lambda labelled, _: ~labelled, lambda _, answered: answered, "lower"),
    "fnr": _Rate(lambda labelled, _: labelled, lambda _, answered: ~answered, "lower"),
    "fdr": _Rate(lambda _, answered: answered, lambda labelled, _: ~labelled, "lower"),
    "for": _Rate(lambda _, answered: ~answered, lambda labelled, _: labelled, "lower"),
    "base_rate": _Rate(_all, lambda labelled, _: labelled, "none"),
    "selection_rate": _Rate(_all, lambda _, answered: answered, "none"),
}


def rate_scores(
    metric: str,
    rows: Rows,
    counted: Floats,
    direction: Direction,
    label: str | None = None,
    weights: Floats | None = None,
) -> Scores:
    """Return the score of a rate that is measured by group only."""
    return Scores(
        metric,
        rows,
        counted,
        weights,
        kind="rate",
        bounds=(0, 1),
        direction=direction,
        slice={} if label is None else {"label": label},
        overall=False,
        keep=False,
    )


def mean_scores(
    metric: str,
    rows: Rows,
    values: Floats,
    bounds: tuple[float, float] | None,
    direction: Direction,
    label: str | None = None,
) -> Scores:
    """Return the score of a mean that is measured by group only."""
    return Scores(
        metric,
        rows,
        values,
        kind="mean",
        bounds=bounds,
        direction=direction,
        slice={} if label is None else {"label": label},
        overall=False,
        keep=False,
    )


def paired_scores(
    metric: str,
    statistic: StatisticName,
    rows: Rows,
    first: Floats,
    second: Floats,
    direction: Direction,
    label: str | None = None,
) -> PairedScores:
    """Return the score of a statistic of two numbers per face that is measured by group only."""
    return PairedScores(
        metric,
        statistic,
        rows,
        first,
        second,
        direction=direction,
        slice={} if label is None else {"label": label},
        overall=False,
    )
