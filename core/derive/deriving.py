"""Attributes that the plan asks to derive from the pictures: measured once a run, cut into groups, told in notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..errors import PlanError
from ..plan import AttributeSpec, DataSpec
from ..probes import ProgressFactory
from ..statistics.groups import MISSING
from .cutting import Cut, cut_derived
from .kept import keep, read_kept
from .measuring import BY_LANDMARKS, Measured, measure_pictures
from .regions import Floats
from .retest import Retest, retest

if TYPE_CHECKING:
    from ..faces import Faces
    from ..statistics.rules import StatisticsRules

MEANING = {
    "ita": "skin tone from the pixels of the cheeks (individual typology angle), uncalibrated: it groups pictures and "
    "is no measured skin colour",
    "yaw": "where the tip of the nose lies between the eyes, by landmarks: a proxy of the turn of the head, no angle",
    "sharpness": "variance of the Laplacian of the face at 128 pixels: falls with blur, rises with noise, beards and "
    "wrinkles",
    "brightness": "mean luma of the face's box, 0 to 1: light and skin together, with hair and background in the box",
    "face_size": "side of the face's box in pixels of the picture as stored",
}


def derived_of(data: DataSpec) -> dict[str, AttributeSpec]:
    """Return the attributes that the plan asks to derive, by name."""
    return {name: spec for name, spec in data.attributes.items() if spec.derive is not None}


def check_derivable(faces: Faces, data: DataSpec) -> None:
    """Refuse a plan that asks to derive what its landmarks cannot give.

    Raises:
        PlanError: with what is missing and what to do.
    """
    for name, spec in derived_of(data).items():
        if spec.derive not in BY_LANDMARKS or faces.height_width is None:
            continue
        told = f"data.attributes.{name} asks to derive {spec.derive}, which needs landmarks of every face, "
        if faces.aligned:
            raise PlanError(
                f"{told}but data.landmarks is `aligned`: a template that is assumed to fit every crop does not say "
                "where the cheeks and the nose of one face lie; give an .npz or columns of 5, 68 or 478 points, or "
                "take the attribute out"
            )
        if faces.source is None:
            raise PlanError(
                f"{told}but the plan names none: give data.landmarks (an .npz or columns of 5, 68 or 478 points), or "
                "take the attribute out"
            )


def with_derived(
    faces: Faces,
    data: DataSpec,
    rules: StatisticsRules,
    progress: ProgressFactory,
    kept_at: Callable[[Sequence[str]], Path] | None = None,
) -> tuple[Faces, tuple[str, ...]]:
    """Add the attributes that the plan asks to derive.

    Args:
        faces: the faces, their derived attributes not among ``faces.attributes`` yet.
        data: the plan's data block.
        rules: level of confidence and smallest number of people.
        progress: opens a progress bar.
        kept_at: names the file in which some measures of these faces are kept for another run; ``None`` keeps nothing.

    Returns:
        The faces with every attribute that could be derived, and notes on how, on how well it is repeated, and on what
        could not be derived.

    Raises:
        PlanError: when the landmarks cannot give what is asked.
    """
    asked = {name: spec for name, spec in derived_of(data).items() if name not in faces.frame.columns}
    if not asked:
        return faces, ()
    if faces.height_width is None:
        return faces, tuple(
            f"{name} was not derived and nothing was measured by it: the target is a table of predictions, without "
            f"pictures (a column {name!r} of the table would be taken as it is)."
            for name in asked
        )
    check_derivable(faces, data)
    measured = _measured(faces, [spec.derive for spec in asked.values() if spec.derive], progress, kept_at)
    frame = faces.frame.copy()
    notes: list[str] = []
    reliability: dict[str, str] = {}
    for name, spec in asked.items():
        assert spec.derive is not None
        found = measured[spec.derive]
        numbers = _of_person(faces, found.numbers) if spec.of == "subject" else found.numbers
        cut = cut_derived(numbers, spec)
        frame[name] = _as_groups(cut)
        if spec.derive == "ita":
            reliability[name] = told_retest(retest_of(faces, found.numbers, spec, rules))
        notes += _notes(name, spec, found, cut, reliability.get(name, ""))
    complete = replace(
        faces,
        frame=frame,
        attributes={name: spec for name, spec in data.attributes.items() if name in frame.columns},
        intersections=[names for names in data.intersections if set(names) <= set(frame.columns)],
        measured={name: found.numbers for name, found in measured.items()},
        reliability=reliability,
    )
    return complete, tuple(notes)


def _measured(
    faces: Faces,
    measures: Sequence[str],
    progress: ProgressFactory,
    kept_at: Callable[[Sequence[str]], Path] | None,
) -> dict[str, Measured]:
    """Measure the pictures, or take what an earlier run kept of the same ones."""
    file = kept_at(measures) if kept_at is not None else None
    with progress("faces", len(faces)) as advance:
        found = read_kept(file, len(faces)) if file is not None else None
        if found is not None:
            advance(len(faces))
            return found
        found = measure_pictures(faces, measures, advance)
    if file is not None:
        keep(file, found)
    return found


def _of_person(faces: Faces, numbers: Floats) -> Floats:
    """Return, for each picture, the median over the usable pictures of its person."""
    median: Floats = pd.Series(numbers).groupby(faces.subject_codes).transform("median").to_numpy(np.float64)
    return median


def _as_groups(cut: Cut) -> pd.Series:
    names = [*cut.names, MISSING]
    places = np.where(cut.places < 0, len(cut.names), cut.places)
    present = [name for place, name in enumerate(names) if (places == place).any()]
    return pd.Series([names[place] for place in places], dtype=object).astype(pd.CategoricalDtype(present))


def retest_of(faces: Faces, numbers: Floats, spec: AttributeSpec, rules: StatisticsRules) -> Retest:
    """Compare the pictures of one person, each put into a group of its own."""
    return retest(
        numbers,
        cut_derived(numbers, spec).places,
        faces.subject_codes,
        level=rules.level,
        min_people=rules.min_subjects,
        unit="degrees" if spec.derive == "ita" else None,
    )


def told_retest(found: Retest) -> str:
    """Say in one sentence how far pictures of one person agree."""
    changed, error, largest = found.changed, found.sem, found.largest
    if changed.value is None or error.value is None or largest.value is None:
        return f"How well another picture of a person repeats it was not measured: {changed.reason}"
    return (
        f"Pictures of one person do not repeat it exactly: {changed.count or 0:.0f} of {found.people:,} people stand "
        f"in another group in another picture; standard error of measurement {error.value:.1f} degrees, largest "
        f"difference {largest.value:.1f}"
    )


def _notes(name: str, spec: AttributeSpec, found: Measured, cut: Cut, repeated: str) -> list[str]:
    person = ", median over the pictures of the person" if spec.of == "subject" else ""
    notes = [f"{name} was derived from the pictures: {MEANING[spec.derive or '']}{person}."]
    if repeated:
        notes[0] += f" {repeated}."
    if cut.thirds:
        edges = " and ".join(f"{edge:.3g}" for edge in cut.thirds)
        notes[0] += f" The plan gives no bins: it was cut into thirds of these faces, at {edges}."
    if found.reasons:
        told = _reasons(found.reasons)
        without = int((cut.places < 0).sum())
        notes.append(
            f"{name} could not be derived from {sum(found.reasons.values()):,} of {len(cut.places):,} pictures "
            f"({told}); {without:,} faces are in the group {MISSING}."
        )
    return notes


def _reasons(reasons: Mapping[str, int]) -> str:
    return "; ".join(f"{reason}: {count:,}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1]))
