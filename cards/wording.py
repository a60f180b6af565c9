"""How numbers, metrics and methods are written in cards and reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.results import Estimate, Measurement


@dataclass(frozen=True)
class MetricText:
    """A metric's short title and, in one clause, what it is."""

    title: str
    meaning: str


METRICS: Mapping[str, MetricText] = {
    "accuracy": MetricText("accuracy", "share of faces whose predicted class is their label"),
    "balanced_accuracy": MetricText("balanced accuracy", "mean of the recalls of the classes that have a label"),
    "macro_f1": MetricText("macro F1", "mean over classes of the harmonic mean of precision and recall"),
    "recall": MetricText("recall", "of the faces with the label, the share predicted as it"),
    "precision": MetricText("precision", "of the faces predicted as the class, the share that has the label"),
    "f1": MetricText("F1", "harmonic mean of precision and recall"),
    "fpr": MetricText("FPR", "of the faces without the label, the share predicted as it (false positive rate)"),
    "fnr": MetricText("FNR", "of the faces with the label, the share predicted as another (false negative rate)"),
    "fdr": MetricText(
        "FDR",
        "of the faces predicted as the class, the share without the label (false discovery rate); "
        "it moves with the base rate",
    ),
    "for": MetricText(
        "FOR",
        "of the faces predicted as another class, the share with the label (false omission rate); "
        "it moves with the base rate",
    ),
    "base_rate": MetricText("base rate", "share of faces that have the label"),
    "selection_rate": MetricText("selection rate", "share of faces predicted as the class"),
    "ece": MetricText(
        "ECE",
        "expected calibration error: mean distance between confidence and accuracy over bins; above zero in "
        "a finite "
        "sample even for a calibrated model",
    ),
    "confidence_minus_accuracy": MetricText(
        "confidence minus accuracy", "mean confidence less accuracy; above zero means overconfident"
    ),
    "auroc": MetricText("AUROC", "chance that a forged face scores above a genuine one"),
    "iou": MetricText("IoU", "overlap of the thresholded mean heatmap with the mask, intersection over union"),
    "face_iou": MetricText("IoU of single faces", "mean over faces of the overlap of the heatmap with the mask"),
    "specificity": MetricText(
        "specificity", "IoU with the mask of the expression less the mean IoU with the masks of the others"
    ),
    "iou.null_ones": MetricText("IoU of all-ones", "what a map that marks the whole picture scores"),
    "iou.null_random": MetricText("IoU of random maps", "what random maps of the same area score"),
    "iou.null_other_masks": MetricText("IoU with other masks", "the heatmap scored against other expressions' masks"),
}

METHODS: Mapping[str, str] = {
    "wilson": "Wilson score interval",
    "wilson_effective_n": "Wilson score interval with the effective sample size (people, not rows)",
    "korn_graubard": "Korn and Graubard's exact interval for clustered rates",
    "sandwich_t": "t interval with a standard error clustered by person",
    "no_variation": "no interval, for lack of variation",
}


def metric_title(metric: str) -> str:
    """Return the metric as shown, e.g. ``FPR``; an unknown one with spaces for underscores."""
    return METRICS[metric].title if metric in METRICS else metric.replace("_", " ")


def metric_meaning(metric: str) -> str:
    """Return what the metric is in one clause, or an empty string for a metric this package does not know."""
    return METRICS[metric].meaning if metric in METRICS else ""


def method_title(method: str) -> str:
    """Return how an interval was made, in words; an unknown method under its own name."""
    return METHODS.get(method, method.replace("_", " "))


def pairs_text(pairs: Mapping[str, str]) -> str:
    """Write a slice or condition for readers: ``eps = 8/255, attack = pgd``."""
    return ", ".join(f"{name} = {value}" for name, value in sorted(pairs.items()))


def place_title(metric: str, rest: Mapping[str, str], condition: Mapping[str, str]) -> str:
    """Name a measurement apart from its group: ``recall of happy``, ``accuracy at eps = 8/255``."""
    title = metric_title(metric)
    others = {name: value for name, value in rest.items() if name != "label"}
    if "label" in rest:
        title += f" of {rest['label']}"
    if others:
        title += f" ({pairs_text(others)})"
    if condition:
        title += f" at {pairs_text(condition)}"
    return title


def measurement_title(measurement: Measurement) -> str:
    """Name a measurement with everything that places it."""
    return place_title(measurement.metric, measurement.slice, measurement.condition)


def number(value: float) -> str:
    """Write a number with three decimals, large ones with thousands separators, tiny ones with one figure."""
    if value == 0 or 0.0005 <= abs(value) < 100:
        return f"{value:.3f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1g}"


def interval(estimate: Estimate) -> str:
    """Write the interval as ``[low, high]``, or an empty string where there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"[{number(estimate.low)}, {number(estimate.high)}]"


def sample(estimate: Estimate) -> str:
    """Write the sample as ``n = 204``, or an empty string where it is not known."""
    return "" if estimate.n is None else f"n = {estimate.n:,}"


def estimate_text(estimate: Estimate) -> str:
    """Write an estimate in one line: value, unit, interval and n, or why it was not measured."""
    if estimate.value is None:
        return f"not measured: {estimate.reason}"
    words = [number(estimate.value), estimate.unit or "", interval(estimate)]
    text = " ".join(word for word in words if word)
    return ", ".join(part for part in (text, sample(estimate)) if part)


def plural(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun: ``1 face``, ``1,204 faces``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
