"""What every face of a run adds to a measurement, read again from the run folder.

``scores.parquet`` holds the per-face scores of probes; the rates of a classifier are made again from
``predictions.parquet``. What is read is trusted only where it gives the number that the run reported: a table that
somebody edited, or a metric that means something else by now, is not compared face by face.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .keys import MeasurementKey, format_pairs
from .results import AuditResults
from .run_folder import PREDICTIONS_FILE, SCORES_FILE
from .statistics.auroc import auroc_influence
from .statistics.same_faces import Ratio
from .statistics.sums import Floats, Integers

CLASSIFICATION = frozenset({"expression", "forgery"})
REBUILT = frozenset({"performance", "group_metrics"})
CLEAN = "clean"
FORGED = "forged"
AGREES = 1e-6
_SHARES = frozenset({"accuracy", "recall", "precision", "f1", "fpr", "fnr", "fdr", "for"})
METRICS = _SHARES | {"balanced_accuracy", "macro_f1", "auroc"}
Truths = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Scores of faces of two kinds, over all faces of the run; ``counted`` says which take part."""

    score: Floats
    positive: Truths
    counted: Truths


class NotPaired(Exception):
    """Faces of a run cannot be joined with those of another, and why."""


class RunScores:
    """The faces of one run with what each adds to a measurement."""

    def __init__(self, results: AuditResults, folder: Path) -> None:
        """Read the predictions; scores are read when first asked for.

        Raises:
            NotPaired: with the reason, when the folder has no table of single faces.
        """
        self.results, self.folder = results, folder
        self.table = _read(folder / PREDICTIONS_FILE)
        if "face_id" not in self.table.columns or "subject" not in self.table.columns:
            raise NotPaired(f"{PREDICTIONS_FILE} of {results.name} has no single faces with their people")
        if "condition" in self.table.columns:
            self.table = self.table[self.table["condition"].astype(str) == CLEAN].reset_index(drop=True)
        self.ids = self.table["face_id"].astype(str).to_numpy(dtype=object)
        if len(np.unique(self.ids.astype(str))) < len(self.ids):
            raise NotPaired(f"face_id stands twice in {PREDICTIONS_FILE} of {results.name}")
        self._scores: dict[tuple[str, str, str], tuple[Integers, Floats, Floats]] | None = None
        self._answers: tuple[Integers, Integers, Floats] | None = None
        self._masks: dict[tuple[str, str], Truths] = {}
        self._probes = {probe.id: probe.probe for probe in results.probes}

    def score(self, key: MeasurementKey) -> tuple[Ratio, ...] | Ranking | None:
        """Return what each face adds to a measurement, ``None`` where no table of the run tells.

        Several ratios are one for each class, whose mean the measurement is.
        """
        attributes = {name: value for name, value in key.slice.items() if self._is_attribute(name)}
        rest = {name: value for name, value in key.slice.items() if name not in attributes}
        kept = self._kept(key, rest)
        classifies = self._probes.get(key.probe) in REBUILT and self.results.target.task in CLASSIFICATION
        if kept is None and (not classifies or key.condition or key.metric not in METRICS):
            return None
        inside = np.ones(len(self.ids), dtype=np.bool_)
        for name, value in attributes.items():
            inside &= self._mask(name, value)
        if kept is not None:
            rows, x, n = kept
            ratio = Ratio(np.zeros(len(inside)), np.zeros(len(inside)))
            ratio.x[rows], ratio.n[rows] = x * inside[rows], n * inside[rows]
            return (ratio,)
        return self._rebuilt(key.metric, rest, inside)

    def agrees(self, found: tuple[Ratio, ...] | Ranking, value: float) -> bool:
        """Whether what was read gives the number that the run reported."""
        if isinstance(found, Ranking):
            rows = found.counted
            if not (found.positive[rows].any() and (~found.positive[rows]).any()):
                return False
            again = auroc_influence(found.score[rows], found.positive[rows])[0]
        else:
            again = float(np.mean([ratio.value for ratio in found])) if found else math.nan
        return abs(again - value) <= AGREES * max(1.0, abs(value))

    def _is_attribute(self, name: str) -> bool:
        return name in self.results.data.attributes and name in self.table.columns

    def _mask(self, name: str, value: str) -> Truths:
        if (name, value) not in self._masks:
            self._masks[name, value] = (self.table[name].astype(str) == value).to_numpy(dtype=np.bool_)
        return self._masks[name, value]

    def _kept(self, key: MeasurementKey, rest: Mapping[str, str]) -> tuple[Integers, Floats, Floats] | None:
        if self._scores is None:
            self._scores = self._read_scores()
        name = key.metric + (f"[{format_pairs(rest)}]" if rest else "")
        return self._scores.get((key.probe, name, format_pairs(key.condition)))

    def _read_scores(self) -> dict[tuple[str, str, str], tuple[Integers, Floats, Floats]]:
        path = self.folder / SCORES_FILE
        if not path.is_file():
            return {}
        table = _read(path)
        place = pd.Index(self.ids).get_indexer(table["face_id"].astype(str))
        values, weights = table["value"].to_numpy(dtype=np.float64), table["weight"].to_numpy(dtype=np.float64)
        found = {}
        for name, rows in table.groupby(["probe_id", "score", "condition"], sort=False, dropna=False).indices.items():
            at = place[rows].astype(np.int64)
            known = (at >= 0).all() and len(np.unique(at)) == len(at)
            if known and np.isfinite(values[rows]).all() and np.isfinite(weights[rows]).all():
                probe_id, score, condition = (str(part) for part in name)  # type: ignore[attr-defined]
                found[probe_id, score, condition] = (at, values[rows], weights[rows])
        return found

    def _rebuilt(self, metric: str, rest: Mapping[str, str], inside: Truths) -> tuple[Ratio, ...] | Ranking | None:
        if self._answers is None:
            self._answers = self._read_answers()
        labels, predicted, probabilities = self._answers
        classes = self.results.target.classes
        inside = inside & (labels >= 0)
        if metric == "accuracy" and not rest:
            return (_ratio(inside, labels == predicted),)
        if metric == "auroc" and not rest and FORGED in classes:
            forged = classes.index(FORGED)
            return Ranking(probabilities[:, forged], labels == forged, inside)
        if metric in {"balanced_accuracy", "macro_f1"} and not rest:
            one = "recall" if metric == "balanced_accuracy" else "f1"
            present = [place for place in range(len(classes)) if (inside & (labels == place)).any()]
            return tuple(_of_class(one, labels == place, predicted == place, inside) for place in present)
        if set(rest) == {"label"} and rest["label"] in classes:
            place = classes.index(rest["label"])
            if metric == "auroc":
                return Ranking(probabilities[:, place], labels == place, inside)
            if metric in _SHARES:
                return (_of_class(metric, labels == place, predicted == place, inside),)
        return None

    def _read_answers(self) -> tuple[Integers, Integers, Floats]:
        classes = list(self.results.target.classes)
        columns = [f"p_{name}" for name in classes]
        present = set(self.table.columns)
        if "label" not in present:
            raise NotPaired(f"{PREDICTIONS_FILE} of {self.results.name} has no labels")
        if (
            self.results.target.task == "forgery"
            and f"p_{FORGED}" in present
            and sorted(classes) == [FORGED, "genuine"]
        ):
            forged = self.table[f"p_{FORGED}"].to_numpy(dtype=np.float64)
            probabilities = np.stack([forged if name == FORGED else 1 - forged for name in classes], axis=1)
        elif classes and set(columns) <= present:
            probabilities = self.table[columns].to_numpy(dtype=np.float64)
        else:
            raise NotPaired(f"{PREDICTIONS_FILE} of {self.results.name} lacks the probability of a class")
        label = self.table["label"].astype("string").fillna("")
        labels = pd.Index(classes).get_indexer(pd.Index(label.to_numpy(dtype=object))).astype(np.int64)
        return labels, probabilities.argmax(axis=1).astype(np.int64), probabilities


def _of_class(metric: str, labelled: Truths, answered: Truths, inside: Truths) -> Ratio:
    """Return a rate of one class against the rest, as ``group_metrics`` defines it."""
    if metric == "f1":
        both = (inside & labelled & answered).astype(np.float64)
        return Ratio(2 * both, inside * (labelled.astype(np.float64) + answered))
    share, counts = {
        "accuracy": (inside, labelled == answered),
        "recall": (labelled, answered),
        "fnr": (labelled, ~answered),
        "precision": (answered, labelled),
        "fdr": (answered, ~labelled),
        "fpr": (~labelled, answered),
        "for": (~answered, labelled),
    }[metric]
    return _ratio(inside & share, counts)


def _ratio(share: Truths, counts: Truths) -> Ratio:
    return Ratio((share & counts).astype(np.float64), share.astype(np.float64))


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise NotPaired(f"{path.parent.name} has no {path.name}")
    try:
        table: pd.DataFrame = pq.read_table(path).to_pandas()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise NotPaired(f"{path.name} of {path.parent.name} cannot be read ({type(error).__name__})") from error
    return table
