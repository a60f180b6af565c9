"""The probe ``forged_expressions``: can a forged face rewrite the expression that a model states?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ....core.faces import FaceBatch
from ....core.probes import Note, Output, ProbeContext, Scores, probe
from ....core.results import Estimate
from ....core.statistics.slicing import slice_scores
from ...robustness.conditions import NONE, Condition, Outcomes, Perturbed, at_chance, measure
from ...robustness.losses import Summary, robustness_outputs
from ...robustness.quality import Quality
from ...robustness.sample import sample_rows
from ...robustness.strip import permitted_rows, strip
from .findings import findings_of
from .forgeries import KIND, RESAVED, Forgery, column_of
from .made import WORDS, MadeForgeries, made_forgeries
from .params import ForgedExpressionsParams
from .ready import ReadyForgeries, ready_forgeries
from .turning import BEYOND, turning_outputs

NEITHER = (
    "there are no forgeries among the faces (data.forgeries.method in the plan), and none can be made: that takes 68 "
    "or 478 landmarks (data.landmarks)"
)
_MADE_FROM = ("68", "478")
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class _Forging:
    """Does whatever a condition asks for."""

    ready: ReadyForgeries | None
    made: MadeForgeries

    def __call__(self, condition: Condition, batch: FaceBatch) -> Perturbed:
        if self.ready is not None and condition.name in self.ready.forged:
            return self.ready(condition, batch)
        return self.made(condition, batch)


@probe(
    "forged_expressions",
    version=2,
    title="Forged faces and the stated expression",
    pillar="robustness",
    params=ForgedExpressionsParams,
    needs={"model", "images"},
    tasks={"expression"},
    shows="How often a forgery changes the expression that the model states (a mouth or eyes of another photo, another "
    "person's face, a morph), how often it becomes the expression that was brought in, beside the same forging that "
    "brings in no other expression, and for which group most often.",
    hides="Forgeries of other kinds, and made by generators, unless the data hold them. Whether people would be "
    "misled, too. Whether the forgery is noticed: this model is not asked.",
    citation="Perez, Gangnet and Blake 2003, ACM TOG 22(3) (Poisson blending); Ferrara, Franco and Maltoni 2014, IJCB "
    "(morphs)",
)
def forged_expressions(context: ProbeContext, params: ForgedExpressionsParams) -> Iterator[Output]:
    """Answers to forged faces, beside those to the genuine photos they were made of."""
    genuine, forged = _genuine(context, params)
    rows = _measured_rows(context, genuine, params.faces)
    ready: ReadyForgeries | None = None
    forgeries: list[Forgery] = []
    if params.ready and len(forged):
        ready, forgeries = ready_forgeries(context, forged, rows, genuine)
    can_make = bool(params.made) and context.faces.landmarks_kind in _MADE_FROM
    names = params.made if can_make else ()
    if not forgeries and not names:
        yield from _nothing(context, NEITHER, len(rows))
        return
    reason = at_chance(context, rows)
    if reason:
        yield from _nothing(context, reason, len(rows))
        return
    some = sample_rows(rows, context.faces.subject_codes[rows], params.made_faces, context.random("made"))
    made, making = made_forgeries(context, names, some, genuine)
    forgeries += making
    conditions = [each.condition for each in forgeries]
    conditions += dict.fromkeys([each.control for each in forgeries] + [RESAVED])
    forging = _Forging(ready, made)
    outcomes = measure(context, rows, conditions, forging)
    # Whether an answer to a forgery is right is no question: a spliced smile is one. What is counted is changes.
    outcomes = replace(outcomes, quality=Quality(context.predictions, labelled=False))
    summaries = [
        Summary(each.condition.values, (outcomes.conditions.index(each.condition),), each.words, gaps=True)
        for each in forgeries
    ]
    yield from robustness_outputs(context, outcomes, summaries, tolerance=params.tolerance, clean={KIND: NONE})
    outputs, told = turning_outputs(context, outcomes, forgeries, params.tolerance)
    yield from outputs
    changed = {each.forgery.condition.name: _changed(context, outcomes, each.forgery, len(forgeries)) for each in told}
    yield from findings_of(context, [each for each in told if BEYOND in each.estimates], changed)
    yield from _notes(context, params, ready, made, can_make, len(rows), len(some))
    showing = _showing(context, some if making else rows, ready, making)
    drawn = not len(permitted_rows(showing))
    yield from strip(
        showing,
        [each.condition for each in (making if drawn else forgeries)],
        forging,
        landmarks=False,
        title="Forged faces" + ("; drawn faces are given each other's face, mouth and eyes" if drawn else ""),
    )


def _genuine(context: ProbeContext, params: ForgedExpressionsParams) -> tuple[Integers, Integers]:
    """Return genuine and forged rows; without the column of the method all are genuine."""
    methods = column_of(context.faces, "method")
    if methods is None:
        return np.arange(len(context.faces), dtype=np.int64), np.empty(0, dtype=np.int64)
    genuine = np.array([method.lower() in params.genuine for method in methods], dtype=np.bool_)
    return np.flatnonzero(genuine).astype(np.int64), np.flatnonzero(~genuine).astype(np.int64)


def _showing(
    context: ProbeContext, rows: Integers, ready: ReadyForgeries | None, making: list[Forgery]
) -> ProbeContext:
    """Return the context in which a genuine face may be shown only if all that is shown of it may.

    A forgery shows another picture, too: one made here needs the permission of the row of the photo that it brings in;
    one of the data that of its own row, and of every photo of the person it names as donor, whose face it shows.
    """
    frame = context.faces.frame
    published = frame["may_publish"].to_numpy(dtype=np.bool_)
    may = np.zeros(len(frame), dtype=np.bool_)
    may[rows] = published[rows]
    for each in making:
        for row, other in each.donors.items():
            may[row] &= published[other]
    for of in ready.forged.values() if ready is not None else ():
        for row, forgery in of.items():
            shown = [forgery, *(ready.donors.get(forgery, ()) if ready is not None else ())]
            may[row] &= bool(published[shown].all())
    return replace(context, faces=replace(context.faces, frame=frame.assign(may_publish=may)))


def _measured_rows(context: ProbeContext, genuine: Integers, faces: int | None) -> Integers:
    """Return the genuine faces to ask about: those with a label where any has one, or a sample of them."""
    labelled = context.predictions.labels[genuine] >= 0
    rows = genuine[labelled] if labelled.any() else genuine
    return sample_rows(rows, context.faces.subject_codes[rows], faces, context.random("faces"))


def _changed(context: ProbeContext, outcomes: Outcomes, forgery: Forgery, questions: int) -> Estimate:
    """Return the share of answers that one way of forging changes, at the level that all of them together ask for."""
    here = outcomes.conditions.index(forgery.condition)
    kept = outcomes.possible[here]
    values = outcomes.changed[here, kept].astype(np.float64)
    scores = Scores("changed", outcomes.rows[kept], values, kind="rate", bounds=(0.0, 1.0))
    rules = replace(context.rules, level=1 - (1 - context.rules.level) / questions)
    return slice_scores(scores, context.faces.subject_codes, (), rules, context.probe_id)[0].estimate


def _nothing(context: ProbeContext, reason: str, faces: int) -> Iterator[Output]:
    yield context.measurement("changed", Estimate.not_measured(reason, n=faces), direction="lower")
    yield Note(f"No forgery was shown to the model: {reason}.")


def _notes(
    context: ProbeContext,
    params: ForgedExpressionsParams,
    ready: ReadyForgeries | None,
    made: MadeForgeries,
    can_make: bool,
    faces: int,
    some: int,
) -> Iterator[Note]:
    """Say what was asked, and what was left out."""
    if ready is not None:
        told = (
            "Forgeries of the data stand in the place of the genuine photo of the same person that most of the picture "
            "is the same as."
        )
        if ready.several:
            told += f" {ready.several:,} were not used: their photo has another of the same kind."
        if ready.orphans:
            told += f" {ready.orphans:,} were not used: their person has no genuine photo among the faces asked about."
        yield Note(told)
    if can_make:
        height, width = made.faces.height_width or (0, 0)
        yield Note(
            f"Forgeries were made here of {some:,} of {faces:,} genuine faces, in crops of {width} x {height} pixels, "
            "saved as JPEG of quality 90 and reduced to the model's input, as their controls were. Of another person "
            "a photo with another expression was taken where there is one, and for the control one with the face's own "
            "label and answer. Nothing that was made is kept but the strip of the report."
        )
        for reason, count in made.unusable.items():
            yield Note(f"No forgery could be made of {count:,} genuine faces, nor with them: {reason}.")
        for name, partners in made.partners.items():
            if len(partners) < some:
                yield Note(
                    f"{WORDS[name].capitalize()}: {some - len(partners):,} of {some:,} faces have no photo to be "
                    "forged with, or cannot be forged."
                )
        for what, failed in (("forgeries", made.failed), ("controls", made.failed_controls)):
            for reason, count in failed.items():
                if count:
                    yield Note(f"{count:,} {what} could not be made: {reason}.")
    elif params.made:
        kind = context.faces.landmarks_kind
        yield Note(f"No forgeries were made here: that takes 68 or 478 landmarks, and the faces have {kind}.")
