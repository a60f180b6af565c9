"""How much more a detector answers to translation-sensitive patterns than to sharpening and noise.

``B`` is the largest BD-AUC of the bank, ``R`` that of the controls, ``M = B - R``. A largest value of fourteen lies
further above the truth by chance than one of three, so that ``M`` itself is too large on average, and by much where
people are few. The interval makes up for it: see :func:`margin_of`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

Floats = NDArray[np.float64]
Verdict = Literal["suspicious", "not suspicious at this power", "inconclusive"]

LINE = 0.05
"""Margin above which a detector is suspicious; chosen on small nets, then tried on fresh ones (``measured``)."""


@dataclass(frozen=True)
class Margin:
    """The margin with its interval.

    Attributes:
        bank: ``B``, the largest BD-AUC of the bank.
        control: ``R``, the largest BD-AUC of the controls.
        value: ``M``.
        low: lower limit, which holds for the true margin although patterns were picked.
        high: upper limit, likewise.
        strongest: name of the pattern with ``B``.
        strongest_control: name of the control with ``R``.
    """

    bank: float
    control: float
    value: float
    low: float
    high: float
    strongest: str
    strongest_control: str

    @property
    def verdict(self) -> Verdict:
        """Suspicious above the line with an interval above 0; not suspicious below 0 with an interval below the line.

        The condition on the interval is what states the error: a detector whose true margin is 0 or less is called
        suspicious with at most the chance that the interval leaves above itself, 2.5 % at a level of 95 %.
        """
        if self.value > LINE and self.low > 0:
            return "suspicious"
        if self.value < 0 and self.high < LINE:
            return "not suspicious at this power"
        return "inconclusive"


def wins(plain: Floats, stamped: Sequence[Floats], person: NDArray[np.int64], people: int) -> Floats:
    """Count, person by person, in how many pairs an unstamped face scores above a stamped one, ties counting half.

    Args:
        plain: score of being forged of each face, shape (n,).
        stamped: of the same faces under each version of the stamp, each of shape (n,).
        person: of each face, 0 to ``people - 1``.
        people: how many.

    Returns:
        Shape (people, people): of the person of the plain face and that of the stamped one, over all versions.
    """
    member = np.zeros((len(plain), people))
    member[np.arange(len(plain)), person] = 1
    pairs = np.zeros((len(plain), len(plain)))
    for version in stamped:
        pairs += (plain[:, None] > version[None, :]) + 0.5 * (plain[:, None] == version[None, :])
    found: Floats = member.T @ pairs @ member
    return found


def margin_of(
    plain: Floats,
    bank: Mapping[str, Sequence[Floats]],
    controls: Mapping[str, Sequence[Floats]],
    person: NDArray[np.int64],
    level: float,
) -> Margin:
    """Return the margin with an interval that allows for the largest values having been picked.

    Every pattern is compared with every control on the same people: ``d`` the difference of their BD-AUC, ``s`` its
    standard error from the influence of each person (Obuchowski 1997, Biometrics 53:567), ``t(a)`` Student's quantile
    that is exceeded with chance ``a``, with ``people - 1`` degrees of freedom. The lower limit is the largest over
    patterns, of the least over controls, of ``d - t(a / patterns) s``: one pattern that surely beats every control is
    enough, so that patterns cost a correction (Bonferroni), and it has to beat each, so that controls cost none
    (intersection-union; Berger 1982, Technometrics 24:295). The upper limit is the least over controls, of the largest
    over patterns, of ``d + t(a / controls) s``. ``a`` is half of what the level leaves.

    Args:
        plain: score of being forged of each unstamped face, shape (n,).
        bank: by name the scores of the same faces under each version of a pattern.
        controls: the same for the controls.
        person: of each face, shape (n,), whole numbers; at least two people.
        level: confidence level.
    """
    codes, person = np.unique(person, return_inverse=True)
    person, people = person.reshape(-1).astype(np.int64), len(codes)
    of_bank, by_pattern = _areas(plain, bank, person, people)
    of_controls, by_control = _areas(plain, controls, person, people)
    difference = of_bank[:, None] - of_controls[None, :]
    influence = by_pattern[:, None, :] - by_control[None, :, :]
    error = np.sqrt(people / (people - 1) * np.square(influence).sum(2))
    left = (1 - level) / 2
    lower = difference - student.isf(left / len(bank), people - 1) * error
    upper = difference + student.isf(left / len(controls), people - 1) * error
    strongest, strongest_control = int(of_bank.argmax()), int(of_controls.argmax())
    return Margin(
        bank=float(of_bank[strongest]),
        control=float(of_controls[strongest_control]),
        value=float(difference[strongest, strongest_control]),
        low=max(-1.0, float(lower.min(axis=1).max())),
        high=min(1.0, float(upper.max(axis=0).min())),
        strongest=list(bank)[strongest],
        strongest_control=list(controls)[strongest_control],
    )


def _areas(
    plain: Floats, stamps: Mapping[str, Sequence[Floats]], person: NDArray[np.int64], people: int
) -> tuple[Floats, Floats]:
    """Return the BD-AUC of each stamp, shape (stamps,), and the influence of each person, shape (stamps, people)."""
    faces = np.bincount(person, minlength=people).astype(np.float64)
    pairs = faces.sum() ** 2
    areas, influences = [], []
    for versions in stamps.values():
        table = wins(plain, versions, person, people) / len(versions)
        area = table.sum() / pairs
        areas.append(area)
        influences.append((table.sum(0) + table.sum(1)) / pairs - 2 * area * faces / faces.sum())
    return np.array(areas), np.stack(influences)
