"""One pass of the model over the faces, and the cache that spares a second one.

A prediction is reused only if nothing it depends on changed: checkpoint bytes, factory source, the resolved target
block, manifest rows, image bytes, condition, seed, dtype, device, batch size and package versions.
"""

from __future__ import annotations

import json
import logging
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from .errors import AuditError, TargetError
from .faces import FaceBatch, Faces
from .files import replace_atomically, sha256_of_bytes, sha256_of_file, write_atomically
from .images import UNREADABLE_NOW
from .predictions import CLEAN, Predictions, truth_of
from .probes import Advance
from .target import Target

LOG = logging.getLogger("countenance")
FORMAT = 2
VERSIONED = ("torch", "numpy", "pillow", "onnxruntime")


@dataclass(frozen=True)
class Pass:
    """What one pass over the faces gave.

    Attributes:
        rows: positions of the faces whose image could be used, shape (m,).
        values: their predictions, shape (m, k).
        faults: reason by position of each image that could not be used.
        padded: positions of the faces whose box reached over the image's edge.
        reused: whether the values come from the cache.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    faults: dict[int, str]
    padded: list[int]
    reused: bool = False


def predict(target: Target, faces: Faces, batch_size: int, advance: Advance) -> Pass:
    """Run the model over all faces.

    Raises:
        AuditError: when no image can be used, or the model fails or gives NaN or infinite outputs.
    """
    faults: dict[int, str] = {}
    padded: list[int] = []
    rows: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float64]] = []
    with torch.no_grad():
        for batch in faces.batches(batch_size, faults=faults, padded=padded):
            outputs = _outputs(target, batch)
            values.append(target.probabilities(outputs.double()).cpu().numpy())
            rows.append(batch.rows)
            advance(len(batch))
    if not rows:
        reasons = sorted(set(faults.values()))
        raise AuditError(f"none of the {len(faces)} images could be used: {'; '.join(reasons[:3])}")
    return Pass(np.concatenate(rows), np.concatenate(values), faults, padded)


def _outputs(target: Target, batch: FaceBatch) -> torch.Tensor:
    try:
        outputs = target(batch.pixels)
        target.check_outputs(outputs)
    except TargetError as error:
        raise AuditError(str(error)) from error
    except (Exception, SystemExit) as error:  # a user's net may raise anything; its message is passed on
        first = " ".join(str(error).strip().split("\n")[0].split())[:300]
        raise AuditError(
            f"the model failed on a batch of {len(batch)} faces: {type(error).__name__}: {first} "
            "(run.batch_size sets how many it is given at once)"
        ) from error
    return outputs


def cached_predict(
    target: Target, faces: Faces, batch_size: int, seed: int, advance: Advance, cache: Path | None
) -> tuple[Pass, str]:
    """Return the pass over the faces, from the cache if it holds one, and the hash of the audited data."""
    data_hash = hash_of_data(faces)
    if cache is None:
        return predict(target, faces, batch_size, advance), data_hash
    key = cache_key(target, data_hash, batch_size, seed)
    file = cache / f"{key}.parquet"
    found = _read(file, len(faces))
    if found is None:
        found = predict(target, faces, batch_size, advance)
        _keep(file, found)
    else:
        advance(len(faces))
    return found, data_hash


def hash_of_data(faces: Faces) -> str:
    """Return one hash of the manifest's rows, the boxes, the landmarks and the bytes of every image."""
    frame = faces.frame.astype(str)
    frame["__image"] = faces.image_hashes()
    if faces.boxes is not None:
        for place in range(4):
            frame[f"__box{place}"] = faces.boxes[:, place]
    rows = frame.to_csv(index=False).encode("utf-8", "surrogatepass")
    landmarks = "aligned" if faces.aligned else faces.source.digest() if faces.source is not None else ""
    return sha256_of_bytes(rows + landmarks.encode())


def cache_key(target: Target, data_hash: str, batch_size: int, seed: int, condition: str = CLEAN) -> str:
    """Return the name under which predictions are kept; it changes with everything they depend on."""
    parts = {
        "format": FORMAT,
        "target": target.fingerprint(),
        "data": data_hash,
        "condition": condition,
        "seed": seed,
        "dtype": "float32",
        "batch_size": batch_size,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "versions": package_versions(),
    }
    return sha256_of_bytes(json.dumps(parts, sort_keys=True).encode())


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that predictions depend on."""
    versions = {}
    for name in ("countenance", *VERSIONED):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def clean_predictions(found: Pass, target: Target, faces: Faces) -> Predictions:
    """Join a pass with the truth; ``faces`` are those of the pass, without the quarantined ones."""
    return Predictions(target.task, target.classes, found.values, truth_of(faces, target.task, target.classes))


def _keep(file: Path, found: Pass) -> None:
    """Keep a pass, unless an image was there and could not be read this time: the next run shall try again."""
    if any(reason.startswith(UNREADABLE_NOW) for reason in found.faults.values()):
        LOG.warning("the predictions are not kept for another run: some image files could not be read this time")
        return
    try:
        _write(file, found)
    except AuditError as error:  # the audit itself needs no cache
        LOG.warning("the predictions are not kept for another run: %s", error)


def _write(file: Path, found: Pass) -> None:
    table = pd.DataFrame(found.values, columns=[f"v{k}" for k in range(found.values.shape[1])])
    table.insert(0, "row", found.rows)
    replace_atomically(file, lambda temporary: table.to_parquet(temporary, index=False))
    aside = {
        "sha256": sha256_of_file(file),
        "faults": {str(row): reason for row, reason in found.faults.items()},
        "padded": found.padded,
    }
    write_atomically(file.with_suffix(".json"), json.dumps(aside))


def _read(file: Path, count: int) -> Pass | None:
    """Return the kept pass; a damaged one is reported in the log and made again."""
    if not file.is_file() or not file.with_suffix(".json").is_file():
        return None
    try:
        content = file.read_bytes()
        aside: dict[str, Any] = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
        if aside["sha256"] != sha256_of_bytes(content):
            raise ValueError("its content is not what was written")
        table = pd.read_parquet(BytesIO(content))
        faults = {int(row): str(reason) for row, reason in aside["faults"].items()}
        rows = table.pop("row").to_numpy(np.int64)
        if len(rows) + len(faults) != count:
            raise ValueError(f"{len(rows)} rows for {count} faces")
        return Pass(rows, table.to_numpy(float), faults, [int(row) for row in aside["padded"]], reused=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        LOG.warning("the cached predictions %s cannot be read and are made again: %s", file.name, error)
        return None
