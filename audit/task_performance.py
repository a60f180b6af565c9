"""Performance of targets whose answer is not one class: action units, valence and arousal, pairs of faces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..core.errors import AuditError
from ..core.probes import Note, Output, ProbeContext
from ..core.results import Estimate
from .fairness.metrics.averages import average_over_all
from .fairness.metrics.choice import Choice
from .fairness.metrics.pairs import threshold_notes
from .fairness.metrics.units import Units
from .fairness.metrics.values import Values
from .verification import GENUINE, IMPOSTOR, Comparisons, find_threshold, rates, tpr_at_fpr

UNIT_METRICS = ("accuracy", "base_rate", "recall", "precision", "f1", "fpr", "auroc")
UNIT_AVERAGES = ("macro_f1", "macro_recall")
VALUE_METRICS = ("ccc", "pcc", "rmse", "sagr", "bias")


def units_performance(context: ProbeContext, threshold: float | None) -> Iterator[Output]:
    """Yield the metrics of each unit over all faces where it is known, and averages over units."""
    if threshold is not None and not 0 < threshold < 1:
        raise AuditError(f"{context.probe_id}: expected a threshold between 0 and 1, but got {threshold}")
    names = context.predictions.classes
    units = Units(context.predictions, _choice(UNIT_METRICS, names), threshold)
    yield from _left_out(context, len(units.rows))
    for text in units.notes():
        yield Note(text)
    for score in units.scores(UNIT_METRICS, units.rows):
        yield replace(score, overall=True, by_group=False)
    for metric in UNIT_AVERAGES:
        sums_of, _ = units.sums_of(metric, context.faces.subject_codes)
        estimate = average_over_all(sums_of, units.rows, context.faces.subject_codes, context.rules)
        yield context.measurement(metric, estimate, direction="higher")


def values_performance(context: ProbeContext) -> Iterator[Output]:
    """Yield the metrics of valence and arousal over all faces where the truth is known."""
    values = Values(context.predictions, _choice(VALUE_METRICS, context.predictions.classes))
    yield from _left_out(context, len(values.rows))
    for score in values.scores(VALUE_METRICS, values.rows):
        yield replace(score, overall=True, by_group=False)


def pairs_performance(context: ProbeContext, threshold: float | None, fmr: float) -> Iterator[Output]:
    """Yield the error rates of all pairs at one threshold, and the TPR where ``fmr`` of the impostor pairs match."""
    comparisons = Comparisons.of(context.faces, context.predictions)
    tpr = tpr_at_fpr(comparisons, fmr, context.rules)
    yield context.measurement("tpr_at_fpr", tpr, condition={"fpr": f"{fmr:g}"}, direction="higher")
    found = find_threshold(comparisons, fmr, threshold)
    if found is None:
        reason = "there is no impostor pair to set the threshold by"
        for metric in ("fmr", "fnmr"):
            yield context.measurement(metric, Estimate.not_measured(reason, n=0), direction="lower")
        return
    yield from threshold_notes(found, fmr, given=threshold is not None)
    matches = comparisons.similarity >= found.value
    for metric, kind, wrong in (("fmr", IMPOSTOR, matches), ("fnmr", GENUINE, ~matches)):
        rows = comparisons.rows(kind)
        pairs = comparisons.grouped(rows)
        nearest = comparisons.similarity[rows] * (1 if kind == IMPOSTOR else -1)
        found_rates = rates(pairs, wrong[rows].astype(float), context.rules, kind, overall=True, nearest=nearest)
        yield context.measurement(metric, found_rates.estimates[0], direction="lower")
    yield context.measurement("threshold", Estimate(value=found.value, n=found.impostors))


def _choice(metrics: tuple[str, ...], names: tuple[str, ...]) -> Choice:
    return Choice(metrics=metrics, labels=names, gaps=(), dropped=(), tolerance=0.0)


def _left_out(context: ProbeContext, known: int) -> Iterator[Note]:
    faces = len(context.predictions)
    if known < faces:
        yield Note(f"{faces - known:,} of {faces:,} faces have no label and are left out.")
