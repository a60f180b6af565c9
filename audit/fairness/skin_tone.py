"""The probe ``skin_tone``: how far a skin tone derived from pixels can be trusted, and how the faces spread over it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...core.attribute_spec import AttributeSpec
from ...core.derive.cutting import Cut, cut_derived
from ...core.derive.deriving import retest_of
from ...core.derive.measuring import BETWEEN_CHEEKS
from ...core.derive.retest import Retest
from ...core.probes import Note, Output, ProbeContext, ProbeParams, Scores, TableOutput, probe
from ...core.results import Direction, Estimate, Finding, Measurement

TASKS = ("expression", "forgery", "action_units", "valence_arousal")
UNCALIBRATED = "Photographs are no colorimeter: light, white balance, make-up and the camera move the angle."
SAME_SESSION = "Pictures of one session agree better than pictures of different days, cameras and lights would."


class SkinToneParams(ProbeParams):
    """The probe has nothing to set: the plan's attributes with ``derive: ita`` are what it looks at."""


@probe(
    "skin_tone",
    version=1,
    title="Skin tone from pixels",
    pillar="fairness",
    params=SkinToneParams,
    needs={"images", "landmarks"},
    tasks=TASKS,
    shows="How far a skin tone derived from the cheeks (individual typology angle) is repeated by another picture of "
    "the same person, how far the two cheeks of one picture agree, and how many faces and people stand in each band.",
    hides="The colour of anyone's skin: photographs are not calibrated. Light, white balance or make-up that goes with "
    "a group moves the whole group, which no second picture under the same light shows; and another place of the patch "
    "on the cheek gives other angles.",
    citation="Chardon et al. 1991, International Journal of Cosmetic Science 13:191; Shrout and Fleiss 1979, "
    "Psychological Bulletin 86:420",
)
def skin_tone(context: ProbeContext, params: SkinToneParams) -> Iterator[Output]:
    """Test-retest error of the skin tone derived from pixels, agreement of the cheeks, and faces by band."""
    derived = {name: spec for name, spec in context.faces.attributes.items() if spec.derive == "ita"}
    ita = context.faces.measured.get("ita")
    if not derived or ita is None:
        yield Note(
            "Nothing was measured: no attribute of the plan is derived from the pictures, as "
            "`skin_tone: {assigned_by: derived, derive: ita}` would be."
        )
        return
    usable = np.flatnonzero(np.isfinite(ita)).astype(np.int64)
    yield Scores("ita", usable, ita[usable], by_group=False, title="individual typology angle in degrees")
    yield _between_cheeks(context)
    for place, (name, spec) in enumerate(derived.items()):
        cut = cut_derived(ita, spec)
        slice_of = {"attribute": name} if place else {}
        found = retest_of(context.faces, ita, spec, context.rules)
        measured = _measurements(context, found, slice_of, whole=place == 0)
        yield from measured
        yield from _distribution(context, name, cut, usable, slice_of)
        yield _finding(context, name, spec, found, [item.key for item in measured])


def _measurements(context: ProbeContext, found: Retest, slice_of: dict[str, str], *, whole: bool) -> list[Measurement]:
    """Return the measurements of one attribute; those of the angle itself only with the first one."""
    of_angle: list[tuple[str, Estimate, Direction]] = [
        ("ita.retest_correlation", found.correlation, "higher"),
        ("ita.retest_sem", found.sem, "lower"),
        ("ita.retest_largest", found.largest, "lower"),
    ]
    of_bands: list[tuple[str, Estimate, Direction]] = [
        ("ita.retest_band_change", found.changed, "lower"),
        ("ita.retest_band_change.null_other_people", found.by_chance, "none"),
    ]
    return [
        context.measurement(name, estimate, slice=slice_of, direction=direction)
        for name, estimate, direction in (of_angle if whole else []) + of_bands
    ]


def _between_cheeks(context: ProbeContext) -> Scores | Measurement:
    difference = np.abs(context.faces.measured[BETWEEN_CHEEKS])
    rows = np.flatnonzero(np.isfinite(difference)).astype(np.int64)
    name = "ita.between_cheeks"
    if not len(rows):
        reason = "no picture has two usable cheeks"
        return context.measurement(name, Estimate.not_measured(reason, n=0), direction="lower")
    return Scores(name, rows, difference[rows], direction="lower", by_group=False, keep=False)


def _distribution(
    context: ProbeContext, name: str, cut: Cut, usable: NDArray[np.int64], slice_of: dict[str, str]
) -> Iterator[Output]:
    """Yield the share of pictures in each band, each picture by its own angle, and a table of the counts."""
    people = context.faces.subject_codes[usable]
    rows = []
    for place, band in enumerate(cut.names):
        inside = cut.places[usable] == place
        if len(usable):
            yield Scores(
                "ita.share",
                usable,
                inside.astype(np.float64),
                kind="rate",
                bounds=(0, 1),
                slice={**slice_of, "band": band},
                by_group=False,
                keep=False,
            )
        rows.append({"band": band, "pictures": int(inside.sum()), "people": len(np.unique(people[inside]))})
    yield TableOutput(f"bands.{name}", pd.DataFrame(rows), f"Pictures and people by band of {name}")


def _finding(context: ProbeContext, name: str, spec: AttributeSpec, found: Retest, evidence: list[str]) -> Finding:
    """Say what the derived attribute is, and how far another picture of the person moves it."""
    changed, error, correlation = found.changed, found.sem, found.correlation
    bands = "band" if spec.bins is None else "group"
    claim = (
        f"{name} was derived from the pixels of uncalibrated pictures: it groups pictures, and is no measured skin "
        "colour. "
    )
    if changed.value is None or error.value is None:
        claim += f"How well another picture of the person repeats it was not measured: {changed.reason}."
    else:
        limits = "" if changed.low is None or changed.high is None else f" ({changed.low:.0%} to {changed.high:.0%})"
        claim += (
            f"Of {found.people:,} people with two pictures or more, {changed.value:.0%}{limits} stand in another "
            f"{bands} in another picture; one picture is off by {error.value:.1f} degrees (standard error of "
            "measurement)"
        )
        claim += "." if correlation.value is None else f", correlation {correlation.value:.3f}."
    caveats = [UNCALIBRATED, SAME_SESSION]
    if spec.of == "subject":
        caveats.append("Groups are by the median over a person's pictures; the error told is that of single pictures.")
    return context.finding(f"uncalibrated.{name}", "note", claim, evidence=evidence, caveats=caveats)
