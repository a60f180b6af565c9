"""Reading a table of predictions made elsewhere: a predictions-only target, for each of the five tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .errors import ManifestError, Problems, nearest
from .faces import Faces
from .manifest import group_values, read_table
from .plan import DataSpec, TargetSpec
from .predictions import CLEAN, Predictions, class_places
from .statistics.groups import MISSING

SUM_TOLERANCE = 1e-3


def read_predictions(path: Path, target: TargetSpec, data: DataSpec) -> tuple[Faces, Predictions]:
    """Read a predictions table; rows of another condition than ``clean`` are left to other audits.

    The columns are those of ``predictions.parquet``; see :func:`countenance.core.predictions.to_table`. ``subject``
    may be missing (each row is then its own person), ``condition`` too.

    Raises:
        ManifestError: with every problem of the table at once.
    """
    table = read_table(path)
    problems = Problems(str(path))
    if "condition" in table.columns:
        table = table[table["condition"].astype(str) == CLEAN].reset_index(drop=True)
        if table.empty:
            raise ManifestError(f"{path} has no row whose condition is {CLEAN!r}")
    classes = target.class_names if target.task != "verification" else ("similarity",)
    values_columns, truth_columns = task_columns(target.task, classes)
    identity = "pair_id" if target.task == "verification" else "face_id"
    for column in (identity, *values_columns, *(truth_columns if target.task != "forgery" else ())):
        if column not in table.columns and column != "label":
            problems.add(f"the column {column!r} is not there{nearest(column, table.columns)}")
    problems.raise_as(ManifestError)

    values = _numbers(table, values_columns, problems)
    if target.task == "forgery":
        values = np.stack([1 - values[:, 0], values[:, 0]], 1)
        if tuple(classes) == ("forged", "genuine"):
            values = values[:, ::-1]
    truth = _truth(table, target.task, classes, truth_columns, data, problems)
    _check_ranges(values, target.task, problems)
    faces = _faces(table, identity, data, problems)
    problems.raise_as(ManifestError)
    return faces, Predictions(target.task, classes, values, truth)


def task_columns(task: str, classes: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the names of the prediction columns and of the truth columns of a task."""
    if task == "verification":
        return ["similarity"], ["same"]
    if task == "forgery":
        return ["p_forged"], ["label"]
    if task == "expression":
        return [f"p_{name}" for name in classes], ["label"]
    letter = "v" if task == "valence_arousal" else "p"
    return [f"{letter}_{name}" for name in classes], [f"y_{name}" for name in classes]


def _numbers(table: pd.DataFrame, columns: Sequence[str], problems: Problems) -> NDArray[np.float64]:
    read = [pd.to_numeric(table[column], errors="coerce").to_numpy(float) for column in columns]
    for column, numbers in zip(columns, read, strict=True):
        unread = int((~np.isfinite(numbers)).sum())
        if unread:
            problems.add(f"the column {column!r} holds no finite number in {unread} of {len(table)} rows")
    return np.stack(read, axis=1)


def _truth(
    table: pd.DataFrame,
    task: str,
    classes: Sequence[str],
    columns: Sequence[str],
    data: DataSpec,
    problems: Problems,
) -> NDArray[np.float64]:
    if task in {"expression", "forgery"}:
        column = data.label or "label"
        if column not in table.columns:
            return np.full(len(table), -1.0)
        labels = table[column].astype("string").fillna("").str.strip().replace(dict(data.rename_labels))
        unknown = (labels != "") & ~labels.isin(list(classes))
        for value, count in labels[unknown].value_counts().head(5).items():
            hint = nearest(str(value), classes)
            problems.add(f"the label {value!r} ({count} rows) is none of the classes {list(classes)}{hint}")
        return class_places(labels, classes)
    read = np.stack([pd.to_numeric(table[column], errors="coerce").to_numpy(float) for column in columns], axis=1)
    if task != "valence_arousal" and not np.isin(read[np.isfinite(read)], (0, 1)).all():
        problems.add(f"the columns {', '.join(columns)} hold other values than 0 and 1")
    if task == "verification" and not np.isfinite(read).all():
        problems.add("the column 'same' is empty in some rows")
    return read[:, 0] if task == "verification" else read


def _check_ranges(values: NDArray[np.float64], task: str, problems: Problems) -> None:
    if task not in {"expression", "forgery", "action_units"} or not np.isfinite(values).all():
        return
    if values.min() < -SUM_TOLERANCE or values.max() > 1 + SUM_TOLERANCE:
        problems.add(f"probabilities range from {values.min():.3g} to {values.max():.3g}, expected 0 to 1")
    elif task == "expression":
        wrong = np.abs(values.sum(axis=1) - 1) > SUM_TOLERANCE
        if wrong.any():
            problems.add(
                f"the probabilities of {int(wrong.sum())} rows do not sum to 1, e.g. row {int(wrong.argmax()) + 1}"
            )


def _faces(table: pd.DataFrame, identity: str, data: DataSpec, problems: Problems) -> Faces:
    ids = table[identity].astype(str)
    if ids.duplicated().any():
        problems.add(
            f"{int(ids.duplicated(keep=False).sum())} rows share a {identity}, e.g. {ids[ids.duplicated()].iloc[0]!r}"
        )
    subject = data.subject or "subject"
    if data.subject and data.subject not in table.columns:
        problems.add(f"data.subject names the column {subject!r}, which is not there{nearest(subject, table.columns)}")
    frame = pd.DataFrame({"face_id": ids, "path": ""})
    label = data.label or "label"
    labels = (
        table[label].astype("string").fillna("").str.strip().replace(dict(data.rename_labels))
        if label in table
        else None
    )
    frame["label"] = None if labels is None else labels.astype(object).where(labels != "", None)
    named = subject in table.columns
    frame["subject"] = table[subject].astype("string").fillna("").str.strip().astype(object) if named else ids
    if (frame["subject"] == "").any():
        problems.add(f"the subject is empty in {int((frame['subject'] == '').sum())} rows")
    frame["split"] = ""
    frame["may_publish"] = False
    for name, spec in data.attributes.items():
        column = spec.column or name
        if column not in table.columns:
            hint = nearest(column, table.columns)
            problems.add(f"data.attributes.{name} names the column {column!r}, which is not there{hint}")
            frame[name] = MISSING
        else:
            frame[name] = group_values(table[column], spec, name, problems)
    return Faces(frame=frame, has_subjects=named, attributes=data.attributes, intersections=data.intersections)
