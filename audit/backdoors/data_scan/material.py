"""What is read of every image once: its fine detail and embedding, plain and with the audit's own stamp."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.errors import AuditError, nearest
from ....core.faces import Faces
from ....core.landmarks import LandmarkKind
from ....core.manifest import read_manifest
from ....core.probes import Advance, ProbeContext
from ....core.target import Target
from ....explain.attribution.embedding import EmbeddingReader
from ....explain.attribution.source import LayerError
from ...robustness.sample import sample_rows
from ..poisoned_forgery.embedding import central_oval, embed, face_hulls
from ..poisoned_forgery.generator import sensitive_trigger
from .energy import fine_detail
from .params import DataScanParams

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
HULLS: tuple[LandmarkKind, ...] = ("68", "478")
ALL = "all images"


@dataclass(frozen=True, eq=False)
class Images:
    """Numbers of some images.

    Attributes:
        rows: (n,) positions among the audited faces; -1 for photos from elsewhere.
        people: (n,) person of each, numbered over both sets.
        classes: (n,) the label, as text; one text for all where there are no labels.
        detail: (n,) fine detail in the face.
        stamped_detail: (n,) of the image with the audit's own stamp.
        embedding: (n, d) what the model's head is given, ``None`` where it cannot be read.
        stamped_embedding: (n, d) of the stamped image.
        ovals: how many had no landmarks, so that an oval stood in for the face.
    """

    rows: Integers
    people: Integers
    classes: NDArray[np.str_]
    detail: Floats
    stamped_detail: Floats
    embedding: Floats | None
    stamped_embedding: Floats | None
    ovals: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: NDArray[np.bool_]) -> Images:
        """Return some of them."""
        return Images(
            self.rows[chosen],
            self.people[chosen],
            self.classes[chosen],
            self.detail[chosen],
            self.stamped_detail[chosen],
            None if self.embedding is None else self.embedding[chosen],
            None if self.stamped_embedding is None else self.stamped_embedding[chosen],
        )


@dataclass(frozen=True, eq=False)
class Material:
    """What is scanned, what is known to be clean, and why embeddings could not be read, empty where they were."""

    scanned: Images
    clean: Images | None
    embedding: str
    no_embedding: str


def read_material(context: ProbeContext, params: DataScanParams) -> Material:
    """Read scanned and clean images; classes are those of the labels where the task has one for a face.

    Raises:
        AuditError: when the clean photos are no split of the manifest, or leave nothing to scan.
        ManifestError: when their own manifest cannot be used.
    """
    faces = context.faces
    scanned_rows, clean_rows = _rows(context, params)
    reader, place, reason = _reader(context.model, params)
    height, width = context.model.size
    stamp = sensitive_trigger(
        int(context.random("stamp").integers(2**31)), max(height, width), kernel=params.kernel,
        steps=params.trigger_steps,
    )[:, :height, :width]  # fmt: skip
    elsewhere = _clean_faces(context, params)
    total = len(scanned_rows) + len(clean_rows) + (0 if elsewhere is None else len(elsewhere))
    with context.progress("images", total) as advance:
        reading = _Reading(context, params, reader, stamp, advance)
        known = {name: code for code, name in enumerate(dict.fromkeys(faces.frame["subject"]))}
        scanned = reading.read(faces, scanned_rows, known)
        clean = reading.read(faces, clean_rows, known) if len(clean_rows) else None
        if elsewhere is not None:
            clean = reading.read(elsewhere, np.arange(len(elsewhere), dtype=np.int64), known)
            clean = replace(clean, rows=np.full(len(clean), -1, dtype=np.int64))
    return Material(scanned, clean, place, reason)


def _rows(context: ProbeContext, params: DataScanParams) -> tuple[Integers, Integers]:
    """Return the rows to scan and those known to be clean."""
    frame = context.faces.frame
    rows = np.arange(len(frame), dtype=np.int64)
    clean = rows[:0]
    if isinstance(params.clean, str):
        splits = sorted(set(frame["split"]) - {""})
        if params.clean not in splits:
            got = f"its splits are {', '.join(splits)}" if splits else "it has none (data.split in the plan)"
            raise AuditError(
                f"expected clean to name a split of the manifest, but {got}, and got "
                f"{params.clean!r}{nearest(params.clean, splits)}"
            )
        is_clean = (frame["split"] == params.clean).to_numpy()
        rows, clean = rows[~is_clean], rows[is_clean]
        if not len(rows):
            raise AuditError(f"every image is of the split {params.clean!r}: none is left to scan")
    subjects = context.faces.subject_codes
    return sample_rows(rows, subjects[rows], params.faces, context.random("faces")), clean


def _clean_faces(context: ProbeContext, params: DataScanParams) -> Faces | None:
    """Read the manifest of clean photos from elsewhere."""
    block = params.clean_data
    if block is None or block.manifest is None:
        return None
    path = params.folder / block.manifest
    target = context.model
    if "label" not in block.model_fields_set:
        block = block.model_copy(update={"label": None})
    classes = target.classes if target.task in {"expression", "forgery"} else ()
    manifest = read_manifest(path, block, classes)
    landmarks = params.folder / block.landmarks if isinstance(block.landmarks, str) else None
    return Faces.from_manifest(
        manifest,
        block,
        path.parent,
        target.size,
        landmarks="aligned" if block.landmarks == "aligned" else landmarks,
        workers=context.faces.workers,
    )


def _reader(target: Target, params: DataScanParams) -> tuple[EmbeddingReader | None, str, str]:
    """Return what reads embeddings, where it reads them, and why there is none."""
    if set(params.methods) == {"laplacian"}:
        return None, "", "not asked for"
    if "layers" not in target.gives:
        return None, "", f"the target has no layers to look into ({target.format})"
    try:
        reader = EmbeddingReader(target, params.layer)
    except LayerError as error:
        if params.layer is not None:
            raise AuditError(f"data_scan: {error}") from error
        return None, "", str(error)
    return reader, reader.told, ""


class _Reading:
    """Reads sets of faces in the same way."""

    def __init__(
        self,
        context: ProbeContext,
        params: DataScanParams,
        reader: EmbeddingReader | None,
        stamp: Tensor,
        advance: Advance,
    ) -> None:
        self._context, self._params, self._reader = context, params, reader
        self._stamp, self._advance = stamp, advance

    def read(self, faces: Faces, rows: Integers, known: dict[str, int]) -> Images:
        """Read some faces; ``known`` numbers people by name and takes in new ones."""
        hulls = faces.landmarks_kind in HULLS
        height, width = self._context.model.size
        oval = central_oval(height, width)
        found: list[tuple[Floats, Floats, Floats | None, Floats | None]] = []
        ovals = 0
        for batch in faces.batches(self._context.batch_size, rows, landmarks=hulls):
            mask = oval.expand(len(batch), -1, -1, -1).clone()
            if batch.landmarks is not None:
                drawn = face_hulls(batch.landmarks, height, width)
                usable = drawn.flatten(1).any(1)
                mask[usable] = drawn[usable]
                ovals += int((~usable).sum())
            else:
                ovals += len(batch)
            found.append(self._numbers(batch.pixels, mask))
            self._advance(len(batch))
        frame = faces.frame.iloc[rows]
        people = [known.setdefault(str(name), len(known)) for name in frame["subject"]]
        labels = frame["label"].fillna("").astype(str)
        classes = labels.where(labels != "", ALL).to_numpy(dtype=np.str_)
        detail, stamped, embedding, moved = (
            None if part[0] is None else np.concatenate(part) for part in map(list, zip(*found, strict=True))
        )
        assert detail is not None
        assert stamped is not None
        return Images(rows, np.array(people, dtype=np.int64), classes, detail, stamped, embedding, moved, ovals)

    def _numbers(self, pixels: Tensor, mask: Tensor) -> tuple[Floats, Floats, Floats | None, Floats | None]:
        kernel = self._params.kernel
        stamped = embed(pixels, self._stamp, mask, self._params.alpha).mul(255).round().div(255)
        detail, raised = fine_detail(pixels, mask, kernel), fine_detail(stamped, mask, kernel)
        if self._reader is None:
            return detail, raised, None, None
        with torch.no_grad():
            embeddings = [
                self._reader.read(each).embedding.cpu().numpy().astype(np.float64) for each in (pixels, stamped)
            ]
        return detail, raised, embeddings[0], embeddings[1]
