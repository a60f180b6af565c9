"""Which pictures of a person were taken together? A probe must not be judged on near-copies of what it has seen."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ....core.errors import AuditError, nearest
from ....core.faces import Faces
from ....core.statistics.sums import Floats, Integers

NEAR_DUPLICATE = 0.98
"""Two pictures of a person are near-duplicates when small grey copies of them correlate at least so much."""


@dataclass(frozen=True, eq=False)
class Sessions:
    """The session of each face.

    Attributes:
        codes: (n,) a number; numbers of different people have nothing to do with each other.
        told: how the sessions were made out, in words.
        known: whether the plan said it.
    """

    codes: Integers
    told: str
    known: bool


def sessions_of(
    faces: Faces, rows: Integers, session: str | None, in_path: str | None, grey: Floats | None
) -> Sessions:
    """Make out the sessions of some faces.

    Args:
        faces: the audited faces.
        rows: (n,) those that are asked about.
        session: ``label``, ``split`` or an attribute that differs between sessions.
        in_path: regular expression whose first group, found in the path, names the session.
        grey: (n, d) small grey pictures, to find near-duplicates where nothing names sessions.

    Raises:
        AuditError: when there is no such column, or a path does not match.
    """
    frame = faces.frame.iloc[rows]
    if in_path is not None:
        return _from_paths(frame["path"], in_path, faces.rows_of_source[rows])
    if session is not None:
        known = ["label", "split", *faces.attributes]
        if session not in known:
            raise AuditError(
                f"leakage: session names {session!r}, which is none of {known}{nearest(session, known)}; another "
                "column of the manifest can be listed under attributes, or taken from the path by session_in_path"
            )
        codes = pd.factorize(frame[session].astype("string").fillna(""))[0].astype(np.int64)
        return Sessions(codes, f"Pictures of a person are of different sessions where {session} differs", True)
    people = faces.subject_codes[rows]
    if grey is None:
        return Sessions(np.arange(len(rows), dtype=np.int64), "Each row counts as a session", False)
    codes = near_duplicates(grey, people)
    joined = len(rows) - len(np.unique(codes))
    return Sessions(
        codes,
        f"Nothing names sessions (session, session_in_path), so each picture counts as one; {joined:,} were joined "
        f"with another of the same person as near-duplicates (correlation of small grey copies {NEAR_DUPLICATE} or "
        "more)",
        False,
    )


def _from_paths(paths: pd.Series[str], pattern: str, rows: Integers) -> Sessions:
    found = paths.str.extract(re.compile(pattern), expand=True)[0]
    if found.isna().any():
        example = int(rows[found.isna().to_numpy()][0]) + 1  # a path may name a person, and reasons are published
        raise AuditError(
            f"leakage: session_in_path is {pattern!r}, which is not found in {int(found.isna().sum())} paths, "
            f"e.g. in row {example}"
        )
    codes = pd.factorize(found)[0].astype(np.int64)
    return Sessions(codes, "Sessions were read from the paths of the pictures", True)


def near_duplicates(grey: Floats, people: Integers) -> Integers:
    """Number pictures so that near-duplicates of one person, and theirs in turn, share a number, shape (n,).

    Args:
        grey: (n, d) small grey pictures.
        people: (n,) person of each.
    """
    centred = grey - grey.mean(1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = centred / np.where(length > 0, length, 1.0)
    codes = np.arange(len(people), dtype=np.int64)
    order = np.argsort(people, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(people[order])) + 1):
        near = unit[rows] @ unit[rows].T >= NEAR_DUPLICATE
        for _ in range(len(rows)):  # the smallest number spreads along chains of near-duplicates
            smallest = np.where(near, codes[rows][None, :], len(people)).min(1)
            smallest = np.minimum(smallest, codes[rows])
            if (smallest == codes[rows]).all():
                break
            codes[rows] = smallest
    return codes
