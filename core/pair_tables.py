"""Reading the rows of a verification table: pairs of faces, the two people of each, and the groups of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from .errors import Problems, nearest
from .faces import Faces
from .manifest import group_values, with_columns
from .plan import DataSpec
from .statistics.groups import MISSING

SIDES = ("a", "b")
FACES = ("face_a", "face_b")
PEOPLE = ("subject_a", "subject_b")
ACROSS = "(across groups)"
_SHOWN = 5


def check_pair_columns(table: pd.DataFrame, data: DataSpec, problems: Problems) -> None:
    """Add a problem for every column that pairs need and the table lacks."""
    people = _columns_of_people(data)
    named = data.subject is not None or any(column in table.columns for column in people)
    for column in (*FACES, *(people if named else ())):
        if column not in table.columns:
            problems.add(f"the column {column!r} is not there{nearest(column, table.columns)}")
    for name, spec in data.attributes.items():
        if spec.derive is not None:
            continue  # there are no pictures to derive it from, which is told before the probes run
        for column in (f"{spec.column or name}_{side}" for side in SIDES):
            if column not in table.columns:
                hint = nearest(column, table.columns)
                problems.add(f"data.attributes.{name} needs the column {column!r}, which is not there{hint}")


def _columns_of_people(data: DataSpec) -> list[str]:
    return [f"{data.subject or 'subject'}_{side}" for side in SIDES]


def read_pairs(
    table: pd.DataFrame, ids: pd.Series[Any], same: NDArray[np.float64], data: DataSpec, problems: Problems
) -> Faces:
    """Return pairs as faces: one row per pair.

    The frame holds ``face_id`` (the pair's id), ``face_a, face_b, subject_a, subject_b``, for each attribute
    ``NAME_a, NAME_b``, and as ``NAME`` the group of the pair: that of both people where they share one,
    ``(across groups)`` where they do not, ``(missing)`` where that of either is not known. Without columns of the
    people, faces that genuine pairs join are one person, and each other face is another.

    Args:
        table: the rows as written, with the columns of :func:`check_pair_columns`.
        ids: the pairs' ids.
        same: 1 for pairs of one person, 0 for pairs of two, shape (n,).
        data: the plan's data block; the people stand in the columns ``SUBJECT_a`` and ``SUBJECT_b``.
        problems: what is wrong is added here.
    """
    frame = pd.DataFrame({"face_id": ids, "path": "", "label": None})
    columns = _columns_of_people(data)
    named = columns[0] in table.columns
    for face in FACES:
        frame[face] = texts_of(table[face], face, problems)
    if named:
        for person, column in zip(PEOPLE, columns, strict=True):
            frame[person] = texts_of(table[column], column, problems)
    else:
        frame["subject_a"], frame["subject_b"] = people_by_links(frame["face_a"], frame["face_b"], same)
    check_pairs(frame, same, named, problems)
    frame["subject"] = frame["subject_a"]
    frame["split"] = ""
    frame["may_publish"] = False
    for name, spec in data.attributes.items():
        if spec.derive is not None:
            continue
        sides = [table[f"{spec.column or name}_{side}"] for side in SIDES]
        first, second = (group_values(column, spec, name, problems).astype(str) for column in sides)
        frame[f"{name}_a"], frame[f"{name}_b"] = first, second
        frame[name] = group_of_pair(first, second)
    attributes, intersections = with_columns(frame, data)
    return Faces(frame=frame, has_subjects=named, attributes=attributes, intersections=intersections)


def single_faces(faces: Faces) -> pd.DataFrame:
    """Return each face of the pairs once: ``face_id, subject, label`` (none) and the group of each attribute."""
    sides = []
    for side in SIDES:
        columns = {f"face_{side}": "face_id", f"subject_{side}": "subject"}
        columns |= {f"{name}_{side}": name for name in faces.attributes}
        sides.append(faces.frame[list(columns)].rename(columns=columns))
    return pd.concat(sides, ignore_index=True).drop_duplicates("face_id", ignore_index=True).assign(label=None)


def texts_of(column: pd.Series[Any], name: str, problems: Problems) -> pd.Series[Any]:
    """Return a column as stripped text, and add a problem where it is empty."""
    texts = column.astype("string").fillna("").str.strip().astype(object)
    if (texts == "").any():
        problems.add(f"the column {name!r} is empty in {int((texts == '').sum())} of {len(texts)} rows")
    return texts


def people_by_links(
    face_a: pd.Series[Any], face_b: pd.Series[Any], same: NDArray[np.float64]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the person of both faces of each pair, named by a face: genuine pairs join faces to one person."""
    both = np.concatenate([face.to_numpy(dtype=object) for face in (face_a, face_b)])
    codes, names = pd.factorize(both)
    first, second = np.split(codes, 2)
    genuine = same == 1
    links = coo_array((np.ones(int(genuine.sum())), (first[genuine], second[genuine])), shape=(len(names), len(names)))
    _, person = connected_components(links, directed=False)
    _, representative = np.unique(person, return_index=True)
    named = names[representative[person]]
    return named[first], named[second]


def group_of_pair(first: pd.Series[Any], second: pd.Series[Any]) -> pd.Series[Any]:
    """Return the group of each pair: that of both faces, ``(across groups)``, or ``(missing)``."""
    group = first.where(first == second, ACROSS)
    return group.where((first != MISSING) & (second != MISSING), MISSING)


def check_pairs(frame: pd.DataFrame, same: NDArray[np.float64], named: bool, problems: Problems) -> None:
    """Add what cannot be in a pair: a face with itself, one face of two people, a wrong ``same``.

    Args:
        frame: has ``face_a, face_b, subject_a, subject_b``, one row per pair.
        same: 1 for pairs of one person, 0 for pairs of two, shape (n,).
        named: whether the people were named, or follow from the pairs.
        problems: what is wrong is added here.
    """
    itself = (frame["face_a"] == frame["face_b"]).to_numpy()
    if itself.any():
        problems.add(f"{told_rows(itself)}: the face {frame['face_a'][itself].iloc[0]!r} is paired with itself")
    one_person = (frame["subject_a"] == frame["subject_b"]).to_numpy()
    wrong = (one_person != (same == 1)) & ~itself
    if wrong.any() and not named:
        problems.add(f"{told_rows(wrong)}: same is 0 for two faces that other pairs join to one person")
    elif wrong.any():
        first = int(wrong.argmax())
        people = f"{frame['subject_a'].iat[first]!r} and {frame['subject_b'].iat[first]!r}"
        problems.add(f"{told_rows(wrong)}: same is {same[first]:g} for the people {people}")
    faces = np.concatenate([frame[face].to_numpy(dtype=object) for face in FACES])
    people_of = pd.Series(np.concatenate([frame[person].to_numpy(dtype=object) for person in PEOPLE]))
    several = people_of.groupby(faces).nunique()
    mixed: Sequence[str] = several.index[several > 1].tolist()
    if mixed:
        stand = "1 face stands" if len(mixed) == 1 else f"{len(mixed)} faces stand"
        problems.add(f"{stand} with more than one person, e.g. {mixed[0]!r}")


def told_rows(found: NDArray[np.bool_]) -> str:
    """Return ``rows 3, 8 and 2 more``, counted from 1 below the header."""
    places = (np.flatnonzero(found) + 1).tolist()
    shown = ", ".join(map(str, places[:_SHOWN]))
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return f"row{'s' if len(places) > 1 else ''} {shown}{more}"
