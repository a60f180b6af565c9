"""Explain forged faces, and genuine photos beside them, and score every map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ....core.faces import Faces
from ....core.target import Target
from ....explain.attribution.faces import explain_faces
from ....explain.attribution.method import Explainer
from ....explain.heatmaps.agreement import Grey, stretch
from .masks import Masks
from .scoring import centre_spot, holds_change, with_nulls

FLAT = "the map is the same everywhere"
Integers = NDArray[np.int64]


@dataclass
class MapScores:
    """What the maps of one method of explanation scored.

    Attributes:
        rows: the forged faces, those with a blank map too.
        values: each score and null by name, in the order of ``rows``; NaN where a null is missing.
        blank: faces whose map is blank, which count as maps that are the same everywhere, by reason.
        blank_genuine: faces whose genuine photo has no map, so that a blank one stands for it.
    """

    rows: list[int] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)
    blank: Counter[str] = field(default_factory=Counter)
    blank_genuine: int = 0

    def add(self, row: int, told: Mapping[str, float]) -> None:
        """Add the scores of one face."""
        for name in {**self.values, **told}:
            column = self.values.setdefault(name, [np.nan] * len(self.rows))
            column.append(told.get(name, np.nan))
        self.rows.append(row)

    def columns(self) -> tuple[Integers, dict[str, NDArray[np.float64]]]:
        """Return the rows in increasing order, (m,), and each column in that order."""
        rows = np.array(self.rows, dtype=np.int64)
        order = np.argsort(rows, kind="stable")
        return rows[order], {name: np.array(column)[order] for name, column in self.values.items()}


@dataclass(frozen=True)
class Explained:
    """Faces with their maps.

    Attributes:
        maps: for each method the map of each face, (h, w) uint8, or why it has none.
        pixels: each face as the model sees it, (h, w, 3) uint8.
    """

    maps: dict[str, dict[int, Grey | str]]
    pixels: dict[int, NDArray[np.uint8]]


@dataclass(frozen=True)
class Explaining:
    """Explains faces for the class forged.

    Attributes:
        faces: of the audit.
        target: the detector.
        explainers: make the maps.
        place: of the class forged among the target's classes.
        batch_size: faces at once.
        seed: of methods that draw at random.
    """

    faces: Faces
    target: Target
    explainers: Sequence[Explainer]
    place: int
    batch_size: int
    seed: int

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of explanation."""
        return tuple(name for explainer in self.explainers for name in explainer.methods)

    def maps(self, rows: Integers) -> Explained:
        """Explain these faces."""
        found = Explained({name: {} for name in self.methods}, {})
        rows = np.unique(rows)
        if not len(rows):
            return found
        classes = np.full(len(rows), self.place, dtype=np.int64)
        for explained in explain_faces(
            self.faces, self.target, self.explainers, rows, classes, batch_size=self.batch_size, seed=self.seed
        ):
            batch = explained.batch
            found.pixels.update(zip(batch.rows.tolist(), as_bytes(batch.pixels), strict=True))
            for name, made in explained.maps.items():
                maps = made.maps.float().cpu().numpy()
                for at, row in enumerate(batch.rows.tolist()):
                    found.maps[name][row] = made.problems[at] or grey_of(maps[at])
        return found


def as_bytes(pixels: Tensor) -> NDArray[np.uint8]:
    """Return pixels (n, 3, h, w), 0..1, as pictures (n, h, w, 3)."""
    whole = pixels.detach().float().clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    return np.ascontiguousarray(whole)


def grey_of(map: NDArray[np.float32]) -> Grey | str:
    """Return a map as grey levels, or why it has none."""
    return FLAT if not np.isfinite(map).all() or map.min() == map.max() else stretch(map)


def score_maps(
    explaining: Explaining,
    masks: Masks,
    rows: Integers,
    partners: Mapping[int, int],
    sources: Set[int],
    draw_others: Callable[[int], Integers],
    advance: Callable[[int], None],
) -> tuple[dict[str, MapScores], MapScores]:
    """Explain the forged faces chunk by chunk and score each map; no map is kept.

    Args:
        explaining: makes the maps.
        masks: where the faces were changed.
        rows: ``(m,)`` forged faces with a mask.
        partners: a genuine photo for each, where there is one.
        sources: the faces whose partner is of the same person, and may be what they were made of.
        draw_others: gives the faces whose masks a face's map is held against.
        advance: is told how many faces are done.

    Returns:
        The scores by method, and how far the masks mark what differs from the genuine photo.
    """
    scores = {name: MapScores() for name in explaining.methods}
    truth = MapScores()
    spot = centre_spot(*masks.size)
    for start in range(0, len(rows), explaining.batch_size):
        chunk = rows[start : start + explaining.batch_size]
        beside = np.array([partners[row] for row in chunk.tolist() if row in partners], dtype=np.int64)
        forged, genuine = explaining.maps(chunk), explaining.maps(beside)
        for row in chunk.tolist():
            mask, others = masks.of(row), [masks.of(other) for other in draw_others(row).tolist()]
            partner = partners.get(row, -1)
            if row in sources:
                told = holds_change(forged.pixels[row], genuine.pixels[partner], mask)
                if told:
                    truth.add(row, told)
            for name, kept in scores.items():
                grey = forged.maps[name][row]
                if isinstance(grey, str):  # to leave it out would leave out where the detector shows nothing
                    kept.blank[grey] += 1
                photo = genuine.maps[name].get(partner)
                kept.blank_genuine += isinstance(photo, str)
                kept.add(row, with_nulls(grey, mask, others, photo, spot))
        advance(len(chunk))
    return scores, truth
