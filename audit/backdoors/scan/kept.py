"""Sizes of reference nets, kept from one audit to the next: a dozen nets take a dozen times as long as the target."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np

from ....core.errors import AuditError
from ....core.files import sha256_of_bytes, write_atomically
from ....core.target import Target
from .job import Task
from .scanning import Floats

LOG = logging.getLogger("countenance")


def file_of(folder: Path, target: Target, task: Task) -> Path:
    """Return where a net's sizes are kept; the name changes with everything they depend on."""
    block = target.spec.model_dump(mode="json", exclude={"name", "checkpoint"})  # those of the audited net
    net = [target.sha256, target.factory_sha256, target.response_sha256, str(target.device), block]
    parts = json.dumps([net, task.fingerprint()], sort_keys=True)
    return folder / f"scan-{sha256_of_bytes(parts.encode())}.json"


def keep_log_sizes(file: Path, log_sizes: Floats) -> None:
    """Keep the log sizes (classes, families) of a net; a folder that cannot be written is told in the log."""
    rows = [[None if np.isnan(each) else each for each in row] for row in log_sizes.tolist()]
    try:
        write_atomically(file, json.dumps({"log_sizes": rows}))
    except AuditError as error:  # the scan itself needs no cache
        LOG.warning("the sizes of a reference net are not kept for another run: %s", error)


def kept_log_sizes(file: Path, task: Task) -> Floats | None:
    """Return the kept log sizes; a damaged file is reported in the log, and the net is scanned again."""
    if not file.is_file():
        return None
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["log_sizes"]
        sizes = np.array([[np.nan if each is None else float(each) for each in row] for row in rows], dtype=np.float64)
        if sizes.shape != (len(task.aims), len(task.families)):
            raise ValueError(f"{sizes.shape} sizes")
        return sizes
    except (OSError, ValueError, KeyError, TypeError) as error:
        LOG.warning("the kept sizes %s cannot be read and are found again: %s", file.name, error)
        return None
