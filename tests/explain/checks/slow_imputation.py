"""The imputation of removed pixels, equation by equation."""

from __future__ import annotations

import numpy as np
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

WEIGHTS = {(i, j): (1 / 6 if 0 in (i, j) else 1 / 12) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)}


def solve_slowly(picture: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """Fill in one picture (c, h, w), equation by equation as the paper states them."""
    height, width = unknown.shape
    places = {place: number for number, place in enumerate(zip(*np.nonzero(unknown), strict=True))}
    matrix, right = lil_matrix((len(places), len(places))), np.zeros((len(places), len(picture)))
    for (y, x), row in places.items():
        for (down, across), weight in WEIGHTS.items():
            there = (y + down, x + across)
            if not (0 <= there[0] < height and 0 <= there[1] < width):
                continue
            matrix[row, row] += weight
            if there in places:
                matrix[row, places[there]] -= weight
            else:
                right[row] += weight * picture[:, there[0], there[1]]
    filled = picture.copy()
    filled[:, unknown] = spsolve(matrix.tocsc(), right).reshape(len(places), -1).T
    return filled
