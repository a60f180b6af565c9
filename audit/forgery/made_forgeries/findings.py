"""What is claimed of a detector that was shown forgeries made here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ....core.keys import format_key
from ....core.probes import ProbeContext, Scores
from ....core.results import Estimate, Finding
from ....core.statistics.slicing import slice_scores
from ..chance import CHANCE, NEAR_CHANCE, jointly
from ..making import UNTOUCHED
from ..wording import passing, ranked
from .measuring import APCER, AUROC, BPCER, FORGERY, Measured, Pairs
from .params import MadeForgeriesParams

_NO_GENERATOR = (
    "These forgeries are made of photos, landmarks and blending alone, without a generator: what the model says of "
    "them tells nothing about forgeries that a generator made."
)
_SAME_PATH = (
    "Photos and forgeries were cut, saved as JPEG and resized by the same steps, and the control, a forgery that "
    "changes nothing, gets the same pixels as its photo: what is told apart is the forging."
)


def findings(context: ProbeContext, params: MadeForgeriesParams, told: Sequence[Measured]) -> Iterator[Finding]:
    """Yield which kinds the model does not tell from the photos they were made of, and which it ranks below them."""
    known = [each for each in told if each.auroc.value is not None]
    together = _held_together(context, told)
    below = [each for each in known if _high(each.firm_auroc) < CHANCE]
    near = [each for each in known if each not in below and _high(each.firm_auroc) < NEAR_CHANCE]
    unsure = [each for each in known if each not in (*below, *near) and _low(each.firm_auroc) <= CHANCE]
    seen = [each for each in known if each not in (*below, *near, *unsure)]
    if near:
        every = len(near) == len(known)
        yield context.finding(
            "near_chance",
            "high" if every else "medium",
            f"The model hardly tells {_listed(near)} from the photos they were made of: answers at random give an "
            f"AUROC of 0.5.{_passing(params, near)} Each takes some milliseconds and no generator to make. Whoever is "
            "shown such a picture, and whose face is in it, is not protected from it by this model.",
            evidence=_keys(context, near),
            caveats=[*together, _NO_GENERATOR, _SAME_PATH],
        )
    if below:
        yield context.finding(
            "ranked_below",
            "high" if any(_high(each.firm_auroc) < 2 * CHANCE - NEAR_CHANCE for each in below) else "medium",
            f"The model takes {_listed(below)} for more genuine than the photos they were made of: the whole interval "
            "lies below 0.5, answers at random. Either its two sides are turned (which one means forged is declared in "
            "the plan's target), or such a forgery looks smoother to it than a photo; then the forger is helped by it.",
            evidence=_keys(context, below),
            caveats=[*together, _NO_GENERATOR, _SAME_PATH],
        )
    yield from _pass_although_ranked(context, params, seen, together)
    if unsure:
        yield context.finding(
            "not_shown",
            "low",
            f"These faces do not show that the model tells {_listed(unsure)} from the photos they were made of: the "
            f"{'interval reaches' if len(unsure) == 1 else 'intervals reach'} from 0.5, answers at random, to "
            f"{NEAR_CHANCE:g} or more.",
            evidence=_keys(context, unsure),
            caveats=["More people would settle it.", *together, _NO_GENERATOR],
        )


def _pass_although_ranked(
    context: ProbeContext, params: MadeForgeriesParams, seen: Sequence[Measured], together: Sequence[str]
) -> Iterator[Finding]:
    """Yield the kinds that the model ranks above photos, and yet calls genuine, more often than not."""
    most = [each for each in seen if _low(each.firm_apcer) > 0.5]
    if not most:
        return
    yield context.finding(
        "pass_at_threshold",
        "high",
        f"The model ranks {_listed(most)} above the photos they were made of, and yet most of them stay below its "
        f"threshold.{_passing(params, most)} Whoever relies on its answer is told that they are genuine.",
        evidence=_keys(context, most),
        caveats=[
            "A lower threshold would let fewer pass; it has to be set on other faces than these.",
            *together,
            _NO_GENERATOR,
        ],
    )


def always_forged(context: ProbeContext, params: MadeForgeriesParams, control: Pairs) -> Iterator[Finding]:
    """Yield that most photos through the same steps are called forged."""
    called = control.plain >= params.threshold
    if not len(called):
        return
    rate = Scores(BPCER, control.rows, called.astype(np.float64), kind="rate")
    found = slice_scores(rate, context.faces.subject_codes, (), context.rules, context.probe_id)[0].estimate
    if found.low is None or found.low <= 0.5:
        return
    yield context.finding(
        "photos_called_forged",
        "high",
        f"At the threshold {params.threshold:g} the model calls {int(called.sum()):,} of {len(called):,} photos forged "
        f"that were only saved as JPEG of quality {params.quality}: how few forgeries pass says nothing at this "
        "threshold. People whose pictures are genuine would be accused.",
        evidence=[format_key(context.probe_id, BPCER, {}, {FORGERY: UNTOUCHED})],
        caveats=["The AUROC does not depend on the threshold."],
    )


def control_apart(context: ProbeContext, control: Pairs) -> Iterator[Finding]:
    """Yield that the model gives other answers to the same pixels among other pictures, which the control shows."""
    apart = np.abs(control.forged - control.plain)
    sure = np.minimum(control.plain, 1 - control.plain)
    if not (apart > np.clip(0.01 * sure, 1e-6, 1e-3)).any():
        return
    yield context.finding(
        "control_apart",
        "high",
        "Asked twice about the same pixels, among forgeries and among photos alone, the model gives probabilities up "
        f"to {apart.max():.3g} apart: either it is not repeatable, or what it says of a face hangs on the other "
        "pictures of the batch, as with batch normalisation left in training mode. Differences between a photo and "
        "its forgery that are not far larger may be its own, and what it says of a person depends on who else is "
        "asked about.",
        evidence=[format_key(context.probe_id, AUROC, {}, {FORGERY: UNTOUCHED})],
    )


def _listed(kinds: Sequence[Measured]) -> str:
    return ranked([each.pairs.method for each in kinds], [each.firm_auroc for each in kinds])


def _passing(params: MadeForgeriesParams, kinds: Sequence[Measured]) -> str:
    return passing([each.apcer for each in kinds], params.threshold)


def _held_together(context: ProbeContext, told: Sequence[Measured]) -> list[str]:
    """Say at which level the intervals of a claim stand; nothing where there is one kind."""
    if len(told) < 2:
        return []
    level = jointly(context.rules, len(told)).level
    return [
        f"The intervals of this claim are at {100 * level:.1f} %, so that those of all {len(told)} kinds that were "
        f"asked about hold together at {100 * context.rules.level:g} % (Bonferroni)."
    ]


def _keys(context: ProbeContext, kinds: Sequence[Measured]) -> list[str]:
    return [
        format_key(context.probe_id, metric, {}, each.pairs.condition) for metric in (AUROC, APCER) for each in kinds
    ]


def _low(estimate: Estimate) -> float:
    return estimate.value or 0.0 if estimate.low is None else estimate.low


def _high(estimate: Estimate) -> float:
    return estimate.value or 0.0 if estimate.high is None else estimate.high
