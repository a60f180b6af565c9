"""The table of pairs: two pictures of a person that differ in one thing, read and checked whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ....core.errors import ManifestError, Problems, nearest
from ....core.manifest import read_table
from ....core.statistics.sums import Floats

REQUIRED = ("pair_id", "path_a", "path_b", "changed", "kept")
EDGES = ("x0", "y0", "x1", "y1")
SUBJECT = "subject"
OPTIONAL = (SUBJECT, *(f"box_{side}_{edge}" for side in "ab" for edge in EDGES))
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class PairTable:
    """A checked table of pairs.

    Attributes:
        frame: one row per pair: every column as text, stripped.
        folder: paths are relative to it.
        boxes: x0, y0, x1, y1 of the first and of the second picture, (n, 2, 4) pixels, or ``None`` for whole images.
        has_subjects: whether the table names people; else pairs of one first picture count as one person.
    """

    frame: pd.DataFrame
    folder: Path
    boxes: Floats | None
    has_subjects: bool

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def changes(self) -> list[str]:
        """What was changed, each once, in the order of the table."""
        return list(dict.fromkeys(self.frame["changed"]))

    @property
    def images(self) -> list[Path]:
        """The image files, each once."""
        both = pd.concat([self.frame["path_a"], self.frame["path_b"]])
        return [self.folder / path for path in dict.fromkeys(both)]


def read_pairs(path: Path, *, control: str | None = None, columns: tuple[str, ...] = ()) -> PairTable:
    """Read and check a table of pairs.

    Args:
        path: CSV or Parquet with `REQUIRED` columns, any of `OPTIONAL` and attributes.
        control: what ``changed`` says of pairs that differ in nothing that should matter.
        columns: further columns that have to be there.

    Raises:
        ManifestError: with every problem of the table at once.
    """
    table = read_table(path)
    problems = Problems(str(path))
    names = [str(name) for name in table.columns]
    for column in (*REQUIRED, *columns):
        if column not in names:
            problems.add(f"the column {column!r} is not there{nearest(column, names)}")
    for column in names:
        if column.startswith("box_") and column not in OPTIONAL:
            problems.add(f"the column {column!r} is no part of a box{nearest(column, OPTIONAL)}")
    boxed = [column for column in OPTIONAL if column != SUBJECT and column in names]
    for column in OPTIONAL if boxed else ():
        if column != SUBJECT and column not in names:
            problems.add(f"the column {column!r} is not there, although other edges of boxes are")
    problems.raise_as(ManifestError)

    frame = pd.DataFrame({name: _texts(table[name]) for name in names})
    boxes = _boxes(frame, problems) if boxed else None
    _check_rows(frame, boxes, path.parent, problems)
    known = frame["changed"].unique().tolist()
    if control is not None and control not in known:
        told = ", ".join(filter(None, known[:20]))
        problems.add(f"the control {control!r} is none of the values of 'changed' ({told}){nearest(control, known)}")
    problems.raise_as(ManifestError)
    return PairTable(frame, path.parent, boxes, SUBJECT in names)


def _texts(column: pd.Series) -> pd.Series:
    return column.astype("string").fillna("").str.strip().astype(object).reset_index(drop=True)


def _boxes(frame: pd.DataFrame, problems: Problems) -> Floats:
    sides = []
    for side in "ab":
        columns = [f"box_{side}_{edge}" for edge in EDGES]
        numbers = frame[columns].apply(pd.to_numeric, errors="coerce").to_numpy(float)
        unread = ~np.isfinite(numbers).all(axis=1)
        empty = ~unread & ((numbers[:, 2] <= numbers[:, 0]) | (numbers[:, 3] <= numbers[:, 1]))
        _tell(problems, unread, f"box {side} is missing or not made of four numbers")
        _tell(problems, empty, f"box {side} is empty, expected x0 < x1 and y0 < y1")
        sides.append(numbers)
    return np.stack(sides, axis=1)


def _check_rows(frame: pd.DataFrame, boxes: Floats | None, folder: Path, problems: Problems) -> None:
    for column in ("pair_id", "path_a", "path_b", "changed", *([SUBJECT] if SUBJECT in frame.columns else [])):
        _tell(problems, (frame[column] == "").to_numpy(bool), f"{column!r} is empty")
    twice = (frame["pair_id"].duplicated(keep=False) & (frame["pair_id"] != "")).to_numpy(bool)
    if twice.any():
        _tell(problems, twice, f"a pair_id stands more than once, e.g. {frame['pair_id'][twice].iloc[0]!r}")
    same = (frame["path_a"].map(_plain) == frame["path_b"].map(_plain)).to_numpy(bool) & (frame["path_a"] != "")
    if boxes is not None:
        same &= (boxes[:, 0] == boxes[:, 1]).all(axis=1)
    _tell(problems, np.asarray(same, dtype=np.bool_), "the pair is of an image with itself")
    paths = [path for path in dict.fromkeys([*frame["path_a"], *frame["path_b"]]) if path]
    missing = [path for path in paths if not (folder / path).is_file()]
    if missing:
        shown = ", ".join(map(repr, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
        problems.add(f"{len(missing)} of {len(paths)} images are not there ({shown}); paths are relative to {folder}")


def _plain(path: str) -> str:
    return Path(path).as_posix()


def _tell(problems: Problems, wrong: np.ndarray, fault: str) -> None:
    rows = (np.flatnonzero(wrong) + 1).tolist()
    if rows:
        shown = ", ".join(map(str, rows[:_SHOWN])) + (", ..." if len(rows) > _SHOWN else "")
        problems.add(f"{'row' if len(rows) == 1 else f'{len(rows)} rows:'} {shown}: {fault}")
