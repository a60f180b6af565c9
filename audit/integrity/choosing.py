"""Which other reading of the pixels fits the labels best: chosen by half of the people, judged by the other half."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .fit import EXCESS, LEVEL, MARGIN, Fit, Gain, Labelled, fit_of, gain_of, information_gain
from .material import Bools, Floats, Integers, Material
from .readings import Reading, swapped

SCREENED = 24
"""Faces of each half by which the readings worth a closer look are found."""
KEPT = 3
INFORMATION_LEVEL = 0.05
"""One-sided p at which the better reading must also bring information."""
AS_WELL = 0.03
"""Readings whose score is less than this below the best are told beside it."""


@dataclass(frozen=True)
class Better:
    """The reading that fits best among those looked at closely, and by how much for other people.

    Attributes:
        reading: chosen on all people, or ``None`` where the declared one fits best.
        as_well: readings that fit all people nearly as well as ``reading``.
        gain: in balanced accuracy, of the reading chosen by the other half over the declared one.
        information: likewise in nats after recalibration.
        accuracy: balanced accuracy that the gain comes to.
    """

    reading: Reading | None
    as_well: tuple[Reading, ...]
    gain: Gain
    information: Gain
    accuracy: float

    def surely(self, given: Labelled) -> bool:
        """Whether another reading fits substantially better; the rule stands in docs/integrity.md."""
        return (
            self.reading is not None
            and self.gain.bound(LEVEL) > MARGIN
            and self.information.p_value <= INFORMATION_LEVEL
            and self.accuracy >= given.chance + EXCESS * (1 - given.chance)
        )


@dataclass(frozen=True)
class Tried:
    """What came of trying the readings.

    Attributes:
        fits: of those looked at closely, on all faces.
        of_first: those that the first half of the people may choose from.
        of_second: those that the second half may choose from.
        gains: gain in balanced accuracy of every reading on the faces on which all were tried.
        faces: how many those are.
    """

    fits: Mapping[Reading, Fit]
    of_first: frozenset[Reading]
    of_second: frozenset[Reading]
    gains: Mapping[Reading, float]
    faces: int


Ask = Callable[[Reading, Integers], Floats]
"""From a reading and places in the material to raw outputs."""


def asking(material: Material) -> Ask:
    """Return what asks the model about pixels that are read otherwise."""

    def ask(reading: Reading, places: Integers) -> Floats:
        return material.ask(places, reading.change(material.target.input))

    return ask


def try_readings(material: Material, given: Labelled, declared: Fit, tried: list[Reading], ask: Ask) -> Tried:
    """Try every reading on some faces, and those worth a closer look on all.

    Each half picks its own by its own faces, so that what one half likes is judged by people it has not seen.
    """
    places = np.union1d(_few(given, given.second), _few(given, ~given.second))
    some = _only(given, places)
    base = Fit(declared.right[places], declared.log_probability[places], declared.logs[places])
    first = {reading: _fit(material, some, reading, ask) for reading in tried}
    picked = []
    for half in (some.second, ~some.second):
        ranked = sorted(tried, key=lambda each: first[each].score(half, some.weights) - each.price, reverse=True)
        picked.append(frozenset(ranked[:KEPT]))
    exchanged = swapped(material.target.input)
    always = frozenset() if exchanged is None else frozenset({exchanged})
    of_second, of_first = (each | always for each in picked)
    kept = [reading for reading in tried if reading in of_second | of_first]
    gains = {reading: fit.accuracy(some.weights) - base.accuracy(some.weights) for reading, fit in first.items()}
    fits = {reading: _fit(material, given, reading, ask) for reading in kept}
    return Tried(fits, of_first, of_second, gains, len(places))


def _few(given: Labelled, half: Bools) -> Integers:
    """Return some faces of a half, of each label in turn, in order."""
    turn = np.zeros(len(given.labels), dtype=np.int64)
    for label in np.unique(given.labels):
        mine = np.flatnonzero(half & (given.labels == label))
        turn[mine] = np.arange(len(mine))
    inside = np.flatnonzero(half)
    return np.sort(inside[np.argsort(turn[inside], kind="stable")][:SCREENED])


def _only(given: Labelled, which: Integers) -> Labelled:
    return Labelled(
        given.places[which],
        given.labels[which],
        given.weights[which],
        given.person[which],
        given.people,
        given.second[which],
        given.classes,
    )


def _fit(material: Material, given: Labelled, reading: Reading, ask: Ask) -> Fit:
    return fit_of(material.log_probabilities(ask(reading, given.places)), given.labels)


def best_reading(tried: Tried, declared: Fit, given: Labelled) -> Better:
    """Choose on each half and judge on the other; choose the one to name on all."""
    fits = tried.fits
    difference, information, right = (np.zeros(len(given.labels)) for _ in range(3))
    for judged, own in ((given.second, tried.of_first), (~given.second, tried.of_second)):
        chosen = _choose({each: fit for each, fit in fits.items() if each in own}, declared, ~judged, given.weights)
        fit = declared if chosen is None else fits[chosen]
        difference = np.where(judged, fit.right - declared.right, difference)
        right = np.where(judged, fit.right, right)
        if chosen is not None:
            information = np.where(judged, information_gain(declared, fit, ~judged, given), information)
    everyone = np.ones(len(given.labels), dtype=np.bool_)
    named = _choose(fits, declared, everyone, given.weights)
    accuracy = float((right * given.weights).sum() / given.weights.sum())
    scores = {reading: fit.score(everyone, given.weights) for reading, fit in fits.items()}
    best = scores[named] if named is not None else 1.0
    if named is not None and named.other_channels and named.other_scale:
        simpler = [each for each in fits if each.price < named.price and scores[each] >= best - AS_WELL]
        named = max(simpler, key=lambda each: scores[each], default=named)
    as_well = tuple(reading for reading in fits if reading != named and scores[reading] >= best - AS_WELL)
    return Better(named, as_well, gain_of(difference, given), gain_of(information, given), accuracy)


def _choose(fits: Mapping[Reading, Fit], declared: Fit, which: Bools, weights: Floats) -> Reading | None:
    """Return the reading with the best score less its price; ``None`` for the declared one."""
    scores: dict[Reading | None, float] = {None: declared.score(which, weights)}
    scores.update({reading: fit.score(which, weights) - reading.price for reading, fit in fits.items()})
    return max(scores, key=lambda reading: scores[reading])
