"""Simulated people: how many faces each has, and outcomes that are alike within a person."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def draw_people(rng: np.random.Generator, people: int, *, alone: bool = False) -> Integers:
    """Return the person of each face: 2 to 20 faces each, log-normal with mean about 8, or one each."""
    if alone:
        return np.arange(people)
    faces = np.clip(np.round(rng.lognormal(np.log(7), 0.5, people)), 2, 20).astype(np.int64)
    return np.repeat(np.arange(people), faces)


def beta_binomial(rng: np.random.Generator, subjects: Integers, rate: float, icc: float) -> Floats:
    """Return 0/1 outcomes with this rate and intraclass correlation, shape (faces,)."""
    if icc == 0:
        return (rng.random(len(subjects)) < rate).astype(float)
    size = (1 - icc) / icc
    ability = rng.beta(rate * size, (1 - rate) * size, int(subjects.max()) + 1)
    return (rng.random(len(subjects)) < ability[subjects]).astype(float)


def alike_uniforms(rng: np.random.Generator, subjects: Integers, correlation: float) -> Floats:
    """Return uniforms, alike within a person by a Gaussian copula of this correlation, shape (faces,)."""
    shared = rng.standard_normal(int(subjects.max()) + 1)[subjects]
    own = rng.standard_normal(len(subjects))
    uniform: Floats = ndtr(np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own)
    return uniform


def bootstrap_weights(rng: np.random.Generator, people: int, replicates: int) -> Floats:
    """Return how often each person is drawn, shape (replicates, people)."""
    return rng.multinomial(people, np.full(people, 1 / people), replicates).astype(float)
