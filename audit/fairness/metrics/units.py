"""Many of k action units: each unit on the faces where its truth is known, and averages over units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from ....core.predictions import Predictions
from ....core.probes import PairedScores, Scores
from ....core.statistics.class_means import ClassSums
from ....core.statistics.groups import Groups
from ....core.statistics.sums import total_at
from .choice import Catalogue, Choice
from .rates import CALIBRATION, RATES, WITHOUT_POSITIVES, Floats, Question, Rows, Truths, rate_scores
from .task import TaskMetrics, count_faces, some_truth

AVERAGES = ("macro_recall", "macro_f1")
ACTION_UNITS = Catalogue("action_units", (*RATES, *CALIBRATION, *AVERAGES), AVERAGES, ("recall", "fpr"), "units")
THRESHOLD = 0.5


class Units(TaskMetrics):
    """Metrics of an action-unit target; a unit is said to be active from ``threshold`` on."""

    def __init__(self, predictions: Predictions, choice: Choice, threshold: float | None) -> None:
        super().__init__(predictions, choice, some_truth(predictions))
        self.threshold = THRESHOLD if threshold is None else threshold
        self.places = [place for place, name in enumerate(predictions.classes) if name in choice.labels]

    def scores(self, metrics: Sequence[str], rows: Rows) -> Iterator[Scores | PairedScores]:
        """Yield the accuracy over all units, then the metrics of each unit on the faces where it is known."""
        truth, active = self._parts(rows)
        if "accuracy" in metrics:
            known = np.isfinite(truth)
            right = (((truth == 1) == active) & known).sum(axis=1).astype(np.float64)
            weights = known.sum(axis=1).astype(np.float64)
            some = weights > 0
            yield rate_scores("accuracy", rows[some], right[some], "higher", weights=weights[some])
        for column, place in enumerate(self.places):
            known = np.isfinite(truth[:, column])
            probability = self.predictions.values[rows[known], place]
            label = self.predictions.classes[place]
            question = Question(rows[known], truth[known, column] == 1, active[known, column], probability, label)
            yield from question.scores(metrics)

    def counted(self, groups: Groups, subjects: Rows) -> pd.DataFrame:
        """Count the faces on which each unit is known, their people, and those on which it is active."""
        parts = []
        for place in self.places:
            truth = self.predictions.truth[:, place]
            rows = np.flatnonzero(np.isfinite(truth)).astype(np.int64)
            if len(rows):
                part = count_faces(groups, rows, subjects, [self.predictions.classes[place]] * len(rows))
                active = np.bincount(groups.codes[rows], truth[rows], minlength=len(groups))
                part["active"] = active[np.unique(groups.codes[rows])].astype(int)
                parts.append(part)
        return pd.concat(parts, ignore_index=True)

    def sums_of(self, metric: str, subjects: Rows) -> tuple[Callable[[Rows], ClassSums], tuple[str, ...]]:
        """Return the sums behind macro recall and macro F1: shape (people, units)."""

        def sums(rows: Rows) -> ClassSums:
            truth, active = self._parts(rows)
            positive = (truth == 1).astype(np.float64)
            said = (active & np.isfinite(truth)).astype(np.float64)
            found = positive * said
            if metric == "macro_recall":
                return ClassSums(by_person(found, subjects[rows]), by_person(positive, subjects[rows]))
            return ClassSums(by_person(2 * found, subjects[rows]), by_person(positive + said, subjects[rows]))

        return sums, self.choice.labels

    def _parts(self, rows: Rows) -> tuple[Floats, Truths]:
        """Return truth (NaN where unknown) and whether each unit is said to be active, shape (m, units)."""
        chosen = np.ix_(rows, np.asarray(self.places, dtype=np.int64))
        return self.predictions.truth[chosen], self.predictions.values[chosen] >= self.threshold

    def notes(self) -> Iterator[str]:
        """Say which units are active nowhere."""
        never = [name for name, place in zip(self.choice.labels, self.places, strict=True) if not self._active(place)]
        if never:
            kept = ", ".join(metric for metric in self.choice.metrics if metric in WITHOUT_POSITIVES)
            of = kept or "none of them"
            yield f"No face is labelled with {', '.join(never)}; of the metrics of such a unit: {of}."

    def _active(self, place: int) -> bool:
        return bool((self.predictions.truth[:, place] == 1).any())


def by_person(what: Floats, subjects: Rows) -> Floats:
    """Add up the columns of ``what``, shape (m, k), by person: shape (people, k)."""
    present, person = np.unique(subjects, return_inverse=True)
    people, columns = len(present), what.shape[1]
    at = (person.reshape(-1, 1) * columns + np.arange(columns)).reshape(-1).astype(np.int64)
    return total_at(at, what.reshape(-1), people * columns).reshape(-1, columns)
