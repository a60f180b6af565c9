"""LIME: a linear model of which superpixels are shown, fitted to the net's answers around the face.

Ribeiro, Singh and Guestrin (2016), "Why Should I Trust You?": Explaining the Predictions of Any Classifier, KDD; with
the settings of Gaya-Morey et al. (arXiv 2401.11835): hidden superpixels black, cosine distance, kernel width 0.25,
ridge penalty 1, positive weights only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .method import MapBatch, Request
from .perturbation import BlackBox, FloatArray, finished, generator, unusable
from .superpixels import Superpixels

KERNEL_WIDTH = 0.25
PENALTY = 1.0


def lime(box: BlackBox, request: Request, faces: Superpixels, samples: int) -> MapBatch:
    """Return the map of each face: the weight of its superpixels, where positive.

    The fact ``surrogate_r2`` is the weighted share of the answers' variance that the linear model tells.
    """
    shown = [draw(samples, count, seed) for count, seed in zip(faces.counts, request.seeds, strict=True)]
    answers = box.scores(request.classes, [samples] * len(shown), faces.copies(shown))
    problems = [unusable(scores) for scores in answers]
    weights, fits = [], []
    for rows, scores, problem in zip(shown, answers, problems, strict=True):
        if problem is not None:
            weights.append(np.full(rows.shape[1], np.nan))
            fits.append(float("nan"))
            continue
        near = proximity(rows)
        weights.append(ridge(rows, scores, near))
        fits.append(r2(rows, scores, near, weights[-1]))
    return finished(faces.paint(weights), problems, {"surrogate_r2": fits})


def draw(samples: int, superpixels: int, seed: int) -> NDArray[np.bool_]:
    """Draw which superpixels each copy shows, ``(samples, superpixels)``; the first copy shows all of them."""
    shown = generator(seed, "lime").random((samples, superpixels)) < 0.5
    shown[0] = True
    return shown


def proximity(shown: NDArray[np.bool_]) -> FloatArray:
    """Weigh copies ``(m,)`` by the cosine distance d of ``shown`` ``(m, k)`` to all ones: sqrt(exp(-d^2 / 0.25^2)).

    The cosine of zeros and ones with k ones is sqrt(share of ones); a copy that shows nothing is at distance 1.
    """
    distance = 1 - np.sqrt(shown.mean(axis=1))
    kernel: FloatArray = np.sqrt(np.exp(-((distance / KERNEL_WIDTH) ** 2)))
    return kernel


def ridge(shown: NDArray[np.bool_], scores: FloatArray, near: FloatArray, penalty: float = PENALTY) -> FloatArray:
    """Fit scores ``(m,)`` by ``shown`` ``(m, k)`` with weights ``near`` ``(m,)`` and return the coefficients ``(k,)``.

    The intercept, which is not penalised, goes with the weighted means. Solves (X'WX + penalty I) b = X'Wy.
    """
    columns, answers = _centred(shown, scores, near)
    weighted: FloatArray = columns * near[:, None]
    normal = weighted.T @ columns + penalty * np.eye(columns.shape[1])
    return np.asarray(np.linalg.solve(normal, weighted.T @ answers), dtype=np.float64)


def r2(shown: NDArray[np.bool_], scores: FloatArray, near: FloatArray, coefficients: FloatArray) -> float:
    """Return the weighted share of the scores' variance that the linear model tells."""
    columns, answers = _centred(shown, scores, near)
    return 1 - float(near @ (answers - columns @ coefficients) ** 2) / float(near @ answers**2)


def _centred(shown: NDArray[np.bool_], scores: FloatArray, near: FloatArray) -> tuple[FloatArray, FloatArray]:
    columns, share = shown.astype(np.float64), near / near.sum()
    return columns - share @ columns, scores - share @ scores
