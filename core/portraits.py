"""What a verification checkpoint answers: embeddings of single faces, compared in pairs by their cosine."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .errors import AuditError
from .faces import Faces
from .pair_tables import SIDES, group_of_pair
from .portrait_pairs import PairRows
from .predictions import Predictions

_AT_ONCE = 8192
Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Portraits:
    """The single faces behind pairs, and what the model makes of them.

    Attributes:
        faces: the faces, without the quarantined ones; pictures are read from here.
        embeddings: their embeddings at unit length, shape (faces, k).
        first: position of the first face of each pair, shape (pairs,).
        second: position of its second face, shape (pairs,).
    """

    faces: Faces
    embeddings: NDArray[np.float64]
    first: Rows
    second: Rows


@dataclass(frozen=True, eq=False)
class Compared:
    """Pairs as every probe reads them, and the single faces behind them.

    Attributes:
        faces: one row per pair, as :func:`~.pair_tables.read_pairs` makes them.
        predictions: similarity of each pair and whether it is of one person.
        portraits: the single faces.
        notes: what was left out.
    """

    faces: Faces
    predictions: Predictions
    portraits: Portraits
    notes: tuple[str, ...]


def compare(portraits: Faces, rows: Rows, embeddings: NDArray[np.float64], pairs: PairRows) -> Compared:
    """Compare the pairs whose images could both be used.

    Args:
        portraits: the usable faces.
        rows: their positions among the faces that ``pairs`` counts, shape (m,).
        embeddings: what the model gave them, shape (m, k).
        pairs: which faces are compared.

    Raises:
        AuditError: when no pair is left, an embedding has no direction, or embeddings are single numbers.
    """
    unit = _unit_length(embeddings)
    place = np.full(len(pairs.people), -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    kept = (place[pairs.first] >= 0) & (place[pairs.second] >= 0)
    if not kept.any():
        raise AuditError(f"none of the {len(pairs):,} pairs has two usable images")
    notes = list(pairs.notes)
    lost = int((~kept).sum())
    if lost:
        notes.append(f"{lost:,} of {len(pairs):,} pairs were left out: an image of theirs could not be used.")
    known = replace(portraits, frame=portraits.frame.assign(subject=pairs.people[rows]))
    first, second = place[pairs.first[kept]], place[pairs.second[kept]]
    faces = _pair_faces(known, pairs.ids[kept], first, second)
    similarity = cosines(unit, first, second)
    predictions = Predictions("verification", ("similarity",), similarity[:, None], pairs.same[kept])
    return Compared(faces, predictions, Portraits(known, unit, first, second), tuple(notes))


def cosines(unit: NDArray[np.float64], first: Rows, second: Rows) -> NDArray[np.float64]:
    """Return the cosine of each pair of rows of ``unit`` (n, k), whose rows have length 1; shape (pairs,)."""
    found = np.empty(len(first))
    for start in range(0, len(first), _AT_ONCE):  # the rows of all pairs at once could fill the memory
        part = slice(start, start + _AT_ONCE)
        found[part] = np.einsum("ij,ij->i", unit[first[part]], unit[second[part]])
    clipped: NDArray[np.float64] = found.clip(-1.0, 1.0)
    return clipped


def _unit_length(embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
    if embeddings.shape[1] < 2:
        raise AuditError(
            "the model gives one number for a face: an embedding has two or more, of which pairs of faces are compared "
            "by the cosine"
        )
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    nothing = int((length == 0).sum())
    if nothing:
        raise AuditError(
            f"the model gives {nothing} of {len(embeddings)} faces an embedding of zeros, which has no cosine: check "
            "the checkpoint and target.input (mean, std, size)"
        )
    unit: NDArray[np.float64] = embeddings / length
    return unit


def _pair_faces(portraits: Faces, ids: NDArray[np.object_], first: Rows, second: Rows) -> Faces:
    """Return pairs as faces, one row per pair, with the columns of :func:`~.pair_tables.read_pairs`."""
    frame = pd.DataFrame({"face_id": ids, "path": "", "label": None})
    sides = [portraits.frame.iloc[rows].reset_index(drop=True) for rows in (first, second)]
    for side, part in zip(SIDES, sides, strict=True):
        frame[f"face_{side}"], frame[f"subject_{side}"] = part["face_id"], part["subject"]
    frame["subject"] = frame["subject_a"]
    frame["split"] = ""
    frame["may_publish"] = False
    for name in portraits.attributes:
        groups = [part[name].astype(str) for part in sides]
        frame[f"{name}_a"], frame[f"{name}_b"] = groups
        frame[name] = group_of_pair(*groups)
    return Faces(
        frame=frame,
        has_subjects=portraits.has_subjects,
        attributes=portraits.attributes,
        intersections=portraits.intersections,
        reliability=portraits.reliability,
    )
