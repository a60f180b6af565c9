"""One of k classes (expression) or of two (forgery): each class against the rest, and averages over classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ....core.predictions import Predictions
from ....core.probes import PairedScores, Scores
from ....core.statistics.class_means import ClassSums, f1_sums, recall_sums
from ....core.statistics.groups import Groups
from .choice import Catalogue, Choice
from .rates import (
    CALIBRATION,
    RATES,
    WITHOUT_POSITIVES,
    Question,
    Rows,
    mean_scores,
    paired_scores,
    rate_scores,
)
from .task import TaskMetrics, count_faces

AVERAGES = ("balanced_accuracy", "macro_f1")
_METRICS = (*RATES, *CALIBRATION, *AVERAGES)
_TESTED = ("accuracy", "recall", "fpr")
EXPRESSION = Catalogue("expression", _METRICS, AVERAGES, _TESTED, "classes")
FORGERY = Catalogue("forgery", _METRICS, AVERAGES, _TESTED, "classes")
FORGED = "forged"


class Classes(TaskMetrics):
    """Metrics of an expression or forgery target."""

    def __init__(self, predictions: Predictions, choice: Choice, methods: Sequence[str] | None = None) -> None:
        """Prepare to measure.

        Args:
            predictions: of all faces.
            choice: what is asked.
            methods: how each face was forged, an empty text where that is not said; ``None`` where nobody said.
        """
        super().__init__(predictions, choice, np.flatnonzero(predictions.labels >= 0).astype(np.int64))
        self.methods = None if methods is None else np.asarray(methods, dtype=object)

    def scores(self, metrics: Sequence[str], rows: Rows) -> Iterator[Scores | PairedScores]:
        """Yield the metrics over all classes, then those of each class against the rest."""
        yield from self._over_all(metrics, rows)
        truth, answered = self.predictions.labels[rows], self.predictions.predicted[rows]
        asked = [metric for metric in metrics if metric != "accuracy"]  # that of all classes together
        for place, name in enumerate(self.predictions.classes):
            if name in self.choice.labels:
                probability = self.predictions.probabilities[rows, place]
                question = Question(rows, truth == place, answered == place, probability, name)
                yield from question.scores(asked)
                if name == FORGED and "recall" in metrics:
                    yield from self._by_method(question)

    def _by_method(self, question: Question) -> Iterator[Scores]:
        """Yield the recall of the forgeries of each method."""
        if self.methods is None:
            return
        made_by = np.where(question.labelled, self.methods[question.rows], "")
        for method in sorted(set(made_by) - {""}):
            of = made_by == method
            found = rate_scores("recall", question.rows[of], question.answered[of].astype(np.float64), "higher", FORGED)
            yield replace(found, slice={**found.slice, "method": str(method)})

    def _over_all(self, metrics: Sequence[str], rows: Rows) -> Iterator[Scores | PairedScores]:
        """Yield what asks of a face only whether its class is found.

        The Brier score is the sum over classes of squared distances, 0 to 2; of two classes half of it, 0 to 1, as in
        scikit-learn.
        """
        labels, probabilities = self.predictions.labels[rows], self.predictions.probabilities[rows]
        right = (labels == self.predictions.predicted[rows]).astype(np.float64)
        confidence = probabilities.max(axis=1)
        for metric in metrics:
            if metric == "accuracy":
                yield rate_scores(metric, rows, right, "higher")
            elif metric == "brier":
                classes = probabilities.shape[1]
                most = 1 if classes == 2 else 2
                squares = np.square(probabilities - np.eye(classes)[labels]).sum(axis=1) * most / 2
                yield mean_scores(metric, rows, squares, (0, most), "lower")
            elif metric == "confidence_minus_accuracy":
                yield mean_scores(metric, rows, confidence - right, (-1, 1), "none")
            elif metric == "ece":
                yield paired_scores(metric, "ece", rows, right, confidence, "lower")

    def is_tested(self, score: Scores | PairedScores) -> bool:
        """Of two classes the gaps of one are tested: the rates of the other are its own turned round."""
        label = score.slice.get("label")
        if "method" in score.slice:
            return False
        asked = self.choice.labels
        if label is None or len(self.predictions.classes) != 2 or len(asked) < 2:
            return True
        return label == (FORGED if FORGED in asked else asked[-1])

    def counted(self, groups: Groups, subjects: Rows) -> pd.DataFrame:
        """Count faces and people by group and label."""
        named = np.asarray(self.predictions.classes, dtype=object)[self.predictions.labels[self.rows]]
        return count_faces(groups, self.rows, subjects, named)

    def sums_of(self, metric: str, subjects: Rows) -> tuple[Callable[[Rows], ClassSums], tuple[str, ...]]:
        """Return the sums behind balanced accuracy and macro F1."""
        sums = recall_sums if metric == "balanced_accuracy" else f1_sums
        labels, predicted, classes = self.predictions.labels, self.predictions.predicted, self.predictions.classes
        return lambda rows: sums(labels[rows], predicted[rows], subjects[rows], len(classes)), classes

    def notes(self) -> Iterator[str]:
        """Say which classes nobody is labelled with."""
        counted = np.bincount(self.predictions.labels[self.rows], minlength=len(self.predictions.classes))
        lacking = [
            name
            for name, n in zip(self.predictions.classes, counted, strict=True)
            if not n and name in self.choice.labels
        ]
        if lacking:
            kept = ", ".join(m for m in self.choice.metrics if m in WITHOUT_POSITIVES and m != "accuracy")
            yield f"No face is labelled {', '.join(lacking)}; of the metrics of such a class: {kept or 'none of them'}."
        if len(self.predictions.classes) == 2 and len(self.choice.labels) == 2 and set(self.choice.gaps) - {"accuracy"}:
            of = FORGED if FORGED in self.choice.labels else self.choice.labels[-1]
            yield f"Gaps of rates of a class are tested for {of} only: the other class has the same, turned round."
