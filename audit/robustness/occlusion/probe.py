"""The probe ``occlusion``: what hiding part of a face does to the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from ....core.errors import UsageError
from ....core.predictions import CLASSIFICATION_TASKS
from ....core.probes import Note, Output, ProbeContext, Scores, TableOutput, probe
from ....core.results import Estimate
from ..conditions import NONE, Outcomes, at_chance, measure, measured_rows
from ..losses import Summary, nothing_to_lose, robustness_outputs
from ..strip import strip
from .catalogue import ELSEWHERE, GUIDED, GUIDED_CURVES, KIND, RANDOM, Catalogue, keys, title_of, without_landmarks
from .curves import Standing, beyond_elsewhere, curve_scores
from .findings import costly_findings, family_of, guided_finding
from .occluder import Occluder
from .params import OcclusionParams
from .relevance import find_guide
from .sitters import SMALLEST_EYE_DISTANCE

_CLEAN = {KIND: NONE}
_UNGUIDED = "no method was to guide patches (method: null)"


@probe(
    "occlusion",
    version=1,
    title="Accuracy under occlusion",
    pillar="robustness",
    params=OcclusionParams,
    needs={"model", "images"},
    tasks=("expression", "forgery", "action_units", "valence_arousal"),
    shows="How much of accuracy is left when patches are hidden at random or where an attribution map points, when "
    "brows, eyes, nose, mouth or half of the face is hidden, and under sunglasses, a medical mask, a hand, a scarf and "
    "hair drawn on; each beside the same thing at a random place; who loses most.",
    hides="Real things: these are drawn, opaque and seen from the front. Whether a loss is due to what was hidden or "
    "to a picture unlike any the model knows. What else a person does who wears a mask. Occluders before face "
    "detection.",
    citation="Liu et al. 2023, ICCV (Latent-OFER: random and gradient-guided patches); Zeiler and Fergus 2014, ECCV; "
    "Petsiuk et al. 2018, BMVC (deletion)",
)
def occlusion(context: ProbeContext, params: OcclusionParams) -> Iterator[Output]:
    """Accuracy when part of each face is hidden: patches, regions and drawn objects."""
    if params.shares and params.grid > min(context.model.size):
        most = min(context.model.size)
        raise UsageError(f"expected a grid of at most {most} patches a side, one pixel each, but got {params.grid}")
    rows = measured_rows(context, params.faces)
    shared = replace(context, probe_id="occlusion")  # every use in a plan hides the same patches: fills can be compared
    seed = int(shared.random("occlusion").integers(2**63))
    guide, unguided = None, _UNGUIDED
    if params.method is not None and params.shares:
        guide, unguided = find_guide(
            context.model, params.method, params.layer, batch_size=context.batch_size, seed=seed
        )
    kind = context.faces.landmarks_kind
    catalogue = Catalogue.of(params, kind, guided=guide is not None)
    yield from _left_out(context, params, "" if guide is not None else unguided, len(rows))
    reason = at_chance(context, rows)
    if reason:
        names = keys([NONE, *catalogue.curves, *catalogue.things])
        yield from nothing_to_lose(context, names, ("accuracy", "lost"), reason, len(rows))
        return
    occluder = Occluder(params, guide, seed)
    outcomes = measure(context, rows, catalogue.conditions, occluder, landmarks=kind != "none")
    yield Note(_settings(context, params, catalogue, len(rows), "" if guide is None else guide.title))
    yield from _impossible(occluder, outcomes, catalogue)
    yield from robustness_outputs(
        context, outcomes, _summaries(outcomes, catalogue), tolerance=params.tolerance, clean=_CLEAN
    )
    standing = Standing.of(outcomes)
    yield from curve_scores(outcomes, standing, catalogue)
    for name in catalogue.things:
        if outcomes.possible[outcomes.of(**{KIND: name})[0]].any():
            yield beyond_elsewhere(outcomes, standing, name)
    yield from _by_label(context, outcomes, catalogue)
    if catalogue.things:
        yield _table(outcomes, standing, catalogue)
    if guide is not None:
        yield from guided_finding(context, outcomes, standing, catalogue, guide.title)
    for family in ("regions", "objects"):
        names_of = [name for name in catalogue.things if family_of(name) == family]
        yield from costly_findings(context, outcomes, standing, names_of, family)
    yield from strip(
        context, catalogue.of_strip(), occluder, landmarks=kind != "none", title="The same faces, partly hidden"
    )


def _left_out(context: ProbeContext, params: OcclusionParams, unguided: str, count: int) -> Iterator[Output]:
    """Say what cannot be done at all, and why."""
    missing = without_landmarks(params, context.faces.landmarks_kind)
    if unguided and params.shares and params.method is not None:
        missing |= dict.fromkeys(GUIDED_CURVES, unguided)
        yield context.measurement("random_minus_guided", Estimate.not_measured(unguided, n=count))
    for reason in dict.fromkeys(missing.values()):
        names = [title_of(name) for name, why in missing.items() if why == reason]
        yield Note(f"Not measured: accuracy under {'; '.join(names)}: {reason}.")
    for name, reason in missing.items():
        nothing = Estimate.not_measured(reason, n=count)
        yield context.measurement("accuracy", nothing, condition={KIND: name}, direction="higher")


def _summaries(outcomes: Outcomes, catalogue: Catalogue) -> list[Summary]:
    found = []
    for name in catalogue.curves:
        led = name in (RANDOM, GUIDED)
        found.append(Summary({KIND: name}, outcomes.of(**{KIND: name}), title_of(name), by_group=led, gaps=led))
        if led:
            found += [
                Summary(outcomes.conditions[place].values, (place,), outcomes.conditions[place].title)
                for place in outcomes.of(**{KIND: name})
            ]
    for name in catalogue.things:
        found.append(Summary({KIND: name}, outcomes.of(**{KIND: name}), title_of(name), gaps=True))
    return found


def _by_label(context: ProbeContext, outcomes: Outcomes, catalogue: Catalogue) -> Iterator[Scores]:
    """Yield accuracy of the faces of each label as they are and under each thing: what a mask hides is a smile."""
    if context.predictions.task not in CLASSIFICATION_TASKS or not outcomes.quality.labelled:
        return
    labels = context.predictions.labels[outcomes.rows]
    everyone = np.ones(len(labels), dtype=np.bool_)
    things = [(name, outcomes.of(**{KIND: name})[0]) for name in catalogue.things]
    cases = [
        (NONE, outcomes.before, everyone),
        *((name, outcomes.after[at], outcomes.possible[at]) for name, at in things),
    ]
    for place, label in enumerate(context.predictions.classes):
        for name, values, possible in cases:
            chosen = possible & (labels == place)
            if chosen.any():
                yield Scores(
                    "accuracy",
                    outcomes.rows[chosen],
                    values[chosen].astype(np.float64),
                    kind="rate",
                    bounds=(0.0, 1.0),
                    direction="higher",
                    slice={"label": label},
                    condition={KIND: name},
                    by_group=False,
                    keep=False,
                )


def _table(outcomes: Outcomes, standing: Standing, catalogue: Catalogue) -> TableOutput:
    """Return one row for each region and object: as they are, under it, and under it elsewhere, on the same faces."""
    lines = []
    for name in catalogue.things:
        here, there = (outcomes.of(**{KIND: each})[0] for each in (name, name + ELSEWHERE))
        usable = outcomes.possible[here] & (standing.weights > 0)
        total = standing.weights[usable].sum()

        def mean(values: np.ndarray, usable: np.ndarray = usable, total: float = total) -> float | None:
            return float(values[usable].sum() / total) if total else None

        lines.append(
            {
                "occlusion": name,
                "faces": int(usable.sum()),
                "as_they_are": mean(standing.before),
                "hidden": mean(standing.after[here]),
                "elsewhere": mean(standing.after[there]),
            }
        )
    metric = outcomes.quality.metric if outcomes.quality.labelled else "what stayed as it was"
    title = f"Regions and objects: {metric.replace('_', ' ')} as they are, hidden, and with the same elsewhere"
    return TableOutput("occlusions", pd.DataFrame(lines), title)


def _impossible(occluder: Occluder, outcomes: Outcomes, catalogue: Catalogue) -> Iterator[Note]:
    by_reason: dict[tuple[str, int], list[str]] = {}
    for name in (*catalogue.curves, *catalogue.things):
        for reason, count in occluder.reasons(name, outcomes.rows).items():
            by_reason.setdefault((reason, count), []).append(name.replace("_", " "))
    for (reason, count), names in by_reason.items():
        yield Note(f"{count:,} of {len(outcomes.rows):,} faces were left out of {', '.join(names)}: {reason}.")


def _settings(context: ProbeContext, params: OcclusionParams, catalogue: Catalogue, count: int, guide: str) -> str:
    fills = {"mean": "the mean colour of the crop", "black": "black", "noise": "noise", "blur": "the crop, blurred"}
    parts = []
    if catalogue.curves:
        shares = ", ".join(f"{share:g}" for share in params.shares)
        led = f", guided by {guide} of the class the model answers" if guide else ""
        parts.append(f"patches of a grid of {params.grid} x {params.grid}, shares {shares}{led}")
    if params.shares or params.regions:
        parts.append(f"hidden pixels become {fills[params.fill]}")
    if catalogue.things:
        parts.append(f"eyes at least {SMALLEST_EYE_DISTANCE:g} pixels apart")
    kind = context.faces.landmarks_kind
    if catalogue.things and kind in ("5", "aligned"):
        whose = "of a template to which crops are assumed to be aligned" if kind == "aligned" else "of each face"
        parts.append(f"five landmarks {whose}, to which the mean face was fitted: brows and jaw are estimates")
    return f"{count:,} faces; " + "; ".join(parts) + "."
