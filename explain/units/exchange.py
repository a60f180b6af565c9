"""Does the map of a class come nearer to the class's own action units than the maps of other classes do?

Some expressions' maps are won by any map, since the mouth is in most of them, so a map's own likeness less that to the
others is not zero on average for a model that looks at one place for all. The comparison here is with the maps of the
other classes: their labels are exchanged, within a person where one has faces of several classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..landmarks import FloatArray

EXCHANGES = 1_999
"""Random exchanges of labels; the smallest p-value is 1/2000."""
_AT_ONCE = 250


@dataclass(frozen=True)
class Exchange:
    """Outcome for one class.

    Attributes:
        difference: mean specificity of the class's own maps, less that of the other classes' maps for this class's
            units; every person counts once in each.
        p: share of exchanges with at least this difference, the true one counted among them (Phipson and Smyth 2010,
            doi:10.2202/1544-6115.1585); adjusted for the number of classes after Holm.
    """

    difference: float
    p: float


def exchange_labels(
    specificity: FloatArray, classes: NDArray[np.int64], people: NDArray[np.int64], random: np.random.Generator
) -> dict[int, Exchange]:
    """Test for every class whether its maps are nearer to its own units than the other classes' maps are.

    Args:
        specificity: ``(n, k)`` how much nearer each face's map is to the units of each class than to those of other
            expressions on average; NaN throughout for a class without units, which serves for comparison only.
        classes: ``(n,)`` the class each map is of, 0 to k - 1.
        people: ``(n,)`` the person of each face.
        random: exchanges the labels.

    Returns:
        By class, for those that have maps and units; empty with fewer than two classes that have maps.
    """
    values, of_class, blocks = _units(specificity, classes, people)
    present = np.unique(of_class)
    tested = np.isfinite(values[:, present]).all(axis=0)
    if len(present) < 2 or not tested.any():
        return {}
    own = np.searchsorted(present, of_class)
    columns = values[:, present]
    true = _differences(columns, own[None])[0, tested]
    reached = np.ones(len(true))
    for start in range(0, EXCHANGES, _AT_ONCE):
        count = min(_AT_ONCE, EXCHANGES - start)
        # The smallest step between blocks is 1, more than random numbers differ, so that labels stay in their block.
        order = np.argsort(np.unique(blocks, return_inverse=True)[1] + random.random((count, len(own))), axis=1)
        reached += np.sum(_differences(columns, own[order])[:, tested] >= true - 1e-12, axis=0)
    p = holm(reached / (EXCHANGES + 1))
    return {int(name): Exchange(float(true[at]), float(p[at])) for at, name in enumerate(present[tested])}


def holm(p: FloatArray) -> FloatArray:
    """Return p-values adjusted after Holm (1979, Scandinavian Journal of Statistics 6:65)."""
    order = np.argsort(p)
    raised = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted


def _units(
    specificity: FloatArray, classes: NDArray[np.int64], people: NDArray[np.int64]
) -> tuple[FloatArray, NDArray[np.int64], NDArray[np.int64]]:
    """Average over the faces of one person and class. A block is a person with several classes, or all the others."""
    keys, inverse = np.unique(np.stack([people, classes], axis=1), axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    sums = np.zeros((len(keys), specificity.shape[1]))
    np.add.at(sums, inverse, specificity)
    means = sums / np.bincount(inverse)[:, None]
    person, count = np.unique(keys[:, 0], return_counts=True)
    several = set(person[count > 1].tolist())
    blocks = np.array([one if one in several else -1 for one in keys[:, 0].tolist()])
    order = np.argsort(blocks, kind="stable")
    return means[order], keys[order, 1], blocks[order]


def _differences(values: FloatArray, own: NDArray[np.int64]) -> FloatArray:
    """Return for each class the mean of its own maps less the mean over the other classes of theirs.

    Args:
        values: ``(n, k)`` for the k classes that have maps.
        own: ``(exchanges, n)`` the class that each row is said to be of, 0 to k - 1; how many are of each is fixed.
    """
    k = values.shape[1]
    said = (own[:, :, None] == np.arange(k)).astype(np.float64)
    means = np.matmul(said.transpose(0, 2, 1), values) / np.bincount(own[0], minlength=k)[:, None]
    mine = np.diagonal(means, axis1=1, axis2=2)
    return np.asarray(mine - (means.sum(axis=1) - mine) / (k - 1))
