"""Average precision of scores that know nothing: above the share of positives, the more so the fewer the faces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from .sums import Floats

METHOD = "expected_under_permutation"
EACH_UP_TO, BEYOND = 100, 150
"""Ranks reckoned one by one, and how many of those after them; between these, straight lines."""
DEVIATIONS = 9.0


def precision_by_chance(scores: Floats, positive: NDArray[np.bool_], prevalence: float) -> float:
    """Return the mean of average precision over all ways to deal the labels out over the faces.

    Of the ``c`` faces that score highest, ``h`` are positive by the hypergeometric distribution, and the faces tied at
    the last of these scores are as often positive as the ``c`` are. So the mean is the sum over the different scores of
    ``s / (c P) E[h precision(h, c)]`` with ``s`` faces tied there and ``P`` positives; at the share of positives in
    the data and without ties that is ``(P - 1)/(n - 1) + (n - P)/(n - 1) H_n / n``, ``H_n`` the harmonic number. It is
    exact up to some hundred different scores; beyond, the mean is smooth in ``c`` and read off straight lines.

    Labels are dealt out over faces, not people: faces of one person that score alike make it larger still.

    Args:
        scores: score of each face, shape (n,), finite; only ties between them matter.
        positive: whether the face is of the positive kind, shape (n,), with faces of both kinds.
        prevalence: share of positives at which average precision is measured, above 0 and below 1.
    """
    faces, positives = len(scores), int(positive.sum())
    tied = np.unique(scores, return_counts=True)[1][::-1]
    reached = np.cumsum(tied)
    ranks = reached
    if len(reached) > EACH_UP_TO + BEYOND:
        ranks = np.unique(
            np.concatenate([np.arange(1, EACH_UP_TO), np.geomspace(EACH_UP_TO, faces, BEYOND).round().astype(np.int64)])
        )
    weights = prevalence / positives, (1 - prevalence) / (faces - positives)
    means = np.array([_mean(int(rank), faces, positives, weights) for rank in ranks])
    at = means if ranks is reached else np.interp(reached, ranks, means)
    return float((tied * at).sum() / positives)


def _mean(rank: int, faces: int, positives: int, weights: tuple[float, float]) -> float:
    """Return the mean of ``h precision(h, c) / c`` for ``c`` the rank."""
    share = positives / faces
    spread = np.sqrt(rank * share * (1 - share) * (faces - rank) / max(faces - 1, 1))
    low = max(rank - (faces - positives), 0, int(rank * share - DEVIATIONS * spread) - 1)
    high = min(rank, positives, int(rank * share + DEVIATIONS * spread) + 2)
    hits = np.arange(low, high + 1)
    told, wrong = weights[0] * hits, weights[1] * (rank - hits)
    precision = told / (told + wrong)
    parts = np.stack([hits, positives - hits, rank - hits, faces - positives - rank + hits])
    ways = -gammaln(1.0 + parts).sum(0)
    chances = np.exp(ways - ways.max())
    return float((chances * hits * precision).sum() / (chances.sum() * rank))
