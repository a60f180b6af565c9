"""Asking models about known faces and unknowns: logits, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.checkpoints import FactoryReference, load_checkpoint
from ....core.errors import AuditError, CountenanceError, nearest
from ....core.faces import Faces
from ....core.probes import ProbeContext
from ....core.target import Target
from .confidence import Floats
from .non_faces import make_non_faces
from .params import OpenSetParams
from .unknowns import Unknowns

HOLDS_THE_NET = frozenset({".pt2", ".onnx"})


def ask_about_faces(
    context: ProbeContext, rows: NDArray[np.int64], kinds: Sequence[str], seed: int
) -> tuple[Floats, dict[str, Floats]]:
    """Return logits (m, classes) of faces, and of what is made from them by kind; faces are read once.

    Args:
        context: of the probe.
        rows: positions of the faces, shape (m,).
        kinds: names of :data:`NON_FACES`.
        seed: of what is random.
    """
    target = context.model
    known: list[Floats] = []
    made: dict[str, list[Floats]] = {kind: [] for kind in kinds}
    with context.progress("faces", len(rows)) as advance:
        for batch in context.faces.batches(context.batch_size, rows):
            pixels = batch.pixels.to(target.device)
            known.append(logits_of(target, pixels))
            for kind in kinds:
                made[kind].append(logits_of(target, make_non_faces(kind, seed, batch.rows, pixels)))
            advance(len(batch))
    return np.concatenate(known), {kind: np.concatenate(parts) for kind, parts in made.items()}


def ask_about_unknowns(context: ProbeContext, unknowns: Unknowns) -> tuple[NDArray[np.int64], Floats, dict[int, str]]:
    """Return the rows of the unknowns that could be read, their logits (m, classes), and why others could not."""
    target = context.model
    faces = Faces(
        unknowns.frame.assign(face_id=unknowns.frame["path"]),
        unknowns.folder,
        target.size,
        unknowns.boxes,
        workers=context.faces.workers,
    )
    faults: dict[int, str] = {}
    rows, found = [], []
    with context.progress("unknown pictures", len(faces)) as advance:
        for batch in faces.batches(context.batch_size, faults=faults):
            rows.append(batch.rows)
            found.append(logits_of(target, batch.pixels.to(target.device)))
            advance(len(batch))
    if not rows:
        reasons = "; ".join(sorted(set(faults.values()))[:3])
        raise AuditError(f"none of the {len(faces)} unknown pictures could be used: {reasons}")
    return np.concatenate(rows), np.concatenate(found), faults


def logits_of(target: Target, pixels: torch.Tensor) -> Floats:
    """Return logits (n, classes) of pixels, float64.

    Raises:
        AuditError: when an output is NaN or infinite.
    """
    with torch.no_grad():
        outputs = target(pixels)
    try:
        target.check_finite(outputs)
    except CountenanceError as error:
        raise AuditError(str(error)) from error
    return np.asarray(target.logits(outputs.double()).cpu().numpy(), dtype=np.float64)


def check_left_out(context: ProbeContext, params: OpenSetParams) -> None:
    """Check the names of classes for which a checkpoint without them is given.

    Raises:
        AuditError: when a name is no class of the target, or it has too few classes to leave one out.
    """
    classes = list(context.predictions.classes)
    for name in params.checkpoints:
        if name not in classes:
            told = ", ".join(classes)
            raise AuditError(f"checkpoints names {name!r}, which is none of the classes {told}{nearest(name, classes)}")
    if params.checkpoints and len(classes) < 3:
        raise AuditError(f"expected at least 3 classes to leave one out, but the target has {', '.join(classes)}")


def without_class(context: ProbeContext, params: OpenSetParams) -> Iterator[tuple[str, Target]]:
    """Load, one after the other, the checkpoints that were trained without a class.

    Raises:
        AuditError: when a checkpoint cannot be loaded or does not give one output for each of the other classes.
    """
    for name, file in params.checkpoints.items():
        yield name, _load(context.model, name, params.folder / file, params)


def _load(target: Target, name: str, path: Path, params: OpenSetParams) -> Target:
    spec = target.spec
    arguments = spec.arguments if params.arguments is None else params.arguments
    whole = path.suffix.lower() in HOLDS_THE_NET or spec.factory is None
    try:
        factory = None if whole else FactoryReference.parse(str(spec.factory), arguments)
        loaded = load_checkpoint(path, factory, folder=params.folder)
        without = Target(
            loaded.net,
            spec.model_copy(update={"classes": [each for each in target.classes if each != name], "name": None}),
            format=loaded.format,
            device=str(target.device),
            sha256=loaded.sha256,
            factory_sha256=loaded.factory_sha256 or "",
            fixed_batch=loaded.batch_size,
            name=path.stem,
        )
        without.verify()
    except CountenanceError as error:
        raise AuditError(f"the checkpoint without {name!r}: {error}") from error
    return without


def ask_without(context: ProbeContext, target: Target, rows: NDArray[np.int64], name: str) -> Floats:
    """Return logits (m, other classes) of faces."""
    found = []
    with context.progress(f"faces, without {name}", len(rows)) as advance:
        for batch in context.faces.batches(context.batch_size, rows):
            found.append(logits_of(target, batch.pixels.to(target.device)))
            advance(len(batch))
    return np.concatenate(found)
