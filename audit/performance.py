"""The probe ``performance``: how often the model is right, class by class, and whether its confidence is earned."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from ..core.keys import format_key
from ..core.probes import CLASSIFICATION, Note, Output, ProbeContext, ProbeParams, Scores, TableOutput, probe
from ..core.results import Estimate, Finding
from ..core.statistics.auroc import auroc
from ..core.statistics.class_means import balanced_accuracy, macro_f1
from ..core.statistics.class_order import class_order
from ..core.statistics.ece import calibration_error
from .forgery.detection.sign import is_turned, turned_finding
from .task_performance import pairs_performance, units_performance, values_performance

FORGED = "forged"


class PerformanceParams(ProbeParams):
    """Settings of the calibration error and of thresholds."""

    bins: int = Field(default=10, ge=2, le=15, description="bins of equal width of the calibration error")
    threshold: float | None = Field(
        default=None,
        description="least probability of an active unit, 0.5 unless given; least similarity of a match, for pairs",
    )
    fmr: float = Field(
        default=1e-3,
        gt=0,
        lt=1,
        description="pairs: the threshold is where this share of impostor pairs matches, unless it is given; also the "
        "FPR at which the TPR is measured",
    )


@probe(
    "performance",
    version=1,
    title="Performance",
    pillar="performance",
    params=PerformanceParams,
    needs={"labels"},
    tasks=CLASSIFICATION | {"action_units", "valence_arousal", "verification"},
    shows="How often the model's answer equals the label: overall, averaged over classes, and for each class or unit; "
    "which classes it takes for which; how far its confidence is from its accuracy; how near its values are to the "
    "truth; and how often it takes two people for one.",
    hides="Whether the labels are right, and whether these faces are like those the model will meet. An average over "
    "all faces can hide a group for which the model fails.",
    citation="Wilson 1927, JASA 22:209; Korn and Graubard 1998, Survey Methodology 24:193; "
    "Zou and Donner 2008, Statistics in Medicine 27:1693; Obuchowski 1997, Biometrics 53:567",
)
def performance(context: ProbeContext, params: PerformanceParams) -> Iterator[Output]:
    """Accuracy, balanced accuracy, macro F1, recall and precision by class, confusions, calibration."""
    if context.predictions.task == "action_units":
        yield from units_performance(context, params.threshold)
    elif context.predictions.task == "valence_arousal":
        yield from values_performance(context)
    elif context.predictions.task == "verification":
        yield from pairs_performance(context, params.threshold, params.fmr)
    else:
        yield from _classification(context, params)


def _classification(context: ProbeContext, params: PerformanceParams) -> Iterator[Output]:
    classes = context.predictions.classes
    rows = np.flatnonzero(context.predictions.labels >= 0)
    labels, predicted = context.predictions.labels[rows], context.predictions.predicted[rows]
    subjects, rules = context.faces.subject_codes[rows], context.rules
    correct = (labels == predicted).astype(np.float64)
    counted = np.bincount(labels, minlength=len(classes))
    yield from _notes(context, counted, len(rows))

    yield Scores("accuracy", rows, correct, kind="rate", bounds=(0, 1), direction="higher", by_group=False)
    for metric, measure in (("balanced_accuracy", balanced_accuracy), ("macro_f1", macro_f1)):
        estimate = measure(labels, predicted, subjects, len(classes), rules)
        yield context.measurement(metric, estimate, direction="higher")
    for place in range(len(classes)):
        yield from _of_class(context, rows, labels, predicted, place)

    confusion = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    table = pd.DataFrame(confusion, columns=list(classes))
    table.insert(0, "label", list(classes), allow_duplicates=True)
    yield TableOutput("confusion", table, "Faces by label (rows) and answer (columns)")

    confidence = context.predictions.probabilities[rows].max(axis=1)
    calibration = calibration_error(confidence, correct, subjects, rules, params.bins)
    yield context.measurement("ece", calibration.observed, direction="lower")
    yield context.measurement("ece.null", calibration.null, direction="none")
    signed = confidence - correct
    yield Scores("confidence_minus_accuracy", rows, signed, kind="mean", bounds=(-1, 1), by_group=False)

    if context.predictions.task == "forgery":
        yield from _ranking(context, rows, labels, subjects)
    yield from _order(context, confusion)


def _notes(context: ProbeContext, counted: NDArray[np.int64], labelled: int) -> Iterator[Note]:
    """Say what the numbers leave out."""
    classes, faces = context.predictions.classes, len(context.predictions.labels)
    if labelled < faces:
        yield Note(f"{faces - labelled:,} of {faces:,} faces have no label and are left out.")
    lacking = [name for name, count in zip(classes, counted, strict=True) if count == 0]
    if lacking:
        yield Note(
            f"Balanced accuracy and macro F1 are averages over the {len(classes) - len(lacking)} of {len(classes)} "
            f"classes that have labelled faces; none is labelled {', '.join(lacking)}."
        )


def _of_class(
    context: ProbeContext,
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    place: int,
) -> Iterator[Output]:
    """Yield recall, precision and F1 of one class."""
    name = context.predictions.classes[place]
    labelled, answered = labels == place, predicted == place
    both = (labelled & answered).astype(np.float64)
    parts: tuple[tuple[str, NDArray[np.bool_], float], ...] = (
        ("recall", labelled, 1.0),
        ("precision", answered, 1.0),
        ("f1", labelled | answered, 2.0),
    )
    for metric, counts, factor in parts:
        reason = None
        if not labelled.any():
            reason = f"no face is labelled {name}"
        elif not counts.any():
            reason = f"no face is answered {name}"
        if reason is not None:
            estimate = Estimate.not_measured(reason, n=0, subjects=0)
            yield context.measurement(metric, estimate, slice={"label": name}, direction="higher")
            continue
        weights = (labelled.astype(np.float64) + answered)[counts] if metric == "f1" else None
        yield Scores(
            metric,
            rows[counts],
            factor * both[counts],
            weights,
            kind="rate",
            bounds=(0, 1),
            direction="higher",
            slice={"label": name},
            by_group=False,
            keep=False,
        )


def _ranking(
    context: ProbeContext, rows: NDArray[np.int64], labels: NDArray[np.int64], subjects: NDArray[np.int64]
) -> Iterator[Output]:
    """Yield how well the probability of a forgery ranks forged faces above genuine ones."""
    forged = context.predictions.classes.index(FORGED)
    scores = context.predictions.probabilities[rows, forged]
    estimate = auroc(scores, labels == forged, subjects, context.rules)
    yield context.measurement("auroc", estimate, direction="higher")
    if is_turned(estimate):
        yield turned_finding(context, estimate)


def _order(context: ProbeContext, confusion: NDArray[np.int64]) -> Iterator[Finding]:
    """Yield a finding when another order of the classes would make the model much better."""
    found = class_order(confusion, context.random("class order"))
    if found is None:
        return
    classes = context.predictions.classes
    moves = "; ".join(f"what the plan calls {classes[a]} goes with the label {classes[b]}" for a, b in found.moved)
    yield context.finding(
        "class_order",
        "high" if found.near_chance else "medium",
        f"The classes may be listed in another order than the model's outputs: accuracy is {found.accuracy:.3f} as "
        f"listed (answers at random: {found.chance:.3f}) and would be {found.reordered:.3f} if renamed: {moves}.",
        evidence=[format_key(context.probe_id, "accuracy")],
        caveats=[
            "A hint, not a proof: a model that takes one expression for another looks the same.",
            f"The best renaming of answers given at random, each as often as here, reaches "
            f"{found.reordered_by_chance:.3f} on average and {found.reordered_by_chance_high:.3f} in 1 of 100 draws.",
        ],
    )
