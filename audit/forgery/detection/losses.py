"""What compression and smallness cost: measures under every rung, and how far they are from those of faces as they are.

The faces are the same, so differences are taken person by person. Whether any of them is surely larger than is accepted
is asked of all together: each has the limits of one of so many (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ....core.keys import format_key
from ....core.probes import Note, Output, ProbeContext, Scores
from ....core.results import Estimate
from ....core.statistics.auroc_lost import auroc_lost
from ....core.statistics.rules import StatisticsRules
from ....core.statistics.slicing import slice_scores
from ...robustness.sample import sample_rows
from ..wording import listed
from .ladder import Asked, Rung, ask, rungs
from .material import Scored
from .measuring import METHOD, Depth, Measuring

ALPHA = 0.05


@dataclass(frozen=True)
class Loss:
    """How far one measure got worse under one rung.

    Attributes:
        rung: what was done to the faces.
        metric: ``auroc``, ``apcer`` or ``bpcer``.
        method: of which forgeries; empty for all.
        before: the measure of the faces as they are.
        after: under the rung.
        estimate: how much worse it is.
        surely: lower limit that holds for all comparisons of the probe together; minus infinity where there is none.
        key: of the measurement.
        one_score: whether every face gets the same score under the rung.
    """

    rung: Rung
    metric: str
    method: str
    before: float
    after: float
    estimate: Estimate
    surely: float
    key: str
    one_score: bool = False


def ladder_outputs(measuring: Measuring, faces: Scored, told: list[Loss]) -> Iterator[Output]:
    """Yield the measures under every rung, and append to ``told`` how far they got worse.

    Args:
        measuring: measures.
        faces: all labelled faces, as they are.
        told: filled.
    """
    context, asked = measuring.context, rungs(measuring.params)
    if not asked:
        return
    if context.target is None:
        reason = "the target is a table of predictions: there is no model to show compressed or small faces to"
        for rung in asked:
            none = faces.under(faces.scores, rung.condition)
            yield measuring.measurement("auroc", Estimate.not_measured(reason, n=0, subjects=0), {}, none)
        yield Note("Compressed and small faces were not measured: the target is a table of predictions, not a model.")
        return
    random = replace(context, probe_id="robustness").random("faces")  # as the other probes that perturb faces
    rows = sample_rows(faces.rows, faces.subjects, measuring.params.faces, random)
    sample = faces.only(np.isin(faces.rows, rows))
    yield Note(
        f"{len(rows):,} faces were shown again compressed and small. It was done to the crop as the model gets it, "
        f"{context.model.size[1]} x {context.model.size[0]} pixels, and to genuine and forged faces alike."
    )
    comparisons = len(asked) * (3 + len(sample.names))
    for each in ask(context, rows, asked):
        if each.unanswered:
            reason = f"the model gives NaN or infinite outputs for {each.unanswered} of {len(rows)} faces"
            none = sample.under(sample.scores, each.rung.condition)
            yield measuring.measurement("auroc", Estimate.not_measured(reason, n=len(rows)), {}, none)
            continue
        after = sample.under(each.scores, each.rung.condition)
        yield from measuring.outputs(after, Depth(by_group=False, gaps=False, nulls=False))
        yield from _lost(measuring, sample, after, each, comparisons, told)
        for metric, kind in (("apcer", True), ("bpcer", False)):
            if (sample.forged == kind).any():
                yield from _rise(measuring, metric, sample, after, each, comparisons, told)


def _lost(
    measuring: Measuring, sample: Scored, after: Scored, asked: Asked, comparisons: int, told: list[Loss]
) -> Iterator[Output]:
    """Yield how far the AUROC fell, of all forgeries and of each method."""
    if measuring.unranked(sample):
        return
    context = measuring.context
    together = _together(context, comparisons)
    silent = []
    for name in ("", *sample.names):
        of, then = (sample.of(name), after.of(name)) if name else (sample, after)
        change = auroc_lost(of.scores, then.scores, of.forged, of.subjects, context.rules)
        place = {METHOD: name} if name else {}
        yield context.measurement("auroc_lost", change, slice=place, condition=asked.rung.condition, direction="lower")
        one_score = bool(np.ptp(then.scores) == 0)
        if one_score:
            silent.append(name)
        before = measuring.ranking("auroc", of).value
        if change.value is None or before is None:
            continue
        surely = auroc_lost(of.scores, then.scores, of.forged, of.subjects, together).low
        assert surely is not None
        key = format_key(context.probe_id, "auroc_lost", place, asked.rung.condition)
        after_it = before - change.value
        told.append(Loss(asked.rung, "auroc", name, before, after_it, change, surely, key, one_score))
    if silent:
        whom = f"all {len(after.rows):,} faces" if "" in silent else f"genuine faces and those of {listed(silent)}"
        yield Note(
            f"At {asked.rung.title} the model gives {whom} one and the same score: AUROC, equal error rate and average "
            "precision were not measured there. In auroc_lost it counts as an AUROC of 0.5, ties counting half."
        )


def _rise(
    measuring: Measuring, metric: str, sample: Scored, after: Scored, asked: Asked, comparisons: int, told: list[Loss]
) -> Iterator[Output]:
    """Yield how far an error rate at the threshold rose."""
    context, kind = measuring.context, metric == "apcer"
    of, then = sample.only(sample.forged == kind), after.only(after.forged == kind)
    before, later = (measuring.rate_scores(metric, each).values for each in (of, then))
    score = Scores(
        f"{metric}_rise",
        of.rows,
        later - before,
        bounds=(-1.0, 1.0),
        direction="lower",
        condition=asked.rung.condition,
        by_group=False,
        keep=False,
    )
    found = _measured(context, score, of, context.rules)
    yield context.measurement(score.metric, found, condition=asked.rung.condition, direction="lower")
    if found.value is None:
        return
    surely = _measured(context, score, of, _together(context, comparisons)).low
    key = format_key(context.probe_id, score.metric, {}, asked.rung.condition)
    rates = float(before.mean()), float(later.mean())
    told.append(Loss(asked.rung, metric, "", *rates, found, -np.inf if surely is None else surely, key))


def _together(context: ProbeContext, comparisons: int) -> StatisticsRules:
    """Return rules whose lower limits, each of a one-sided question, hold for all comparisons together."""
    return replace(context.rules, level=1 - 2 * ALPHA / comparisons)


def _measured(context: ProbeContext, score: Scores, of: Scored, rules: StatisticsRules) -> Estimate:
    return slice_scores(score, of.people, (), rules, context.probe_id)[0].estimate
