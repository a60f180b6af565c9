"""Nets that a trainer wrote, kept in a folder and found again: ``net-00/checkpoint.SUFFIX`` beside ``training.json``.

The record says what the net was trained with, so that one who keeps nets can tell whether they are still of the recipe.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from ...core.errors import AuditError
from ...core.files import sha256_of_file, write_atomically

SUFFIXES = (".safetensors", ".pt", ".pth", ".pt2", ".onnx")
CHECKPOINT, RECORD = "checkpoint", "training.json"


def keep_record(checkpoint: Path, title: str, seed: int, trainer_sha256: str | None, data_sha256: str) -> Path:
    """Write beside a checkpoint how it came about, and return the record's path.

    Args:
        checkpoint: what the trainer wrote.
        title: the trainer, in words.
        seed: that it was given.
        trainer_sha256: hash of the training code; ``None`` for a live function, whose code is not looked at.
        data_sha256: hash of the pictures and labels.
    """
    told = {
        "checkpoint": checkpoint.name,
        "sha256": sha256_of_file(checkpoint),
        "trainer": title,
        "seed": seed,
        "trainer_sha256": trainer_sha256,
        "data_sha256": data_sha256,
    }
    record = checkpoint.with_name(RECORD)
    write_atomically(record, json.dumps(told, indent=1) + "\n")
    return record


def kept_checkpoints(folder: Path, suffixes: Sequence[str] = SUFFIXES) -> list[Path]:
    """Return the checkpoints of a folder, by name: those that lie in it, and those that a trainer wrote and were kept.

    Args:
        folder: with checkpoints, or with folders that hold a checkpoint and the record of its training; other folders
            are not entered.
        suffixes: of the kinds of file that are wanted.

    Raises:
        AuditError: when a record cannot be read, or its checkpoint is gone or another one.
    """
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in suffixes:
            found.append(path)
        elif (path / RECORD).is_file():
            checkpoint = _of_record(path / RECORD)
            if checkpoint.suffix.lower() in suffixes:
                found.append(checkpoint)
    return found


def _of_record(record: Path) -> Path:
    named = f"{record.parent.name}/{record.name}"
    try:
        told = json.loads(record.read_text(encoding="utf-8"))
        checkpoint = record.with_name(Path(str(told["checkpoint"])).name)
        expected = str(told["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise AuditError(f"expected the record of a training, but {named} cannot be read: {error}") from error
    if not checkpoint.is_file():
        raise AuditError(f"{named} names {checkpoint.name}, which is not there: train the net anew")
    if sha256_of_file(checkpoint) != expected:
        raise AuditError(f"{named} is the record of another file than {checkpoint.name}: train the net anew")
    return checkpoint
