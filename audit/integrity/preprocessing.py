"""Do the labels fit better when channels, pixel range, mean or deviation are read otherwise than the plan says?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ...core.keys import format_key
from ...core.probes import TableOutput
from ...core.results import Estimate, Measurement, Severity
from .choosing import Ask, Better, Tried, asking, best_reading, try_readings
from .class_order import Order
from .fit import EXCESS, Fit, Labelled, fit_of, gain_of
from .material import Material
from .readings import Reading, readings, swapped
from .verdicts import Check, not_checked

CHANNELS, CHANNELS_TITLE = "channel_order", "order of the channels"
SCALE, SCALE_TITLE = "normalisation", "pixel range, mean and deviation"
ONE_SWAP_LEVEL = 0.001
"""One-sided p at which red and blue exchanged, a single question, are told though accuracy moves little."""
TELLS_APART = 0.05


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
    found = try_readings(material, given, declared, tried, ask or asking(material))
    better = best_reading(found, declared, given)
    told = _measurements(material, better, declared, given)
    table = _table(material, tried, found, declared, given)
    scale = _scale(material, better, declared, given, told, table, len(tried))
    return _channels(material, better, found.fits, declared, given), scale


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
    found: Tried,
    declared: Fit,
    given: Labelled,
) -> TableOutput:
    rows = []
    for reading in tried:
        row: dict[str, str | float | None] = {
            "reading": reading.title,
            "target.input": reading.in_plan(material.target.input),
        }
        if reading in found.fits:
            gain = gain_of(found.fits[reading].right - declared.right, given).estimate
            row |= {"faces": len(given.labels), "gain": gain.value, "low": gain.low, "high": gain.high}
        else:
            row |= {"faces": found.faces, "gain": found.gains[reading], "low": None, "high": None}
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
