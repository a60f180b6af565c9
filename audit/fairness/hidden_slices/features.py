"""What slices are made of: attributes, thirds of measures of quality, clusters of looks and of embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ....core.faces import Faces
from ....core.statistics.clusters import Clusters
from ....core.statistics.groups import MISSING, build_groups
from ....core.statistics.slice_search import Feature
from .pictures import Floats, Pictures

THIRDS = ("lowest third", "middle third", "highest third")
LOOKS, EMBEDDING = "looks", "embedding"
TOLD = 2
MUCH_MORE = 0.15


@dataclass(frozen=True, eq=False)
class Features:
    """Features of some faces.

    Attributes:
        all: the features, codes of all these faces.
        attributes: names of those that are attributes of the plan.
        words: what the faces of a cluster have in common, by feature and level.
    """

    all: tuple[Feature, ...]
    attributes: frozenset[str]
    words: dict[tuple[str, int], str]

    def take(self, rows: NDArray[np.bool_]) -> tuple[Feature, ...]:
        """Return the features of some of the faces."""
        return tuple(replace(feature, codes=feature.codes[rows]) for feature in self.all)


def features_of(
    faces: Faces,
    rows: NDArray[np.int64],
    pictures: Pictures,
    searched: NDArray[np.bool_],
    clusters: Sequence[int],
    random: np.random.Generator,
) -> Features:
    """Make the features; edges of thirds and centres of clusters come from the searched faces alone.

    Args:
        faces: all faces.
        rows: those that are looked at.
        pictures: what was read of these.
        searched: which of these the search may see.
        clusters: numbers of clusters to try.
        random: of the starts of clusters.
    """
    crossed = [*_attributes(faces, rows), *_thirds(pictures, searched, set(faces.attributes))]
    grouped: list[Feature] = []
    for name, points in ((LOOKS, pictures.looks), (EMBEDDING, pictures.embedding)):
        if points is not None:
            grouped += _clustered(name, points, searched, clusters, random)
    words = {
        (feature.name, level): _in_common(feature, level, crossed, searched)
        for feature in grouped
        for level in range(len(feature.levels))
    }
    several = [feature for feature in crossed if len(np.unique(feature.codes)) > 1]
    return Features((*several, *grouped), frozenset(faces.attributes), words)


def _attributes(faces: Faces, rows: NDArray[np.int64]) -> Iterator[Feature]:
    frame = faces.frame.iloc[rows]
    for name in faces.attributes:
        groups = build_groups(frame, [name])
        yield Feature(name, tuple(value[name] for value in groups.values), groups.codes)


def _thirds(pictures: Pictures, searched: NDArray[np.bool_], taken: set[str]) -> Iterator[Feature]:
    """Cut measures of quality at the terciles of the searched faces; faces without one are a level of their own."""
    for name, values in pictures.quality.items():
        known = np.isfinite(values)
        if not (known & searched).any():
            continue
        edges = np.quantile(values[known & searched], [1 / 3, 2 / 3])
        codes = np.where(known, np.digitize(np.nan_to_num(values), edges), len(THIRDS)).astype(np.int64)
        levels = THIRDS if known.all() else (*THIRDS, MISSING)
        yield Feature(f"{name} of the picture" if name in taken else name, levels, codes)


def _clustered(
    name: str, points: Floats, searched: NDArray[np.bool_], clusters: Sequence[int], random: np.random.Generator
) -> Iterator[Feature]:
    for count in clusters:
        if int(searched.sum()) < 10 * count:
            continue
        codes = Clusters.fit(points[searched], count, random).assign(points)
        levels = tuple(f"cluster {place + 1} of {count}" for place in range(count))
        yield Feature(f"{name} ({count})", levels, codes, crossed=False, at_confidence=name == EMBEDDING)


def _in_common(feature: Feature, level: int, crossed: Sequence[Feature], searched: NDArray[np.bool_]) -> str:
    """Say which levels of other features are more common in a cluster than in the others."""
    inside = (feature.codes == level) & searched
    outside = (feature.codes != level) & searched
    if not inside.any() or not outside.any():
        return ""
    told = []
    for other in crossed:
        size = len(other.levels)
        within = np.bincount(other.codes[inside], minlength=size) / inside.sum()
        without = np.bincount(other.codes[outside], minlength=size) / outside.sum()
        more = within - without
        place = int(more.argmax())
        if more[place] >= MUCH_MORE:
            told.append((float(more[place]), other, place, float(within[place]), float(without[place])))
    told.sort(key=lambda one: -one[0])
    return "; ".join(
        f"{other.name} {other.levels[place]} {within:.0%} against {without:.0%}"
        for _, other, place, within, without in told[:TOLD]
    )
