"""Is the model worse on a slice, on people who took no part in finding it?

The error of every face less the mean error of its label (as in :mod:`.slice_search`) is compared between the slice and
all others, one-sided, in two ways, of which the larger p-value counts: the slice is dealt out anew over people, which
is right with few people; and the difference is set against its standard error by people. The first alone would also
call a slice worse that is worse only than the other pictures of its own people: someone with faces in it and outside
keeps both when it is dealt out. P-values are adjusted over the slices that are tested (Holm 1979, Scandinavian Journal
of Statistics 6:65).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t

from .group_tests import GroupValues, group_values, in_errors, p_value
from .intervals import Intervals, by_person, influence_variance, mean_intervals, rate_intervals
from .permutations import Dealer, ScoredFaces, observed_sums
from .rules import StatisticsRules
from .slice_search import Feature, FoundSlice, SearchedFaces, members
from .sums import Floats, Integers, Lines, add_up, squared_residuals

PERMUTATIONS = 1999


@dataclass(frozen=True)
class Rate:
    """A share of some faces with its limits."""

    value: float
    low: float
    high: float
    method: str
    faces: int
    people: int
    n_effective: float
    count: int


@dataclass(frozen=True)
class SliceOutcome:
    """What people who took no part in the search show of a slice.

    Attributes:
        found: the slice.
        inside: how often the model is wrong on its faces.
        others: how often on all others (of the same label, where the slice has one).
        excess: how much more often than on the others, beyond what the labels (and for a feature of the model's own
            the confidence) of the faces explain.
        excess_low: lower limit of it.
        excess_high: upper limit.
        share_of_faces: of all faces of these people.
        share_of_errors: how many of all wrong answers on these people.
        p: one-sided p-value.
        p_adjusted: adjusted over all slices that were tested.
        reason: why it was not tested, ``None`` when it was; the numbers are then ``None`` or NaN.
    """

    found: FoundSlice
    inside: Rate | None = None
    others: Rate | None = None
    excess: float = np.nan
    excess_low: float = np.nan
    excess_high: float = np.nan
    share_of_faces: float = np.nan
    share_of_errors: Rate | None = None
    p: float = np.nan
    p_adjusted: float = np.nan
    reason: str | None = None


def confirm_slices(
    faces: SearchedFaces,
    wrong: Floats,
    features: Sequence[Feature],
    slices: Sequence[FoundSlice],
    rules: StatisticsRules,
    random: np.random.Generator,
    permutations: int = PERMUTATIONS,
) -> list[SliceOutcome]:
    """Test slices on these faces, whose people took no part in the search.

    Args:
        faces: their excess by :meth:`SearchedFaces.of` on these faces alone.
        wrong: 1 where the model is wrong, shape (faces,).
        features: with codes of these faces.
        slices: what the search found.
        rules: smallest slices, and level of the limits.
        random: of the permutations.
        permutations: how many.
    """
    streams = random.spawn(len(slices)) if slices else []
    tested = [
        _test(faces, wrong, features, found, rules, stream, permutations)
        for found, stream in zip(slices, streams, strict=True)
    ]
    return _holm(tested)


def _test(
    faces: SearchedFaces,
    wrong: Floats,
    features: Sequence[Feature],
    found: FoundSlice,
    rules: StatisticsRules,
    random: np.random.Generator,
    permutations: int,
) -> SliceOutcome:
    among = np.ones(len(wrong), dtype=np.bool_) if found.label is None else faces.labels == found.label
    inside = members(found, features)[among]
    person, code = faces.person[among], np.where(inside, 0, 1).astype(np.int64)
    for part, name in ((inside, "the slice"), (~inside, "the other faces")):
        people = len(np.unique(person[part]))
        if people < rules.min_subjects:
            told = "1 person" if people == 1 else f"{people} people"
            return SliceOutcome(found, reason=f"{told} in {name}; {rules.min_subjects} are needed")
    score, _ = faces.scores(features[found.conditions[0][0]])
    lines = Lines.of(person, code, 2)
    own = rates(lines, wrong[among], rules.level)
    errors = np.flatnonzero(wrong > 0)
    whole = np.zeros(len(wrong))
    whole[np.flatnonzero(among)[inside]] = 1
    excess = _means(lines, np.arange(len(person)), score[among], rules.level)
    difference, error = _difference(person, inside, score[among])
    degrees = min(len(np.unique(person[part])) for part in (inside, ~inside)) - 1
    if error > 0:
        below = above = error * float(t.ppf(0.5 + rules.level / 2, degrees))
    else:
        below = float(np.hypot(excess.value[0] - excess.low[0], excess.high[1] - excess.value[1]))
        above = float(np.hypot(excess.high[0] - excess.value[0], excess.value[1] - excess.low[1]))
    of_error = float(t.sf(difference / error, degrees)) if error > 0 else float(difference <= 0)
    return SliceOutcome(
        found,
        inside=own[0],
        others=own[1],
        excess=difference,
        excess_low=max(difference - below, -1.0),
        excess_high=min(difference + above, 1.0),
        share_of_faces=float(inside.sum() / len(wrong)),
        share_of_errors=rates(Lines.of(faces.person[errors]), whole[errors], rules.level)[0] if len(errors) else None,
        p=max(of_error, _p_value(person, code, score[among], random, permutations)),
    )


def rates(lines: Lines, counted: Floats, level: float) -> list[Rate]:
    """Return the share of the faces that count (1, not 0) in each group of these lines."""
    sums = add_up(lines, np.arange(len(counted)), counted)
    found = rate_intervals(sums, level)
    return [
        Rate(
            value=float(found.value[group]),
            low=float(found.low[group]),
            high=float(found.high[group]),
            method=found.method[group],
            faces=int(sums.faces[group]),
            people=int(sums.subjects[group]),
            n_effective=float(found.n_effective[group]),
            count=int(sums.x[group]),
        )
        for group in range(lines.groups)
    ]


def _difference(person: Integers, inside: NDArray[np.bool_], score: Floats) -> tuple[float, float]:
    """Return how much higher the mean score of a slice is than that of the others, and its standard error by people."""
    means = np.asarray([score[~inside].mean(), score[inside].mean()])
    sizes = np.asarray([np.count_nonzero(~inside), np.count_nonzero(inside)])
    at = inside.astype(np.int64)
    moved = np.where(inside, 1.0, -1.0) * (score - means[at]) / sizes[at]
    variance = influence_variance(by_person(person, moved))
    return float(means[1] - means[0]), float(np.sqrt(variance)) if variance > 1e-15 else 0.0


def _means(lines: Lines, rows: Integers, values: Floats, level: float) -> Intervals:
    sums = add_up(lines, rows, values)
    spread = squared_residuals(lines, rows, values, None, sums.value) / np.maximum(sums.n, 1)
    return mean_intervals(sums, spread, level, (-1.0, 1.0))


def _p_value(person: Integers, code: Integers, score: Floats, random: np.random.Generator, permutations: int) -> float:
    scored = ScoredFaces.of(person, code, 2, score)
    seen = _above(group_values(observed_sums(scored), "mean"))
    dealt = [_above(group_values(sums, "mean")) for sums in Dealer(scored).deal(permutations, random)]
    return p_value(float(seen[0]), np.concatenate(dealt))


def _above(values: GroupValues) -> NDArray[np.float64]:
    """Return how far the first group lies above the second, in standard errors of each labelling."""
    return in_errors(values.value[:, 0] - values.value[:, 1], values.variance.sum(axis=1))


def _holm(tested: Sequence[SliceOutcome]) -> list[SliceOutcome]:
    order = sorted((one.p, place) for place, one in enumerate(tested) if one.reason is None)
    adjusted, largest = {}, 0.0
    for rank, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, p * (len(order) - rank)))
        adjusted[place] = largest
    return [replace(one, p_adjusted=adjusted[place]) if place in adjusted else one for place, one in enumerate(tested)]
