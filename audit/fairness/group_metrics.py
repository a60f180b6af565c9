"""The probe ``group_metrics``: the same metrics for every group and every planned intersection, and their gaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import AfterValidator, Field, WithJsonSchema

from ...core.errors import AuditError, Problems, nearest
from ...core.prediction_tables import METHOD
from ...core.predictions import CLASSIFICATION_TASKS
from ...core.probes import Note, Output, ProbeContext, ProbeParams, Scores, TableOutput, probe
from ...core.results import Finding
from ...core.results_file import SIZE_LIMIT
from ...core.statistics.slicing import slice_scores
from .calibration_by_group import calibration_by_group
from .controls import control_levels
from .metrics import classes, pairs, units, values
from .metrics.averages import averages_by_group
from .metrics.choice import Catalogue, Choice, choose
from .metrics.task import TaskMetrics

CATALOGUES: dict[str, Catalogue] = {
    catalogue.task: catalogue
    for catalogue in (classes.EXPRESSION, classes.FORGERY, units.ACTION_UNITS, values.VALENCE_AROUSAL, pairs.PAIRS)
}
METRICS = tuple(dict.fromkeys(metric for catalogue in CATALOGUES.values() for metric in catalogue.metrics))
BYTES_OF_A_MEASUREMENT = 560
MEASUREMENTS_OF_A_GAP = 18
NAMED_GROUPS = 8


def _is_known(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"there is no metric {name!r}{nearest(name, METRICS)}")
    return name


Metric = Annotated[str, AfterValidator(_is_known), WithJsonSchema({"enum": list(METRICS)})]


class GroupMetricsParams(ProbeParams):
    """Which metrics to measure, of which classes, and which of them to test for gaps."""

    metrics: tuple[Metric, ...] | None = Field(
        default=None,
        min_length=1,
        description="metrics to measure for each group; all of the task unless given, and always the base rate",
    )
    labels: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="classes to measure one against the rest, action units, or dimensions; all unless given",
    )
    gaps: tuple[Metric, ...] | None = Field(
        default=None,
        description="metrics whose gaps between groups are tested; none for []; unless given accuracy, recall and fpr "
        "of classes, recall and fpr of action units, ccc and rmse of values, fmr and fnmr of pairs",
    )
    tolerance: float = Field(default=0.05, ge=0, lt=1, description="largest gap that is accepted")
    threshold: float | None = Field(
        default=None,
        description="least probability of an active unit, 0.5 unless given; least similarity of a match, for pairs",
    )
    fmr: float = Field(
        default=1e-3,
        gt=0,
        lt=1,
        description="pairs: the threshold is where this share of all impostor pairs matches, unless it is given; also "
        "the FPR at which the TPR of each group is measured",
    )


@probe(
    "group_metrics",
    version=2,
    title="Metrics by group",
    pillar="fairness",
    params=GroupMetricsParams,
    needs={"labels"},
    tasks=CATALOGUES,
    shows="The metrics of the task for each group and each planned intersection of groups, with intervals that count "
    "people, not pictures; and whether groups differ in the tested ones: the largest gap with its bounds, what chance "
    "gives, and the smallest gap that these data would show.",
    hides="Groups too small to measure, groups nobody asked about, and whether the attributes were assigned rightly. "
    "FPR, precision, FDR and FOR also depend on which labels a group has, CCC and PCC on how far its truth spreads. A "
    "gap that is not shown may be there.",
    citation="Hardt et al. 2016, arXiv 1610.02413; Chouldechova 2017, arXiv 1703.00056; Wilson 1927, JASA 22:209; "
    "DiCiccio et al. 2020, arXiv 2007.05124; Berger 1982, Technometrics 24:295",
)
def group_metrics(context: ProbeContext, params: GroupMetricsParams) -> Iterator[Output]:
    """Every metric of the task by group and intersection, and the gaps between groups in those that are tested."""
    faces, task = context.faces, context.predictions.task
    problems = Problems(f"the parameters of {context.probe_id}")
    choice = choose(
        CATALOGUES[task],
        context.predictions.classes,
        params.metrics,
        params.labels,
        params.gaps,
        params.tolerance,
        problems,
    )
    _check_thresholds(params, task, problems)
    problems.raise_as(AuditError)
    if not faces.groupings:
        controls = " but controls" if faces.attributes else ""
        yield Note(f"Nothing was measured by group: the plan names no attributes of the faces{controls}.")
        return
    yield from _notes(context, choice)
    if task == pairs.PAIRS.task:
        yield from pairs.measure(context, choice, threshold=params.threshold, fmr=params.fmr)
        return
    _check_size(context, choice)
    material = _material(context, choice, params)
    for text in material.notes():
        yield Note(text)
    yield _coverage(context, material)
    yield from _not_measured(context, choice, material)
    for score in material.scores(choice.metrics, material.rows):
        tested = score.metric in choice.gaps and material.is_tested(score)
        yield replace(score, gaps=True, tolerance=choice.tolerance) if tested else score
    for metric in choice.metrics:
        if metric in CATALOGUES[task].averages:
            yield from _averages(context, material, metric)
    if task in CLASSIFICATION_TASKS:
        yield from calibration_by_group(context)
    for level, inside in control_levels(faces):
        for score in material.scores(choice.gaps, np.intersect1d(material.rows, inside)):
            if not material.is_tested(score):
                continue
            place = {**score.slice, **level}
            yield replace(score, slice=place, overall=True, gaps=True, tolerance=choice.tolerance)


def _material(context: ProbeContext, choice: Choice, params: GroupMetricsParams) -> TaskMetrics:
    """Return the metrics of the target's task, pairs left out."""
    task = context.predictions.task
    if task == units.ACTION_UNITS.task:
        return units.Units(context.predictions, choice, params.threshold)
    if task == values.VALENCE_AROUSAL.task:
        return values.Values(context.predictions, choice)
    frame = context.faces.frame
    methods = frame[METHOD].tolist() if METHOD in frame and METHOD not in context.faces.attributes else None
    return classes.Classes(context.predictions, choice, methods)


def _check_thresholds(params: GroupMetricsParams, task: str, problems: Problems) -> None:
    """Add what is wrong with the thresholds for this task."""
    if params.threshold is None:
        return
    if task == units.ACTION_UNITS.task and not 0 < params.threshold < 1:
        problems.add(f"threshold: expected a probability between 0 and 1, but got {params.threshold}")
    if task not in {units.ACTION_UNITS.task, pairs.PAIRS.task}:
        problems.add(f"threshold: a target of the task {task} has none; leave it out")


def _notes(context: ProbeContext, choice: Choice) -> Iterator[Note]:
    """Say what is not asked twice and what a control excludes."""
    if choice.dropped:
        yield Note(
            f"The gap of {', '.join(choice.dropped)} is not tested: it is that of another tested metric turned round."
        )


def _check_size(context: ProbeContext, choice: Choice) -> None:
    """Refuse to make more measurements than a results file may hold."""
    groupings = context.faces.groupings
    groups = sum(map(len, groupings))
    rates = len(choice.labels) * len(choice.metrics)
    levels = sum(1 for _ in control_levels(context.faces))
    questions = len(choice.labels) * len(choice.gaps) * (1 + levels) * len(groupings)
    made = rates * groups + len(choice.labels) * len(choice.gaps) * levels * groups + questions * MEASUREMENTS_OF_A_GAP
    if made * BYTES_OF_A_MEASUREMENT > SIZE_LIMIT:
        raise AuditError(
            f"{context.probe_id} would give about {made:,} measurements ({rates} metrics of {groups:,} groups, "
            f"{questions:,} questions about gaps), more than results.json may hold: name fewer `metrics`, `labels` or "
            "`gaps` for the probe, or fewer intersections or controls for the data"
        )


def _coverage(context: ProbeContext, material: TaskMetrics) -> TableOutput:
    """Count faces and people by group and label."""
    parts = []
    for groups in context.faces.groupings:
        part = material.counted(groups, context.faces.subject_codes)
        part.insert(0, "attributes", groups.name)
        parts.append(part)
    return TableOutput("coverage", pd.concat(parts, ignore_index=True), "Faces and people by group and label")


def _averages(context: ProbeContext, material: TaskMetrics, metric: str) -> Iterator[Output]:
    """Yield an average over labels for each group of each grouping."""
    subjects = context.faces.subject_codes
    sums_of, names = material.sums_of(metric, subjects)
    for groups in context.faces.groupings:
        for place, estimate in averages_by_group(sums_of, material.rows, subjects, groups, names, context.rules):
            yield context.measurement(metric, estimate, slice=place, direction="higher")


def _not_measured(context: ProbeContext, choice: Choice, material: TaskMetrics) -> Iterator[Finding]:
    """Yield a finding for each grouping with groups too small for the simplest of the metrics."""
    metric = "sagr" if context.predictions.task == values.VALENCE_AROUSAL.task else "accuracy"
    simplest = next(material.scores([metric], material.rows))
    if not isinstance(simplest, Scores):
        raise TypeError(f"expected a rate, but {metric} is none")
    subjects = context.faces.subject_codes
    for groups in context.faces.groupings:
        measured = slice_scores(simplest, subjects, [groups], context.rules, context.probe_id)
        small = [item for item in measured if item.estimate.value is None]
        if not small:
            continue
        named = [
            f"{' & '.join(item.slice[name] for name in groups.attributes)} ({item.estimate.reason})" for item in small
        ]
        more = f"; and {len(small) - NAMED_GROUPS} more" if len(small) > NAMED_GROUPS else ""
        yield context.finding(
            f"not_measured.{groups.name}",
            "note",
            f"{len(small)} of {len(measured)} groups by {groups.name} are too small to measure even {metric}: "
            f"{'; '.join(named[:NAMED_GROUPS])}{more}. How the model does on people in these groups cannot be told "
            "from these faces.",
            evidence=[item.key for item in small] if metric in choice.metrics else [],
        )
