"""Do the labels fit better when channels, pixel range, mean or deviation are read otherwise than the plan says?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...core.keys import format_key
from ...core.probes import TableOutput
from ...core.results import Estimate, Measurement, Severity
from .class_order import Order
from .fit import EXCESS, LEVEL, MARGIN, Fit, Gain, Labelled, fit_of, gain_of, information_gain
from .material import Bools, Floats, Integers, Material
from .readings import Reading, readings, swapped
from .verdicts import Check, not_checked

CHANNELS, CHANNELS_TITLE = "channel_order", "order of the channels"
SCALE, SCALE_TITLE = "normalisation", "pixel range, mean and deviation"
SCREENED = 24
"""Faces of each half by which the readings worth a closer look are found."""
KEPT = 3
INFORMATION_LEVEL = 0.05
"""One-sided p at which the better reading must also bring information."""
ONE_SWAP_LEVEL = 0.001
"""One-sided p at which red and blue exchanged, a single question, are told though accuracy moves little."""
TELLS_APART = 0.05
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


Ask = Callable[[Reading, Integers], Floats]
"""From a reading and places in the material to raw outputs."""


def asking(material: Material) -> Ask:
    """Return what asks the model about pixels that are read otherwise."""

    def ask(reading: Reading, places: Integers) -> Floats:
        return material.ask(places, reading.change(material.target.input))

    return ask


def preprocessing(
    material: Material, given: Labelled | str, order: Order | None, ask: Ask | None = None
) -> tuple[Check, Check]:
    """Judge channel order and normalisation by the labels.

    Every reading is tried on some faces, the best of them on all.

    Args:
        material: the faces.
        given: their labels, or why nothing can be judged by them.
        order: that of the classes where another fits better.
        ask: gives outputs under a reading; the model unless given.
    """
    if isinstance(given, str):
        return _not_checked(material, given)
    if order is not None:
        given = given.reordered(order)
    declared = fit_of(material.log_probabilities(material.outputs)[given.places], given.labels)
    tried = readings(material.target.input)
    fits, screened = _try(material, given, declared, tried, ask or asking(material))
    better = _better(fits, declared, given)
    told = _measurements(material, better, declared, given)
    table = _table(material, tried, fits, screened, declared, given)
    scale = _scale(material, better, declared, given, told, table, len(tried))
    return _channels(material, better, fits, declared, given), scale


def _try(
    material: Material, given: Labelled, declared: Fit, tried: list[Reading], ask: Ask
) -> tuple[dict[Reading, Fit], dict[Reading, float]]:
    """Return the fit of the readings worth a closer look, and the gain of every reading on the faces all were tried on.

    Each half chooses its own by its own faces, so that what one half likes is judged by people it has not seen.
    """
    places = np.union1d(_few(given, given.second), _few(given, ~given.second))
    some = _only(given, places)
    base = Fit(declared.right[places], declared.log_probability[places], declared.logs[places])
    first = {reading: _fit(material, some, reading, ask) for reading in tried}
    best = set()
    for half in (some.second, ~some.second):
        ranked = sorted(tried, key=lambda each: first[each].score(half, some.weights) - each.price, reverse=True)
        best |= set(ranked[:KEPT])
    exchanged = swapped(material.target.input)
    kept = [reading for reading in tried if reading in best or reading == exchanged]
    gains = {reading: fit.accuracy(some.weights) - base.accuracy(some.weights) for reading, fit in first.items()}
    return {reading: _fit(material, given, reading, ask) for reading in kept}, gains


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


def _better(fits: Mapping[Reading, Fit], declared: Fit, given: Labelled) -> Better:
    """Choose on each half and judge on the other; choose the one to name on all."""
    difference, information, right = (np.zeros(len(given.labels)) for _ in range(3))
    for judged in (given.second, ~given.second):
        chosen = _choose(fits, declared, ~judged, given.weights)
        fit = declared if chosen is None else fits[chosen]
        difference = np.where(judged, fit.right - declared.right, difference)
        right = np.where(judged, fit.right, right)
        if chosen is not None:
            information = np.where(judged, information_gain(declared, fit, ~judged, given), information)
    everyone = np.ones(len(given.labels), dtype=np.bool_)
    named = _choose(fits, declared, everyone, given.weights)
    accuracy = float((right * given.weights).sum() / given.weights.sum())
    scores = {reading: fit.score(everyone, given.weights) for reading, fit in fits.items()}
    best = scores.get(named, 1.0) if named is not None else 1.0
    as_well = tuple(reading for reading in fits if reading != named and scores[reading] >= best - AS_WELL)
    return Better(named, as_well, gain_of(difference, given), gain_of(information, given), accuracy)


def _choose(fits: Mapping[Reading, Fit], declared: Fit, which: Bools, weights: Floats) -> Reading | None:
    """Return the reading with the best score less its price; ``None`` for the declared one."""
    scores: dict[Reading | None, float] = {None: declared.score(which, weights)}
    scores.update({reading: fit.score(which, weights) - reading.price for reading, fit in fits.items()})
    return max(scores, key=lambda reading: scores[reading])


def _scale(
    material: Material,
    better: Better,
    declared: Fit,
    given: Labelled,
    told: tuple[Measurement, ...],
    table: TableOutput,
    count: int,
) -> Check:
    accuracy = declared.accuracy(given.weights)
    reading = better.reading
    if better.surely(given) and reading is not None and reading.other_scale:
        return Check(
            SCALE,
            SCALE_TITLE,
            "differs",
            _fits_better(reading, accuracy, better),
            _advice(material, reading, better.as_well),
            measurements=told,
            further=(table,),
            caveats=(_CAVEAT,),
            p_adjusted=_adjusted(better),
        )
    near = given.chance + EXCESS * (1 - given.chance)
    if accuracy < near and better.accuracy < near:
        why = f"balanced accuracy is {accuracy:.3f}, near chance ({given.chance:.3f}), however pixels are read"
        return Check(SCALE, SCALE_TITLE, "not checked", why, measurements=told, further=(table,))
    best = f"; the best, {reading.title}: {better.gain.words}" if reading is not None else ""
    seen = (
        f"none of {count} other readings fits substantially better than the declared one "
        f"(balanced accuracy {accuracy:.3f}){best}"
    )
    return Check(SCALE, SCALE_TITLE, "holds", seen, measurements=told, further=(table,))


def _channels(material: Material, better: Better, fits: Mapping[Reading, Fit], declared: Fit, given: Labelled) -> Check:
    context, accuracy = material.context, declared.accuracy(given.weights)
    exchanged = swapped(material.target.input)
    if exchanged is None:
        why = "the net is given grey pictures"
        return not_checked(CHANNELS, CHANNELS_TITLE, why, _no_gain(material, "channel_order_gain", why))
    other = fits[exchanged]
    gain = gain_of(other.right - declared.right, given)
    told = (context.measurement("channel_order_gain", gain.estimate, direction="lower"),)
    reading = better.reading
    if better.surely(given) and reading is not None and reading.other_channels:
        return Check(
            CHANNELS,
            CHANNELS_TITLE,
            "differs",
            _fits_better(reading, accuracy, better),
            _advice(material, reading, better.as_well),
            measurements=told,
            also=(format_key(context.probe_id, "preprocessing_gain"),),
            caveats=(_CAVEAT,),
            p_adjusted=_adjusted(better),
        )
    likelier = gain_of(other.log_probability - declared.log_probability, given)
    surer = gain_of(np.exp(other.log_probability) - np.exp(declared.log_probability), given)
    p = max(likelier.p_value, surer.p_value)
    both = (
        f"balanced accuracy {accuracy:.3f} as declared ({material.target.input.channels}), "
        f"{other.accuracy(given.weights):.3f} with red and blue exchanged"
    )
    if gain.value >= 0 and p <= ONE_SWAP_LEVEL:
        severity: Severity = "low"
        return Check(
            CHANNELS,
            CHANNELS_TITLE,
            "differs",
            f"the labels are more probable with red and blue exchanged: {both}, {gain.words}; probability of the label "
            f"{surer.words}",
            _advice(material, exchanged),
            severity=severity,
            measurements=told,
            caveats=("The answers hardly change; the order matters little to these faces.", _CAVEAT),
            p_adjusted=p,
        )
    less = max(1 - likelier.p_value, 1 - surer.p_value)
    if gain.value <= 0 and (less <= TELLS_APART or 1 - gain.p_value <= TELLS_APART):
        return Check(CHANNELS, CHANNELS_TITLE, "holds", both, measurements=told)
    why = f"these faces do not tell the two orders apart: {both}, {gain.words}"
    return not_checked(CHANNELS, CHANNELS_TITLE, why, told)


_CAVEAT = (
    "The labels speak of these faces: pictures much brighter, darker or paler than those of training can fit better "
    "under another reading too."
)


def _fits_better(reading: Reading, accuracy: float, better: Better) -> str:
    return (
        f"the labels fit better when pixels are read as {reading.title}: balanced accuracy {accuracy:.3f} as declared "
        f"and {better.accuracy:.3f} so, {better.gain.words} for people by whom the reading was not chosen"
    )


def _advice(material: Material, reading: Reading, as_well: tuple[Reading, ...] = ()) -> str:
    others = f" (nearly as well: {'; '.join(each.title for each in as_well)})" if as_well else ""
    return (
        "Compare target.input with how the net was trained; what fits best here is "
        f"{reading.in_plan(material.target.input)}{others}"
    )


def _adjusted(better: Better) -> float:
    return min(1.0, max(better.gain.p_value, better.information.p_value))


def _measurements(material: Material, better: Better, declared: Fit, given: Labelled) -> tuple[Measurement, ...]:
    context = material.context
    return (
        context.measurement("preprocessing_gain", better.gain.estimate, direction="lower"),
        context.measurement("preprocessing_gain.p", Estimate(value=better.gain.p_value, subjects=given.people)),
        context.measurement("preprocessing_information", better.information.estimate, direction="lower"),
    )


def _table(
    material: Material,
    tried: list[Reading],
    fits: Mapping[Reading, Fit],
    screened: Mapping[Reading, float],
    declared: Fit,
    given: Labelled,
) -> TableOutput:
    rows = []
    for reading in tried:
        row: dict[str, str | float | None] = {
            "reading": reading.title,
            "target.input": reading.in_plan(material.target.input),
        }
        if reading in fits:
            gain = gain_of(fits[reading].right - declared.right, given).estimate
            row |= {"faces": len(given.labels), "gain": gain.value, "low": gain.low, "high": gain.high}
        else:
            row |= {"faces": 2 * SCREENED, "gain": screened[reading], "low": None, "high": None}
        rows.append(row)
    frame = pd.DataFrame(rows).sort_values("gain", ascending=False, ignore_index=True)
    return TableOutput("readings", frame, "Gain in balanced accuracy when pixels are read otherwise than declared")


def _no_gain(material: Material, metric: str, why: str) -> tuple[Measurement, ...]:
    return (material.context.measurement(metric, Estimate.not_measured(why), direction="lower"),)


def _not_checked(material: Material, why: str) -> tuple[Check, Check]:
    return (
        not_checked(CHANNELS, CHANNELS_TITLE, why, _no_gain(material, "channel_order_gain", why)),
        not_checked(SCALE, SCALE_TITLE, why, _no_gain(material, "preprocessing_gain", why)),
    )
