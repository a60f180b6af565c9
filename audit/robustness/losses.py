"""From outcomes to scores: accuracy under each condition, what was lost, and which group loses most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...core.predictions import CLASSIFICATION_TASKS
from ...core.probes import Note, Output, ProbeContext, Scores, TableOutput
from ...core.results import Estimate
from .conditions import Condition, Outcomes


@dataclass(frozen=True)
class Summary:
    """Several conditions told as one: the mean over them, face by face.

    Attributes:
        values: condition of the measurement key, e.g. ``{"corruption": "blur"}``.
        members: positions of the conditions that it averages.
        title: in words after "under", e.g. ``blur``.
        by_group: whether it is measured by group.
        gaps: whether groups are compared: who loses most.
    """

    values: Mapping[str, str]
    members: tuple[int, ...]
    title: str
    by_group: bool = True
    gaps: bool = False


def robustness_outputs(
    context: ProbeContext,
    outcomes: Outcomes,
    summaries: Sequence[Summary],
    *,
    tolerance: float | None,
    clean: Mapping[str, str],
) -> Iterator[Output]:
    """Yield what the conditions did.

    Of the faces as they are: ``accuracy`` (``absolute_error`` of valence and arousal), also by group. Of every
    condition: the same over all faces. Of every summary: the same, ``lost`` (of what was answered rightly, the share
    that is wrong under it; ``error_rise`` of valence and arousal) by group, compared between groups where asked, and
    ``changed`` (share of answers that are others; ``moved``) over all faces. Without labels only what changed.

    Args:
        context: of the probe.
        outcomes: what became of every face.
        summaries: what to tell as one; a summary with the key of a condition replaces it.
        tolerance: largest gap between groups that is accepted.
        clean: condition of the key of faces as they are, e.g. ``{"corruption": "none", "severity": "0"}``.
    """
    everywhere = np.ones(len(outcomes.rows), dtype=np.bool_)
    if outcomes.quality.labelled:
        yield _value(outcomes, outcomes.before, outcomes.weights, everywhere, clean, by_group=True)
    told = {tuple(sorted(summary.values.items())) for summary in summaries}
    for place, condition in enumerate(outcomes.conditions):
        if tuple(sorted(condition.values.items())) not in told:
            yield from _condition(context, outcomes, place, condition)
    for summary in summaries:
        yield from _summary(context, outcomes, summary, tolerance)
    yield from _answers(context, outcomes)
    yield from _notes(outcomes)


def _answers(context: ProbeContext, outcomes: Outcomes) -> Iterator[TableOutput]:
    """Yield what the model answers under each condition: the share of the faces for each class."""
    predictions = context.predictions
    if predictions.task not in CLASSIFICATION_TASKS:
        return
    names = [*predictions.classes, "no answer"]
    lines = [_line("as they are", predictions.predicted[outcomes.rows], names)]
    for place, condition in enumerate(outcomes.conditions):
        kept = outcomes.possible[place]
        if kept.any():
            title = condition.title or " ".join(condition.values.values())
            lines.append(_line(title, outcomes.answers[place, kept], names))
    yield TableOutput("answers", pd.DataFrame(lines), "What the model answers under each condition, as shares")


def _line(title: str, answers: np.ndarray, names: Sequence[str]) -> dict[str, object]:
    counts = np.bincount(np.where(answers < 0, len(names) - 1, answers), minlength=len(names))
    shares = np.round(counts / max(len(answers), 1), 4)
    return {"condition": title, "faces": len(answers), **dict(zip(names, shares.tolist(), strict=True))}


def _condition(context: ProbeContext, outcomes: Outcomes, place: int, condition: Condition) -> Iterator[Output]:
    metric = outcomes.quality.metric if outcomes.quality.labelled else outcomes.quality.change_metric
    direction = outcomes.quality.direction if outcomes.quality.labelled else "lower"
    kept = outcomes.possible[place]
    if not kept.any():
        yield _not_possible(context, metric, condition.values, direction == "higher", len(outcomes.rows))
    elif outcomes.quality.labelled:
        yield _value(outcomes, outcomes.after[place], outcomes.weights, kept, condition.values, by_group=False)
    else:
        yield _change(outcomes, outcomes.changed[place], kept, condition.values)


def _summary(context: ProbeContext, outcomes: Outcomes, summary: Summary, tolerance: float | None) -> Iterator[Output]:
    members = list(summary.members)
    quality = outcomes.quality
    possible = outcomes.possible[members]
    times = possible.sum(0)
    kept = times > 0
    if not kept.any():
        for metric in (quality.metric, quality.loss_metric) if quality.labelled else (quality.change_metric,):
            higher = metric == quality.metric and quality.counts
            yield _not_possible(context, metric, summary.values, higher, len(outcomes.rows))
        return
    if quality.labelled:
        after = np.where(possible, outcomes.after[members], 0.0).sum(0)
        yield _value(outcomes, after, outcomes.weights * times, kept, summary.values, by_group=summary.by_group)
        lost = np.where(possible, outcomes.lost[members], 0.0).sum(0).astype(np.float64)
        weights = (outcomes.before if quality.counts else outcomes.weights) * times
        had = kept & (weights > 0)
        if had.any():
            yield Scores(
                quality.loss_metric,
                outcomes.rows[had],
                lost[had] if quality.counts else lost[had] * outcomes.weights[had],
                weights=weights[had],
                kind=quality.kind,
                bounds=(0.0, 1.0) if quality.counts else None,
                direction="lower",
                condition=summary.values,
                by_group=summary.by_group,
                gaps=summary.gaps,
                title=f"{'loss of right answers' if quality.counts else 'rise of the error'} under {summary.title}",
                tolerance=tolerance,
                keep=summary.gaps,
            )
    changed = np.where(possible, outcomes.changed[members], 0.0).sum(0) / np.maximum(times, 1)
    yield _change(outcomes, changed, kept, summary.values, gaps=summary.gaps and not quality.labelled,
                  tolerance=tolerance, title=summary.title)  # fmt: skip


def _value(
    outcomes: Outcomes,
    values: np.ndarray,
    weights: np.ndarray,
    kept: np.ndarray,
    condition: Mapping[str, str],
    *,
    by_group: bool,
) -> Scores:
    used = kept & (weights > 0)
    quality = outcomes.quality
    found = np.asarray(values, dtype=np.float64)[used]
    return Scores(
        quality.metric,
        outcomes.rows[used],
        found if quality.counts else found * outcomes.weights[used],
        weights=np.asarray(weights, dtype=np.float64)[used],
        kind=quality.kind,
        bounds=(0.0, 1.0) if quality.counts else (0.0, 2.0),
        direction=quality.direction,
        condition=dict(condition),
        by_group=by_group,
        keep=not by_group,
    )


def _change(
    outcomes: Outcomes,
    changed: np.ndarray,
    kept: np.ndarray,
    condition: Mapping[str, str],
    *,
    gaps: bool = False,
    tolerance: float | None = None,
    title: str = "",
) -> Scores:
    counts = outcomes.quality.counts
    return Scores(
        outcomes.quality.change_metric,
        outcomes.rows[kept],
        np.asarray(changed, dtype=np.float64)[kept],
        bounds=(0.0, 1.0) if counts else None,
        direction="lower",
        condition=dict(condition),
        by_group=gaps,
        gaps=gaps,
        title=f"change of answers under {title}" if title else "",
        tolerance=tolerance,
        keep=gaps,
    )


def _not_possible(context: ProbeContext, metric: str, condition: Mapping[str, str], higher: bool, count: int) -> Output:
    reason = "it could be done to none of the faces"
    return context.measurement(
        metric,
        Estimate.not_measured(reason, n=count),
        condition=dict(condition),
        direction="higher" if higher else "lower",
    )


def _notes(outcomes: Outcomes) -> Iterator[Note]:
    for place, condition in enumerate(outcomes.conditions):
        unanswered = int(outcomes.unanswered[place].sum())
        if unanswered:
            yield Note(
                f"Under {condition.title or condition.name} the model gave NaN or infinite outputs for {unanswered} of "
                f"{len(outcomes.rows)} faces: they count as wrong."
                if outcomes.quality.counts
                else f"Under {condition.title or condition.name} the model gave NaN or infinite outputs for "
                f"{unanswered} of {len(outcomes.rows)} faces: they are left out."
            )


def nothing_to_lose(
    context: ProbeContext, outcomes_of: Sequence[Mapping[str, str]], metrics: Sequence[str], reason: str, count: int
) -> Iterator[Output]:
    """Yield that nothing was measured under these conditions, with the reason."""
    for condition in outcomes_of:
        for metric in metrics:
            yield context.measurement(
                metric,
                Estimate.not_measured(reason, n=count),
                condition=dict(condition),
                direction="higher" if metric == "accuracy" else "lower",
            )
