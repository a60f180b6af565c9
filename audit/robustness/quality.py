"""What a right answer is, task by task, so that every perturbation is judged alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...core.predictions import CLASSIFICATION_TASKS, Predictions
from ...core.results import Direction

Floats = NDArray[np.float64]
ACTIVE = 0.5


@dataclass(frozen=True)
class Judged:
    """Answers to some faces, judged; every array has shape (n,).

    Attributes:
        value: right answers of the face (0 or 1; of action units, how many), or its absolute error.
        lost: what was right without the perturbation and is wrong with it; of values, the rise of the error.
        changed: share of the face's answers that are others than without; of values, how far they moved.
        answered: whether the outputs are numbers; a face without an answer is wrong and changed.
        answer: place of the class answered, -1 where there is none or the task has no classes.
    """

    value: Floats
    lost: Floats
    changed: Floats
    answered: NDArray[np.bool_]
    answer: NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Quality:
    """Judges answers to the faces of an audit against their labels and against the answers without perturbation.

    Attributes:
        predictions: the answers without perturbation, with the truth.
        labelled: whether there is any truth; without it only changes are counted.
    """

    predictions: Predictions
    labelled: bool

    @property
    def metric(self) -> str:
        """What the mean of ``value`` over the weights is called."""
        return "accuracy" if self.counts else "absolute_error"

    @property
    def loss_metric(self) -> str:
        """What the mean of ``lost`` is called."""
        return "lost" if self.counts else "error_rise"

    @property
    def change_metric(self) -> str:
        """What the mean of ``changed`` is called."""
        return "changed" if self.counts else "moved"

    @property
    def counts(self) -> bool:
        """Whether answers are right or wrong; otherwise they are more or less far off."""
        return self.predictions.task != "valence_arousal"

    @property
    def kind(self) -> Literal["rate", "mean"]:
        """How estimates of ``value`` and ``lost`` are made."""
        return "rate" if self.counts else "mean"

    @property
    def direction(self) -> Direction:
        """Which way ``value`` is better."""
        return "higher" if self.counts else "lower"

    def weights(self, rows: NDArray[np.int64]) -> Floats:
        """Return how many answers each face is judged by, shape (n,): 1, or the units with a label; 0 without truth."""
        truth = self.predictions.truth[rows]
        if self.predictions.task in CLASSIFICATION_TASKS:
            return (truth >= 0).astype(np.float64)
        known = np.isfinite(truth)
        return np.asarray(known.sum(axis=1) if self.counts else known.all(axis=1), dtype=np.float64)

    def judge(self, values: Floats, rows: NDArray[np.int64]) -> Judged:
        """Judge answers.

        Args:
            values: as :attr:`Predictions.values`, shape (n, k); rows with NaN or infinite numbers are no answers.
            rows: positions of the faces, shape (n,).
        """
        answered: NDArray[np.bool_] = np.asarray(np.isfinite(values).all(axis=1))
        before, truth = self.predictions.values[rows], self.predictions.truth[rows]
        if not self.counts:
            return self._distances(values, before, truth, answered)
        if self.predictions.task in CLASSIFICATION_TASKS:
            found = np.where(answered, np.where(np.isfinite(values), values, -np.inf).argmax(1), -2)[:, None]
            stood, truth = before.argmax(1)[:, None], truth[:, None]
        else:
            found = np.where(answered[:, None], (values >= ACTIVE).astype(np.int64), -2)
            stood = (before >= ACTIVE).astype(np.int64)
        right, was_right = found == truth, stood == truth
        one_of = self.predictions.task in CLASSIFICATION_TASKS
        answer = np.where(answered, found[:, 0], -1) if one_of else np.full(len(values), -1)
        return Judged(
            value=right.sum(1).astype(np.float64),
            lost=(was_right & ~right).sum(1).astype(np.float64),
            changed=(found != stood).mean(1),
            answered=answered,
            answer=answer.astype(np.int16),
        )

    @staticmethod
    def _distances(values: Floats, before: Floats, truth: Floats, answered: NDArray[np.bool_]) -> Judged:
        usable = np.where(answered[:, None], values, before)
        error = np.where(np.isfinite(truth), np.abs(usable - truth), 0.0).mean(1)
        stood = np.where(np.isfinite(truth), np.abs(before - truth), 0.0).mean(1)
        none = np.full(len(values), -1, dtype=np.int16)
        return Judged(error, error - stood, np.abs(usable - before).mean(1), answered, none)


def quality_of(predictions: Predictions) -> Quality:
    """Return the judge of these predictions."""
    return Quality(predictions, predictions.labelled)
