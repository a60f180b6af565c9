"""Maps of single faces on the canonical face, and their sums by person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.faces import FaceBatch, Faces
from ...core.target import Target
from ..attribution.engine import CamEngine
from ..landmark_fit import misfits
from ..warp import CanonicalWarp, canonical_warp

NO_LANDMARKS = "the face has no landmarks"
OFF_CANVAS = "none of the map lies on the canonical face"


@dataclass(frozen=True)
class FaceMap:
    """The map of one face on the canonical canvas.

    Attributes:
        row: of the face.
        map: ``(height, width)`` float32, 0..1.
        folded: share of the canvas that comes from triangles which are flat or turned over in this face.
    """

    row: int
    map: NDArray[np.float32]
    folded: float


@dataclass(frozen=True)
class FaceExplainer:
    """Explains faces one by one and carries the maps to the canonical face.

    Attributes:
        faces: the audited faces, with landmarks.
        target: the model under audit.
        engine: makes the maps.
        batch_size: faces at once.
    """

    faces: Faces
    target: Target
    engine: CamEngine
    batch_size: int

    def maps(
        self, rows: NDArray[np.int64], place: int, advance: Callable[[int], None], left_out: Counter[str]
    ) -> Iterator[FaceMap]:
        """Yield the map of each face for one class.

        Args:
            rows: the faces to explain.
            place: the class to explain, an index into the target's classes.
            advance: is told how many faces are done.
            left_out: counts the faces that have no map, by reason.
        """
        for batch in self.faces.batches(self.batch_size, rows, landmarks=True):
            classes = torch.full((len(batch),), place, device=self.target.device)
            found = self.engine.explain(self.target.prepare(batch.pixels), classes)
            landmarks = _pixel_centres(batch)
            warp = canonical_warp(landmarks.shape[1])
            reasons, folded = _problems(warp, landmarks, found.problems, *batch.pixels.shape[-2:])
            left_out.update(reason for reason in reasons if reason is not None)
            usable = np.array([reason is None for reason in reasons])
            if usable.any():
                maps = found.maps.float().cpu()[torch.from_numpy(usable), None]
                warped = warp(maps, landmarks[usable])[:, 0].numpy()
                for row, canonical, share in zip(batch.rows[usable], warped, folded[usable], strict=True):
                    if canonical.min() == canonical.max():
                        left_out[OFF_CANVAS] += 1
                    else:
                        yield FaceMap(int(row), canonical, float(share))
            advance(len(batch))


def _problems(
    warp: CanonicalWarp,
    landmarks: NDArray[np.float64],
    of_maps: tuple[str | None, ...],
    height: int,
    width: int,
) -> tuple[list[str | None], NDArray[np.float64]]:
    """Return for each face None or why it is left out, and how much of the canvas is folded.

    Landmarks come first: where they are in a wrong frame, nothing else of the face is worth telling.
    """
    seen = np.isfinite(landmarks).all(axis=(1, 2))
    reasons: list[str | None] = [NO_LANDMARKS] * len(landmarks)
    folded = np.zeros(len(landmarks))
    fits, folded[seen] = misfits(warp, landmarks[seen], width, height)
    for at, reason in zip(np.flatnonzero(seen).tolist(), fits, strict=True):
        reasons[at] = reason or of_maps[at]
    return reasons, folded


def _pixel_centres(batch: FaceBatch) -> NDArray[np.float64]:
    """Return landmarks with pixel centres at integers; faces give them with pixel 0 covering 0 to 1."""
    if batch.landmarks is None:
        raise RuntimeError("the faces were read without landmarks")
    return np.asarray(batch.landmarks, dtype=np.float64) - 0.5


@dataclass
class PersonMaps:
    """Maps added up by person, so that everyone weighs the same; memory grows with people, not with faces."""

    _sums: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    _counts: Counter[int] = field(default_factory=Counter)

    def add(self, person: int, map: NDArray[np.float32]) -> None:
        """Add one face's map ``(height, width)`` to those of its person."""
        if person in self._sums:
            self._sums[person] += map
        else:
            self._sums[person] = map.copy()
        self._counts[person] += 1

    @property
    def faces(self) -> int:
        """How many maps were added."""
        return self._counts.total()

    @property
    def people(self) -> int:
        """How many people they are of."""
        return len(self._sums)

    def means(self) -> NDArray[np.float32]:
        """Return the mean map of each person, ``(people, height, width)``; the sums are used up."""
        people = list(self._sums)
        first = self._sums[people[0]]
        stack = np.empty((len(people), *first.shape), dtype=np.float32)
        for place, person in enumerate(people):
            np.divide(self._sums.pop(person), self._counts[person], out=stack[place])
        return stack
