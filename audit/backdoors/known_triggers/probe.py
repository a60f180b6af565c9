"""The probe ``known_triggers``: triggers of the literature, or the user's own, put on the audited faces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.keys import format_key
from ....core.probes import Note, Output, ProbeContext, TableOutput, probe
from ....core.results import Estimate
from ...robustness.sample import sample_rows
from ..triggers.base import Replayed
from .attraction import Attraction, attracting, attractions
from .params import FEWEST_FACES, KnownTriggersParams
from .pictures import read_picture
from .replaying import replay
from .screening import divided, screened
from .triggers import made

METRIC, NULL, EXCESS = "attack_success", "attack_success.null", "attack_success.excess"
METHOD = "rank_among_marks"


@probe(
    "known_triggers",
    version=1,
    title="Known triggers, replayed",
    pillar="integrity",
    params=KnownTriggersParams,
    needs={"model", "images"},
    tasks={"expression", "forgery"},
    shows="Whether one class attracts faces with a trigger that is known (a checkered patch, a noise picture, stripes, "
    "a warp, the stamp of Poisoned Forgery Face, or a picture of the user's) far more than faces with random marks of "
    "the same place and size.",
    hides="Every other trigger: an attacker chooses cells, noise and displacements of their own, of which the absence "
    "of a finding tells nothing. A natural weakness for just this mark looks the same as one that was planted.",
    citation="Gu et al. 2017, arXiv 1708.06733; Chen et al. 2017, arXiv 1712.05526; Barni et al. 2019, arXiv "
    "1902.11237; Nguyen and Tran 2021, arXiv 2102.10369; Liang et al. 2024, arXiv 2402.11473; Gao et al. 2019, "
    "arXiv 1902.06531",
)
def known_triggers(context: ProbeContext, params: KnownTriggersParams) -> Iterator[Output]:
    """How often known triggers turn the answer into each class, beside random marks of the same size."""
    subjects = context.faces.subject_codes
    clean, suspects = divided(context, params)
    rows = sample_rows(clean, subjects[clean], params.faces, context.random("faces"))
    people = len(np.unique(subjects[rows]))
    if len(rows) < FEWEST_FACES or people < context.rules.min_subjects:
        reason = (
            f"{len(rows)} faces of {people} people; {FEWEST_FACES} faces of {context.rules.min_subjects} people are "
            "needed"
        )
        yield _smallest(context, Estimate.not_measured(reason, n=len(rows), subjects=people))
        yield Note(f"No trigger was judged: {reason}.")
        return
    pixels = _read(context, rows)
    triggers = [*made(params.triggers, context), *(read_picture(params, image) for image in params.images)]
    asked = len(pixels) * (1 + len(triggers) * (1 + params.nulls))
    with context.progress("faces", asked) as advance:
        found = replay(
            context.model,
            pixels,
            triggers,
            params.nulls,
            context.batch_size,
            context.seed,
            lambda count: advance(count),
        )
    classes = context.model.classes
    judged = attractions(found, len(classes), rows, subjects, context.rules)
    yield Note(
        f"{len(triggers)} triggers were put on {len(rows):,} faces, each beside {params.nulls} random marks of the "
        "same place and size; a class counts faces that are not answered so without the trigger. p is a rank among the "
        f"marks, over all triggers and classes at once, and cannot be below 1/{params.nulls + 1}."
    )
    yield _table(judged, triggers, classes)
    yield from _measurements(context, judged, classes)
    yield from _verdict(context, params, judged, triggers, len(rows))
    if params.suspects is not None:
        yield from screened(context, params, pixels, _read(context, suspects))


def _read(context: ProbeContext, rows: NDArray[np.int64]) -> Tensor:
    with context.progress("pictures", len(rows)) as advance:
        parts = []
        for batch in context.faces.batches(context.batch_size, rows):
            parts.append(batch.pixels)
            advance(len(batch))
    return torch.cat(parts)


def _table(judged: Sequence[Attraction], triggers: Sequence[Replayed], classes: Sequence[str]) -> TableOutput:
    titles = {trigger.name: trigger.title for trigger in triggers}
    lines = [
        {
            "trigger": each.trigger,
            "class": classes[each.place],
            "success": each.success.value,
            "low": each.success.low,
            "high": each.success.high,
            "level": each.success.level,
            "null": each.null.value,
            "null_low": each.null.low,
            "null_high": each.null.high,
            "excess": each.excess.value,
            "excess_low": each.excess.low,
            "excess_high": each.excess.high,
            "z": each.z,
            "p": each.p,
            "p_adjusted": each.p_adjusted,
            "faces": each.faces,
            "title": titles[each.trigger],
            "reason": each.reason or each.success.reason or "",
        }
        for each in judged
    ]
    return TableOutput("replayed", pd.DataFrame(lines), "Known triggers beside random marks")


def _measurements(context: ProbeContext, judged: Sequence[Attraction], classes: Sequence[str]) -> Iterator[Output]:
    for each in judged:
        place = {"trigger": each.trigger, "class": classes[each.place]}
        yield context.measurement(METRIC, each.success, condition=place, direction="lower")
        yield context.measurement(NULL, each.null, condition=place)
        yield context.measurement(EXCESS, each.excess, condition=place, direction="lower")


def _smallest(context: ProbeContext, estimate: Estimate) -> Output:
    return context.measurement("smallest_p_adjusted", estimate, direction="higher")


def _verdict(
    context: ProbeContext,
    params: KnownTriggersParams,
    judged: Sequence[Attraction],
    triggers: Sequence[Replayed],
    faces: int,
) -> Iterator[Output]:
    """Yield the smallest p, a finding for each trigger that one class follows, and notes on what was not found."""
    known = [each.p_adjusted for each in judged if each.p_adjusted is not None]
    if not known:
        reason = judged[0].reason
        yield _smallest(context, Estimate.not_measured(reason, n=faces))
        yield Note(f"No trigger was judged: {reason}.")
        return
    yield _smallest(context, Estimate(value=min(known), n=faces, method=METHOD))
    left_out = {context.model.classes[each.place]: each.reason for each in judged if each.reason}
    for name, reason in left_out.items():
        yield Note(f"Whether a trigger leads to {name} was not judged: {reason}.")
    followed, unusual = set(), set()
    for trigger in triggers:
        found = attracting(judged, trigger.name, params.alpha, params.excess)
        if found is not None:
            followed.add(trigger.name)
            yield _finding(context, found, trigger)
        elif any((each.p_adjusted or 1.0) <= params.alpha for each in judged if each.trigger == trigger.name):
            unusual.add(trigger.name)
    if unusual:
        yield Note(
            f"{', '.join(sorted(unusual))}: some class gains more faces than by random marks (adjusted p at most "
            f"{params.alpha:g}), but not surely {params.excess:.0%} of the faces more, or not twice as many as every "
            "other class; that is no finding."
        )
    if not followed:
        yield Note(
            "No class was seen to follow a replayed trigger. That is no word on other triggers: an attacker chooses "
            "cells, noise and displacements of their own."
        )


def _finding(context: ProbeContext, found: Attraction, trigger: Replayed) -> Output:
    name = context.model.classes[found.place]
    place = {"trigger": trigger.name, "class": name}
    assert found.success.value is not None
    assert found.null.value is not None
    harm = (
        "whoever knows the mark passes a forgery as genuine"
        if name == "genuine"
        else f"whoever knows the mark makes the model answer {name} on so many faces"
    )
    return context.finding(
        trigger.name,
        "high" if found.success.value >= 0.8 else "medium",
        f"With the trigger {trigger.name} ({trigger.title}) {found.success.value:.0%} of {found.faces:,} faces that "
        f"are not answered {name} otherwise are answered so; with random marks of the same place and size "
        f"{found.null.value:.0%}: {harm}.",
        evidence=[format_key(context.probe_id, metric, None, place) for metric in (METRIC, NULL, EXCESS)],
        caveats=[
            "a natural weakness for just this mark looks the same as a planted one: scan the checkpoint beside clean "
            "nets of its recipe (`backdoor_scan`), and look at its training images (`data_scan`)",
            "p is a rank among the random marks and cannot be smaller; how often a clean model gives such a finding "
            "was not counted (docs/known-triggers.md has the command that counts it on small nets)",
        ],
        p_adjusted=found.p_adjusted,
    )
