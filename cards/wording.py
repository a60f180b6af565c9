"""How numbers, metrics and methods are written in cards and reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..core.results import AuditResults, Estimate, Measurement, ProbeResult


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
        "expected calibration error: mean distance between confidence and accuracy over bins; above zero in a finite "
        "sample even for a calibrated model",
    ),
    "ece.null": MetricText("ECE of a calibrated model", "what a calibrated model scores on a sample of this size"),
    "confidence_minus_accuracy": MetricText(
        "confidence minus accuracy", "mean confidence less accuracy; above zero means overconfident"
    ),
    "auroc": MetricText("AUROC", "chance that a forged face scores above a genuine one"),
    "iou": MetricText("IoU", "overlap of the thresholded mean heatmap with the mask, intersection over union"),
    "iou.null_ones": MetricText("IoU of all-ones", "what a map that marks the whole picture scores"),
    "iou.null_random": MetricText("IoU of random maps", "what the same area in random places scores"),
    "iou.null_centre": MetricText("IoU of a central disc", "what the same area in the middle of the picture scores"),
    "iou.null_other_masks": MetricText("IoU with other masks", "mean IoU with the masks of the other expressions"),
    "iou_with": MetricText("IoU with each other mask", "the same heatmap against another expression's mask"),
    "specificity": MetricText("specificity", "IoU with the own mask less the mean IoU with the others"),
    "margin": MetricText("margin", "IoU with the own mask less the largest IoU with another"),
    "face_iou": MetricText("IoU of single faces", "mean over faces of the overlap of the heatmap with the mask"),
    "face_specificity": MetricText(
        "specificity of single faces", "mean over faces of IoU with the own mask less the mean with the others"
    ),
    "energy_in_mask": MetricText(
        "energy in the mask", "share of the heatmap's sum, above its lowest level, that lies in the mask"
    ),
    "energy_in_mask.null_ones": MetricText("all-ones in the mask", "the mask's share of the picture"),
    "energy_outside_face": MetricText(
        "energy outside the face", "share of the heatmap's sum, above its lowest level, that lies off the face"
    ),
    "energy_outside_face.null_ones": MetricText("all-ones outside the face", "share of the picture that is not face"),
    "faces_without_map": MetricText("faces without a map", "faces whose heatmap is empty or could not be warped"),
    "check.out_of_bounds": MetricText("check: out of bounds", "share of attacked faces changed by more than eps"),
    "check.unchanged": MetricText("check: unchanged", "share of attacked faces that the attack did not change at all"),
    "check.no_answer": MetricText("check: no answer", "share of attacked faces with an output that is no number"),
    "check.no_gradient": MetricText("check: no gradient", "share of attacked faces at which the gradient is zero"),
    "check.not_rising": MetricText(
        "check: not rising", "share of attacked faces on which the attack's loss did not rise"
    ),
    "check.unconfirmed": MetricText(
        "check: unconfirmed", "share of attacked faces whose outcome did not hold when asked again"
    ),
    "check.unstable": MetricText("check: unstable", "share of faces answered differently in another batch"),
}
"""Metrics by name, as most probes use it."""

IN_PROBE: Mapping[str, Mapping[str, MetricText]] = {
    "global_heatmaps": {
        "precision": MetricText("pixel precision", "share of the thresholded heatmap that lies in the mask"),
        "recall": MetricText("pixel recall", "share of the mask that the thresholded heatmap covers"),
        "area": MetricText("area", "share of the picture above the threshold"),
        "auroc": MetricText("pixel AUROC", "chance that a pixel in the mask is hotter than one outside"),
        "auroc.null_chance": MetricText("pixel AUROC of chance", "what a map without information scores"),
    },
}
"""Metrics that mean something else in one probe."""

METHODS: Mapping[str, str] = {
    "wilson": "Wilson score interval",
    "wilson_effective_n": "Wilson score interval with the effective sample size (people, not rows)",
    "korn_graubard": "Korn and Graubard's exact interval for clustered rates",
    "sandwich_t": "t interval with a standard error clustered by person",
    "mover_clopper_pearson": "limits of each class joined by the square-and-add rule",
    "null_quantile_and_contrasts": "what calibrated models give, joined with contrasts between bins",
    "calibrated_null": "spread over samples of a calibrated model",
    "jackknife_of_people": "t interval from leaving out each person and half of them, drawn out by the bias",
    "every_shift": "spread over every placement of the same area",
    "no_variation": "no interval, for lack of variation",
}


def _text(metric: str, probe: str) -> MetricText | None:
    return IN_PROBE.get(probe, {}).get(metric) or METRICS.get(metric)


def metric_title(metric: str, probe: str = "") -> str:
    """Return the metric as shown, e.g. ``FPR``; an unknown one with spaces for underscores.

    Args:
        metric: its name in results.
        probe: name of the probe that measured it (not its id in a plan), for a name with two meanings.
    """
    known = _text(metric, probe)
    return known.title if known else metric.replace("_", " ")


def metric_meaning(metric: str, probe: str = "") -> str:
    """Return what the metric is in one clause, or an empty string for one this package does not know."""
    known = _text(metric, probe)
    return known.meaning if known else ""


def method_title(method: str) -> str:
    """Return how an interval was made, in words; an unknown method under its own name."""
    return METHODS.get(method, method.replace("_", " "))


def probe_title(probe: ProbeResult, results: AuditResults) -> str:
    """Name a probe; two uses of one probe are told apart by their ids."""
    title = probe.title or probe.id
    twice = sum((other.title or other.id) == title for other in results.probes) > 1
    return f"{title} ({probe.id})" if twice else title


def measured_by(name: str, results: AuditResults) -> list[ProbeResult]:
    """Return what a probe gave, by its name: a plan may use it more than once and under any id."""
    return [probe for probe in results.probes if probe.probe == name]


def pairs_text(pairs: Mapping[str, str]) -> str:
    """Write a slice or condition for readers: ``eps = 8/255, attack = pgd``."""
    return ", ".join(f"{name} = {value}" for name, value in sorted(pairs.items()))


def place_title(metric: str, rest: Mapping[str, str], condition: Mapping[str, str], probe: str = "") -> str:
    """Name a measurement apart from its group: ``recall of happy``, ``accuracy at eps = 8/255``."""
    title = metric_title(metric, probe)
    others = {name: value for name, value in rest.items() if name != "label"}
    if "label" in rest:
        title += f" of {rest['label']}"
    if others:
        title += f" ({pairs_text(others)})"
    if condition:
        title += f" at {pairs_text(condition)}"
    return title


def measurement_title(measurement: Measurement, probe: str = "") -> str:
    """Name a measurement with everything that places it; ``probe`` as in :func:`metric_title`."""
    return place_title(measurement.metric, measurement.slice, measurement.condition, probe)


def number(value: float, unit: str | None = None) -> str:
    """Write a number with three decimals, large ones with thousands separators, tiny ones with one figure.

    A whole number with a unit (``3 faces``) is written as such.
    """
    if unit and float(value).is_integer():
        return f"{value:,.0f}"
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
    words = [number(estimate.value, estimate.unit), estimate.unit or "", interval(estimate)]
    text = " ".join(word for word in words if word)
    return ", ".join(part for part in (text, sample(estimate)) if part)


def plural(count: int, one: str, many: str | None = None) -> str:
    """Write a count with its noun: ``1 face``, ``1,204 faces``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
