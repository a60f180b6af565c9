"""What one use of the probe asks for: which metrics, of which labels, which of them tested for gaps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ....core.errors import Problems, nearest

SAME_QUESTION = {"fnr": "recall", "fdr": "precision"}
"""Rates that are another rate turned round: a gap in the one is the same gap in the other."""


@dataclass(frozen=True)
class Catalogue:
    """The metrics of a task.

    Attributes:
        task: as in a plan's target block.
        metrics: all there are, in the order they are measured in.
        averages: those of them that are averages over labels, which have no gap of their own.
        tested: metrics whose gaps are tested unless the plan names others.
        labels_are: what ``labels`` names: ``classes``, ``units`` or ``dimensions``; empty where there are none.
    """

    task: str
    metrics: tuple[str, ...]
    averages: tuple[str, ...]
    tested: tuple[str, ...]
    labels_are: str


@dataclass(frozen=True)
class Choice:
    """What is measured.

    Attributes:
        metrics: names of the catalogue.
        labels: classes, units or dimensions to measure.
        gaps: metrics whose gaps are tested; of two that ask the same only one.
        dropped: metrics that were asked for gaps and are another one turned round.
        tolerance: the gap that is accepted.
    """

    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    gaps: tuple[str, ...]
    dropped: tuple[str, ...]
    tolerance: float


def choose(
    catalogue: Catalogue,
    names: Sequence[str],
    metrics: Iterable[str] | None,
    labels: Iterable[str] | None,
    gaps: Iterable[str] | None,
    tolerance: float,
    problems: Problems,
) -> Choice:
    """Resolve the parameters against the task.

    Args:
        catalogue: of the task.
        names: classes, units or dimensions of the target.
        metrics: as asked; all unless given. ``base_rate`` is always among them where the task has it.
        labels: as asked; all unless given.
        gaps: as asked; those of the catalogue that are measured unless given.
        tolerance: the gap that is accepted.
        problems: what is wrong with the names is added here.
    """
    wanted = catalogue.metrics if metrics is None else tuple(metrics)
    _check("metrics", wanted, catalogue.metrics, f"a metric of {catalogue.task} targets", problems)
    if "base_rate" in catalogue.metrics and "base_rate" not in wanted:
        wanted = (*wanted, "base_rate")
    kept = tuple(metric for metric in catalogue.metrics if metric in wanted)
    if labels is not None and not catalogue.labels_are:
        problems.add(f"labels: a {catalogue.task} target has none")
    elif labels is not None:
        labels = tuple(labels)
        _check("labels", labels, names, f"one of the {catalogue.labels_are}", problems)
    tested = tuple(metric for metric in catalogue.tested if metric in kept) if gaps is None else tuple(gaps)
    can = tuple(metric for metric in catalogue.metrics if metric not in catalogue.averages)
    _check("gaps", tested, can, f"a metric whose gap is tested for {catalogue.task} targets", problems)
    for metric in tested:
        if metric in can and metric not in kept:
            problems.add(f"gaps: {metric!r} is tested only where metrics names it too")
    dropped = tuple(metric for metric in tested if SAME_QUESTION.get(metric) in tested)
    return Choice(
        metrics=kept,
        labels=tuple(name for name in names if labels is None or name in tuple(labels)),
        gaps=tuple(metric for metric in dict.fromkeys(tested) if metric not in dropped),
        dropped=dropped,
        tolerance=tolerance,
    )


def _check(parameter: str, asked: Iterable[str], known: Sequence[str], what: str, problems: Problems) -> None:
    """Add a problem for every name that is not known."""
    for name in asked:
        if name not in known:
            problems.add(f"{parameter} names {name!r}, which is not {what} ({', '.join(known)}){nearest(name, known)}")
