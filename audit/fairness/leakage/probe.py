"""The probe ``leakage``: who somebody is, and to which group they belong, as a linear probe reads the embedding."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import numpy as np
import pandas as pd

from ....core.errors import AuditError, nearest
from ....core.probes import Note, Output, ProbeContext, Scores, TableOutput, probe
from ....core.results import Estimate
from ....core.statistics.class_means import balanced_accuracy
from ....core.statistics.groups import MISSING, build_groups
from ....core.statistics.slicing import slice_scores
from ....core.statistics.sums import Floats, Integers
from ....explain.units.exchange import holm
from .attribute_probe import deal_folds, deal_labels, read_attribute, share_right
from .excess import mean_auroc
from .features import FaceFeatures, draw_people, embeddings_of, outputs_of
from .findings import ALPHA, findings
from .identity_probe import read_identity, split_identity
from .params import LeakageParams
from .questions import Answer, Question, answer, measurements
from .sessions import sessions_of

IDENTITY, ATTRIBUTE, AUROC = "identity_accuracy", "attribute_accuracy", "attribute_auroc"


@probe(
    "leakage",
    version=1,
    title="What the embedding tells of people",
    pillar="fairness",
    params=LeakageParams,
    tasks={"expression", "forgery", "action_units", "valence_arousal"},
    shows="Whether a linear probe reads who somebody is, and to which group they belong, from what the model's last "
    "layer is given; beside chance, shuffled labels, the same net with random weights, and small pixels.",
    hides="Whether the answers use what can be read. What only a probe that is not linear would find. People in "
    "other light, clothes and years than the sessions here.",
    citation="Ning et al. 2024 (FMAE-IAT), arXiv 2407.11243; Alain and Bengio 2016, arXiv 1610.01644; "
    "Hewitt and Liang 2019, arXiv 1909.03368",
)
def leakage(context: ProbeContext, params: LeakageParams) -> Iterator[Output]:
    """Linear probes for identity and attributes on the embedding, against random nets, pixels and shuffled labels."""
    _attributes(context, params)
    rows = draw_people(context.faces.subject_codes, params.faces, params.per_person, context.random("faces"))
    if params.of == "embedding":
        found = embeddings_of(context, rows, params.layer, params.random_nets, params.pixels)
    else:
        found = outputs_of(context, rows, params.random_nets, params.pixels)
    yield Note(_settings(context, params, found))
    yield from read_all(context, params, found)


def read_all(context: ProbeContext, params: LeakageParams, found: FaceFeatures) -> Iterator[Output]:
    """Put every question to features that have been read, and yield what comes of it."""
    asked = [_identity(context, params, found)] if params.identity else []
    asked += [_attribute(context, params, found, name) for name in _attributes(context, params)]
    answers: list[tuple[Answer, Floats]] = []
    for question in asked:
        outcome = yield from question
        if outcome is not None:
            answers.append(outcome)
    adjusted = _adjust([each for each, _ in answers])
    for (each, permuted), p in zip(answers, adjusted, strict=True):
        yield from measurements(context, each, permuted, p)
    if answers and len(answers) / (params.permutations + 1) > ALPHA:
        yield Note(
            f"With {params.permutations} permutations no p-value can be small enough for {len(answers)} questions: "
            f"say permutations: {int(len(answers) / ALPHA) + 1} or more."
        )
    yield from findings(context, [each for each, _ in answers], adjusted, found.place)


def _attributes(context: ProbeContext, params: LeakageParams) -> list[str]:
    known = context.faces.attributes
    if params.attributes is None:
        return [name for name, spec in known.items() if spec.role == "group"]
    for name in params.attributes:
        if name not in known:
            raise AuditError(
                f"leakage: attributes names {name!r}, which is none of those of the data ({', '.join(known) or 'none'})"
                f"{nearest(name, known)}"
            )
    return list(dict.fromkeys(params.attributes))


def _settings(context: ProbeContext, params: LeakageParams, found: FaceFeatures) -> str:
    faces, people = len(found.rows), len(np.unique(context.faces.subject_codes[found.rows]))
    controls = [f"{len(found.random_nets)} nets with the weights in random order"] if found.random_nets else []
    controls += [f"{params.pixels} x {params.pixels} pixels"] if found.pixels is not None else []
    return (
        f"Read from {found.place}: {faces:,} of {len(context.faces):,} faces of {people:,} people; beside it "
        f"{' and '.join(controls) or 'no control'}; {params.permutations} permutations of people."
    )


def _adjust(answers: list[Answer]) -> list[float | None]:
    """Adjust over the questions the p of reading no more than chance and both controls, where there are controls."""
    p_values = [each.p_beyond for each in answers]
    adjusted = iter(holm(np.asarray([p for p in p_values if p is not None], dtype=np.float64)).tolist())
    return [None if p is None else next(adjusted) for p in p_values]


_Asked = Generator[Output, None, tuple[Answer, Floats] | None]


def _identity(context: ProbeContext, params: LeakageParams, found: FaceFeatures) -> _Asked:
    everyone = context.faces.subject_codes
    people = everyone[found.rows]
    sessions = sessions_of(context.faces, found.rows, params.session, params.session_in_path, found.grey)
    split = split_identity(people, sessions.codes, params.folds)
    reason = ""
    if not context.faces.has_subjects:
        reason = "no column names the person of each face (data.subject)"
    elif split.count < context.rules.min_subjects:
        reason = f"{split.count} people have pictures of more than one session; {context.rules.min_subjects} are needed"
    if reason:
        yield context.measurement(IDENTITY, Estimate.not_measured(reason, n=len(split.rows)), direction="lower")
        yield Note(f"Identity was not read: {reason}.")
        return None
    yield Note(
        f"{sessions.told}. {split.count:,} of {len(np.unique(people)):,} people have two sessions or more."
        + ("" if sessions.known else " If sessions run over several pictures, too much is read.")
    )
    chance = context.random("identity")
    seed = int(chance.integers(2**62))

    def right(features: Floats) -> Floats:
        told = read_identity(features[split.rows], split, np.random.default_rng(seed)).predicted
        return share_right(told, split.people)

    own = read_identity(found.own[split.rows], split, np.random.default_rng(seed), params.permutations)
    weights = 1 / np.bincount(split.people)[split.people]
    read = share_right(own.predicted, split.people)
    scores = Scores(
        IDENTITY,
        found.rows[split.rows],
        read * weights,
        weights,
        kind="rate",
        bounds=(0.0, 1.0),
        direction="lower",
        gaps=True,
        title="share of people told apart by the embedding",
    )
    yield scores
    rate = slice_scores(scores, everyone, [], context.rules, context.probe_id)[0].estimate
    question = Question(IDENTITY, "identity", {}, np.zeros_like(split.people), split.people, weights, 1 / split.count)
    nets = [right(features) for features in found.random_nets]
    pixels = None if found.pixels is None else right(found.pixels)
    return answer(context, question, rate, read, nets, pixels, own.permuted), own.permuted


def _attribute(context: ProbeContext, params: LeakageParams, found: FaceFeatures, name: str) -> _Asked:
    slice = {"attribute": name}
    groups = build_groups(context.faces.frame[[name]].iloc[found.rows], [name])
    names = [value[name] for value in groups.values]
    people = context.faces.subject_codes[found.rows]
    least = context.rules.min_subjects
    counts = [len(np.unique(people[groups.codes == code])) for code in range(len(names))]
    chosen = [code for code, count in enumerate(counts) if count >= least and names[code] != MISSING]
    small = [f"{names[code]} ({counts[code]})" for code in range(len(names)) if code not in chosen]
    if len(chosen) < 2:
        told = ", ".join(f"{group} {count}" for group, count in zip(names, counts, strict=True)) or "none"
        reason = f"two groups of {least} people or more are needed, and there are: {told}"
        for metric in (ATTRIBUTE, AUROC):
            nothing = Estimate.not_measured(reason, n=len(found.rows))
            yield context.measurement(metric, nothing, slice=slice, direction="lower")
        return None
    if small:
        yield Note(f"Groups by {name} that were left out as too small or missing (people): {', '.join(small)}.")
    kept = np.isin(groups.codes, chosen)
    labels = np.searchsorted(chosen, groups.codes[kept]).astype(np.int64)
    people = people[kept]
    chance = context.random("attribute", name)
    folds = deal_folds(labels, people, min(params.folds, min(counts[code] for code in chosen)), chance)
    dealt = deal_labels(labels, people, folds, params.permutations, chance)
    own = read_attribute(found.own[kept], labels, people, folds, dealt)
    rate = balanced_accuracy(labels, own.predicted, people, len(chosen), context.rules)
    yield context.measurement(ATTRIBUTE, rate, slice=slice, direction="lower")
    auroc = mean_auroc(own.scores, labels, people, context.rules.level, own.inflation)
    yield context.measurement(AUROC, auroc, slice=slice, direction="lower")
    yield _read_as(name, [names[code] for code in chosen], labels, own.predicted, people)

    def right(features: Floats) -> Floats:
        return share_right(read_attribute(features[kept], labels, people, folds).predicted, labels)

    question = Question(ATTRIBUTE, name, slice, labels, people, np.ones(len(labels)), 1 / len(chosen), own.inflation)
    nets = [right(features) for features in found.random_nets]
    pixels = None if found.pixels is None else right(found.pixels)
    read = share_right(own.predicted, labels)
    return answer(context, question, rate, read, nets, pixels, own.permuted), own.permuted


def _read_as(name: str, groups: list[str], labels: Integers, predicted: Integers, people: Integers) -> TableOutput:
    """Count which group is read as which."""
    faces = pd.DataFrame(
        {
            "group": np.asarray(groups, dtype=object)[labels],
            "read_as": np.asarray(groups, dtype=object)[predicted],
            "person": people,
        }
    )
    counted = faces.groupby(["group", "read_as"], sort=True)["person"].agg(faces="size", people="nunique")
    return TableOutput(f"read_as.{name}", counted.reset_index(), f"Which group of {name} the probe reads as which")
