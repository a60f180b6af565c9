"""Valence and arousal: concordance, correlation, error, and whether the sign is right, for each dimension.

CCC, PCC, RMSE and SAGR as EmoNet defines them (Toisoul et al. 2021, Nature Machine Intelligence 3:42): CCC is
``2 cov / (var_y + var_p + (mean_y - mean_p)^2)``, SAGR the share of faces where truth and prediction have one sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ....core.predictions import Predictions
from ....core.probes import PairedScores, Scores
from ....core.statistics.groups import Groups
from .choice import Catalogue, Choice
from .rates import Floats, Rows, mean_scores, paired_scores, rate_scores
from .task import TaskMetrics, count_faces, some_truth

DIMENSION = "dimension"
VALENCE_AROUSAL = Catalogue(
    "valence_arousal", ("ccc", "pcc", "rmse", "sagr", "bias", "mean_truth"), (), ("ccc", "rmse"), "dimensions"
)


class Values(TaskMetrics):
    """Metrics of a valence-arousal target."""

    def __init__(self, predictions: Predictions, choice: Choice) -> None:
        super().__init__(predictions, choice, some_truth(predictions))

    def scores(self, metrics: Sequence[str], rows: Rows) -> Iterator[Scores | PairedScores]:
        """Yield the metrics of each dimension on the faces where its truth is known."""
        for place, name in enumerate(self.predictions.classes):
            if name in self.choice.labels:
                known = rows[np.isfinite(self.predictions.truth[rows, place])]
                truth, value = self.predictions.truth[known, place], self.predictions.values[known, place]
                for metric in metrics:
                    yield replace(_score(metric, known, truth, value), slice={DIMENSION: name})

    def counted(self, groups: Groups, subjects: Rows) -> pd.DataFrame:
        """Count faces and people by group and dimension, with mean and spread of the truth, on which CCC depends."""
        parts = []
        for place, name in enumerate(self.predictions.classes):
            truth = self.predictions.truth[:, place]
            rows = np.flatnonzero(np.isfinite(truth)).astype(np.int64)
            if name in self.choice.labels and len(rows):
                part = count_faces(groups, rows, subjects, [name] * len(rows)).rename(columns={"label": DIMENSION})
                spread = pd.Series(truth[rows]).groupby(groups.codes[rows])
                part["mean_truth"], part["spread_of_truth"] = spread.mean().to_numpy(), spread.std(ddof=0).to_numpy()
                parts.append(part)
        return pd.concat(parts, ignore_index=True)


def _score(metric: str, rows: Rows, truth: Floats, value: Floats) -> Scores | PairedScores:
    if metric == "ccc":
        return paired_scores(metric, "ccc", rows, truth, value, "higher")
    if metric == "pcc":
        return paired_scores(metric, "pcc", rows, truth, value, "higher")
    if metric == "rmse":
        return paired_scores(metric, "rmse", rows, truth, value, "lower")
    if metric == "sagr":
        return rate_scores(metric, rows, (np.sign(truth) == np.sign(value)).astype(np.float64), "higher")
    return mean_scores(metric, rows, value - truth if metric == "bias" else truth, None, "none")
