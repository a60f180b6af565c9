"""What was true and what was said, face by face, as functions ``f(y_true, y_pred)`` take it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .errors import UsageError, nearest
from .results_file import load_results
from .run_folder import PREDICTIONS_FILE

HALF = 0.5


@dataclass(frozen=True, eq=False)
class Outcomes:
    """The faces of an audit that have a truth.

    Attributes:
        table: one row per face, with the columns of ``predictions.parquet`` or as given.
        y_true: shape (n,): labels, 0 and 1 for one label against the rest, or values.
        y_pred: shape (n,), of the same kind.
        subjects: person of each face, numbered from 0, shape (n,).
        attributes: columns that divide the faces into groups.
    """

    table: pd.DataFrame
    y_true: NDArray[Any]
    y_pred: NDArray[Any]
    subjects: NDArray[np.int64]
    attributes: tuple[str, ...]

    def column(self, name: str) -> pd.Series[Any]:
        """Return a column of the table.

        Raises:
            UsageError: when there is none of this name.
        """
        if name not in self.table.columns:
            raise UsageError(f"there is no column {name!r}{nearest(name, map(str, self.table.columns))}")
        return self.table[name]


def read_outcomes(source: str | Path | pd.DataFrame, label: str | None = None, threshold: float = HALF) -> Outcomes:
    """Return truth and answers of a run, or of a table with ``y_true``, ``y_pred`` and perhaps ``subject``.

    Args:
        source: a run folder, or the table.
        label: class or action unit to ask about one against the rest (1 and 0), or the dimension; needed for action
            units and values. Without it the labels of a classification are taken as they are.
        threshold: least probability of an active action unit.

    Raises:
        UsageError: when the source cannot be asked this.
        ResultsError: when there is no such run.
    """
    if isinstance(source, pd.DataFrame):
        return _of_table(source, label)
    folder = Path(source)
    results = load_results(folder)
    file = folder / PREDICTIONS_FILE
    if not file.is_file():
        raise UsageError(f"expected predictions at {file}, but there is no such file")
    table = pd.read_parquet(file)
    target, attributes = results.target, tuple(results.data.attributes)
    if target.task == "verification":
        raise UsageError("pairs of faces have two people each, which f(y_true, y_pred) by group does not know of")
    if target.task in {"expression", "forgery"}:
        return _of_classes(table, target.task, target.classes, label, attributes)
    if label is None or label not in target.classes:
        hint = nearest(label or "", target.classes)
        named = ", ".join(target.classes)
        raise UsageError(f"a {target.task} target is asked about one label ({named}), but got {label!r}{hint}")
    letter = "p" if target.task == "action_units" else "v"
    table = table[table[f"y_{label}"].notna()].reset_index(drop=True)
    truth, said = table[f"y_{label}"].to_numpy(float), table[f"{letter}_{label}"].to_numpy(float)
    if target.task == "action_units":
        truth, said = truth.astype(np.int64), (said >= threshold).astype(np.int64)
    return _outcomes(table, truth, said, attributes)


def _of_classes(
    table: pd.DataFrame, task: str, classes: list[str], label: str | None, attributes: tuple[str, ...]
) -> Outcomes:
    if label is not None and label not in classes:
        raise UsageError(f"expected a label among {', '.join(classes)}, but got {label!r}{nearest(label, classes)}")
    table = table[table["label"].notna()].reset_index(drop=True)
    if task == "forgery":
        said = _forged(table["p_forged"].to_numpy(float), classes)
    else:
        shares = table[[f"p_{name}" for name in classes]].to_numpy(float)
        said = np.asarray(classes, dtype=object)[shares.argmax(axis=1)]
    truth = table["label"].to_numpy(dtype=object)
    if label is not None:
        return _outcomes(table, (truth == label).astype(np.int64), (said == label).astype(np.int64), attributes)
    return _outcomes(table, truth, said, attributes)


def _forged(probability: NDArray[np.float64], classes: list[str]) -> NDArray[Any]:
    """Return the more probable class, the first of equals as the probes take it."""
    place = classes.index("forged")
    shares = np.stack([1 - probability, probability], axis=1)
    shares = shares if place == 1 else shares[:, ::-1]
    said: NDArray[Any] = np.asarray(classes, dtype=object)[shares.argmax(axis=1)]
    return said


def _of_table(table: pd.DataFrame, label: str | None) -> Outcomes:
    lacking = [name for name in ("y_true", "y_pred") if name not in table.columns]
    if lacking:
        raise UsageError(f"expected the columns y_true and y_pred in the table, but {' and '.join(lacking)} is missing")
    truth, said = table["y_true"].to_numpy(), table["y_pred"].to_numpy()
    if label is not None:
        truth, said = (truth == label).astype(np.int64), (said == label).astype(np.int64)
    attributes = tuple(str(name) for name in table.columns if name not in {"y_true", "y_pred", "subject"})
    return _outcomes(table.reset_index(drop=True), truth, said, attributes)


def _outcomes(table: pd.DataFrame, truth: NDArray[Any], said: NDArray[Any], attributes: tuple[str, ...]) -> Outcomes:
    if table.empty:
        raise UsageError("no face has a label, so there is nothing to compare an answer with")
    named = table["subject"] if "subject" in table.columns else pd.Series(np.arange(len(table)))
    return Outcomes(table, truth, said, pd.factorize(named)[0].astype(np.int64), attributes)
