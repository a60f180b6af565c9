"""Points near each other: k-means on the leading principal components, fitted on some faces, assigned to others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .sums import Floats, Integers, total_at

COMPONENTS = 16
ROUNDS = 50
STARTS = 4
FITTED_ON = 20_000
ASSIGNED_AT_ONCE = 20_000


@dataclass(frozen=True, eq=False)
class Clusters:
    """Centres in a space of principal components.

    Attributes:
        mean: of the points, shape (d,).
        axes: shape (d, c).
        centres: shape (k, c).
    """

    mean: Floats
    axes: Floats
    centres: Floats

    @classmethod
    def fit(cls, points: Floats, count: int, random: np.random.Generator) -> Clusters:
        """Fit ``count`` clusters: Lloyd's rounds from the best of several starts (Arthur and Vassilvitskii 2007).

        Args:
            points: shape (n, d), at least ``count`` of them; of many a random part is used.
            count: how many clusters.
            random: of the starts.
        """
        if len(points) > FITTED_ON:
            points = points[random.choice(len(points), FITTED_ON, replace=False)]
        mean = points.mean(axis=0)
        centred = points - mean
        _, axes = np.linalg.eigh(centred.T @ centred)
        axes = axes[:, ::-1][:, :COMPONENTS]
        reduced = centred @ axes
        tries = [_lloyd(reduced, _start(reduced, count, random)) for _ in range(STARTS)]
        return cls(mean, axes, min(tries, key=lambda one: one[1])[0])

    def assign(self, points: Floats) -> Integers:
        """Return the nearest centre of each point, shape (n,)."""
        parts = [
            _nearest((points[start : start + ASSIGNED_AT_ONCE] - self.mean) @ self.axes, self.centres)[0]
            for start in range(0, len(points), ASSIGNED_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _nearest(points: Floats, centres: Floats) -> tuple[Integers, Floats]:
    squares = np.square(points).sum(axis=1)[:, None] - 2 * points @ centres.T + np.square(centres).sum(axis=1)
    at = squares.argmin(axis=1)
    return at.astype(np.int64), np.maximum(squares[np.arange(len(points)), at], 0)


def _start(points: Floats, count: int, random: np.random.Generator) -> Floats:
    """Choose points far from each other: each with a chance by its squared distance to those chosen."""
    chosen = [int(random.integers(len(points)))]
    far = np.square(points - points[chosen[0]]).sum(axis=1)
    while len(chosen) < count:
        total = far.sum()
        chance = far / total if total > 0 else np.full(len(points), 1 / len(points))
        chosen.append(int(random.choice(len(points), p=chance)))
        far = np.minimum(far, np.square(points - points[chosen[-1]]).sum(axis=1))
    return points[chosen]


def _lloyd(points: Floats, centres: Floats) -> tuple[Floats, float]:
    """Move centres to the mean of their points until none moves; return them with the sum of squared distances."""
    count = len(centres)
    at, squares = _nearest(points, centres)
    for _ in range(ROUNDS):
        faces = total_at(at, None, count)
        sums = np.stack([total_at(at, column, count) for column in points.T], axis=1)
        centres = np.where(faces[:, None] > 0, sums / np.maximum(faces, 1)[:, None], centres)
        now, squares = _nearest(points, centres)
        if np.array_equal(now, at):
            break
        at = now
    return centres, float(squares.sum())
