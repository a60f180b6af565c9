"""How evenly are groups represented, and do they differ in their labels? Measures of data, with what chance gives.

Representational bias is an uneven share of the groups, stereotypical bias a label that goes with a group (both words,
and the use of these two measures, after Dominguez-Catena, Paternain and Galar 2024, arXiv 2303.15889):

- NSD, normalised standard deviation of the shares ``p_g`` of ``G`` groups: ``sqrt(G / (G - 1) sum (p_g - 1/G)^2)``,
  0 when all are alike, 1 when one group is everyone.
- NMI, normalised mutual information of group and label: ``sum p_gl log(p_gl / (p_g p_l)) / -sum p_gl log p_gl``,
  divided by the joint entropy, so that it is 0 for independence and 1 when each tells the other.
- NPMI of one group and one label: ``log(p_gl / (p_g p_l)) / -log p_gl``, -1 when they never meet, 0 for
  independence, 1 when they only meet each other (Bouma 2009).

Both NSD and NMI are above 0 for a sample of people in whom nothing is uneven. So they stand with a null, and their
lower limits are those of a norm, ``f(estimate) <= f(truth) + f(noise)``. Everything counts people: the faces of one
person are drawn together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtri

from .sums import Floats, Integers, total_at

DRAWS = 2000


@dataclass(frozen=True)
class Measure:
    """A measure of a norm's kind, its limits, and what chance gives.

    Attributes:
        value: as observed.
        low: lower limit of the true value.
        high: upper limit.
        null_mean: mean of the measure when nothing is uneven.
        null_low: lower quantile of it.
        null_high: upper quantile of it.
        p: share of draws of chance, the observed one included, with a value at least as large.
    """

    value: float
    low: float
    high: float
    null_mean: float
    null_low: float
    null_high: float
    p: float


def normalised_deviation(counts: Floats) -> Floats:
    """Return the NSD of groups of these sizes, shape (..., groups) to (...), 0 to 1; of one group 0."""
    groups = counts.shape[-1]
    if groups < 2:
        return np.zeros(counts.shape[:-1])
    shares = counts / counts.sum(axis=-1, keepdims=True)
    return np.asarray(np.sqrt(groups / (groups - 1) * np.square(shares - 1 / groups).sum(axis=-1)), dtype=np.float64)


def normalised_information(tables: Floats) -> Floats:
    """Return the NMI of tables of counts, shape (..., groups, labels) to (...), 0 to 1; 0 where one cell holds all."""
    joint = tables / tables.sum(axis=(-2, -1), keepdims=True)
    entropy = _entropy(joint, (-2, -1))
    both = _entropy(joint.sum(axis=-1), (-1,)) + _entropy(joint.sum(axis=-2), (-1,))
    information = np.maximum(both - entropy, 0)
    return np.asarray(np.divide(information, entropy, out=np.zeros_like(entropy), where=entropy > 1e-12))


def pointwise_information(table: Floats) -> Floats:
    """Return the NPMI of every cell of one table of counts, shape (groups, labels), -1 to 1.

    A cell without a face is -1; one of an empty row or column, which says nothing, is 0.
    """
    joint = table / table.sum()
    expected = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    found = np.where(expected > 0, -1.0, 0.0)
    some = (joint > 0) & (joint < 1)
    found[some] = np.log(joint[some] / expected[some]) / -np.log(joint[some])
    found[joint == 1] = 0.0
    return found


def group_evenness(
    person: Integers,
    codes: Integers,
    groups: int,
    level: float,
    random: np.random.Generator,
    weights: Floats | None = None,
    draws: int = DRAWS,
) -> Measure:
    """Return the NSD of the groups of some faces, with its limits and what equal chances give.

    The null gives every person one group, each as likely as another. The upper limit adds the largest standard error
    of any contrast between shares.

    Args:
        person: person of each face, shape (faces,), whole numbers from 0.
        codes: group of each face, shape (faces,).
        groups: how many groups there could be, at least 2; those that do not occur count with a share of 0.
        level: of the limits.
        random: for the draws.
        weights: how much each face counts, shape (faces,); ``None`` for all ones.
        draws: how many.
    """
    people = int(person.max(initial=-1)) + 1
    given = np.ones(len(person)) if weights is None else weights
    counts = csr_array((given, (person, codes)), shape=(people, groups))
    own, whole = total_at(person, given, people), total_at(codes, given, groups)
    value, scale = float(normalised_deviation(whole)), np.sqrt(groups / (groups - 1))
    shares, with_own = whole / whole.sum(), np.asarray(counts.T @ own, dtype=np.float64)
    products = (counts.T @ counts).toarray() - np.outer(with_own, shares) - np.outer(shares, with_own)
    products += float(np.square(own).sum()) * np.outer(shares, shares)
    spread = np.maximum(np.linalg.eigvalsh(products * people / max(people - 1, 1)), 0) / whole.sum() ** 2
    noise = np.sqrt(np.square(random.standard_normal((draws, groups))) @ spread)
    alpha = (1 - level) / 2
    sizes, alike = np.unique(own, return_counts=True)
    fall = np.zeros((draws, groups))
    for size, many in zip(sizes, alike, strict=True):
        fall += size * random.multinomial(many, np.full(groups, 1 / groups), draws)
    null = normalised_deviation(fall)
    known = people > 1
    return Measure(
        value,
        max(0.0, value - scale * float(np.quantile(noise, 1 - alpha))) if known else 0.0,
        min(1.0, value + scale * float(ndtri(1 - alpha)) * float(np.sqrt(spread[-1]))) if known else 1.0,
        float(null.mean()),
        float(np.quantile(null, alpha)),
        float(np.quantile(null, 1 - alpha)),
        float((1 + np.count_nonzero(null >= value - 1e-12)) / (draws + 1)),
    )


def information_measure(
    person: Integers, codes: Integers, labels: Integers, shape: tuple[int, int], null: Floats, level: float
) -> Measure:
    """Return the NMI of group and label, with its limits and what chance gives.

    Near independence twice the mutual information is the square of a norm, that of Pearson's residuals, so the limits
    are made on its root: lower by what permuted groups reach, upper by the standard error of the root (each person's
    influence on the NMI).

    Args:
        person: person of each face, shape (faces,), whole numbers from 0.
        codes: group of each face, shape (faces,).
        labels: label of each face, shape (faces,).
        shape: how many groups and labels there are.
        null: NMI of permuted groups, shape (permutations,).
        level: of the limits.
    """
    alpha = (1 - level) / 2
    table = label_table(codes, labels, shape)
    value = float(normalised_information(table))
    limits = [float(limit) for limit in np.quantile(null, [alpha, 1 - alpha])]
    low = max(0.0, float(np.sqrt(value)) - float(np.sqrt(limits[1]))) ** 2
    people = int(person.max(initial=-1)) + 1
    joint = table / table.sum()
    entropy = float(_entropy(joint, (-2, -1)))
    high = 1.0
    if people > 1 and value > 0:
        expected = np.outer(joint.sum(axis=1), joint.sum(axis=0))
        logs = np.log(joint, out=np.zeros_like(joint), where=joint > 0)
        ratio = logs - np.log(expected, out=np.zeros_like(joint), where=expected > 0)
        of_cell = (ratio + value * logs) / entropy
        influence = total_at(person, of_cell[codes, labels] - float((joint * of_cell).sum()), people) / len(person)
        error = np.sqrt(np.square(influence).sum() * people / (people - 1)) / (2 * np.sqrt(value))
        high = float(min(1.0, np.sqrt(value) + ndtri(1 - alpha) * error)) ** 2
    p = float((1 + np.count_nonzero(null >= value - 1e-12)) / (len(null) + 1))
    return Measure(value, min(low, value), max(high, value), float(null.mean()), limits[0], limits[1], p)


def label_table(codes: Integers, labels: Integers, shape: tuple[int, int]) -> Floats:
    """Count faces by group and label, shape (groups, labels)."""
    counted = np.bincount(codes * shape[1] + labels, minlength=shape[0] * shape[1])
    return counted.reshape(shape).astype(np.float64)


def _entropy(shares: Floats, axes: tuple[int, ...]) -> Floats:
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(-(shares * logs).sum(axis=axes), dtype=np.float64)
