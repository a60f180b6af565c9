"""Rates by true group and by the group as assigned, and the gaps between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ....core.errors import AuditError, nearest
from ....core.probes import ProbeContext
from ....core.statistics.corrected_gaps import Prepared, Question, ask_together, prepare
from ....core.statistics.gaps import Gap, NoGap
from ....core.statistics.misclassified import AssignedSums, LabelErrors
from ....core.statistics.sums import Floats, Integers
from .assigned import Assigned

CORRECTED, UNCORRECTED, SECOND, AGREED = "corrected", "uncorrected", "second_annotator", "agreed"


@dataclass(frozen=True, eq=False)
class Rate:
    """A rate of some faces: accuracy of all of them, or recall of a class."""

    metric: str
    slice: Mapping[str, str]
    rows: Integers
    right: Floats


@dataclass(frozen=True, eq=False)
class Score:
    """A rate by the groups of one attribute, in several ways.

    Attributes:
        rate: the rate.
        assigned: the attribute.
        ways: the rate of each group ``corrected`` and ``uncorrected``; with two annotators also by the
            ``second_annotator``, and of faces on which they ``agreed``.
        gaps: how far the groups differ, by way.
    """

    rate: Rate
    assigned: Assigned
    ways: Mapping[str, Prepared]
    gaps: Mapping[str, Gap | NoGap] = field(default_factory=dict)


def rates_of(context: ProbeContext, metrics: Sequence[str], labels: Sequence[str] | None) -> Iterator[Rate]:
    """Yield the rates to correct.

    Raises:
        AuditError: when a label is none of the classes.
    """
    classes = context.predictions.classes
    for name in labels or ():
        if name not in classes:
            raise AuditError(
                f"uncertain_attributes: labels names {name!r}, which is none of the classes {list(classes)}"
                f"{nearest(name, classes)}"
            )
    rows = np.flatnonzero(context.predictions.labels >= 0)
    truth = context.predictions.labels[rows]
    right = (truth == context.predictions.predicted[rows]).astype(np.float64)
    if "accuracy" in metrics:
        yield Rate("accuracy", {}, rows, right)
    if "recall" in metrics:
        for place, name in enumerate(classes):
            of = truth == place
            if (labels is None or name in labels) and of.any():
                yield Rate("recall", {"label": name}, rows[of], right[of])


def score_of(context: ProbeContext, assigned: Assigned, rate: Rate) -> Score:
    """Return a rate by group in every way; how far groups differ is asked later, of all scores together."""
    people = int(context.faces.subject_codes.max(initial=-1)) + 1

    def prepared(groups: Integers, errors: LabelErrors) -> Prepared:
        use = groups[rate.rows] >= 0
        rows = rate.rows[use]
        sums = AssignedSums.of(
            context.faces.subject_codes[rows],
            groups[rows],
            rate.right[use],
            people=people,
            groups=len(assigned.groups),
        )
        return prepare(errors, sums, assigned.groups, context.rules)

    exact = LabelErrors.none(len(assigned.groups))
    ways = {CORRECTED: prepared(assigned.first, assigned.errors), UNCORRECTED: prepared(assigned.first, exact)}
    if assigned.second is not None:
        ways[SECOND] = prepared(assigned.second, exact)
        ways[AGREED] = prepared(np.where(assigned.first == assigned.second, assigned.first, -1), exact)
    return Score(rate, assigned, ways)


def answered(context: ProbeContext, scores: Sequence[Score], tolerance: float) -> list[Score]:
    """Ask how far groups differ: all scores together, each way on its own."""
    gaps: list[dict[str, Gap | NoGap]] = [{} for _ in scores]
    for way in (CORRECTED, UNCORRECTED, SECOND, AGREED):
        places = [place for place, score in enumerate(scores) if way in score.ways]
        questions = [
            Question(
                prepared=scores[place].ways[way],
                source=scores[place].assigned.name,
                direction="higher",
                tolerance=tolerance,
                out_of_scope=scores[place].assigned.spec.out_of_scope,
            )
            for place in places
        ]
        found = ask_together(questions, context.rules, context.random("gaps", way))
        for place, gap in zip(places, found, strict=True):
            gaps[place][way] = gap
    return [replace(score, gaps=found) for score, found in zip(scores, gaps, strict=True)]
