"""KernelSHAP: Shapley values of superpixels by a weighted least squares fit over coalitions.

Lundberg and Lee (2017), A Unified Approach to Interpreting Model Predictions, NeurIPS. Coalitions come in pairs with
their complements (Covert and Lee 2021, Improving KernelSHAP, AISTATS), the outermost sizes completely, as far as the
samples reach; the values add up to the difference between the whole face and the hidden one exactly.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from .method import MapBatch, Request
from .perturbation import BlackBox, FloatArray, finished, generator, unusable
from .superpixels import Superpixels


def kernel_shap(box: BlackBox, request: Request, faces: Superpixels, samples: int) -> MapBatch:
    """Return the map of each face: the Shapley value of its superpixels, where positive.

    With k superpixels and 2^k samples or more the values are exact. Fewer samples than 2 k + 2 cannot tell the
    superpixels apart: such a face has no map, with the reason.
    """
    drawn = [coalitions(count, samples, seed) for count, seed in zip(faces.counts, request.seeds, strict=True)]
    shown = [rows for rows, _ in drawn]
    answers = box.scores(request.classes, [len(rows) for rows in shown], faces.copies(shown))
    problems, values = [], []
    for (rows, weights), scores in zip(drawn, answers, strict=True):
        problem = _too_few(*rows.shape) or unusable(scores)
        problems.append(problem)
        values.append(shapley_values(rows, scores, weights) if problem is None else np.full(rows.shape[1], np.nan))
    return finished(faces.paint(values), problems)


def _too_few(coalitions: int, players: int) -> str | None:
    if players < 2:
        return "the face is a single superpixel: there is nothing to compare it with"
    needed = min(2 * players + 2, 2**players)
    if coalitions >= needed:
        return None
    return (
        f"{coalitions} coalitions cannot tell {players} superpixels apart: "
        f"raise `shap_samples` to at least {needed}, or lower `segments`"
    )


def coalitions(players: int, samples: int, seed: int) -> tuple[NDArray[np.bool_], FloatArray]:
    """Choose coalitions and their weights in the fit.

    Args:
        players: number of superpixels k.
        samples: most coalitions wanted.
        seed: of those that are drawn.

    Returns:
        Which players are in each coalition ``(m, k)``, the first all and the second none of them, and the weights
        ``(m,)``. The two have weight 0, since the fit goes through them exactly. The weights of all coalitions of a
        size s add up to (k - 1) / (s (k - s)), exactly or, where they are drawn, in expectation.
    """
    sizes = np.arange(1, players)
    mass = (players - 1) / (sizes * (players - sizes)) if players > 1 else np.zeros(0)
    rows = [np.ones((1, players), dtype=bool), np.zeros((1, players), dtype=bool)]
    weights = [np.zeros(2)]
    room, size = samples - 2, 1
    while 2 * size <= players:
        both = (size,) if 2 * size == players else (size, players - size)
        if len(both) * comb(players, size) > room:
            break
        for one in both:
            rows.append(_all_of_size(players, one))
            weights.append(np.full(comb(players, one), mass[one - 1] / comb(players, one)))
            room -= comb(players, one)
        size += 1
    left = mass[size - 1 : players - size]
    pairs = room // 2
    if len(left) and pairs:
        drawn = _drawn(players, size + np.arange(len(left)), left / left.sum(), pairs, generator(seed, "kernel_shap"))
        rows += [drawn, ~drawn]
        weights.append(np.full(2 * pairs, left.sum() / (2 * pairs)))
    return np.concatenate(rows), np.concatenate(weights)


def _all_of_size(players: int, size: int) -> NDArray[np.bool_]:
    places = np.array(list(combinations(range(players), size)))
    rows = np.zeros((len(places), players), dtype=bool)
    np.put_along_axis(rows, places, True, axis=1)
    return rows


def _drawn(
    players: int, sizes: NDArray[np.int64], chances: FloatArray, count: int, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Draw coalitions ``(count, players)``: first a size, then players at random."""
    size = random.choice(sizes, count, p=chances)
    rank = random.random((count, players)).argsort(axis=1).argsort(axis=1)
    return rank < size[:, None]


def shapley_values(shown: NDArray[np.bool_], scores: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the values ``(k,)`` that fit the scores ``(m,)`` of coalitions ``(m, k)`` best and add up exactly.

    The first coalition is everyone, the second no one. Minimises sum w (v(S) - v(none) - sum of values in S)^2 under
    sum of values = v(all) - v(none), by a Lagrange multiplier.
    """
    columns = shown.astype(np.float64)
    weighted = columns * weights[:, None]
    gain = scores - scores[1]
    both = np.stack([weighted.T @ gain, np.ones(columns.shape[1])], axis=1)
    free, ones = np.linalg.solve(weighted.T @ columns, both).T
    values: FloatArray = free - ones * (free.sum() - gain[0]) / ones.sum()
    return values
