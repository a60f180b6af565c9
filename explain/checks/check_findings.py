"""What may be said about explanations that were checked, in careful words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...core.keys import format_key
from ...core.probes import ProbeContext
from ...core.results import Estimate, Finding
from .check_outputs import MethodChecks, mean_over_people
from .face_checks import FAITHFULNESS

_TITLES = {"road": "ROAD"}
UNSTABLE = 0.2
"""A mean distance of maps under invisible noise from which on it is told."""


def method_findings(context: ProbeContext, method: MethodChecks, people: NDArray[np.int64]) -> Iterator[Finding]:
    """Yield what the checks of one method show.

    Args:
        context: of the probe.
        method: its checks.
        people: the person of every audited face.
    """
    title, condition = method.info.title, {"method": method.name}

    def evidence(*metrics: str) -> list[str]:
        return [format_key(context.probe_id, metric, {}, condition) for metric in metrics]

    found = method.randomisation
    if found is not None and found.verdict == "fails":
        yield context.finding(
            f"randomisation.{method.name}",
            "high",
            f"The heatmaps by {title} hardly change when the model's weights are replaced by random ones: they show "
            f"the picture, not the model. Rank correlation with the maps of {found.nets} random nets is "
            f"{found.same.value:.2f} on the same face, {found.other.value:.2f} on other faces.",
            evidence=evidence("randomisation", "randomisation.null_other_faces", "randomisation_kept"),
            caveats=[f"Measured on {found.faces} faces; weights were shuffled within each tensor."],
        )
    gains = {metric: method.scores.of(f"{metric}_gain") for metric in FAITHFULNESS}
    estimates = {
        metric: mean_over_people(values, people[rows], context.rules.level)
        for metric, (rows, values) in gains.items()
        if len(rows)
    }
    measured = {metric: one for metric, one in estimates.items() if _is_measured(context, one)}
    if measured and all((one.low or 0.0) <= 0 for one in measured.values()):
        told = ", ".join(
            f"{_TITLES.get(metric, metric)} {one.value or 0:+.3f} [{one.low or 0:+.3f}, {one.high or 0:+.3f}]"
            for metric, one in measured.items()
        )
        yield context.finding(
            f"faithfulness.{method.name}",
            "medium",
            f"The heatmaps by {title} are not shown to point at what the answer hangs on any better than the same maps "
            f"moved to a random place: gain in {told}.",
            evidence=evidence(*(f"{metric}_gain" for metric in measured)),
            caveats=[
                "With few faces a gain may be there and not be shown.",
                "Scores depend on how pixels are removed.",
            ],
        )
    rows, values = method.scores.of("stability")
    if len(rows):
        moved = mean_over_people(values, people[rows], context.rules.level)
        if _is_measured(context, moved) and (moved.low or 0.0) >= UNSTABLE:
            yield context.finding(
                f"stability.{method.name}",
                "low",
                f"The heatmaps by {title} move under noise that cannot be seen, although the answer stays: mean "
                f"distance (1 - correlation) {moved.value:.2f}.",
                evidence=evidence("stability"),
            )


def _is_measured(context: ProbeContext, estimate: Estimate) -> bool:
    """Tell whether an estimate stands in the results: what too few people are not enough to measure is not told."""
    return estimate.low is not None and (estimate.subjects or 0) >= context.rules.min_subjects
