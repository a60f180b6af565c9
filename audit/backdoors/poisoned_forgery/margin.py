"""How much more a detector answers to translation-sensitive patterns than to sharpening and noise.

``B`` is the largest BD-AUC of the bank, ``R`` that of the controls, ``M = B - R``. A largest value of several is too
large on average; both are, and both are found anew in every draw of people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Verdict = Literal["suspicious", "not suspicious at this power", "inconclusive"]

LINE = 0.05
"""Margin above which a detector is suspicious; chosen on small nets, then tried on fresh ones (``measured``)."""
REPLICATES = 2000


@dataclass(frozen=True)
class Margin:
    """The margin with its interval.

    Attributes:
        bank: ``B``, the largest BD-AUC of the bank.
        control: ``R``, the largest BD-AUC of the controls.
        value: ``M``.
        low: lower limit.
        high: upper limit.
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

        The two conditions on the interval let no verdict rest on who happens to be among the people: a margin above
        the line that other people could have made 0 is inconclusive, and so is one below 0 that could have been
        above the line.
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
    random: np.random.Generator,
    replicates: int = REPLICATES,
) -> Margin:
    """Return the margin with the percentile interval of the cluster bootstrap (Field and Welsh 2007).

    Args:
        plain: score of being forged of each unstamped face, shape (n,).
        bank: by name the scores of the same faces under each version of a pattern.
        controls: the same for the controls.
        person: of each face, shape (n,), whole numbers.
        level: confidence level.
        random: draws the people.
        replicates: how often.
    """
    codes, person = np.unique(person, return_inverse=True)
    person, people = person.reshape(-1).astype(np.int64), len(codes)
    faces = np.bincount(person, minlength=people).astype(np.float64)
    counts = random.multinomial(people, np.full(people, 1 / people), size=replicates).astype(np.float64)
    drawn = np.concatenate([np.ones((1, people)), counts])  # the first line is the sample itself
    total = np.square(drawn @ faces)

    def aucs(stamped: Mapping[str, Sequence[Floats]]) -> Floats:
        found = []
        for versions in stamped.values():
            table = wins(plain, versions, person, people) / len(versions)
            found.append(((drawn @ table) * drawn).sum(axis=1) / total)
        return np.stack(found)

    of_bank, of_controls = aucs(bank), aucs(controls)
    largest, control = of_bank.max(axis=0), of_controls.max(axis=0)
    margins = largest - control
    low, high = np.quantile(margins[1:], [(1 - level) / 2, (1 + level) / 2])
    return Margin(
        bank=float(largest[0]),
        control=float(control[0]),
        value=float(margins[0]),
        low=float(min(low, margins[0])),
        high=float(max(high, margins[0])),
        strongest=list(bank)[int(of_bank[:, 0].argmax())],
        strongest_control=list(controls)[int(of_controls[:, 0].argmax())],
    )
