"""Rates of true groups, where it is known how often groups are assigned wrongly.

``M[a, b]`` is the chance that someone of the true group ``a`` is assigned ``b``. Where errors do not depend on the
outcome, sums over assigned groups are ``X* = M' X`` and ``N* = M' N``, so the sums of the true groups are found by the
inverse (matrix method; Barron 1977, Biometrics 33:414). Where they do and it is known how, right and wrong faces have a
matrix each, and ``p = X / (X + E)``. What each person adds to each corrected rate gives the covariance of the rates,
which is no longer diagonal; a matrix that was itself estimated adds the covariance of the rates over draws of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .sums import Floats, Integers, total_at

MATRIX_DRAWS = 100
LEAST_SINGULAR = 0.2
MOST_UNUSABLE = 0.1
SURE = 3.0


@dataclass(frozen=True, eq=False)
class AssignedSums:
    """Sums of every person over the faces assigned to each group.

    Attributes:
        right: sum of values, shape (people, groups).
        wrong: sum of weights less values, shape (people, groups).
        faces: how many faces count.
        people: how many people have a face that counts.
    """

    right: Floats
    wrong: Floats
    faces: int
    people: int

    @classmethod
    def of(
        cls,
        person: Integers,
        group: Integers,
        values: Floats,
        *,
        people: int,
        groups: int,
    ) -> AssignedSums:
        """Add up faces.

        Args:
            person: person of each face, shape (faces,), 0 to ``people - 1``.
            group: group assigned to each face, shape (faces,), 0 to ``groups - 1``.
            values: 1 where the face counts as right and 0 where it does not, or anything between, shape (faces,).
            people: how many people there are, with and without a face here.
            groups: how many groups there are.
        """
        place, size = person * groups + group, people * groups
        right = total_at(place, np.asarray(values, dtype=np.float64), size).reshape(people, groups)
        both = total_at(place, None, size).reshape(people, groups)
        return cls(right, both - right, len(values), len(np.unique(person)))

    @property
    def total(self) -> Floats:
        """Faces assigned to each group, shape (groups,)."""
        return np.asarray((self.right + self.wrong).sum(axis=0))


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """How groups are assigned: chances of assigned groups (columns) by true group (rows), shape (groups, groups).

    Attributes:
        right: among faces that count as right.
        wrong: among the others; the same where errors do not depend on the outcome.
        draws: pairs of matrices that might as well be the true ones, for what was estimated of them.
    """

    right: Floats
    wrong: Floats
    draws: Sequence[tuple[Floats, Floats]] = field(default_factory=tuple)

    @classmethod
    def none(cls, groups: int) -> LabelErrors:
        """Return the matrix of groups that are assigned without error."""
        return cls(np.eye(groups), np.eye(groups))

    @classmethod
    def known(
        cls,
        right: Floats,
        wrong: Floats | None = None,
        *,
        checked: int | None = None,
        random: np.random.Generator | None = None,
        draws: int = MATRIX_DRAWS,
    ) -> LabelErrors:
        """Take matrices as they were measured.

        Args:
            right: rows that sum to 1.
            wrong: the matrix among wrong faces, where it is another.
            checked: faces behind each row; matrices are exact unless given. Each row is drawn from a Dirichlet
                distribution of its counts and one more face spread evenly, so that a zero is not taken as certain.
            random: source of the draws; needed with ``checked``.
            draws: how many.
        """
        other = right if wrong is None else wrong
        if checked is None:
            return cls(right, other)
        if random is None:
            raise ValueError("expected a source of random numbers to draw matrices from")

        def drawn(matrix: Floats) -> Floats:
            return np.stack([random.dirichlet(row * checked + 1 / len(matrix)) for row in matrix])

        pairs = []
        for _ in range(draws):
            first = drawn(right)
            pairs.append((first, first if wrong is None else drawn(wrong)))
        return cls(right, other, tuple(pairs))

    @property
    def dependent(self) -> bool:
        """Whether the errors depend on the outcome."""
        return bool((self.right != self.wrong).any())

    @property
    def smallest_singular(self) -> float:
        """The smallest singular value of the matrices, 1 without errors; near 0 they cannot be undone."""
        return _smallest_singular(self.right, self.wrong)


def _smallest_singular(*matrices: Floats) -> float:
    return float(min(np.linalg.svd(matrix, compute_uv=False)[-1] for matrix in matrices))


@dataclass(frozen=True, eq=False)
class CorrectedRates:
    """Rates of the true groups.

    Attributes:
        raw: rate of each group as the inverse gives it, shape (groups,); may lie outside 0 to 1, NaN where a group has
            no face left.
        faces: faces of each true group, shape (groups,).
        influence: what moves each rate, shape (people + draws, groups): first the people, then the draws of the
            matrix; ``influence' influence`` is the covariance.
        people: people of each true group, estimated by its share of the faces, shape (groups,).
        faces_error: standard error of ``faces`` over people, shape (groups,).
    """

    raw: Floats
    faces: Floats
    influence: Floats
    people: Integers
    faces_error: Floats

    @property
    def values(self) -> Floats:
        """The rates, cut off at 0 and 1."""
        return np.asarray(self.raw.clip(0, 1))

    @property
    def covariance(self) -> Floats:
        """Covariance of the rates, shape (groups, groups)."""
        return np.asarray(self.influence.T @ self.influence)

    @property
    def clipped(self) -> Integers:
        """Groups whose rate was cut off."""
        return np.flatnonzero((self.raw < 0) | (self.raw > 1))

    @property
    def impossible(self) -> Integers:
        """Groups of which no face is left."""
        return np.flatnonzero(~np.isfinite(self.raw))

    @property
    def contradicted(self) -> Integers:
        """Groups that the matrix cannot have: faces or rate are further outside what is possible than their error."""
        error = np.sqrt(np.diag(self.covariance))
        outside = np.maximum(-self.raw, self.raw - 1)
        fewer = -self.faces > SURE * self.faces_error + 1e-9
        return np.flatnonzero(fewer | (outside > SURE * error + 1e-9))


def undo(errors: LabelErrors, sums: AssignedSums) -> CorrectedRates | str:
    """Return the rates of the true groups, or in words why the errors cannot be undone.

    Args:
        errors: how groups are assigned.
        sums: sums over assigned groups.
    """
    smallest = errors.smallest_singular
    if smallest < LEAST_SINGULAR:
        return (
            f"the groups are confused too much to undo it (smallest singular value {smallest:.2f}, "
            f"{LEAST_SINGULAR} is needed)"
        )
    raw, faces = _solve(errors.right, errors.wrong, sums)
    safe = np.where(faces > 0, faces, np.nan)
    right, wrong = (np.linalg.inv(matrix.T) for matrix in (errors.right, errors.wrong))
    influence = ((1 - raw) * (sums.right @ right.T) - raw * (sums.wrong @ wrong.T)) / safe
    influence = np.nan_to_num(influence) * np.sqrt(sums.people / max(sums.people - 1, 1))
    spread = _over_draws(errors, sums, raw)
    if isinstance(spread, str):
        return spread
    of_faces = sums.right @ right.T + sums.wrong @ wrong.T
    share = of_faces.sum(axis=0) / max(sums.faces, 1)
    apart = of_faces - share * (sums.right + sums.wrong).sum(axis=1, keepdims=True)
    people = np.floor(np.maximum(faces, 0) * sums.people / max(sums.faces, 1) + 1e-9).astype(np.int64)
    return CorrectedRates(raw, faces, np.vstack([influence, spread]), people, np.sqrt(np.square(apart).sum(axis=0)))


def _solve(right: Floats, wrong: Floats, sums: AssignedSums) -> tuple[Floats, Floats]:
    """Return rate and faces of every true group; the rate is NaN where no face is left."""
    x = np.linalg.solve(right.T, sums.right.sum(axis=0))
    faces = x + np.linalg.solve(wrong.T, sums.wrong.sum(axis=0))
    rate = np.divide(x, faces, out=np.full(len(x), np.nan), where=faces > 1e-9)
    return rate, np.asarray(faces)


def _over_draws(errors: LabelErrors, sums: AssignedSums, raw: Floats) -> Floats | str:
    """Return how far the rates lie from their mean over the draws of the matrix, scaled to give a covariance."""
    if not errors.draws:
        return np.zeros((0, len(raw)))
    rates = np.full((len(errors.draws), len(raw)), np.nan)
    for place, (right, wrong) in enumerate(errors.draws):
        if _smallest_singular(right, wrong) >= LEAST_SINGULAR / 2:
            rates[place] = _solve(right, wrong, sums)[0].clip(0, 1)
    usable = np.isfinite(rates[:, np.isfinite(raw)]).all(axis=1)
    if usable.mean() < 1 - MOST_UNUSABLE:
        return (
            f"too few faces were checked: {100 * (1 - usable.mean()):.0f} % of the matrices that these checks allow "
            "cannot be undone"
        )
    away = np.nan_to_num(rates - rates[usable].mean(axis=0))
    away[~usable] = 0
    return np.asarray(away / np.sqrt(max(int(usable.sum()) - 1, 1)))
