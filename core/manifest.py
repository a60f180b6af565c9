"""Reading the manifest: the table of faces, checked whole, with attributes cut into groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .attribute_notes import attribute_notes, bins_text
from .derive.cutting import OUTSIDE as OUTSIDE
from .derive.cutting import cut_by_bins
from .errors import ManifestError, Problems, nearest
from .label_errors import check_groups, second_column
from .plan import AttributeSpec, DataSpec, LandmarkColumns, TargetSpec
from .statistics.groups import MISSING

TRUTH_BY_COLUMN = frozenset({"action_units", "valence_arousal"})
MOST_GROUPS = 50
_SHOWN = 5


@dataclass(frozen=True)
class Manifest:
    """A checked manifest.

    Attributes:
        frame: one row per face with ``face_id, path, label, subject, split, may_publish``, of forgeries the named ones
            of ``method, mask, video, frame, donor`` as text, and the attributes' groups; ``label`` is missing where
            there is none, ``subject`` is the face's id where no column was named.
        boxes: x0, y0, x1, y1 per face in pixels, shape (n, 4), or ``None``.
        landmarks: points per face from columns, shape (n, p, 2), or ``None``.
        notes: what is odd but no fault, e.g. a person in two groups of a personal attribute.

    An attribute that the plan asks to derive from the pictures has no column here.
    """

    frame: pd.DataFrame
    boxes: NDArray[np.float64] | None
    landmarks: NDArray[np.float64] | None
    notes: tuple[str, ...]


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV (every value as text) or Parquet file.

    Raises:
        ManifestError: when it cannot be read or has no row.
    """
    try:
        if path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(path)
        else:
            frame = _read_csv(path)
    except FileNotFoundError:
        raise ManifestError(f"expected a table at {path}, but there is no such file") from None
    except (
        OSError,
        ValueError,
    ) as error:  # pandas' and pyarrow's own errors are ValueErrors
        raise ManifestError(f"{path} cannot be read as a table: {error}") from error
    if frame.empty:
        raise ManifestError(f"{path} has no row")
    frame.columns = [str(name).strip() for name in frame.columns]
    return frame.reset_index(drop=True)


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV as text, and refuse what pandas would read otherwise than it is written."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    header = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", header=None, nrows=1)
    names = [str(name).strip() for name in header.iloc[0]]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:  # pandas would number the second one
        raise ManifestError(f"{path}: the column {', '.join(map(repr, twice))} stands twice")
    if not isinstance(frame.index, pd.RangeIndex):  # pandas would take the first values for row names
        raise ManifestError(f"{path}: the rows hold more values than the header has names ({len(names)})")
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        raise ManifestError(f"{path} has one column, {names[0]!r}: expected values separated by commas")
    return frame


def read_manifest(path: Path, spec: DataSpec, classes: Sequence[str], *, target: TargetSpec | None = None) -> Manifest:
    """Read and check the manifest of a plan.

    Args:
        path: CSV or Parquet.
        spec: the plan's data block.
        classes: the labels the target knows.
        target: for action units, valence and arousal: their truth is carried over from the columns ``y_NAME``.

    Raises:
        ManifestError: with every problem of the file at once.
    """
    return check_manifest(read_table(path), spec, classes, str(path), target=target)


def check_manifest(
    table: pd.DataFrame, spec: DataSpec, classes: Sequence[str], name: str, *, target: TargetSpec | None = None
) -> Manifest:
    """Check a table against the plan's data block; see :func:`read_manifest`."""
    if table.empty:
        raise ManifestError(f"{name} has no row")
    table = table.rename(columns=str)
    by_column = target is not None and target.task in TRUTH_BY_COLUMN
    if by_column and "label" not in spec.model_fields_set and spec.label not in list(table.columns):
        spec = spec.model_copy(update={"label": None})  # the default name; such a target has no label per face
    problems = Problems(name)
    _check_columns(table, spec, problems)
    problems.raise_as(ManifestError)

    paths = _texts(table[spec.path])
    ids = _texts(table[spec.id]) if spec.id else paths
    frame = pd.DataFrame({"face_id": ids, "path": paths})
    _check_ids(frame, problems, "id" if spec.id else "path")
    frame["label"] = _labels(table, spec, classes, problems)
    frame["subject"] = _texts(table[spec.subject]) if spec.subject else frame["face_id"]
    if spec.subject and (frame["subject"] == "").any():
        problems.add(
            f"{_rows(frame['subject'] == '')}: the subject is empty (every face needs one when a column is named)"
        )
    frame["split"] = _texts(table[spec.split]) if spec.split else ""
    publish = _texts(table[spec.may_publish]).str.lower() if spec.may_publish else pd.Series("", index=table.index)
    frame["may_publish"] = publish.isin(["true", "1", "yes"]).to_numpy()
    for use, named in spec.forgeries.columns.items():
        frame[use] = _texts(table[named])
    for attribute, described in spec.attributes.items():
        if described.derive is not None:
            continue
        column = table[described.column or attribute]
        frame[attribute] = group_values(column, described, attribute, problems)
        add_label_errors(frame, table, attribute, described, problems)
    if target is not None and by_column:
        for written, numbers in _truth(table, target, problems).items():
            if written in list(frame.columns):
                problems.add(
                    f"the attribute name {written!r} is taken by the truth of the target: give it another name"
                )
            frame[written] = numbers
    boxes = _boxes(table, spec.box, problems) if spec.box else None
    landmarks = _landmarks(table, spec.landmarks, problems) if isinstance(spec.landmarks, LandmarkColumns) else None
    problems.raise_as(ManifestError)
    notes = attribute_notes(frame, with_columns(frame, spec)[0], subjects=spec.subject is not None)
    return Manifest(frame, boxes, landmarks, tuple(notes))


def _texts(column: pd.Series) -> pd.Series:
    """Return a column as stripped text, missing values as an empty text."""
    return column.astype("string").fillna("").str.strip().astype(object).reset_index(drop=True)


def _rows(mask: pd.Series) -> str:
    """Name the rows where ``mask`` holds, counted from 1 below the header."""
    numbers = (np.flatnonzero(mask.to_numpy()) + 1).tolist()
    shown = ", ".join(map(str, numbers[:_SHOWN])) + (", ..." if len(numbers) > _SHOWN else "")
    return f"row {shown}" if len(numbers) == 1 else f"{len(numbers)} rows ({shown})"


def _check_columns(table: pd.DataFrame, spec: DataSpec, problems: Problems) -> None:
    wanted = {"path": spec.path, "id": spec.id, "label": spec.label, "subject": spec.subject}
    wanted |= {"split": spec.split, "may_publish": spec.may_publish}
    wanted |= {f"forgeries.{use}": column for use, column in spec.forgeries.columns.items()}
    for name, described in spec.attributes.items():
        wanted[f"attributes.{name}"] = None if described.derive else described.column or name
        wanted[f"attributes.{name}.second"] = described.second
    for position, column in enumerate(spec.box or ()):
        wanted[f"box[{position}]"] = column
    if isinstance(spec.landmarks, LandmarkColumns):
        for number in range(spec.landmarks.first, spec.landmarks.first + spec.landmarks.points):
            for pattern in (spec.landmarks.x, spec.landmarks.y):
                wanted[f"landmarks {pattern} {number}"] = pattern.format(number)
    missing = [(use, column) for use, column in wanted.items() if column and column not in table.columns]
    for use, column in missing[:20]:
        problems.add(f"data.{use} names the column {column!r}, which is not there{nearest(column, table.columns)}")
    if len(missing) > 20:
        problems.add(f"and {len(missing) - 20} more columns are not there")
    twice = sorted({name for name in table.columns if list(table.columns).count(name) > 1})
    if twice:
        problems.add(f"the column {', '.join(map(repr, twice))} stands twice")


def _check_ids(frame: pd.DataFrame, problems: Problems, what: str) -> None:
    empty = frame["path"] == ""
    if empty.any():
        problems.add(f"{_rows(empty)}: the path is empty")
    twice = frame["face_id"].duplicated(keep=False)
    if twice.any():
        first = frame.loc[twice, "face_id"].iloc[0]
        problems.add(f"{_rows(twice)}: the {what} stands more than once, e.g. {first!r}")


def _labels(table: pd.DataFrame, spec: DataSpec, classes: Sequence[str], problems: Problems) -> pd.Series:
    if spec.label is None:
        return pd.Series(None, index=range(len(table)), dtype=object)
    labels = _texts(table[spec.label]).replace(dict(spec.rename_labels))
    if classes:
        unknown = (labels != "") & ~labels.isin(list(classes))
        for value, count in labels[unknown].value_counts().head(_SHOWN).items():
            rows = _rows(labels == value)
            problems.add(
                f"{rows}: the label {value!r} ({count} faces) is none of the target's classes {list(classes)}"
                f"{nearest(str(value), classes)}; rename_labels maps a label to a class"
            )
    return labels.where(labels != "", None)


def _truth(table: pd.DataFrame, target: TargetSpec, problems: Problems) -> dict[str, NDArray[np.float64]]:
    """Return the columns ``y_NAME`` that the table has, by name; NaN where a face has none."""
    found: dict[str, NDArray[np.float64]] = {}
    for column in (f"y_{name}" for name in target.class_names):
        if column not in table.columns:
            continue
        texts = _texts(table[column])
        numbers = pd.to_numeric(texts.where(texts != "", None), errors="coerce").astype(float)
        units = target.task == "action_units"
        wrong = (texts != "") & ~(numbers.isin([0, 1]) if units else np.isfinite(numbers))
        if wrong.any():
            wanted = "0, 1 or nothing" if units else "a finite number or nothing"
            problems.add(f"{_rows(wrong)}: {column!r} holds {texts[wrong].iloc[0]!r}, expected {wanted}")
        found[column] = np.asarray(numbers, dtype=np.float64)
    return found


def group_values(column: pd.Series, spec: AttributeSpec, name: str, problems: Problems) -> pd.Series:
    """Return the group of each row as text; missing values are a group of their own, numbers are cut by the bins.

    Names of bins, as a run's own ``predictions.parquet`` holds them, are taken as they are.
    """
    texts = _texts(column)
    if spec.bins is None:
        different = texts[texts != ""].nunique()
        if different > MOST_GROUPS:
            problems.add(_too_many_groups(name, texts[texts != ""]))
        return texts.where(texts != "", MISSING)
    texts = texts.where(texts.str.lower() != "nan", "")  # of a number, the text says that there is none
    numbers = pd.to_numeric(texts.where(texts != "", None), errors="coerce")
    cut = cut_by_bins(numbers.to_numpy(np.float64), spec.bins)
    cut_before = texts.isin([*cut.names, MISSING])
    unread = numbers.isna() & (texts != "") & ~cut_before
    if unread.any():
        problems.add(
            f"{_rows(unread)}: the attribute {name!r} has bins but is no number, e.g. {texts[unread].iloc[0]!r}"
        )
    named = np.asarray([*cut.names, MISSING], dtype=object)[cut.places]  # the place of a missing one is -1
    groups = pd.Series(named, dtype=object).where(~cut_before, texts)
    order = [group for group in (*cut.names, MISSING) if (groups == group).any()]
    return groups.astype(pd.CategoricalDtype(order))


def add_label_errors(
    frame: pd.DataFrame, table: pd.DataFrame, name: str, spec: AttributeSpec, problems: Problems
) -> None:
    """Check an attribute's matrix against its groups, and read the second annotator's groups, where there are any."""
    check_groups(name, spec, frame[name].unique(), (MISSING, OUTSIDE), problems)
    if spec.second == (spec.column or name):
        problems.add(f"data.attributes.{name}.second names the attribute's own column {spec.second!r}")
    elif spec.second is not None:
        frame[second_column(name)] = group_values(table[spec.second], spec, second_column(name), problems)


def _too_many_groups(name: str, texts: pd.Series) -> str:
    """Say what is wrong with an attribute of so many values that no group can be measured."""
    different, faces = texts.nunique(), len(texts)
    told = f"the attribute {name!r} has {different:,} different values for {faces:,} faces"
    if different == faces:
        told += ", another for every face, as an id has"
    numbers = pd.to_numeric(texts, errors="coerce")
    bins = "" if numbers.isna().any() else bins_text(numbers.astype(float).tolist())
    if bins:
        return f"{told}: give it bins, e.g. {bins} (quantiles of these faces)"
    return f"{told}: name a column with at most {MOST_GROUPS} groups, or take the attribute out of the plan"


def with_columns(frame: pd.DataFrame, spec: DataSpec) -> tuple[dict[str, AttributeSpec], list[list[str]]]:
    """Return the attributes that have a column, and the intersections of them; others are derived later, if at all."""
    attributes = {name: described for name, described in spec.attributes.items() if name in frame.columns}
    return attributes, [list(names) for names in spec.intersections if set(names) <= set(attributes)]


def _boxes(table: pd.DataFrame, columns: Sequence[str], problems: Problems) -> NDArray[np.float64]:
    numbers = pd.DataFrame(
        {column: pd.to_numeric(_texts(table[column]), errors="coerce") for column in columns}
    ).to_numpy(float)
    unread = pd.Series(~np.isfinite(numbers).all(axis=1))
    if unread.any():
        problems.add(f"{_rows(unread)}: the box is missing or not made of four numbers ({', '.join(columns)})")
    empty = pd.Series((numbers[:, 2] <= numbers[:, 0]) | (numbers[:, 3] <= numbers[:, 1])) & ~unread
    if empty.any():
        problems.add(
            f"{_rows(empty)}: the box is empty, expected {columns[0]} < {columns[2]} and {columns[1]} < {columns[3]}"
        )
    return numbers


def _landmarks(table: pd.DataFrame, spec: LandmarkColumns, problems: Problems) -> NDArray[np.float64]:
    numbers = range(spec.first, spec.first + spec.points)
    points = np.stack(
        [
            np.stack(
                [pd.to_numeric(_texts(table[pattern.format(k)]), errors="coerce").to_numpy(float) for k in numbers],
                1,
            )
            for pattern in (spec.x, spec.y)
        ],
        axis=2,
    )
    partly = pd.Series(np.isnan(points).any(axis=(1, 2)) & ~np.isnan(points).all(axis=(1, 2)))
    if partly.any():
        problems.add(f"{_rows(partly)}: some landmarks are missing or no numbers, expected all {spec.points} or none")
    return points


def group_counts(frame: pd.DataFrame, attribute: str) -> Mapping[str, tuple[int, int]]:
    """Return how many faces and people each group has, by group name."""
    grouped = frame.groupby(attribute, sort=True, observed=True)["subject"]
    return {str(name): (len(rows), int(rows.nunique())) for name, rows in grouped}
