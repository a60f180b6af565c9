"""What is measured of each kind of forgery: against the same photos, unforged, through the same steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ....core.probes import Output, PairedScores, ProbeContext, Scores, TableOutput
from ....core.results import Direction, Estimate
from ....core.statistics.rules import StatisticsRules
from ....core.statistics.slicing import slice_scores
from ..chance import jointly
from ..making import METHODS, UNTOUCHED
from ..making.pool import Integers
from .asking import Asked, Floats
from .params import MadeForgeriesParams
from .two_people import auroc_of_pairs, mean_of_pairs

FORGERY = "forgery"
SAME = 1e-4
"""Answers whose odds differ by a smaller share are one answer: the last digits hang on a picture's place in a batch."""
AUROC, APCER, BPCER, ABOVE = "auroc", "apcer", "bpcer", "above_own_photo"


@dataclass(frozen=True, eq=False)
class Pairs:
    """Forgeries of one kind, each beside the photo it was made of.

    Attributes:
        method: the kind, or the control.
        rows: the faces, shape (m,).
        forged: probability of a forgery of the forged picture, shape (m,).
        plain: of the photo through the same steps, shape (m,).
        people: whose photo it is, shape (m,).
        donors: whose face was put in, shape (m,); the same person where nobody's was.
    """

    method: str
    rows: Integers
    forged: Floats
    plain: Floats
    people: Integers
    donors: Integers

    @classmethod
    def of(
        cls, method: str, forged: Asked, plain: Asked, people: Integers, partners: Mapping[int, int] | None = None
    ) -> Pairs:
        """Return the faces that got an answer both ways.

        Args:
            method: the kind of forgery.
            forged: what was said of the forgeries.
            plain: of the photos.
            people: the person of every face of the data.
            partners: row of each face's partner; nobody's unless given.
        """
        rows, one, other = np.intersect1d(forged.rows, plain.rows, assume_unique=True, return_indices=True)
        given = rows if partners is None else np.array([partners[row] for row in rows.tolist()], dtype=np.int64)
        scores, base = forged.scores[one], plain.scores[other]
        same = np.abs(scores - base) <= SAME * np.minimum(base, 1 - base)
        return cls(method, rows.astype(np.int64), np.where(same, base, scores), base, people[rows], people[given])

    @property
    def title(self) -> str:
        """In sentences."""
        return METHODS[self.method].title if self.method in METHODS else "no forgery"

    @property
    def condition(self) -> dict[str, str]:
        """Condition of the keys."""
        return {FORGERY: self.method}

    @property
    def above(self) -> Floats:
        """Whether the forgery scores above the photo it was made of, a tie counting half, shape (m,)."""
        return np.asarray((self.forged > self.plain) + 0.5 * (self.forged == self.plain), dtype=np.float64)


@dataclass(frozen=True)
class Measured:
    """The overall numbers of one kind, for findings and the table.

    Attributes:
        pairs: the faces.
        auroc: forgeries against photos.
        apcer: share of forgeries that pass.
        above: share that score above their own photo.
        firm_auroc: the AUROC with an interval wide enough for the kinds together.
        firm_apcer: the share that pass, likewise.
    """

    pairs: Pairs
    auroc: Estimate
    apcer: Estimate
    above: Estimate
    firm_auroc: Estimate
    firm_apcer: Estimate


def overall(context: ProbeContext, params: MadeForgeriesParams, pairs: Pairs, kinds: int = 1) -> Measured:
    """Return what all faces together show.

    Args:
        context: of the probe.
        params: its parameters.
        pairs: the faces.
        kinds: how many kinds of forgery are asked about: what is claimed of one among several has to hold for all.
    """
    firm = jointly(context.rules, kinds)
    passing, above = _passing(params, pairs), _above(pairs)

    def area(rules: StatisticsRules) -> Estimate:
        if not len(pairs.rows):
            return Estimate.not_measured("no face could be forged so", n=0, subjects=0)
        return auroc_of_pairs(pairs.forged, pairs.plain, pairs.people, pairs.donors, rules)

    def mean(score: Scores, rules: StatisticsRules) -> Estimate:
        one = slice_scores(score, context.faces.subject_codes, (), rules, context.probe_id)[0].estimate
        return mean_of_pairs(one, score.values, pairs.people, pairs.donors, rules, rate=score.kind == "rate")

    return Measured(
        pairs,
        area(context.rules),
        mean(passing, context.rules),
        mean(above, context.rules),
        area(firm),
        mean(passing, firm),
    )


def outputs(context: ProbeContext, params: MadeForgeriesParams, measured: Measured) -> Iterator[Output]:
    """Yield the numbers of one kind of forgery over all faces, and the scores, which the runner slices by group.

    A face counts twice in the AUROC, forged and as it is, both of the same person.
    """
    pairs = measured.pairs
    for metric, estimate, way in _of_all(measured):
        yield context.measurement(metric, estimate, condition=pairs.condition, direction=way)
    told = f"under forgery ({pairs.title}, made here)"  # "under" tells the condition
    yield PairedScores(
        AUROC,
        "auroc",
        np.tile(pairs.rows, 2),
        np.repeat([1.0, 0.0], len(pairs.rows)),
        np.concatenate([pairs.forged, pairs.plain]),
        direction="higher",
        condition=pairs.condition,
        overall=False,
        gaps=True,
        title=f"AUROC {told}",
        tolerance=params.tolerance,
    )
    yield replace(_passing(params, pairs), overall=False)
    yield replace(_above(pairs), overall=False)


def _of_all(measured: Measured) -> tuple[tuple[str, Estimate, Direction], ...]:
    return (
        (AUROC, measured.auroc, "higher"),
        (APCER, measured.apcer, "lower"),
        (ABOVE, measured.above, "higher"),
    )


def control_outputs(context: ProbeContext, params: MadeForgeriesParams, control: Pairs) -> Iterator[Output]:
    """Yield what the control shows, and how many photos are called forged."""
    area = overall(context, params, control).auroc
    yield context.measurement(AUROC, area, condition=control.condition, direction="higher")
    yield Scores(
        BPCER,
        control.rows,
        (control.plain >= params.threshold).astype(np.float64),
        kind="rate",
        bounds=(0.0, 1.0),
        direction="lower",
        condition={FORGERY: UNTOUCHED},
        gaps=True,
        title="share of genuine photos called forged, under the control",
        tolerance=params.tolerance,
    )
    for metric in (AUROC, ABOVE):
        yield context.measurement(f"{metric}.null", Estimate(value=0.5, method="definition"))


def table(measured: list[Measured]) -> TableOutput:
    """Return one line for each kind of forgery."""
    lines = []
    for each in measured:
        numbers: list[object] = [each.pairs.method, len(each.pairs.rows), each.auroc.subjects]
        for estimate in (each.auroc, each.apcer, each.above):
            numbers += [estimate.value, estimate.low, estimate.high]
        lines.append([*numbers, each.auroc.reason or each.apcer.reason or ""])
    names = [f"{metric}{end}" for metric in (AUROC, APCER, ABOVE) for end in ("", "_low", "_high")]
    columns = [FORGERY, "faces", "people", *names, "reason"]
    return TableOutput("made", pd.DataFrame(lines, columns=columns), "Forgeries made here, by kind")


def _passing(params: MadeForgeriesParams, pairs: Pairs) -> Scores:
    return Scores(
        APCER,
        pairs.rows,
        (pairs.forged < params.threshold).astype(np.float64),
        kind="rate",
        bounds=(0.0, 1.0),
        direction="lower",
        condition=pairs.condition,
        gaps=True,
        title=f"share that pass as genuine under forgery ({pairs.title}, made here)",
        tolerance=params.tolerance,
    )


def _above(pairs: Pairs) -> Scores:
    return Scores(
        ABOVE,
        pairs.rows,
        pairs.above,
        bounds=(0.0, 1.0),
        direction="higher",
        condition=pairs.condition,
    )
