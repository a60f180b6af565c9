"""The probe ``group_metrics``: the same rates for every group and every planned intersection of groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from ...core.errors import AuditError, nearest
from ...core.probes import Note, Output, ProbeContext, ProbeParams, Scores, TableOutput, probe
from ...core.results import Direction, Finding
from ...core.results_file import SIZE_LIMIT
from ...core.statistics.groups import Groups
from ...core.statistics.slicing import slice_scores

Metric = Literal["accuracy", "recall", "fpr", "fnr", "fdr", "for", "base_rate", "selection_rate"]
Faces = NDArray[np.bool_]
BYTES_OF_A_MEASUREMENT = 560
NAMED_GROUPS = 8


class GroupMetricsParams(ProbeParams):
    """Which rates to measure, of which classes."""

    metrics: tuple[Metric, ...] = Field(
        default=("accuracy", "recall", "fpr", "fnr", "fdr", "for", "base_rate", "selection_rate"),
        min_length=1,
        description="rates to measure for each group",
    )
    labels: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="classes to measure one against the rest; all unless given"
    )


# Of each rate of a class: which faces it is a share of, which of these it counts, and which way is better.
_RATES: dict[str, tuple[Callable[[Faces, Faces], Faces], Callable[[Faces, Faces], Faces], Direction]] = {
    "recall": (lambda labelled, _: labelled, lambda _, answered: answered, "higher"),
    "fnr": (lambda labelled, _: labelled, lambda _, answered: ~answered, "lower"),
    "fpr": (lambda labelled, _: ~labelled, lambda _, answered: answered, "lower"),
    "fdr": (lambda _, answered: answered, lambda labelled, _: ~labelled, "lower"),
    "for": (lambda _, answered: ~answered, lambda labelled, _: labelled, "lower"),
    "base_rate": (lambda labelled, _: np.ones_like(labelled), lambda labelled, _: labelled, "none"),
    "selection_rate": (lambda labelled, _: np.ones_like(labelled), lambda _, answered: answered, "none"),
}
# What can be said of a class that no face is labelled with; the others have no denominator or are 0 or 1 by definition.
_WITHOUT_LABEL = frozenset({"fpr", "selection_rate"})


@probe(
    "group_metrics",
    version=1,
    title="Metrics by group",
    pillar="fairness",
    params=GroupMetricsParams,
    needs={"labels"},
    shows="Accuracy and, class by class, the rates of right and wrong answers of each group and of each planned "
    "intersection of groups, with intervals that count people, not pictures.",
    hides="Whether two groups differ: overlapping or separate intervals of single rows are no test of a gap. Groups "
    "too small to measure, groups nobody asked about, and whether the attributes were assigned rightly. FPR and FDR "
    "also depend on which labels a group has.",
    citation="Hardt et al. 2016, arXiv 1610.02413; Chouldechova 2017, arXiv 1703.00056; Wilson 1927, JASA 22:209",
)
def group_metrics(context: ProbeContext, params: GroupMetricsParams) -> Iterator[Output]:
    """Accuracy, recall, FPR, FNR, FDR, FOR, base rate and selection rate by group and intersection."""
    groupings = context.faces.groupings
    if not groupings:
        yield Note("Nothing was measured by group: the plan names no attributes of the faces.")
        return
    rows = np.flatnonzero(context.predictions.labels >= 0)
    labels, predicted = context.predictions.labels[rows], context.predictions.predicted[rows]
    places, unlabelled = _places(context, params, labels)
    _check_size(params, len(places), sum(map(len, groupings)))

    yield _coverage(context, groupings, rows, labels)
    accuracy = _scores("accuracy", rows, labels == predicted, "higher")
    yield from _not_measured(context, groupings, accuracy, told="accuracy" in params.metrics)
    if "accuracy" in params.metrics:
        yield accuracy
    if unlabelled:
        kept = ", ".join(metric for metric in params.metrics if metric in _WITHOUT_LABEL) or "none of them"
        yield Note(f"No face is labelled {', '.join(unlabelled)}; of the rates of such a class: {kept}.")
    for place in places:
        labelled, answered = labels == place, predicted == place
        for metric in params.metrics:
            if metric == "accuracy" or (metric not in _WITHOUT_LABEL and not labelled.any()):
                continue
            share_of, counts, direction = _RATES[metric]
            of = share_of(labelled, answered)
            name = context.predictions.classes[place]
            yield _scores(metric, rows[of], counts(labelled, answered)[of], direction, name)
    yield Note(
        "Each row stands alone. Whether two groups differ is not tested here: the largest of many differences is "
        "positive for a model that treats every group alike, and a row's interval is not corrected for choosing it."
    )


def _scores(
    metric: str, rows: NDArray[np.int64], counts: Faces, direction: Direction, label: str | None = None
) -> Scores:
    return Scores(
        metric,
        rows,
        counts.astype(np.float64),
        kind="rate",
        bounds=(0, 1),
        direction=direction,
        slice={} if label is None else {"label": label},
        overall=False,
        keep=False,
    )


def _places(
    context: ProbeContext, params: GroupMetricsParams, labels: NDArray[np.int64]
) -> tuple[list[int], list[str]]:
    """Return the classes to measure and the names of those among them that no face is labelled with."""
    classes = context.predictions.classes
    for name in params.labels or ():
        if name not in classes:
            raise AuditError(
                f"group_metrics: labels names {name!r}, which is none of the classes {list(classes)}"
                f"{nearest(name, classes)}"
            )
    places = [place for place, name in enumerate(classes) if params.labels is None or name in params.labels]
    counted = np.bincount(labels, minlength=len(classes))
    return places, [classes[place] for place in places if counted[place] == 0]


def _check_size(params: GroupMetricsParams, labels: int, groups: int) -> None:
    """Refuse to make more measurements than a results file may hold."""
    rates = sum(labels for metric in params.metrics if metric != "accuracy") + ("accuracy" in params.metrics)
    if rates * groups * BYTES_OF_A_MEASUREMENT > SIZE_LIMIT:
        raise AuditError(
            f"group_metrics would give {rates * groups:,} measurements ({rates} rates of {groups:,} groups), more than "
            "results.json may hold: name fewer `metrics` or `labels` for the probe, or fewer intersections for the data"
        )


def _coverage(
    context: ProbeContext, groupings: tuple[Groups, ...], rows: NDArray[np.int64], labels: NDArray[np.int64]
) -> TableOutput:
    """Count faces and people by group and label."""
    named = np.asarray(context.predictions.classes, dtype=object)[labels]
    subjects = context.faces.subject_codes[rows]
    parts = []
    for groups in groupings:
        faces = pd.DataFrame({"group": groups.codes[rows], "label": named, "subject": subjects})
        counted = faces.groupby(["group", "label"], sort=True)["subject"].agg(faces="size", people="nunique")
        part = counted.reset_index()
        part["group"] = [" & ".join(groups.values[group].values()) for group in part["group"]]
        part.insert(0, "attributes", groups.name)
        parts.append(part)
    return TableOutput("coverage", pd.concat(parts, ignore_index=True), "Faces and people by group and label")


def _not_measured(
    context: ProbeContext, groupings: tuple[Groups, ...], accuracy: Scores, *, told: bool
) -> Iterator[Finding]:
    """Yield a finding for each grouping with groups whose accuracy is not measured.

    Args:
        context: the probe's.
        groupings: the attributes and intersections.
        accuracy: the score.
        told: whether the accuracy of groups is among the results, and so can be pointed at.
    """
    subjects = context.faces.subject_codes
    for groups in groupings:
        measured = slice_scores(accuracy, subjects, [groups], context.rules, context.probe_id)
        small = [item for item in measured if item.estimate.value is None]
        if not small:
            continue
        named = [f"{' & '.join(item.slice.values())} ({item.estimate.reason})" for item in small[:NAMED_GROUPS]]
        more = f"; and {len(small) - NAMED_GROUPS} more" if len(small) > NAMED_GROUPS else ""
        yield context.finding(
            f"not_measured.{groups.name}",
            "note",
            f"{len(small)} of {len(measured)} groups by {groups.name} are too small to measure even accuracy: "
            f"{'; '.join(named)}{more}. How the model does on people in these groups cannot be told from these faces.",
            evidence=[item.key for item in small] if told else [],
        )
