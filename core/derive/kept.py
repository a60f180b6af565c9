"""Measures of the pictures kept beside the predictions, so that a second run decodes no picture again.

They are found again only if nothing they depend on changed: manifest rows, boxes, landmarks, image bytes, which
measures are asked, how they are made (:data:`VERSION`), and the packages that decode.
"""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from ..errors import AuditError
from ..files import replace_atomically, sha256_of_bytes
from .measuring import Measured

LOG = logging.getLogger("countenance")
VERSION = 1
REASONS = "reasons"


def kept_file(cache: Path, data_hash: str, measures: Sequence[str], versions: Mapping[str, str]) -> Path:
    """Return the file in which the measures of some data are kept; its name changes with what they depend on."""
    parts = {"version": VERSION, "data": data_hash, "measures": sorted(set(measures)), "packages": dict(versions)}
    return cache / f"pictures-{sha256_of_bytes(json.dumps(parts, sort_keys=True).encode())}.npz"


def keep(file: Path, measured: Mapping[str, Measured]) -> None:
    """Write measures; a failure is told in the log, since the audit needs no cache."""
    reasons = json.dumps({name: dict(found.reasons) for name, found in measured.items()})
    arrays = {name: found.numbers for name, found in measured.items()} | {REASONS: np.array(reasons)}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as opened:  # given a path, numpy would add a suffix to its name
            np.savez(opened, allow_pickle=False, **arrays)

    try:
        replace_atomically(file, write)
    except AuditError as error:
        LOG.warning("the measures of the pictures are not kept for another run: %s", error)


def read_kept(file: Path, faces: int) -> dict[str, Measured] | None:
    """Return kept measures of so many faces; ``None`` where there are none, or the file is damaged, which is told."""
    if not file.is_file():
        return None
    try:
        with np.load(BytesIO(file.read_bytes()), allow_pickle=False) as stored:
            reasons = json.loads(str(stored[REASONS]))
            found = {
                name: Measured(np.asarray(stored[name], dtype=np.float64), reasons[name])
                for name in stored.files
                if name != REASONS
            }
        if any(each.numbers.shape != (faces,) for each in found.values()):
            raise ValueError("it is of another number of faces")
        return found
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        LOG.warning("the kept measures %s cannot be read and are made again: %s", file.name, error)
        return None
