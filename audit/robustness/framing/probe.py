"""The probe ``framing``: is the answer the same when the face is cut out a little differently?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ....core.probes import Note, Output, ProbeContext, TableOutput, probe
from ....core.results import Estimate
from ..conditions import ALL, NONE, Outcomes, at_chance, measure, measured_rows
from ..losses import Summary, nothing_to_lose, robustness_outputs
from ..quality import quality_of
from ..strip import permitted_rows, strip
from .changes import FAMILIES, IDENTITY, KIND, MIRROR, STRENGTH, conditions_of, title_of
from .mirroring import mirror_outputs
from .params import FramingParams
from .reframing import Reframing
from .withstood import withstood_outputs

CLEAN = {KIND: NONE, STRENGTH: "0"}


@probe(
    "framing",
    version=1,
    title="Pose, scale and crop",
    pillar="robustness",
    params=FramingParams,
    needs={"model", "images"},
    tasks={"expression", "forgery", "action_units", "valence_arousal"},
    shows="How many right answers are lost when the box of the face is moved, loosened, tightened or misshaped, when "
    "the face is turned in the plane or mirrored, up to which amount that is withstood, and which group loses most.",
    hides="Heads turned out of the plane, which no crop can make. Detectors that miss the face. Whether an answer that "
    "stays the same is right.",
    citation="Azulay and Weiss 2019, arXiv 1805.12177; Engstrom et al. 2019, arXiv 1712.02779",
)
def framing(context: ProbeContext, params: FramingParams) -> Iterator[Output]:
    """Answers to the same faces, cut out of their pictures in other frames."""
    rows = measured_rows(context, params.faces)
    conditions = conditions_of(params.amounts, mirror=params.mirror)
    reason = at_chance(context, rows)
    if reason:
        keys = [condition.values for condition in conditions if condition.name != IDENTITY]
        yield from nothing_to_lose(context, keys, [quality_of(context.predictions).metric], reason, len(rows))
        return
    reframing = Reframing(context.faces, conditions, context.model.size)
    outcomes = measure(context, rows, conditions, reframing)
    yield from _remarks(context, reframing, len(rows))
    summaries = list(_summaries(params, outcomes))
    yield from robustness_outputs(context, outcomes, summaries, tolerance=params.tolerance, clean=CLEAN)
    yield from _beyond(context, reframing)
    yield from withstood_outputs(context, outcomes, params.amounts, params.accepted_loss)
    if params.mirror:
        yield from mirror_outputs(context, rows, params.tolerance)
    shown = [condition for condition in conditions if _telling(params, condition.name, condition.size)]
    title = "Faces in other frames"
    if not len(permitted_rows(context)):
        title += "; beyond a drawn picture its outermost pixels stand again"
    yield from strip(context, shown, reframing, title=title)


def _summaries(params: FramingParams, outcomes: Outcomes) -> Iterator[Summary]:
    """Yield each family at each amount, each family over its amounts, and all changes but the identity."""
    yield Summary({KIND: IDENTITY}, outcomes.of(**{KIND: IDENTITY}), "no change", by_group=False)
    everything: list[int] = []
    for family, tried in params.amounts.items():
        whole: list[int] = []
        for amount in tried:
            of = {STRENGTH: str(amount)}
            members = tuple(place for name in FAMILIES[family] for place in outcomes.of(**{KIND: name, **of}))
            yield Summary({KIND: family, **of}, members, title_of(family, amount))
            whole += members
        if tried:
            yield Summary({KIND: family}, tuple(whole), title_of(family), gaps=True)
        everything += whole
    if params.mirror:
        mirrored = outcomes.of(**{KIND: MIRROR})
        yield Summary({KIND: MIRROR}, mirrored, title_of(MIRROR), gaps=True)
        everything += mirrored
    yield Summary({KIND: ALL}, tuple(everything), "all changes of the frame", gaps=True)


def _remarks(context: ProbeContext, reframing: Reframing, count: int) -> Iterator[Note]:
    """Say how the crops were made, and what lies beyond the pictures."""
    yield Note(
        f"{count:,} faces were cut out of their pictures anew for every change, with the audit's own steps: box "
        "rounded to whole pixels, then resized to the size of the input. A turn interpolates bicubically before that."
    )
    if reframing.fill == "edge":
        yield Note(
            "The data have no boxes: each picture is taken for the face itself, and what a moved, looser or turned "
            "crop shows beyond it is its outermost pixels again. Those changes are approximations; tighter boxes and "
            "mirror images are not."
        )
        return
    reached = {row for shares in reframing.beyond.values() for row, share in shares.items() if share > 0}
    if reached:
        yield Note(
            f"Of {len(reached):,} of {count:,} faces at least one change reached beyond the picture, where crops are "
            "black, as they are where a box does: the table `beyond_picture` says how far, change by change."
        )


def _beyond(context: ProbeContext, reframing: Reframing) -> Iterator[Output]:
    """Yield how often and how far each change reached beyond the pictures."""
    lines = []
    for condition in reframing.conditions:
        shares: NDArray[np.float64] = np.array(list(reframing.beyond[condition].values()))
        if not len(shares):
            continue
        reached = shares > 0
        mean = float(shares[reached].mean()) if reached.any() else 0.0
        lines.append([condition.name, condition.size, len(shares), int(reached.sum()), mean, int((shares == 1).sum())])
    if not lines:
        return
    columns = [KIND, STRENGTH, "faces", "reaching_beyond", "share_of_crop_beyond", "not_possible"]
    table = pd.DataFrame(lines, columns=columns)
    yield TableOutput("beyond_picture", table, "How far each change reached beyond the pictures")
    most = int(table["reaching_beyond"].max())
    yield context.measurement(
        "faces_beyond_picture", Estimate(value=most, n=int(table["faces"].max()), unit="faces"), direction="lower"
    )


def _telling(params: FramingParams, name: str, size: str) -> bool:
    """Tell whether a change is in the strip: every direction, at its largest amount."""
    if name in (IDENTITY, MIRROR):
        return name == MIRROR
    family = next(family for family, members in FAMILIES.items() if name in members)
    return size == str(params.amounts[family][-1])
