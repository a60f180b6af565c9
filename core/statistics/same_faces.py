"""How far a score changed between two models that saw the same faces: paired, by people.

A score of a run is a ratio ``sum(x) / sum(n)`` over faces, or a mean of such ratios over classes. Each face moves it
by its influence ``(x - p n) / N``. The change of two runs on the same faces moves by the difference of the two
influences, which takes in how alike the runs are wherever they answer alike. People, not faces, are independent:
influences are added up by person, and the error variance is ``m/(m-1)`` times the sum of their squares over ``m``
people. The t quantile has as many degrees of freedom as people move the change, less one: ``3 (sum psi^2)^2 / sum
psi^4``, which is ``m`` for normal influences, and at most the number of people of whom any face counts otherwise.

A change of a rate rests on the few faces that one model gets right and the other wrong, and with few of them no t is to
be trusted. There the p-value is exact: under the null hypothesis the two models are exchangeable for each person, so
every person's balance may as well have the other sign. With one face per person that is McNemar's test in its exact
form (McNemar 1947, Psychometrika 12:153). Limits are Tango's (1998, Statistics in Medicine 17:891), by the score test,
which hold with no discordant face at all; of several faces per person each number counts as many independent ones as
they are worth, as in Korn and Graubard (1998, Survey Methodology 24:193).
What these cover in simulations stands in ``docs/compare.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtri, stdtr, stdtrit

from .auroc import auroc_influence, variance_of_kinds
from .auroc_lost import auroc_lost
from .intervals import NO_VARIATION
from .rules import StatisticsRules
from .sums import Floats, Integers, total_at

TANGO = "tango_effective_n"
PAIRED_T = "paired_influence_t"
MOST_EXACT = 3000  # discordant faces up to which the sign flips are counted out
STEPS = 50
UPPER = 0.975  # the quantile by which few people are told from many, as in Korn and Graubard
ROUNDING = 1e-24  # relative to squares: no more than rounding leaves


@dataclass(frozen=True)
class Change:
    """New less old of one score on the same faces.

    Attributes:
        value: the change.
        low: lower limit at ``level``; the value itself where nothing changed in any face and no bound is known.
        high: upper limit.
        level: confidence of the two limits.
        p: two-sided p-value of no change, not adjusted.
        degrees: of freedom of the quantile, infinite for a normal one.
        method: of the limits.
        faces: that count in at least one of the runs.
        people: of these faces.
        changed: faces of which the runs say different things.
    """

    value: float
    low: float
    high: float
    level: float
    p: float
    degrees: float
    method: str
    faces: int
    people: int
    changed: int


@dataclass(frozen=True, eq=False)
class Ratio:
    """Numerator and denominator of each face, arrays of shape (faces,); 0 and 0 where a face does not count."""

    x: Floats
    n: Floats

    @property
    def value(self) -> float:
        """The ratio of the sums, NaN where nothing counts."""
        below = float(self.n.sum())
        return float(self.x.sum()) / below if below > 0 else math.nan

    @property
    def influence(self) -> Floats:
        """How much each face moves the ratio, shape (faces,)."""
        found: Floats = (self.x - self.value * self.n) / self.n.sum()
        return found

    def at(self, rows: Integers) -> Ratio:
        """Return the ratio of some of the faces."""
        return Ratio(self.x[rows], self.n[rows])


def change_of_means(
    old: Sequence[Ratio], new: Sequence[Ratio], person: Integers, level: float, *, relative: bool = False
) -> Change | None:
    """Return the change of the mean of ratios (one, or one for each class), ``None`` where one has no value.

    Args:
        old: ratios of the first run, each over the same faces; every one must count a face.
        new: those of the second run.
        person: of each face, shape (faces,).
        level: confidence of the limits.
        relative: new over old less 1 instead of new less old; ``None`` where the old value is not above 0.
    """
    before, after = (float(np.mean([each.value for each in run])) if run else math.nan for run in (old, new))
    if not (math.isfinite(before) and math.isfinite(after)) or (relative and before <= 0):
        return None
    counted = _counted([*old, *new])
    if len(old) == len(new) == 1 and not relative and _is_rate(old[0], new[0]):
        rows = np.flatnonzero(old[0].n)
        return change_of_rate(old[0].x[rows], new[0].x[rows], person[rows], level)
    scale = after / before if relative else 1.0
    moved = sum((each.influence for each in new), np.zeros(len(person))) / len(new)
    moved = moved - scale * sum((each.influence for each in old), np.zeros(len(person))) / len(old)
    if relative:
        moved = moved / before
    pairs = zip(old, new, strict=False)
    changed = np.any([(one.x != other.x) | (one.n != other.n) for one, other in pairs], axis=0)
    value = after / before - 1 if relative else after - before
    return _with_t(value, moved[counted], person[counted], changed[counted], level)


def change_of_rate(old: Floats, new: Floats, person: Integers, level: float) -> Change:
    """Return the change of a rate of faces that all count in both runs.

    Args:
        old: 0 or 1 of each face, shape (faces,).
        new: the same of the other run.
        person: of each face, shape (faces,).
        level: confidence of the limits.
    """
    difference = new - old
    faces, value = len(old), float(difference.mean())
    _, code = np.unique(person, return_inverse=True)
    code = code.reshape(-1).astype(np.int64)
    people = int(code.max()) + 1
    balance = total_at(code, difference, people)
    count = total_at(code, None, people)
    gained, lost = float((difference > 0).sum()), float((difference < 0).sum())
    worth, degrees = _independent_faces(difference, value, balance, count)
    quantile = float(ndtri(0.5 + level / 2))
    share = worth / faces
    low, high = tango_limits(gained * share, lost * share, worth, quantile)
    if gained + lost <= MOST_EXACT:
        p = sign_flip_p(balance.astype(np.int64))
    else:
        p = _p_of_t(value, balance - value * count, faces, people)
    changed = int(gained + lost)
    return Change(value, min(low, value), max(high, value), level, p, degrees, TANGO, faces, people, changed)


def change_of_auroc(
    old: Floats, new: Floats, positive: NDArray[np.bool_], person: Integers, rules: StatisticsRules
) -> Change | None:
    """Return the change of an AUROC on the same faces, ``None`` with too few people of a kind.

    Limits by MOVER with the correlation of people's influences, see :func:`~.auroc_lost.auroc_lost`; the p-value from
    the influences of the difference (DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44:837; by person as in
    Obuchowski 1997, Biometrics 53:567).

    Args:
        old: score of each face by the first model, shape (faces,).
        new: score by the second.
        positive: whether the face is of the positive kind, shape (faces,).
        person: of each face, shape (faces,).
        rules: level and smallest number of people of each kind.
    """
    estimate = auroc_lost(new, old, positive, person, rules)
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return None
    moved = auroc_influence(new, positive)[1] - auroc_influence(old, positive)[1]
    variance, degrees = variance_of_kinds(moved, positive, person)
    p = _p_value(estimate.value, math.sqrt(variance), degrees)
    people, changed = int(estimate.subjects or 0), int((old != new).sum())
    low, high = min(estimate.low, estimate.value), max(estimate.high, estimate.value)
    method = estimate.method or ""
    return Change(estimate.value, low, high, rules.level, p, degrees, method, len(old), people, changed)


def sign_flip_p(balance: Integers) -> float:
    """Return the exact two-sided p-value of people's balances when each may as well have the other sign.

    The distribution of the sum is counted out: of the people with balance ``a`` or ``-a`` a binomial number is
    positive, and the sums over different ``a`` are convolved.

    Args:
        balance: whole number of each person, shape (people,); zeros say nothing.
    """
    size = np.abs(balance[balance != 0])
    total, observed = int(size.sum()), abs(int(balance.sum()))
    if observed == 0:
        return 1.0
    chance = np.ones(1)
    for step, count in zip(*np.unique(size, return_counts=True), strict=True):
        part = np.zeros(int(step) * int(count) + 1)
        part[:: int(step)] = _fair_coins(int(count))
        chance = np.convolve(chance, part)
    at_least = np.abs(2 * np.arange(total + 1) - total) >= observed
    return float(min(chance[at_least].sum(), 1.0))


def tango_limits(gained: float, lost: float, n: float, z: float) -> tuple[float, float]:
    """Return Tango's score limits of ``(gained - lost) / n``; the three may be no whole numbers.

    The limits are where the score statistic of the difference is ``z`` and ``-z``, found by bisection.
    """
    value = (gained - lost) / n

    def beyond(delta: float) -> bool:
        b = -gained - lost + (2 * n - gained + lost) * delta
        c = -lost * delta * (1 - delta)
        rare = (math.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
        variance = n * (2 * rare + delta * (1 - delta))
        return (gained - lost - n * delta) ** 2 > z * z * max(variance, 0.0)

    def edge(outside: float) -> float:
        inside = value
        if not beyond(outside):
            return outside
        for _ in range(STEPS):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if beyond(middle) else (middle, outside)
        return inside

    return edge(-1.0), edge(1.0)


def _independent_faces(difference: Floats, value: float, balance: Floats, count: Floats) -> tuple[float, float]:
    """Return how many independent faces the paired ones are worth, and the degrees of freedom."""
    faces, people = len(difference), len(count)
    if people == faces:
        return float(faces), math.inf
    alone = float(np.square(difference - value).sum())
    if not difference.any() or people < 2:
        return float(people), max(people - 1.0, 1.0)  # nothing tells how alike faces of one person are
    together = float(np.square(balance - value * count).sum()) * people / (people - 1)
    worth = faces / max(1.0, together / alone) if alone > 0 else float(people)
    ratio = float(stdtrit(faces - 1.0, UPPER) / stdtrit(people - 1.0, UPPER))
    return worth * ratio**2, people - 1.0


def _fair_coins(count: int) -> Floats:
    """Return the chances of 0 to ``count`` heads."""
    heads = np.arange(count + 1)
    chances: Floats = np.exp(gammaln(count + 1) - gammaln(heads + 1) - gammaln(count - heads + 1) - count * math.log(2))
    return chances


def _with_t(value: float, moved: Floats, person: Integers, differs: NDArray[np.bool_], level: float) -> Change:
    _, code = np.unique(person, return_inverse=True)
    code = code.reshape(-1).astype(np.int64)
    people, changed = int(code.max()) + 1, int(differs.sum())
    squares = np.square(total_at(code, moved, people))
    total = float(squares.sum())
    if total <= ROUNDING:
        return Change(value, value, value, level, 1.0, 1.0, NO_VARIATION, len(person), people, changed)
    error = math.sqrt(total * people / max(people - 1, 1))
    moving = len(np.unique(code[differs]))
    degrees = max(min(float(moving), 3 * total**2 / float(np.square(squares).sum())) - 1, 1.0)
    half = float(stdtrit(degrees, 0.5 + level / 2)) * error
    p = _p_value(value, error, degrees)
    return Change(value, value - half, value + half, level, p, degrees, PAIRED_T, len(person), people, changed)


def _p_of_t(value: float, residual: Floats, faces: int, people: int) -> float:
    error = math.sqrt(float(np.square(residual).sum()) * people / max(people - 1, 1)) / faces
    return _p_value(value, error, max(people - 1.0, 1.0))


def _p_value(value: float, error: float, degrees: float) -> float:
    if value == 0:
        return 1.0
    return float(2 * stdtr(degrees, -abs(value) / error)) if error > 0 else 0.0


def _is_rate(old: Ratio, new: Ratio) -> bool:
    """Whether the same faces count, once each, and each is a yes or a no."""
    if not np.array_equal(old.n, new.n):
        return False
    return all(bool(np.isin(each, (0.0, 1.0)).all()) for each in (old.n, old.x, new.x))


def _counted(ratios: Sequence[Ratio]) -> Integers:
    return np.flatnonzero(np.any([each.n > 0 for each in ratios], axis=0)).astype(np.int64)
