"""Maps of single faces on the canonical face, by several methods at once, and their sums by person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.faces import FaceBatch, Faces
from ...core.target import Target
from ..attribution.faces import ExplainedBatch, explain_faces
from ..attribution.method import Explainer
from ..landmark_fit import misfits
from ..warp import CanonicalWarp, canonical_warp

NO_LANDMARKS = "the face has no landmarks"
OFF_CANVAS = "none of the map lies on the canonical face"


@dataclass(frozen=True)
class FaceMaps:
    """The maps of one face on the canonical canvas.

    Attributes:
        row: of the face.
        maps: ``(height, width)`` float32, 0..1, by method; a method without a usable map of this face is absent.
        facts: what a method tells of its own map, by method, e.g. ``completeness_error``.
        folded: share of the canvas that comes from triangles which are flat or turned over in this face.
        crop: ``(3, h, w)`` uint8 the face as the model sees it.
        crop_maps: ``(h, w)`` float32, the same maps before they were carried to the canvas.
    """

    row: int
    maps: Mapping[str, NDArray[np.float32]]
    facts: Mapping[str, Mapping[str, float]]
    folded: float
    crop: NDArray[np.uint8]
    crop_maps: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class FaceExplainer:
    """Explains faces one by one and carries the maps to the canonical face.

    Attributes:
        faces: the audited faces, with landmarks.
        target: the model under audit.
        explainers: make the maps.
        batch_size: faces at once.
        seed: of methods that draw at random.
    """

    faces: Faces
    target: Target
    explainers: Sequence[Explainer]
    batch_size: int
    seed: int

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods whose maps are made."""
        return tuple(name for explainer in self.explainers for name in explainer.methods)

    def maps(
        self,
        rows: NDArray[np.int64],
        place: int,
        advance: Callable[[int], None],
        left_out: Mapping[str, Counter[str]],
    ) -> Iterator[FaceMaps]:
        """Yield the maps of each face for one class.

        Args:
            rows: the faces to explain.
            place: the class to explain, an index into the target's classes.
            advance: is told how many faces are done.
            left_out: for each method, counts the faces that have no map, by reason.
        """
        classes = np.full(len(rows), place, dtype=np.int64)
        for explained in explain_faces(
            self.faces,
            self.target,
            self.explainers,
            rows,
            classes,
            batch_size=self.batch_size,
            seed=self.seed,
            landmarks=True,
        ):
            yield from self._on_canvas(explained, left_out)
            advance(len(explained.batch))

    def _on_canvas(self, explained: ExplainedBatch, left_out: Mapping[str, Counter[str]]) -> Iterator[FaceMaps]:
        batch, found = explained.batch, explained.maps
        landmarks = _pixel_centres(batch)
        warp = canonical_warp(landmarks.shape[1])
        misfit, folded = _misfits(warp, landmarks, *batch.pixels.shape[-2:])
        stacked = torch.stack([found[name].maps.float().cpu() for name in found], dim=1)
        fits = np.array([reason is None for reason in misfit])
        warped = np.zeros((len(batch), 0, 0, 0), dtype=np.float32)
        if fits.any():
            # All methods of a face go through its warp together, as channels of one picture.
            canvas = warp(torch.nan_to_num(stacked[torch.from_numpy(fits)]), landmarks[fits]).numpy()
            warped = np.zeros((len(batch), *canvas.shape[1:]), dtype=np.float32)
            warped[fits] = canvas
        crops = (batch.pixels.cpu() * 255).round().to(torch.uint8).numpy()
        for at, row in enumerate(batch.rows.tolist()):
            usable = {}
            for channel, name in enumerate(found):
                reason = misfit[at] or found[name].problems[at]
                if reason is None and warped[at, channel].min() == warped[at, channel].max():
                    reason = OFF_CANVAS
                if reason is None:
                    usable[name] = channel
                else:
                    left_out[name][reason] += 1
            if usable:
                yield FaceMaps(
                    row,
                    {name: warped[at, channel] for name, channel in usable.items()},
                    {name: {fact: float(each[at]) for fact, each in found[name].facts.items()} for name in usable},
                    float(folded[at]),
                    crops[at],
                    {name: stacked[at, channel].numpy() for name, channel in usable.items()},
                )


def _misfits(
    warp: CanonicalWarp, landmarks: NDArray[np.float64], height: int, width: int
) -> tuple[list[str | None], NDArray[np.float64]]:
    """Return for each face None or why its landmarks are of no use, and how much of the canvas is folded.

    Landmarks come before maps: where they are in a wrong frame, nothing else of the face is worth telling.
    """
    seen = np.isfinite(landmarks).all(axis=(1, 2))
    reasons: list[str | None] = [NO_LANDMARKS] * len(landmarks)
    folded = np.zeros(len(landmarks))
    fits, folded[seen] = misfits(warp, landmarks[seen], width, height)
    for at, reason in zip(np.flatnonzero(seen).tolist(), fits, strict=True):
        reasons[at] = reason
    return reasons, folded


def _pixel_centres(batch: FaceBatch) -> NDArray[np.float64]:
    """Return landmarks with pixel centres at integers; faces give them with pixel 0 covering 0 to 1."""
    if batch.landmarks is None:
        raise RuntimeError("the faces were read without landmarks")
    return np.asarray(batch.landmarks, dtype=np.float64) - 0.5


class PersonMaps:
    """Maps added up by person, so that everyone weighs the same; memory grows with people, not with faces.

    All sums lie in one piece of memory: many, made between the large pictures of each batch, would keep the memory of
    those from being used again.

    Args:
        most: people at the most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._sums: NDArray[np.float32] | None = None
        self._place: dict[int, int] = {}
        self._counts = np.zeros(most, dtype=np.int64)

    def add(self, person: int, map: NDArray[np.float32]) -> None:
        """Add one face's map ``(height, width)`` to those of its person."""
        if self._sums is None:
            self._sums = np.zeros((self._most, *map.shape), dtype=np.float32)
        place = self._place.setdefault(person, len(self._place))
        self._sums[place] += map
        self._counts[place] += 1

    @property
    def faces(self) -> int:
        """How many maps were added."""
        return int(self._counts.sum())

    @property
    def people(self) -> int:
        """How many people they are of."""
        return len(self._place)

    def means(self) -> NDArray[np.float32]:
        """Return the mean map of each person, ``(people, height, width)``; the sums are used up.

        Raises:
            ValueError: when nothing was added, or the sums were used up before.
        """
        if self._sums is None:
            raise ValueError("Expected maps to average, but there is none")
        means, self._sums = self._sums[: self.people], None
        means /= self._counts[: self.people, None, None].astype(np.float32)
        return means
