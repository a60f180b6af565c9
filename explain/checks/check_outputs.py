"""What the checks of explanations yield: scores, measurements, tables and the artifact that reports read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from ...core.probes import JsonOutput, ProbeContext, Scores, TableOutput
from ...core.results import Direction, Estimate, Measurement
from ..attribution.method import MethodInfo
from .face_checks import FAITHFULNESS, NULL, MethodScores
from .randomisation import Interval, Randomisation
from .weight_checks import Step

DIRECTIONS: Mapping[str, Direction] = {
    "road": "none",  # in logits of the model: more is more faithful for one model, and means nothing between two
    "deletion": "lower",
    "insertion": "higher",
    "stability": "lower",
}


@dataclass(frozen=True)
class MethodChecks:
    """All that is known of one method's maps.

    Attributes:
        info: of the method.
        layer: whose maps are explained, None for methods that use none.
        scores: of single faces.
        randomisation: None where it was not measured.
        why_not: why it was not.
        same_as: methods whose maps are the same on every face.
    """

    info: MethodInfo
    layer: str | None
    scores: MethodScores
    randomisation: Randomisation | None
    why_not: str
    same_as: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """Name of the method."""
        return self.info.name

    @property
    def verdict(self) -> str:
        """``fails``, ``passes`` or ``not measured``: the randomisation check."""
        return self.randomisation.verdict if self.randomisation is not None else "not measured"

    @property
    def reason(self) -> str:
        """Of the verdict."""
        return self.randomisation.reason if self.randomisation is not None else self.why_not


def mean_over_people(values: NDArray[np.float64], people: NDArray[np.int64], level: float) -> Estimate:
    """Return the mean of faces' values with a t interval in which people, not faces, are independent.

    The linearised variance of a mean over clusters of different sizes: p/(p-1) sum (s_p - n_p mean)^2 / n^2.

    Args:
        values: ``(n,)`` finite.
        people: ``(n,)`` the person of each face.
        level: of confidence.
    """
    if not len(values):
        return Estimate.not_measured("no face has a score", n=0, subjects=0)
    _, codes = np.unique(people, return_inverse=True)
    count, mean = int(codes.max()) + 1, float(values.mean())
    if count < 2:
        return Estimate(value=mean, n=len(values), subjects=count)
    residuals = np.bincount(codes, weights=values - mean)
    error = np.sqrt(count / (count - 1) * float(np.sum(residuals**2))) / len(values)
    reach = float(student.ppf(0.5 + level / 2, count - 1)) * float(error)
    return Estimate(
        value=mean,
        low=mean - reach,
        high=mean + reach,
        level=level,
        method="t_of_people",
        n=len(values),
        subjects=count,
    )


def face_scores(method: MethodChecks) -> Iterator[Scores]:
    """Yield the scores of single faces; each faithfulness score beside that of the map moved elsewhere."""
    condition = {"method": method.name}
    for metric in (*FAITHFULNESS, "stability"):
        rows, values = method.scores.of(metric)
        if not len(rows):
            continue
        bounds = {"road": None, "stability": (0.0, 2.0)}.get(metric, (0.0, 1.0))
        yield Scores(
            metric, rows, values, bounds=bounds, direction=DIRECTIONS[metric], condition=condition, by_group=False
        )
        if metric not in FAITHFULNESS:
            continue
        rows, values = method.scores.of(metric + NULL)
        yield Scores(metric + NULL, rows, values, bounds=bounds, condition=condition, by_group=False, keep=False)
        rows, values = method.scores.of(metric + "_gain")
        better: Direction = "none" if metric == "road" else "higher"
        yield Scores(metric + "_gain", rows, values, direction=better, condition=condition, by_group=False)


def not_scored(context: ProbeContext, name: str, reason: str) -> Iterator[Measurement]:
    """Say of a method that nothing was measured, and why."""
    for metric in (*FAITHFULNESS, "stability", "randomisation"):
        yield context.measurement(metric, Estimate.not_measured(reason), condition={"method": name})


def method_measurements(context: ProbeContext, method: MethodChecks) -> Iterator[Measurement]:
    """Yield the measurements of one method that are not means of scores of faces."""
    condition = {"method": method.name}

    def tell(metric: str, estimate: Estimate, direction: Direction = "none") -> Measurement:
        return context.measurement(metric, estimate, condition=condition, direction=direction)

    for metric in (*FAITHFULNESS, "stability"):
        if not len(method.scores.of(metric)[0]):
            yield tell(metric, Estimate.not_measured(_why(method.scores, metric)))
    found = method.randomisation
    if found is None:
        yield tell("randomisation", Estimate.not_measured(method.why_not))
        return
    if found.faces == 0:
        yield tell("randomisation", Estimate.not_measured("no face has a map"))
        return

    def estimate(interval: Interval) -> Estimate:
        limits = interval.low is not None
        return Estimate(
            value=interval.value,
            low=interval.low,
            high=interval.high,
            level=context.rules.level if limits else None,
            method="t_of_random_nets" if limits else None,
            n=found.faces,
        )

    yield tell("randomisation", estimate(found.same), "lower")
    yield tell("randomisation.null_other_faces", estimate(found.other))
    yield tell("randomisation_kept", estimate(found.kept), "lower")
    yield tell("randomisation_ssim", estimate(found.structure), "lower")
    yield tell("randomisation_vanished", Estimate(value=found.vanished, n=found.faces * found.nets))


def _why(scores: MethodScores, metric: str) -> str:
    reasons = scores.left_out.get(metric) or scores.left_out.get("map")
    if reasons:
        return "; ".join(f"{reason} ({number:,})" for reason, number in reasons.most_common())
    return "the answer changed with the noise for every face" if metric == "stability" else "no face has a map"


def tables(methods: Sequence[MethodChecks], cascade: Sequence[Step]) -> Iterator[TableOutput]:
    """Yield a row for each method, and one for each method and step of the cascade."""
    rows = []
    for method in methods:
        row: dict[str, object] = {"method": method.name, "layer": method.layer or ""}
        row |= {"faces": len(method.scores.of("deletion")[0]), "randomisation": method.verdict, "reason": method.reason}
        for metric in (*FAITHFULNESS, "stability"):
            row[metric] = _mean(method.scores, metric)
            if metric in FAITHFULNESS:
                row[metric + NULL] = _mean(method.scores, metric + NULL)
        row["stability_largest"] = _mean(method.scores, "stability_largest")
        found = method.randomisation
        if found is not None:
            row |= {"similarity": found.same.value, "similarity_other_faces": found.other.value}
            row |= {"kept": found.kept.value, "ssim": found.structure.value, "vanished": found.vanished}
        row["same_as"] = " ".join(method.same_as)
        rows.append(row)
    yield TableOutput("methods", pd.DataFrame(rows), "Checks of each attribution method")
    steps: list[dict[str, object]] = []
    for step in cascade:
        place = {"mode": step.mode, "modules": len(step.modules), "from": step.modules[0], "to": step.modules[-1]}
        for name, one in step.compared.items():
            steps.append(
                {
                    "method": name,
                    **place,
                    "similarity": one.same,
                    "similarity_other_faces": one.other,
                    "kept": one.kept,
                    "ssim": one.structure,
                    "faces": one.faces,
                    "vanished": one.vanished,
                }
            )
    if steps:
        yield TableOutput("cascade", pd.DataFrame(steps), "Similarity of maps while weights are replaced")


def _mean(scores: MethodScores, metric: str) -> float | None:
    values = scores.of(metric)[1]
    return float(values.mean()) if len(values) else None


def artifact(methods: Sequence[MethodChecks], unavailable: Mapping[str, tuple[str, str]]) -> JsonOutput:
    """Return what a report marks heatmaps by: for each method its verdict, its scores and its twins.

    Args:
        methods: those that explained.
        unavailable: title and reason of those that did not, by name.
    """
    content: dict[str, Any] = {}
    for method in methods:
        content[method.name] = {
            "title": method.info.title,
            "layer": method.layer,
            "faces": len(method.scores.of("deletion")[0]),
            "randomisation": method.verdict,
            "reason": method.reason,
            "same_as": list(method.same_as),
        }
        for metric in (*FAITHFULNESS, "stability"):
            content[method.name][metric] = _mean(method.scores, metric)
            if metric in FAITHFULNESS:
                content[method.name][metric + NULL] = _mean(method.scores, metric + NULL)
    for name, (title, reason) in unavailable.items():
        content[name] = {"title": title, "randomisation": "not measured", "reason": reason, "same_as": []}
        content[name] |= dict.fromkeys((*FAITHFULNESS, "stability"))
    return JsonOutput("checks", {"methods": content}, "Checks of each attribution method")
