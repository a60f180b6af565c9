"""What two annotators of the same faces say about their errors, where nobody knows the truth.

The agreement of two annotators alone does not tell which group is mistaken for which. Under three assumptions it tells
enough: both are equally good; their errors are independent given the true group; and who errs picks a group as often as
it is assigned at all. Then the joint table is ``s^2 diag(q) + (1 - s^2) q q'`` with ``q`` the shares of the groups and
``s`` the chance of knowing the group, so that Cohen's kappa (Cohen 1960, Educational and Psychological Measurement
20:37) is ``s^2`` and the matrix of one annotator ``M = s I + (1 - s) 1 q'``. Differences between groups come out too
small by ``s``: dividing by the root of the reliability is Spearman's correction (1904, American Journal of Psychology
15:72).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .misclassified import MATRIX_DRAWS, SURE, LabelErrors
from .sums import Floats, Integers, total_at


@dataclass(frozen=True, eq=False)
class TwoAnnotators:
    """How two annotators agree.

    Attributes:
        table: faces by the first annotator's group (rows) and the second's, shape (groups, groups).
        kappa: Cohen's kappa, with the standard error over people.
        kappa_error: 0 where it cannot be told.
        shares_differ: groups whose share differs between the annotators beyond its error, so that they are not
            equally good.
        errors: the matrix of one annotator under the assumptions, with draws.
    """

    table: Floats
    kappa: float
    kappa_error: float
    shares_differ: Integers
    errors: LabelErrors


def two_annotators(
    first: Integers,
    second: Integers,
    person: Integers,
    groups: int,
    random: np.random.Generator,
    draws: int = MATRIX_DRAWS,
) -> TwoAnnotators:
    """Return agreement and matrix of two annotators.

    Args:
        first: the first annotator's group of each face, shape (faces,), 0 to ``groups - 1``.
        second: the second's.
        person: person of each face, shape (faces,), whole numbers from 0; people are what is drawn.
        groups: how many groups there are.
        random: source of the draws: people with replacement.
        draws: how many.

    Raises:
        ValueError: when there is no face that both annotated.
    """
    if len(first) == 0:
        raise ValueError("expected faces that both annotators assigned a group")
    code = first * groups + second
    _, person = np.unique(person, return_inverse=True)
    people = int(person.max()) + 1
    table = total_at(code, None, groups * groups).reshape(groups, groups)
    kappa, shares = _kappa(table)
    drawn = []
    for _ in range(draws):
        weight = random.multinomial(people, np.full(people, 1 / people)).astype(np.float64)
        drawn.append(_kappa(total_at(code, weight[person.reshape(-1)], groups * groups).reshape(groups, groups)))
    matrices = [_matrix(one, of) for one, of in drawn]
    error = float(np.std([one for one, _ in drawn], ddof=1)) if draws > 1 else 0.0
    matrix = _matrix(kappa, shares)
    return TwoAnnotators(
        table=table,
        kappa=kappa,
        kappa_error=error,
        shares_differ=_shares_differ(first, second, person.reshape(-1), groups),
        errors=LabelErrors(matrix, matrix, tuple((each, each) for each in matrices)),
    )


def _kappa(table: Floats) -> tuple[float, Floats]:
    """Return Cohen's kappa with the mean shares of both annotators as chance, and these shares."""
    joint = table / table.sum()
    shares = (joint.sum(axis=0) + joint.sum(axis=1)) / 2
    chance = float(shares @ shares)
    kappa = (float(np.trace(joint)) - chance) / (1 - chance) if chance < 1 else 1.0
    return kappa, shares


def _matrix(kappa: float, shares: Floats) -> Floats:
    knows = np.sqrt(min(max(kappa, 0.0), 1.0))
    return np.asarray(knows * np.eye(len(shares)) + (1 - knows) * shares[None, :])


def _shares_differ(first: Integers, second: Integers, person: Integers, groups: int) -> Integers:
    people = int(person.max()) + 1
    more = np.stack(
        [total_at(person, (first == group).astype(np.float64) - (second == group), people) for group in range(groups)],
        axis=1,
    )
    error = np.sqrt(np.square(more - more.mean(axis=0)).sum(axis=0))
    return np.flatnonzero(np.abs(more.sum(axis=0)) > SURE * np.maximum(error, 1.0))
