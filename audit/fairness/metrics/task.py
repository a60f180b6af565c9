"""What a task gives to the probe: the faces that take part, their scores, and how they are counted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from ....core.predictions import Predictions
from ....core.probes import PairedScores, Scores
from ....core.statistics.class_means import ClassSums
from ....core.statistics.groups import Groups
from .choice import Choice
from .rates import Rows


class TaskMetrics(ABC):
    """The metrics of one task on one set of predictions.

    Attributes:
        predictions: of all faces.
        choice: what is asked.
        rows: positions of the faces that have a truth, shape (m,).
    """

    def __init__(self, predictions: Predictions, choice: Choice, rows: Rows) -> None:
        self.predictions = predictions
        self.choice = choice
        self.rows = rows

    @abstractmethod
    def scores(self, metrics: Sequence[str], rows: Rows) -> Iterator[Scores | PairedScores]:
        """Yield these metrics of the faces at ``rows``, which are among :attr:`rows`."""

    @abstractmethod
    def counted(self, groups: Groups, subjects: Rows) -> pd.DataFrame:
        """Return faces and people by group and label: columns ``group, label, faces, people``, perhaps more."""

    def is_tested(self, score: Scores | PairedScores) -> bool:
        """Tell whether the gap of this score is tested, given that its metric is."""
        return True

    def sums_of(self, metric: str, subjects: Rows) -> tuple[Callable[[Rows], ClassSums], tuple[str, ...]]:
        """Return what makes the sums of an average over labels from positions of faces, and the labels' names.

        Args:
            metric: one of the catalogue's averages.
            subjects: person of each of all faces.

        Raises:
            ValueError: when the task has no averages.
        """
        raise ValueError(f"there is no average {metric!r}")

    def notes(self) -> Iterator[str]:
        """Yield what the numbers leave out."""
        yield from ()


def count_faces(groups: Groups, rows: Rows, subjects: Rows, labels: Sequence[str] | np.ndarray) -> pd.DataFrame:
    """Count the faces at ``rows`` and their people by group and label, the label given for each of these faces."""
    faces = pd.DataFrame({"group": groups.codes[rows], "label": labels, "subject": subjects[rows]})
    counted = faces.groupby(["group", "label"], sort=True)["subject"].agg(faces="size", people="nunique")
    part = counted.reset_index()
    part["group"] = [" & ".join(groups.values[group].values()) for group in part["group"]]
    return part


def some_truth(predictions: Predictions) -> Rows:
    """Return the positions of the faces of which at least one unit or dimension is known."""
    return np.flatnonzero(np.isfinite(predictions.truth).any(axis=1)).astype(np.int64)
