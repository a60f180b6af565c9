"""The run folder: where an audit writes, what stands in it, and how a broken-off run is gone on with."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from .errors import UsageError
from .files import replace_atomically, sha256_of_bytes, write_atomically
from .results import Artifact, AuditResults
from .results_file import RESULTS_FILE, load_results
from .run_notice import NOTICE, NOTICE_FILE
from .run_record import RECORD_SUFFIX

PREDICTIONS_FILE = "predictions.parquet"
SCORES_FILE = "scores.parquet"
LOG_FILE = "log.txt"
CARD_FILE = "card.yaml"
PARTS = ".parts"
MARK = ".countenance-run"  # written into a folder that a run made: only such a folder is gone on with or cleared
OURS = (
    RESULTS_FILE,
    f"{RESULTS_FILE}{RECORD_SUFFIX}",
    PREDICTIONS_FILE,
    SCORES_FILE,
    "plan.yaml",
    "card.yaml",
    "report.html",
    "MODEL_CARD.md",
    "card.json",
    "card.html",
    NOTICE_FILE,
)
OUR_FOLDERS = ("tables", "artifacts", PARTS)
BEFORE_MEASURING = frozenset({MARK, LOG_FILE, NOTICE_FILE, "plan.yaml", "card.yaml"})
_SCORE_SCHEMA = pa.schema(
    [
        ("face_id", pa.string()),
        ("probe_id", pa.string()),
        ("score", pa.string()),
        ("condition", pa.string()),
        ("value", pa.float64()),
        ("weight", pa.float64()),
    ]
)


class RunFolder:
    """A folder that one audit fills; see the module's constants for what stands in it.

    Args:
        path: an existing folder.
        replaces: an earlier run in it is to be removed once the new one has begun.
    """

    def __init__(self, path: Path, *, replaces: bool = False) -> None:
        self.path = path
        self._replaces = replaces

    @classmethod
    def open(cls, path: Path, *, resume: bool = False, overwrite: bool = False) -> RunFolder:
        """Make the folder, or take an existing one if it is empty or the caller said what to do with it.

        A folder in which an earlier run broke off before it measured anything counts as empty.

        Raises:
            UsageError: when it exists and neither ``resume`` nor ``overwrite`` was said, holds no run, or cannot be
                made.
        """
        if resume and overwrite:
            raise UsageError("expected either resume or overwrite, but got both: go on with the run, or start again?")
        if path.exists() and not path.is_dir():
            raise UsageError(f"expected a folder for the run at {path}, but there is a file")
        try:
            path.mkdir(parents=True, exist_ok=True)
            inside = {item.name for item in path.iterdir()}
        except OSError as error:
            raise UsageError(f"cannot use the run folder {path}: {error.strerror or error}") from error
        if inside and MARK not in inside:
            raise UsageError(f"{path} is not empty and no run made it: choose another folder with --out")
        if inside - BEFORE_MEASURING and not resume and not overwrite:
            raise UsageError(
                f"the run folder {path} exists: say --resume to go on with it, --overwrite to start again, "
                "or --out for another folder"
            )
        write_atomically(path / MARK, "A run of countenance made this folder.\n")
        return cls(path, replaces=overwrite)

    def begin(self, inputs: Mapping[str, bytes], *, going_on: bool) -> None:
        """Take over the folder for a run that can begin: its target and faces are loaded and predicted.

        Only now is an earlier run removed, so that a plan or manifest with a fault costs nobody their results.

        Args:
            inputs: files to keep as used, by name.
            going_on: with an earlier run; a card.yaml that stands there is then left as it is, edits included.
        """
        if self._replaces:
            clear(self.path)
        if not (self.path / NOTICE_FILE).exists():  # whoever keeps the folder may have written into it until when
            write_atomically(self.path / NOTICE_FILE, NOTICE)
        for name, content in inputs.items():
            if not (going_on and name == CARD_FILE and (self.path / name).exists()):
                write_atomically(self.path / name, content)

    def earlier(self) -> AuditResults | None:
        """Return what a broken-off run left, or ``None``; raises :class:`ResultsError` when it cannot be read."""
        if not (self.path / RESULTS_FILE).is_file():
            return None
        return load_results(self.path)

    def write_table(self, probe_id: str, name: str, frame: pd.DataFrame, title: str) -> Artifact:
        """Write ``tables/PROBE_ID.NAME.csv``."""
        return self._write(f"tables/{probe_id}.{name}.csv", frame.to_csv(index=False).encode(), "table", title)

    def write_arrays(self, probe_id: str, name: str, arrays: Mapping[str, NDArray[Any]], title: str) -> Artifact:
        """Write ``artifacts/PROBE_ID.NAME.npz``; equal arrays give equal bytes."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:  # numpy's own writer cannot name an array "file"
            for key, value in arrays.items():
                member = zipfile.ZipInfo(f"{key}.npy")
                member.compress_type, member.create_system = zipfile.ZIP_DEFLATED, 3
                with archive.open(member, "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asarray(value), allow_pickle=False)
        return self._write(f"artifacts/{probe_id}.{name}.npz", buffer.getvalue(), "artifact", title)

    def write_json(self, probe_id: str, name: str, content: Any, title: str) -> Artifact:
        """Write ``artifacts/PROBE_ID.NAME.json``."""
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, sort_keys=True)
        return self._write(f"artifacts/{probe_id}.{name}.json", text.encode(), "artifact", title)

    def _write(self, path: str, content: bytes, kind: Any, title: str) -> Artifact:
        write_atomically(self.path / path, content)
        return Artifact(path=path, sha256=sha256_of_bytes(content), kind=kind, title=title)

    def write_predictions(self, table: pd.DataFrame) -> None:
        """Write ``predictions.parquet``."""
        replace_atomically(self.path / PREDICTIONS_FILE, lambda temporary: table.to_parquet(temporary, index=False))

    def write_scores(self, probe_id: str, parts: Sequence[pd.DataFrame]) -> None:
        """Keep one probe's per-face scores until :meth:`join_scores` puts all of them into one file."""
        file = self._part_of(probe_id)
        if not parts:
            file.unlink(missing_ok=True)
            return
        table = pa.Table.from_pandas(pd.concat(parts), schema=_SCORE_SCHEMA, preserve_index=False)
        replace_atomically(file, lambda temporary: pq.write_table(table, temporary))

    def join_scores(self, probe_ids: Sequence[str]) -> None:
        """Write ``scores.parquet`` from the parts of these probes, in their order, part by part.

        A probe that an earlier, complete run measured has no part any more; its rows are taken from that run's file.
        """
        target = self.path / SCORES_FILE

        def join(temporary: Path) -> None:
            with pq.ParquetWriter(temporary, _SCORE_SCHEMA) as writer:
                for probe_id in probe_ids:
                    part = self._part_of(probe_id)
                    if part.is_file():
                        writer.write_table(pq.read_table(part, schema=_SCORE_SCHEMA))
                    elif target.is_file():
                        kept = pq.read_table(target, schema=_SCORE_SCHEMA, filters=[("probe_id", "==", probe_id)])
                        if kept.num_rows:
                            writer.write_table(kept)

        replace_atomically(target, join)
        shutil.rmtree(self.path / PARTS, ignore_errors=True)

    def _part_of(self, probe_id: str) -> Path:
        return self.path / PARTS / f"{probe_id}.parquet"


def clear(path: Path) -> None:
    """Remove what a run wrote but for its log, and nothing else."""
    for name in OURS:
        (path / name).unlink(missing_ok=True)
    for name in OUR_FOLDERS:
        shutil.rmtree(path / name, ignore_errors=True)
