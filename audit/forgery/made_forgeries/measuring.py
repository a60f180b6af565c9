"""What is measured of each kind of forgery: against the same photos, unforged, through the same steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ....core.probes import Output, PairedScores, ProbeContext, Scores, TableOutput
from ....core.results import Estimate
from ....core.statistics.auroc import auroc
from ....core.statistics.slicing import slice_scores
from ..making import METHODS, UNTOUCHED
from ..making.pool import Integers
from .asking import Asked, Floats
from .params import MadeForgeriesParams

FORGERY = "forgery"
AUROC, APCER, BPCER, ABOVE = "auroc", "apcer", "bpcer", "above_own_photo"


@dataclass(frozen=True, eq=False)
class Pairs:
    """Forgeries of one kind, each beside the photo it was made of.

    Attributes:
        method: the kind, or the control.
        rows: the faces, shape (m,).
        forged: probability of a forgery of the forged picture, shape (m,).
        plain: of the photo through the same steps, shape (m,).
    """

    method: str
    rows: Integers
    forged: Floats
    plain: Floats

    @classmethod
    def of(cls, method: str, forged: Asked, plain: Asked) -> Pairs:
        """Return the faces that got an answer both ways."""
        rows, one, other = np.intersect1d(forged.rows, plain.rows, assume_unique=True, return_indices=True)
        return cls(method, rows.astype(np.int64), forged.scores[one], plain.scores[other])

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
    """The overall numbers of one kind, for findings and the table."""

    pairs: Pairs
    auroc: Estimate
    apcer: Estimate
    above: Estimate


def overall(context: ProbeContext, params: MadeForgeriesParams, pairs: Pairs) -> Measured:
    """Return what all faces together show."""
    codes = context.faces.subject_codes
    subjects = codes[pairs.rows]
    forged = np.repeat([True, False], len(pairs.rows))
    if len(pairs.rows):
        area = auroc(np.concatenate([pairs.forged, pairs.plain]), forged, np.tile(subjects, 2), context.rules)
    else:
        area = Estimate.not_measured("no face could be forged so", n=0, subjects=0)

    def mean(score: Scores) -> Estimate:
        return slice_scores(score, codes, (), context.rules, context.probe_id)[0].estimate

    return Measured(pairs, area, mean(_passing(params, pairs)), mean(_above(pairs)))


def outputs(params: MadeForgeriesParams, pairs: Pairs) -> Iterator[Output]:
    """Yield the scores of one kind of forgery; the runner slices them by group.

    A face counts twice in the AUROC, forged and as it is, both of the same person.
    """
    told = f"under forgery ({pairs.title}, made here)"  # "under" tells the condition
    yield PairedScores(
        AUROC,
        "auroc",
        np.tile(pairs.rows, 2),
        np.repeat([1.0, 0.0], len(pairs.rows)),
        np.concatenate([pairs.forged, pairs.plain]),
        direction="higher",
        condition=pairs.condition,
        gaps=True,
        title=f"AUROC {told}",
        tolerance=params.tolerance,
    )
    yield _passing(params, pairs)
    yield _above(pairs)


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
