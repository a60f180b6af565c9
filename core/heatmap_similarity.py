"""How alike mean heatmaps of several networks are: normalised correlation, and the tree it grows.

The distance of two heatmaps is 1 - r, with r the correlation of their pixels (zero-mean normalised
cross-correlation at zero shift), and trees grow by average linkage, as in Gaya-Morey et al. (2024, arXiv 2401.11835).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

Heatmap = NDArray[Any]


@dataclass(frozen=True)
class HeatmapTree:
    """Networks joined by how alike their heatmaps of one expression are.

    Attributes:
        label: the expression or class.
        names: of the networks.
        correlations: ``(networks, networks)`` of their heatmaps, -1..1.
        merges: one row ``(first, second, height, networks)`` for each join, lowest first; networks are numbered from
            0, the n-th join counts as number ``len(names) + n``. The height is the mean distance 1 - r, 0..2.
        left_out: networks without a heatmap to compare, and why.
    """

    label: str
    names: tuple[str, ...]
    correlations: NDArray[np.float64]
    merges: tuple[tuple[int, int, float, int], ...]
    left_out: Mapping[str, str]

    @property
    def heights(self) -> tuple[float, ...]:
        """Heights of the joins, lowest first."""
        return tuple(height for _, _, height, _ in self.merges)

    @property
    def order(self) -> tuple[int, ...]:
        """Networks in the order in which a drawing of the tree has no crossing lines."""
        members: dict[int, tuple[int, ...]] = {place: (place,) for place in range(len(self.names))}
        for number, (first, second, _, _) in enumerate(self.merges, start=len(self.names)):
            members[number] = members.pop(first) + members.pop(second)
        return tuple(place for group in members.values() for place in group)


def normalised_correlation(first: Heatmap, second: Heatmap) -> float:
    """Return the correlation of the pixels of two heatmaps, -1..1.

    Raises:
        ValueError: if the shapes differ, or a map is constant or not finite, where it is not defined.
    """
    if first.shape != second.shape:
        raise ValueError(f"Expected heatmaps of one shape, but got {first.shape} and {second.shape}")
    one, other = (_centred(each) for each in (first, second))
    return float(np.clip(one @ other, -1.0, 1.0))


def correlations(heatmaps: Sequence[Heatmap]) -> NDArray[np.float64]:
    """Return the correlations of heatmaps of one shape with each other, ``(n, n)``.

    Raises:
        ValueError: as :func:`normalised_correlation`.
    """
    shapes = {each.shape for each in heatmaps}
    if len(shapes) > 1:
        raise ValueError(f"Expected heatmaps of one shape, but got {', '.join(map(str, sorted(shapes)))}")
    rows = np.stack([_centred(each) for each in heatmaps])
    found: NDArray[np.float64] = np.clip(rows @ rows.T, -1.0, 1.0)
    np.fill_diagonal(found, 1.0)
    return found


def heatmap_tree(label: str, heatmaps: Mapping[str, Heatmap], left_out: Mapping[str, str] | None = None) -> HeatmapTree:
    """Join networks by their heatmaps of one label.

    Args:
        label: told in the result.
        heatmaps: ``(height, width)`` by network, all of one shape. A constant one is left out, with the reason.
        left_out: networks that have none, and why.
    """
    missing = dict(left_out or {})
    usable = {}
    for name, heatmap in heatmaps.items():
        if not np.isfinite(heatmap.astype(np.float64)).all():
            missing[name] = "its heatmap holds NaN or infinite values"
        elif heatmap.min() == heatmap.max():
            missing[name] = "its heatmap is the same everywhere"
        else:
            usable[name] = heatmap
    found = correlations(list(usable.values())) if usable else np.zeros((0, 0))
    merges: tuple[tuple[int, int, float, int], ...] = ()
    if len(usable) > 1:
        distances = squareform(1 - found, checks=False)
        merges = tuple(
            (int(first), int(second), float(height), int(count))
            for first, second, height, count in linkage(np.maximum(distances, 0), method="average")
        )
    return HeatmapTree(label, tuple(usable), found, merges, missing)


def _centred(heatmap: Heatmap) -> NDArray[np.float64]:
    values = heatmap.astype(np.float64).ravel()
    values = values - values.mean()
    length = float(np.linalg.norm(values))
    if not np.isfinite(length) or length == 0:
        raise ValueError("Expected heatmaps that are finite and not constant: others correlate with nothing")
    unit: NDArray[np.float64] = values / length
    return unit
