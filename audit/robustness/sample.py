"""Which faces a slow probe measures when it is not given time for all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sample_rows(
    rows: NDArray[np.int64], subjects: NDArray[np.int64], count: int | None, random: np.random.Generator
) -> NDArray[np.int64]:
    """Return at most ``count`` of ``rows``, in order, spread over as many people as possible.

    Faces of one person tell less than faces of as many people, so everyone gives a first face before anyone
    gives a second one; who and which is drawn at random.

    Args:
        rows: candidates, shape (n,).
        subjects: subject code of each candidate, shape (n,).
        count: how many to keep; ``None`` for all.
        random: decides the draw.
    """
    if count is None or count >= len(rows):
        return rows
    shuffled = random.permutation(len(rows))
    by_subject = shuffled[np.argsort(subjects[shuffled], kind="stable")]
    of_subject = subjects[by_subject]
    starts = np.flatnonzero(np.r_[True, of_subject[1:] != of_subject[:-1]])
    turn = np.empty(len(rows), dtype=np.int64)
    turn[by_subject] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    # A fresh draw decides among those whose turn it is; the first shuffle would favour people of many faces.
    chosen = np.lexsort((random.random(len(rows)), turn))[:count]
    return np.sort(rows[chosen])
