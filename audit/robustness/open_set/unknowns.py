"""The user's own unknowns: a folder of pictures, or a table of them with boxes and people, read and checked whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....core.errors import ManifestError, Problems, nearest
from ....core.manifest import read_table

PATH, SUBJECT, KIND = "path", "subject", "kind"
BOX = ("box_x0", "box_y0", "box_x1", "box_y1")
KNOWN_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".jp2", ".avif"})
UNNAMED = "unknown"
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Unknowns:
    """Pictures of what the model was not made for.

    Attributes:
        frame: one row per picture: ``path``, ``subject`` and ``kind``, as text.
        folder: paths are relative to it.
        boxes: x0, y0, x1, y1 in pixels, (n, 4), or ``None`` for whole pictures.
        has_subjects: whether people (or sources) are named; else every picture is of another.
    """

    frame: pd.DataFrame
    folder: Path
    boxes: NDArray[np.float64] | None
    has_subjects: bool

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def kinds(self) -> list[str]:
        """The kinds, each once, in alphabetical order."""
        return sorted(set(self.frame[KIND]))

    @property
    def images(self) -> list[Path]:
        """The image files, each once."""
        return [self.folder / path for path in dict.fromkeys(self.frame[PATH])]


def read_unknowns(path: Path, taken: frozenset[str] = frozenset()) -> Unknowns:
    """Read a folder of pictures (each of its folders is a kind) or a table with ``path`` and, if wanted, the rest.

    Args:
        path: the folder, or a CSV or Parquet file with ``path`` (relative to it), and optionally ``subject``, ``kind``
            and the four edges of boxes, ``box_x0`` to ``box_y1``.
        taken: names that a kind may not have.

    Raises:
        ManifestError: with every problem at once.
    """
    found = _read_folder(path) if path.is_dir() else _read_table(path)
    problems = Problems(str(path))
    for kind in found.kinds:
        if kind in taken:
            problems.add(f"a kind of unknowns may not be called {kind!r}: that name is taken by the probe")
    problems.raise_as(ManifestError)
    return found


def _read_folder(folder: Path) -> Unknowns:
    files = sorted(
        file.relative_to(folder)
        for file in folder.rglob("*")
        if file.is_file() and file.suffix.lower() in KNOWN_ENDINGS
    )
    if not files:
        raise ManifestError(f"expected pictures in {folder} ({', '.join(sorted(KNOWN_ENDINGS))}), but there are none")
    paths = [file.as_posix() for file in files]
    kinds = [file.parts[0] if len(file.parts) > 1 else UNNAMED for file in files]
    return Unknowns(pd.DataFrame({PATH: paths, SUBJECT: paths, KIND: kinds}), folder, None, has_subjects=False)


def _read_table(path: Path) -> Unknowns:
    table = read_table(path)
    names = [str(name) for name in table.columns]
    problems = Problems(str(path))
    if PATH not in names:
        problems.add(f"the column {PATH!r} is not there{nearest(PATH, names)}")
    boxed = [column for column in BOX if column in names]
    if boxed and len(boxed) < len(BOX):
        problems.add(f"expected all of {', '.join(BOX)} or none of them, but got {', '.join(boxed)}")
    problems.raise_as(ManifestError)
    texts = {name: table[name].astype("string").fillna("").str.strip().astype(object) for name in names}
    frame = pd.DataFrame({PATH: texts[PATH]})
    frame[SUBJECT] = texts.get(SUBJECT, texts[PATH])
    frame[KIND] = texts.get(KIND, pd.Series(UNNAMED, index=frame.index))
    for column in (PATH, SUBJECT, KIND):
        _tell(problems, (frame[column] == "").to_numpy(bool), f"{column!r} is empty")
    boxes = None
    if boxed:
        boxes = np.stack([pd.to_numeric(texts[column], errors="coerce").to_numpy(float) for column in BOX], axis=1)
        _tell(problems, ~np.isfinite(boxes).all(axis=1), "the box is missing or not made of four numbers")
        empty = (boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1])
        _tell(problems, empty, "the box is empty, expected x0 < x1 and y0 < y1")
    paths = [name for name in dict.fromkeys(frame[PATH]) if name]
    missing = [name for name in paths if not (path.parent / name).is_file()]
    if missing:
        shown = ", ".join(map(repr, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
        problems.add(
            f"{len(missing)} of {len(paths)} pictures are not there ({shown}); paths are relative to {path.parent}"
        )
    problems.raise_as(ManifestError)
    return Unknowns(frame, path.parent, boxes, SUBJECT in names)


def _tell(problems: Problems, wrong: NDArray[np.bool_], fault: str) -> None:
    rows = (np.flatnonzero(wrong) + 1).tolist()
    if rows:
        shown = ", ".join(map(str, rows[:_SHOWN])) + (", ..." if len(rows) > _SHOWN else "")
        problems.add(f"{'row' if len(rows) == 1 else f'{len(rows)} rows:'} {shown}: {fault}")
