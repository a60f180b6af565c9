"""Reading and writing ``results.json``, and checking the files it lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .errors import ResultsError
from .files import sha256_of_bytes, sha256_of_file, write_atomically
from .results import SCHEMA_VERSION, AuditResults
from .run_record import record_hash

RESULTS_FILE = "results.json"
SIZE_LIMIT = 20_000_000


def write_results(results: AuditResults, folder: Path) -> Path:
    """Write ``results.json`` into ``folder`` atomically, its SHA-256 beside it, and return its path.

    Raises:
        ResultsError: when the file would exceed 20 MB, which a report could no longer handle.
    """
    text = results.to_json().encode()
    if len(text) > SIZE_LIMIT:
        raise ResultsError(
            f"results.json would hold {len(text):,} bytes, expected at most {SIZE_LIMIT:,}: "
            "audit fewer intersections or labels"
        )
    path = folder / RESULTS_FILE
    write_atomically(path, text)
    record_hash(path, sha256_of_bytes(text))
    return path


def load_results(path: str | Path) -> AuditResults:
    """Read results from a run folder or a ``results.json``.

    Raises:
        ResultsError: when the file is missing, cut short, of a newer schema, or not what an audit writes.
    """
    file = Path(path)
    file = file / RESULTS_FILE if file.is_dir() else file
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ResultsError(f"expected results at {file}, but there is no such file") from None
    except json.JSONDecodeError as error:
        raise ResultsError(
            f"{file} cannot be read as results, it is cut short or was changed by hand ({error}): copy it whole from "
            "where the audit ran, or go on with the audit with countenance run PLAN --resume"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ResultsError(f"{file} cannot be read as results: {error}") from error
    _check_schema(file, content)
    try:
        return AuditResults.model_validate(content)
    except ValidationError as error:
        raise ResultsError(f"{file} is not what an audit writes: {describe_faults(error.errors())}") from error


def _check_schema(file: Path, content: Any) -> None:
    """Refuse a file that is no results file, or whose schema this version does not read, and say what to do."""
    if not isinstance(content, dict) or "schema_version" not in content:
        raise ResultsError(
            f"{file} holds no results: expected a record with schema_version, as countenance run writes it"
        )
    version = content["schema_version"]
    if isinstance(version, int) and not isinstance(version, bool) and version == SCHEMA_VERSION:
        return
    tool = content.get("tool")
    wrote = tool.get("countenance") if isinstance(tool, dict) else None
    by = f", written by countenance {wrote}" if isinstance(wrote, str) else ""
    told = f"{file} has results schema {version!r}{by}, and this version of countenance reads {SCHEMA_VERSION}: "
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise ResultsError(f"{told}the file is newer; update countenance (pip install --upgrade countenance)")
    raise ResultsError(f"{told}read it with the version that wrote it, or run the audit again")


def describe_faults(faults: list[ErrorDetails], limit: int = 5) -> str:
    """Say in one line where a record does not fit its schema."""
    told = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:limit]]
    return "; ".join(told) + ("; and more" if len(faults) > limit else "")


def changed_artifacts(results: AuditResults, folder: Path) -> list[str]:
    """Return the artifacts that are missing from ``folder`` or whose content no longer has the recorded hash."""
    listed = [artifact for probe in results.probes for artifact in probe.artifacts]
    return [
        item.path
        for item in listed
        if not (folder / item.path).is_file() or sha256_of_file(folder / item.path) != item.sha256
    ]
