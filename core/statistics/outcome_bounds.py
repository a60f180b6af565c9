"""Between which limits rates of true groups lie when label errors may depend on the outcome in any way.

Of the ``N_ab = N_a M_ab`` faces of the true group ``a`` that were assigned ``b``, nobody knows how many are right; but
not more than all of them or all right ones assigned ``b``, and not fewer than what the wrong ones assigned ``b`` leave.
Summed over ``b`` this gives limits of the group's rate (Horowitz and Manski 1995, Econometrica 63:281), which are
attained, and for any two groups attained together. They do not shrink with more faces; what does is the error of the
ends, which is added at the level asked for.

Where the matrix cannot be undone the sizes of the true groups are not known either. Then the rate's limits are those of
a linear program over everything that the matrix and the data allow (linear-fractional, made linear after Charnes and
Cooper 1962, Naval Research Logistics 9:181).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.special import ndtri

from .misclassified import LEAST_SINGULAR, MOST_UNUSABLE, AssignedSums, LabelErrors
from .sums import Floats


@dataclass(frozen=True, eq=False)
class OutcomeBounds:
    """Ends of the rates of the true groups.

    Attributes:
        low: smallest rate of each group, shape (groups,).
        high: largest rate.
        low_influence: what moves the low ends, shape (people + draws, groups).
        high_influence: what moves the high ends.
    """

    low: Floats
    high: Floats
    low_influence: Floats
    high_influence: Floats

    def limits(self, level: float) -> tuple[Floats, Floats]:
        """Return limits of each rate that hold with confidence ``level`` whatever the errors depend on."""
        z = float(ndtri(0.5 + level / 2))
        low = self.low - z * np.sqrt(np.square(self.low_influence).sum(axis=0))
        high = self.high + z * np.sqrt(np.square(self.high_influence).sum(axis=0))
        return low.clip(0, 1), high.clip(0, 1)

    def gap_limits(self, groups: list[int], level: float) -> tuple[float, float]:
        """Return limits of the largest difference between some of the groups.

        The lower one is the largest lower limit over ordered pairs at Bonferroni's level, the upper one the largest
        upper limit over pairs at its ordinary level (intersection-union).
        """
        alpha, pairs = (1 - level) / 2, max(len(groups) * (len(groups) - 1), 1)
        strict, plain = float(ndtri(1 - alpha / pairs)), float(ndtri(1 - alpha))
        lows, highs = [0.0], [0.0]
        for one in groups:
            for other in groups:
                if one != other:
                    apart = self.low_influence[:, one] - self.high_influence[:, other]
                    lows.append(self.low[one] - self.high[other] - strict * float(np.sqrt(apart @ apart)))
                    apart = self.high_influence[:, one] - self.low_influence[:, other]
                    highs.append(self.high[one] - self.low[other] + plain * float(np.sqrt(apart @ apart)))
        return max(lows), min(max(highs), 1.0)


def bounds_of(errors: LabelErrors, sums: AssignedSums) -> OutcomeBounds | None:
    """Return the ends of the rates when errors may depend on the outcome; ``None`` where the matrix cannot be undone.

    Args:
        errors: how groups are assigned over right and wrong faces together; the matrix of the right ones is read.
        sums: sums over assigned groups.
    """
    if errors.smallest_singular < LEAST_SINGULAR:
        return None
    low, high, parts = _ends(errors.right, sums)
    scale = np.sqrt(sums.people / max(sums.people - 1, 1))
    of_people = [np.asarray(part) * scale for part in parts]
    drawn = [
        _ends(matrix, sums, influence=False)[:2]
        for matrix, _ in errors.draws
        if np.linalg.svd(matrix, compute_uv=False)[-1] >= LEAST_SINGULAR / 2
    ]
    if errors.draws and len(drawn) < (1 - MOST_UNUSABLE) * len(errors.draws):
        return None
    for side in (0, 1):
        if drawn:
            ends = np.stack([each[side] for each in drawn])
            away = (ends - ends.mean(axis=0)) / np.sqrt(max(len(ends) - 1, 1))
            of_people[side] = np.vstack([of_people[side], away])
    return OutcomeBounds(low, high, of_people[0], of_people[1])


def _ends(matrix: Floats, sums: AssignedSums, *, influence: bool = True) -> tuple[Floats, Floats, tuple[Floats, ...]]:
    """Return low and high ends, and how each person moves them: the derivative where the ends are as they are."""
    right, wrong = sums.right.sum(axis=0), sums.wrong.sum(axis=0)
    undo = np.linalg.inv(matrix.T)
    faces = np.maximum(undo @ (right + wrong), 1e-9)
    cells = faces[:, None] * matrix
    least, most = cells - wrong[None, :], np.minimum(cells, right[None, :])
    low, high = np.maximum(least, 0).sum(axis=1) / faces, most.sum(axis=1) / faces
    low, high = low.clip(0, 1), np.maximum(high.clip(0, 1), low.clip(0, 1))
    if not influence:
        return low, high, ()
    of_faces = (sums.right + sums.wrong) @ undo.T
    counts, all_of = least > 0, cells <= right[None, :]
    of_low = of_faces * (counts * matrix).sum(axis=1) - sums.wrong @ counts.T.astype(float) - low * of_faces
    of_high = of_faces * (all_of * matrix).sum(axis=1) + sums.right @ (~all_of).T.astype(float) - high * of_faces
    return low, high, (of_low / faces, of_high / faces)


def program_limits(matrix: Floats, sums: AssignedSums, level: float) -> tuple[Floats, Floats]:
    """Return limits of the rate of each true group where the matrix cannot be undone, shape (groups,) each.

    Every sum over an assigned group may be off by its error, at Bonferroni's level over all sums. A group that may be
    empty has the limits 0 and 1.

    Args:
        matrix: chances of assigned groups by true group.
        sums: sums over assigned groups.
        level: confidence level.
    """
    groups = len(matrix)
    z = float(ndtri(1 - (1 - level) / (4 * groups)))
    shares, slack = [], []
    both = (sums.right, sums.wrong)
    total = float(sum(part.sum() for part in both))
    every = sum(part.sum(axis=1) for part in both)
    for part in both:
        share = part.sum(axis=0) / total
        residual = (part - share[None, :] * np.asarray(every)[:, None]) / total
        shares.append(share)
        slack.append(z * np.sqrt(np.square(residual).sum(axis=0)))
    low, high = np.zeros(groups), np.ones(groups)
    for group in range(groups):
        low[group], high[group] = _program(matrix, shares, slack, group)
    return low, high


def _program(matrix: Floats, shares: list[Floats], slack: list[Floats], group: int) -> tuple[float, float]:
    """Return the smallest and largest rate of one true group.

    Variables, all over the share of the group: right faces of each true and assigned group, faces of each true group,
    and one over the share.
    """
    count = len(matrix)
    cells = count * count
    size = cells + count + 1
    above, limits = [], []

    def at_most(row: Floats) -> None:
        above.append(row)
        limits.append(0.0)

    for true in range(count):
        for assigned in range(count):
            row = np.zeros(size)
            row[true * count + assigned], row[cells + true] = 1.0, -matrix[true, assigned]
            at_most(row)
    for assigned in range(count):
        of_right, of_all = np.zeros(size), np.zeros(size)
        of_right[assigned:cells:count] = 1.0
        of_all[cells : cells + count] = matrix[:, assigned]
        for row, place in ((of_right, 0), (of_all - of_right, 1)):
            for sign in (1.0, -1.0):
                bound = sign * row
                bound[-1] = -sign * (shares[place][assigned] + sign * slack[place][assigned])
                at_most(bound)
    whole = np.zeros((1, size))
    whole[0, cells + group] = 1.0
    aim = np.zeros(size)
    aim[group * count : (group + 1) * count] = 1.0
    ends = []
    for sign in (1.0, -1.0):
        found = linprog(sign * aim, np.stack(above), np.asarray(limits), whole, np.ones(1), method="highs")
        if found.fun is None:  # nothing fits the matrix and the data
            return 0.0, 1.0
        ends.append(sign * float(found.fun))
    return float(np.clip(ends[0], 0, 1)), float(np.clip(ends[1], 0, 1))
