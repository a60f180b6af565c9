"""The audited faces: one row per face, and batches of pixels read as they are needed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .errors import AuditError
from .images import ImageFault, decode_rgb, read_bytes, read_face
from .landmarks import (
    ArrayLandmarks,
    LandmarkKind,
    LandmarkSource,
    NpzLandmarks,
    aligned_landmarks,
    to_crop,
)
from .manifest import Manifest, group_counts, with_columns
from .plan import AttributeSpec, DataSpec
from .results import AttributeSummary, GroupCount
from .statistics.groups import Groups, plan_groups

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

Cut = TypeVar("Cut")
PREFETCHED_BATCHES = 3
HASHED_AT_ONCE = 1024
_Read = tuple[NDArray[np.uint8], bool, tuple[int, int]] | str  # crop, padded, image size; or the fault


@dataclass(frozen=True)
class FaceBatch:
    """Some faces at the target's input size.

    Attributes:
        rows: positions in ``faces.frame``, shape (n,).
        pixels: RGB, float32, 0 to 1, shape (n, 3, h, w).
        landmarks: float32 (n, p, 2) in pixels of the crop, x right and y down, pixel (0, 0) covering [0, 1) x [0, 1);
            NaN for a face that has none; ``None`` unless asked for.
    """

    rows: NDArray[np.int64]
    pixels: Tensor
    landmarks: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces of an audit. Rows of numbers are held in memory; images and ``.npz`` landmarks are read on demand.

    Attributes:
        frame: one row per face: ``face_id, path, label, subject, split, may_publish`` and each attribute's group.
        folder: image paths are relative to it.
        height_width: size of the crops in pixels; ``None`` for a predictions-only audit, which has no images.
        boxes: (n, 4) in pixels of the image, or ``None`` for whole images.
        has_subjects: whether the manifest names the person of each face.
        attributes: the attributes by name, with who assigned them.
        groupings: every attribute but controls, and every planned intersection, as groups of faces.
        source: where landmarks come from, or ``None``.
        aligned: the crops are assumed to be aligned to the five-point template.
        workers: threads that decode images.
        measured: what was measured in the pictures by name (``ita``, ``yaw`` and so on), one number a face, NaN where
            there is none.
        reliability: of a derived attribute, how well another picture of the same person repeats it.
    """

    frame: pd.DataFrame
    folder: Path = field(default_factory=Path)
    height_width: tuple[int, int] | None = None
    boxes: NDArray[np.float64] | None = None
    has_subjects: bool = False
    attributes: Mapping[str, AttributeSpec] = field(default_factory=dict)
    intersections: Sequence[Sequence[str]] = ()
    source: LandmarkSource | None = None
    aligned: bool = False
    workers: int = 1
    measured: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    reliability: Mapping[str, str] = field(default_factory=dict)
    _rows: NDArray[np.int64] | None = None

    @classmethod
    def from_manifest(
        cls,
        manifest: Manifest,
        spec: DataSpec,
        folder: Path,
        height_width: tuple[int, int] | None,
        *,
        landmarks: Path | Literal["aligned"] | None = None,
        workers: int = 1,
    ) -> Faces:
        """Make faces of a checked manifest; ``landmarks`` is the ``.npz`` of the plan, if it names one."""
        source: LandmarkSource | None = None
        if isinstance(landmarks, Path):
            source = NpzLandmarks(landmarks, manifest.frame["path"].tolist(), manifest.frame["face_id"].tolist())
        elif manifest.landmarks is not None:
            source = ArrayLandmarks(manifest.landmarks)
        attributes, intersections = with_columns(manifest.frame, spec)
        return cls(
            frame=manifest.frame,
            folder=folder,
            height_width=height_width,
            boxes=manifest.boxes,
            has_subjects=spec.subject is not None,
            attributes=attributes,
            intersections=intersections,
            source=source,
            aligned=landmarks == "aligned",
            workers=workers,
        )

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def rows_of_source(self) -> NDArray[np.int64]:
        """For each face its row in the manifest as read, counted from 0."""
        return np.arange(len(self.frame)) if self._rows is None else self._rows

    @property
    def landmarks_kind(self) -> LandmarkKind:
        """How many landmarks a face has: ``none``, ``5``, ``68``, ``478``, or ``aligned`` for the assumed template."""
        if self.aligned:
            return "aligned"
        return self.source.kind if self.source is not None else "none"

    @property
    def landmarks_missing(self) -> int:
        """How many faces have no landmarks although others have, as far as is known by now."""
        return 0 if self.source is None or self.aligned else self.source.missing_among(self.rows_of_source)

    @property
    def subject_codes(self) -> NDArray[np.int64]:
        """The person of each face as a number, shape (n,); every face is its own where no subject was named."""
        return pd.factorize(self.frame["subject"])[0].astype(np.int64)

    @property
    def people(self) -> int:
        """How many different people there are; where a row is a pair, both its people count."""
        return int(self._of_both_people["subject"].nunique())

    @property
    def _of_both_people(self) -> pd.DataFrame:
        """The frame; of pairs each row twice, once with either person as its subject."""
        if "subject_b" not in self.frame:
            return self.frame
        return pd.concat([self.frame, self.frame.assign(subject=self.frame["subject_b"])], ignore_index=True)

    @property
    def groupings(self) -> tuple[Groups, ...]:
        """Every attribute, then every planned intersection, as groups of faces; without controls.

        A control attribute divides no faces: groups are compared within its levels.
        """
        sliced = [name for name, spec in self.attributes.items() if spec.role == "group"]
        columns: dict[str, Any] = {name: self.frame[name] for name in sliced}
        outside = {name: spec.out_of_scope for name, spec in self.attributes.items()}
        combined = [names for names in self.intersections if set(names) <= set(sliced)]
        return plan_groups(columns, sliced, combined, outside)

    def summaries(self) -> dict[str, AttributeSummary]:
        """Return each attribute with its groups' numbers of faces and people."""
        summaries = {}
        for name, spec in self.attributes.items():
            people = {group: m for group, (_, m) in group_counts(self._of_both_people, name).items()}
            groups = {
                group: GroupCount(faces=n, subjects=people[group])
                for group, (n, _) in group_counts(self.frame, name).items()
            }
            missing = groups["(missing)"].faces if "(missing)" in groups else 0
            summaries[name] = AttributeSummary(
                assigned_by=spec.assigned_by,
                of=spec.of,
                groups=groups,
                missing=missing,
                derive=spec.derive if spec.derive in self.measured else None,
                reliability=self.reliability.get(name),
            )
        return summaries

    def take(self, rows: NDArray[np.int64]) -> Faces:
        """Return only the faces at these positions, e.g. all but the quarantined ones."""
        return replace(
            self,
            frame=self.frame.iloc[rows].reset_index(drop=True),
            boxes=None if self.boxes is None else self.boxes[rows],
            measured={name: numbers[rows] for name, numbers in self.measured.items()},
            _rows=self.rows_of_source[rows],
        )

    def image_hashes(self) -> list[str]:
        """Return the SHA-256 of each face's image file, an empty text where it cannot be read, in row order."""

        def digest(path: str) -> str:
            try:
                return hashlib.sha256(read_bytes(self.folder / path)).hexdigest()
            except ImageFault:
                return ""

        paths = self.frame["path"].tolist()
        with ThreadPoolExecutor(max(1, self.workers)) as pool:
            parts = (paths[start : start + HASHED_AT_ONCE] for start in range(0, len(paths), HASHED_AT_ONCE))
            return [found for part in parts for found in pool.map(digest, part)]  # map queues all it is given

    def cut(self, rows: NDArray[np.int64], how: Callable[[Image, NDArray[np.float64] | None], Cut]) -> list[Cut]:
        """Decode the whole image of each face once, in threads, and return what ``how`` makes of it and the face's box.

        For what lies around a face, which :meth:`batches` does not show.

        Args:
            rows: positions to read.
            how: is given the image, RGB after EXIF rotation, and the box as the manifest has it, (4,) pixels, or
                ``None`` for the whole image; called from several threads.

        Raises:
            AuditError: for an unusable image.
        """

        def one(row: int) -> Cut:
            try:
                image = decode_rgb(read_bytes(self.folder / str(self.frame["path"].iat[row])))
                return how(image, None if self.boxes is None else self.boxes[row])
            except ImageFault as fault:
                raise AuditError(f"row {self.rows_of_source[row] + 1} became unusable: {fault}") from fault

        with ThreadPoolExecutor(max(1, self.workers)) as pool:
            return list(pool.map(one, np.asarray(rows).tolist()))

    def batches(
        self,
        size: int,
        rows: NDArray[np.int64] | None = None,
        *,
        landmarks: bool = False,
        faults: dict[int, str] | None = None,
        padded: list[int] | None = None,
    ) -> Iterator[FaceBatch]:
        """Read faces batch by batch, decoding ahead in threads; memory does not grow with the number of faces.

        Args:
            size: how many faces a batch holds at most.
            rows: positions to read, all of them unless given.
            landmarks: whether to add landmarks.
            faults: filled with position and reason of each unusable image, which the batches then leave out; without
                it an unusable image raises.
            padded: filled with the positions whose box reached over the edge.

        Raises:
            AuditError: for an unusable image when ``faults`` is not given.
        """
        if self.height_width is None:
            raise AuditError("this audit has predictions only, so there are no images to read")
        wanted = np.arange(len(self)) if rows is None else np.asarray(rows)
        chunks = [wanted[start : start + size] for start in range(0, len(wanted), size)]
        with ThreadPoolExecutor(max(1, self.workers)) as pool:
            waiting: list[tuple[NDArray[np.int64], list[Future[_Read]]]] = []
            ahead = iter(chunks)
            for chunk in islice(ahead, PREFETCHED_BATCHES):
                waiting.append((chunk, [pool.submit(self._read, int(row)) for row in chunk]))
            try:
                while waiting:
                    chunk, futures = waiting.pop(0)
                    following = next(ahead, None)
                    if following is not None:
                        waiting.append((following, [pool.submit(self._read, int(row)) for row in following]))
                    batch = self._assemble(chunk, [future.result() for future in futures], landmarks, faults, padded)
                    if batch is not None:
                        yield batch
            finally:
                for _, futures in waiting:
                    for future in futures:
                        future.cancel()

    def _read(self, row: int) -> _Read:
        assert self.height_width is not None
        box = None if self.boxes is None else self.boxes[row]
        try:
            return read_face(self.folder / str(self.frame["path"].iat[row]), box, self.height_width)
        except ImageFault as fault:
            return str(fault)

    def _assemble(
        self,
        chunk: NDArray[np.int64],
        read: list[_Read],
        landmarks: bool,
        faults: dict[int, str] | None,
        padded: list[int] | None,
    ) -> FaceBatch | None:
        import torch

        crops, boxes, kept = [], [], []
        for row, face in zip(chunk.tolist(), read, strict=True):
            if isinstance(face, str):
                if faults is None:
                    raise AuditError(f"row {self.rows_of_source[row] + 1} became unusable during the audit: {face}")
                faults[row] = face
                continue
            crop, over_edge, (height, width) = face
            crops.append(crop)
            kept.append(row)
            boxes.append([0, 0, width, height] if self.boxes is None else np.round(self.boxes[row]))
            if over_edge and padded is not None:
                padded.append(row)
        if not kept:
            return None
        pixels = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).contiguous().float().div_(255)
        rows = np.array(kept, dtype=np.int64)
        return FaceBatch(rows, pixels, self._landmarks(rows, np.array(boxes, dtype=np.float64)) if landmarks else None)

    def _landmarks(self, rows: NDArray[np.int64], boxes: NDArray[np.float64]) -> NDArray[np.float32]:
        assert self.height_width is not None
        if self.aligned:
            return aligned_landmarks(len(rows), self.height_width)
        if self.source is None:
            raise AuditError("the plan names no landmarks; a probe that needs them declares it and is skipped")
        return to_crop(self.source.read(self.rows_of_source[rows]), boxes, self.height_width)


def decoding_workers(asked: int | Literal["auto"]) -> int:
    """Return how many threads decode images: as asked, or one less than the processors, at most eight."""
    if asked != "auto":
        return asked
    return max(1, min(8, processors() - 1))


def processors() -> int:
    """Return how many processors this process may use; a quota of a container is not seen."""
    allowed = getattr(os, "sched_getaffinity", None)  # not on Windows and macOS
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1
