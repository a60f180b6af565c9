"""Reading a table of predictions made elsewhere: a predictions-only target, for each of the five tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .errors import ManifestError, Problems, nearest
from .faces import Faces
from .manifest import add_label_errors, group_values, read_table, with_columns
from .pair_tables import check_pair_columns, read_pairs
from .plan import DataSpec, TargetSpec
from .predictions import CLASSIFICATION_TASKS, CLEAN, Predictions, class_places
from .statistics.groups import MISSING

METHOD = "method"
FORGERY_COLUMNS = (METHOD, "video", "frame", "donor")
"""What a table of a forgery target may hold beside the label, under these names unless the plan gives others."""
SUM_TOLERANCE = 1e-3
ROUNDED_BY = 0.5e-3  # most that a probability written with three decimals is off
EXACT = 1e-6  # sums nearer to 1 than this differ by the computer's own rounding


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
    for column in (identity, *values_columns, *(name for name in truth_columns if name != "label")):
        if column not in table.columns:
            what = f", the name of each {'pair' if column == 'pair_id' else 'face'}, once" if column == identity else ""
            problems.add(f"the column {column!r}{what} is not there{nearest(column, table.columns)}")
    label = _label_column(table, target.task, data, problems)
    if target.task == "verification":
        check_pair_columns(table, data, problems)
    problems.raise_as(ManifestError)

    values = _numbers(table, values_columns, problems)
    if target.task == "forgery":
        values = np.stack([1 - values[:, 0], values[:, 0]], 1)
        if tuple(classes) == ("forged", "genuine"):
            values = values[:, ::-1]
    ids = table[identity].astype("string").fillna("").str.strip().astype(object)
    labels = _labels(table, label, data)
    truth = _truth(table, target.task, classes, truth_columns, labels, problems)
    _check_ranges(values, target.task, ids, problems)
    if target.task == "verification":
        _check_ids(ids, identity, problems)
        faces = read_pairs(table, ids, truth, data, problems)
    else:
        faces = _faces(table, identity, ids, labels, data, problems)
        _add_forgery_columns(faces, table, target, data, problems)
    problems.raise_as(ManifestError)
    values, notes = _summing_to_one(values) if target.task == "expression" else (values, ())
    return faces, Predictions(target.task, classes, values, truth, notes=notes)


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


def _add_forgery_columns(
    faces: Faces, table: pd.DataFrame, target: TargetSpec, data: DataSpec, problems: Problems
) -> None:
    """Carry over how each face was forged: the columns that the plan names, and those that have the usual names."""
    usual = FORGERY_COLUMNS if target.task == "forgery" else ()
    found = {name: name for name in usual if name in table.columns and name not in data.attributes}
    for use, column in (found | data.forgeries.columns).items():
        if column in table.columns:
            faces.frame[use] = table[column].astype("string").fillna("").str.strip().astype(object)
        else:
            hint = nearest(column, table.columns)
            problems.add(f"data.forgeries.{use} names the column {column!r}, which is not there{hint}")


def _numbers(table: pd.DataFrame, columns: Sequence[str], problems: Problems) -> NDArray[np.float64]:
    read = [pd.to_numeric(table[column], errors="coerce").to_numpy(float) for column in columns]
    for column, numbers in zip(columns, read, strict=True):
        unread = int((~np.isfinite(numbers)).sum())
        if unread:
            problems.add(f"the column {column!r} holds no finite number in {unread} of {len(table)} rows")
    return np.stack(read, axis=1)


def _label_column(table: pd.DataFrame, task: str, data: DataSpec, problems: Problems) -> str | None:
    """Return the column of the label, or ``None`` where there is none; one that the plan names has to be there."""
    if data.label is None or data.label in table.columns:
        return data.label
    if "label" in data.model_fields_set and task in CLASSIFICATION_TASKS:
        hint = nearest(data.label, table.columns)
        problems.add(f"data.label names the column {data.label!r}, which is not there{hint}; null says there is none")
    return None


def _labels(table: pd.DataFrame, column: str | None, data: DataSpec) -> pd.Series[Any]:
    """Return the label of each row as text, ``None`` where it has none."""
    if column is None:
        return pd.Series(None, index=table.index, dtype=object)
    texts = table[column].astype("string").fillna("").str.strip().astype(object).replace(dict(data.rename_labels))
    return texts.where(texts != "", None)


def _truth(
    table: pd.DataFrame,
    task: str,
    classes: Sequence[str],
    columns: Sequence[str],
    labels: pd.Series[Any],
    problems: Problems,
) -> NDArray[np.float64]:
    if task in CLASSIFICATION_TASKS:
        unknown = labels.notna() & ~labels.isin(list(classes))
        for value, count in labels[unknown].value_counts().head(5).items():
            hint = nearest(str(value), classes)
            problems.add(f"the label {value!r} ({count} rows) is none of the classes {list(classes)}{hint}")
        return class_places(labels, classes)
    written = [table[column].astype("string").fillna("").str.strip() for column in columns]
    read = np.stack([pd.to_numeric(column, errors="coerce").to_numpy(float) for column in written], axis=1)
    empty = np.stack([(column == "").to_numpy(bool) for column in written], axis=1)
    for place, column in enumerate(columns):
        unread = int((~np.isfinite(read[:, place]) & ~empty[:, place]).sum())
        if unread:
            problems.add(f"the column {column!r} holds neither a number nor nothing in {unread} of {len(table)} rows")
    if task != "valence_arousal" and not np.isin(read[np.isfinite(read)], (0, 1)).all():
        problems.add(f"the columns {', '.join(columns)} hold other values than 0 and 1")
    if task == "verification" and empty.any():
        problems.add(f"the column 'same' is empty in {int(empty.sum())} of {len(table)} rows")
    return read[:, 0] if task == "verification" else read


def _check_ranges(values: NDArray[np.float64], task: str, ids: pd.Series[Any], problems: Problems) -> None:
    if task not in {"expression", "forgery", "action_units"} or not np.isfinite(values).all():
        return
    if values.min() < -SUM_TOLERANCE or values.max() > 1 + SUM_TOLERANCE:
        problems.add(f"probabilities range from {values.min():.3g} to {values.max():.3g}, expected 0 to 1")
    elif task == "expression":
        wrong = np.abs(values.sum(axis=1) - 1) > max(SUM_TOLERANCE, values.shape[1] * ROUNDED_BY) + EXACT
        if wrong.any():
            first = int(wrong.argmax())
            problems.add(
                f"the probabilities of {int(wrong.sum())} rows do not sum to 1, "
                f"e.g. those of {ids.iloc[first]!r} to {values[first].sum():.3g}"
            )


def _summing_to_one(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Divide rows whose rounded probabilities do not quite sum to 1 by their sum, and say so."""
    totals = values.sum(axis=1)
    off = np.abs(totals - 1) > EXACT
    if not off.any():
        return values, ()
    furthest = float(np.abs(totals - 1).max())
    note = (
        f"The probabilities of {int(off.sum())} of {len(values)} rows are rounded and sum to 1 only to within "
        f"{furthest:.2g}: they were divided by their sum."
    )
    return np.where(off[:, None], values / totals[:, None], values), (note,)


def _check_ids(ids: pd.Series[Any], identity: str, problems: Problems) -> None:
    if (ids == "").any():
        problems.add(f"the column {identity!r} is empty in {int((ids == '').sum())} of {len(ids)} rows")
    if ids.duplicated().any():
        problems.add(
            f"{int(ids.duplicated(keep=False).sum())} rows share a {identity}, e.g. {ids[ids.duplicated()].iloc[0]!r}"
        )


def _faces(
    table: pd.DataFrame,
    identity: str,
    ids: pd.Series[Any],
    labels: pd.Series[Any],
    data: DataSpec,
    problems: Problems,
) -> Faces:
    _check_ids(ids, identity, problems)
    subject = data.subject or "subject"
    if data.subject and data.subject not in table.columns:
        problems.add(f"data.subject names the column {subject!r}, which is not there{nearest(subject, table.columns)}")
    frame = pd.DataFrame({"face_id": ids, "path": "", "label": labels})
    named = subject in table.columns
    frame["subject"] = table[subject].astype("string").fillna("").str.strip().astype(object) if named else ids
    if named and (frame["subject"] == "").any():
        count = int((frame["subject"] == "").sum())
        problems.add(f"the column {subject!r} is empty in {count} of {len(table)} rows (every row needs a person)")
    frame["split"] = ""
    frame["may_publish"] = False
    for name, spec in data.attributes.items():
        column = spec.column or name
        if column not in table.columns and spec.derive is not None:
            continue  # there are no pictures to derive it from, which is told before the probes run
        if column not in table.columns:
            hint = nearest(column, table.columns)
            problems.add(f"data.attributes.{name} names the column {column!r}, which is not there{hint}")
            frame[name] = MISSING
        else:
            frame[name] = group_values(table[column], spec, name, problems)
            if spec.second is None or spec.second in table.columns:
                add_label_errors(frame, table, name, spec, problems)
            else:
                hint = nearest(spec.second, table.columns)
                problems.add(
                    f"data.attributes.{name}.second names the column {spec.second!r}, which is not there{hint}"
                )
    attributes, intersections = with_columns(frame, data)
    return Faces(frame=frame, has_subjects=named, attributes=attributes, intersections=intersections)
