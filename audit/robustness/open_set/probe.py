"""The probe ``open_set``: does the model know when it is shown what it was not made for?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....core.faces import FaceBatch
from ....core.probes import Note, Output, PairedScores, ProbeContext, Scores, TableOutput, probe
from ....core.results import Estimate
from ..conditions import Condition, Perturbed, measured_rows
from ..strip import strip
from .asking import ask_about_faces, ask_about_unknowns, ask_without, check_left_out, without_class
from .confidence import SCORES, Floats, confidences, not_given
from .findings import left_out_findings, unknown_findings
from .measuring import (
    AUROC,
    LEFT_OUT,
    OVER_ALL,
    SCORE,
    UNKNOWN,
    Asked,
    Told,
    above_unknowns,
    mean_auroc,
    measurements,
    not_measured,
    nulls,
    rejected,
    tell,
    twins_by_group,
)
from .non_faces import TITLES, make_non_faces
from .params import GIVEN, MADE, OpenSetParams
from .unknowns import Unknowns

Integers = NDArray[np.int64]


@probe(
    "open_set",
    version=1,
    title="Faces and pictures it was not made for",
    pillar="robustness",
    params=OpenSetParams,
    needs={"model", "images"},
    shows="Whether the model is surer of faces of the kinds it knows than of non-faces, of unknown expressions, and of "
    "a class it was not trained on: AUROC, and how many unknowns pass where 95 % of known faces do; by group.",
    hides="Unknowns that nobody thought of: a net that tells noise from faces may not tell a grimace from joy. Methods "
    "that are trained to know what they do not know, or that look at all test faces together.",
    citation="Hendrycks and Gimpel 2017, arXiv 1610.02136; Hendrycks et al. 2022, arXiv 1911.11132; Liu et al. 2020, "
    "arXiv 2010.03759; Open-Set Facial Expression Recognition, AAAI 2024",
)
def open_set(context: ProbeContext, params: OpenSetParams) -> Iterator[Output]:
    """Confidence in known faces against confidence in unknowns."""
    check_left_out(context, params)
    rows = measured_rows(context, params.faces)
    seed = int(context.random("non-faces").integers(2**63))
    unavailable = not_given(context.model.spec.output or "")
    yield from nulls(context)
    yield _remark(context, len(rows))
    without: list[Told] = []
    for name, target in without_class(context, params):  # first, since a checkpoint may not fit
        yield from _without(context, rows, name, ask_without(context, target, rows, name), unavailable, without)
    yield from _means(context, without)
    yield from left_out_findings(context, without)
    told: list[Told] = []
    unknowns = params.unknowns()
    if params.made or unknowns is not None:
        logits, made = ask_about_faces(context, rows, params.made, seed)
        known = _scores(logits, unavailable)
        yield from rejected(rows, known, params.tolerance)
        if made:
            yield from _made(context, rows, known, made, unavailable, params.tolerance, told)
        if unknowns is not None:
            yield from _given(context, rows, known, unknowns, unavailable, params.tolerance, told)
        yield from unknown_findings(context, told)
    if params.made:
        yield from _shown(context, params, seed)


def _scores(logits: Floats, unavailable: Mapping[str, str]) -> dict[str, Floats]:
    return {name: values for name, values in confidences(logits).items() if name not in unavailable}


def _remark(context: ProbeContext, count: int) -> Note:
    which = "labelled faces" if context.predictions.labelled else "faces, whatever they show, for they have no labels,"
    single = ""
    if len(context.predictions.classes) == 2:
        single = " Of two classes the scores rank much alike."
    return Note(
        f"Known are {count:,} {which} as the data have them. A picture is accepted when its score reaches the one that "
        f"95 % of them reach; msp is compared by its logarithm, which does not round when the model is sure.{single}"
    )


def _made(
    context: ProbeContext,
    rows: Integers,
    known: Mapping[str, Floats],
    made: Mapping[str, Floats],
    unavailable: Mapping[str, str],
    tolerance: float,
    told: list[Told],
) -> Iterator[Output]:
    """Yield what is measured against pictures made from the faces: each kind, and all together by group."""
    people = context.faces.subject_codes[rows]
    scores = {kind: _scores(logits, unavailable) for kind, logits in made.items()}
    each = [Asked({UNKNOWN: kind}, TITLES[kind], known, scores[kind], people, people) for kind in made]
    pooled = each[0] if len(each) == 1 else _pooled(MADE, "pictures without a face", each)
    for asked in each:
        found = tell(context, asked)
        told += found
        for item in found:
            yield from measurements(context, item, with_auroc=asked is not pooled)
        yield from not_measured(context, asked.condition, unavailable)
    if pooled not in each:
        for item in tell(context, pooled):
            yield from measurements(context, item, with_auroc=False)
    yield from twins_by_group(context, rows, pooled, len(each), tolerance)
    yield _answers("made_answers", context, made)


def _given(
    context: ProbeContext,
    rows: Integers,
    known: Mapping[str, Floats],
    unknowns: Unknowns,
    unavailable: Mapping[str, str],
    tolerance: float,
    told: list[Told],
) -> Iterator[Output]:
    """Yield what is measured against the user's own unknowns: each kind, and all together."""
    used, logits, faults = ask_about_unknowns(context, unknowns)
    yield context.measurement(
        "unknowns_set_aside", Estimate(value=len(faults), n=len(unknowns), unit="pictures"), direction="lower"
    )
    if faults:
        listed = unknowns.frame.iloc[list(faults)].assign(reason=list(faults.values()))[["kind", "reason"]]
        yield TableOutput("unknowns_set_aside", listed.assign(row=[row + 1 for row in faults]), "Unusable pictures")
        yield Note(f"{len(faults):,} of {len(unknowns):,} unknown pictures could not be used and were set aside.")
    people, sources = _numbered(context, rows, unknowns, used)
    scores, kinds = _scores(logits, unavailable), unknowns.frame["kind"].to_numpy(dtype=object)[used]
    every = [kind for kind in unknowns.kinds if (kinds == kind).any()]
    each = [
        Asked(
            {UNKNOWN: kind},
            f"{kind} pictures",
            known,
            {name: values[kinds == kind] for name, values in scores.items()},
            people,
            sources[kinds == kind],
        )
        for kind in every
    ]
    pooled = each[0] if len(each) == 1 else _pooled(GIVEN, "all given pictures", each)
    for asked in each if len(each) == 1 else [*each, pooled]:
        found = tell(context, asked)
        told += found if asked in each else []
        for item in found:
            yield from measurements(context, item)
        yield from not_measured(context, asked.condition, unavailable)
    yield from above_unknowns(rows, pooled, tolerance)
    yield _answers("given_answers", context, {kind: logits[kinds == kind] for kind in every})


def _pooled(name: str, title: str, each: list[Asked]) -> Asked:
    scores = {score: np.concatenate([asked.unknown[score] for asked in each]) for score in each[0].known}
    people = np.concatenate([asked.unknown_people for asked in each])
    return Asked({UNKNOWN: name}, title, each[0].known, scores, each[0].known_people, people)


def _numbered(context: ProbeContext, rows: Integers, unknowns: Unknowns, used: Integers) -> tuple[Integers, Integers]:
    """Return numbers of the people of the known faces and of the unknowns; the same name is the same person."""
    mark = "" if unknowns.has_subjects and context.faces.has_subjects else "unknown\x1f"
    known = context.faces.frame["subject"].astype(str).to_numpy(dtype=object)[rows]
    unknown = (mark + unknowns.frame["subject"].astype(str)).to_numpy(dtype=object)[used]
    codes = pd.factorize(np.concatenate([known, unknown]))[0].astype(np.int64)
    return codes[: len(rows)], codes[len(rows) :]


def _without(
    context: ProbeContext,
    rows: Integers,
    name: str,
    logits: Floats,
    unavailable: Mapping[str, str],
    told: list[Told],
) -> Iterator[Output]:
    """Yield what is measured of a checkpoint that was trained without a class, on faces of it and of the others."""
    classes = context.predictions.classes
    place, labels = classes.index(name), context.predictions.labels[rows]
    held, others = labels == place, (labels >= 0) & (labels != place)
    condition = {LEFT_OUT: name}
    if not held.any() or not others.any():
        reason = f"no face is labelled {name}" if not held.any() else f"no face is labelled otherwise than {name}"
        yield from not_measured(context, condition, dict.fromkeys(SCORES, reason))
        return
    scores, people = _scores(logits, unavailable), context.faces.subject_codes[rows]
    asked = Asked(
        condition,
        f"faces labelled {name}",
        {score: values[others] for score, values in scores.items()},
        {score: values[held] for score, values in scores.items()},
        people[others],
        people[held],
    )
    right = np.delete(np.arange(len(classes)), place)[logits[others].argmax(1)] == labels[others]
    yield Scores(
        "known_accuracy",
        rows[others],
        right.astype(np.float64),
        kind="rate",
        bounds=(0.0, 1.0),
        direction="higher",
        condition=condition,
    )
    found = tell(context, asked)
    told += found
    for item in found:
        yield from measurements(context, item, with_auroc=False)
    for score, values in scores.items():
        kept = held | others
        yield PairedScores(
            AUROC,
            "auroc",
            rows[kept],
            others[kept].astype(np.float64),
            values[kept],
            direction="higher",
            condition={**condition, SCORE: score},
        )
    yield from not_measured(context, condition, unavailable)


def _means(context: ProbeContext, told: list[Told]) -> Iterator[Output]:
    """Yield the mean AUROC over the left-out classes, as it is published."""
    for score in SCORES:
        asked = [each.asked for each in told if each.score == score]
        if len(asked) > 1:
            condition = {LEFT_OUT: OVER_ALL, SCORE: score}
            yield context.measurement(AUROC, mean_auroc(context, asked, score), condition=condition, direction="higher")


def _answers(name: str, context: ProbeContext, logits: Mapping[str, Floats]) -> TableOutput:
    """Return what unknowns are taken for: share and mean probability of each answer."""
    lines = []
    for kind, values in logits.items():
        answers, sure = values.argmax(1), np.exp(confidences(values)["msp"])
        for place, label in enumerate(context.predictions.classes):
            of = answers == place
            if of.any():
                lines.append([kind, label, int(of.sum()), float(of.mean()), float(sure[of].mean())])
    columns = ["unknown", "answer", "pictures", "share", "mean_probability"]
    return TableOutput(name, pd.DataFrame(lines, columns=columns), "What unknowns are taken for")


def _shown(context: ProbeContext, params: OpenSetParams, seed: int) -> Iterator[Output]:
    """Yield a strip of what was made from a few faces."""
    conditions = [Condition(UNKNOWN, kind, title=TITLES[kind]) for kind in params.made]

    def make(condition: Condition, batch: FaceBatch) -> Perturbed:
        return Perturbed(make_non_faces(condition.name, seed, batch.rows, batch.pixels))

    yield from strip(context, conditions, make, title="Pictures without a face, made from faces")
