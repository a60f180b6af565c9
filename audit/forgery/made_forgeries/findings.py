"""What is claimed of a detector that was shown forgeries made here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ....core.keys import format_key
from ....core.probes import ProbeContext, Scores
from ....core.results import Estimate, Finding
from ....core.statistics.slicing import slice_scores
from ..detection.findings import NEAR_CHANCE
from ..making import UNTOUCHED
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
    below = [each for each in known if _high(each.auroc) < 0.5]
    near = [each for each in known if each not in below and _high(each.auroc) < NEAR_CHANCE]
    unsure = [each for each in known if each not in (*below, *near) and _low(each.auroc) <= 0.5]
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
            caveats=[_NO_GENERATOR, _SAME_PATH],
        )
    if below:
        yield context.finding(
            "ranked_below",
            "high",
            f"The model takes {_listed(below)} for more genuine than the photos they were made of: the whole interval "
            "lies below 0.5, answers at random. Either its two sides are turned (which one means forged is declared in "
            "the plan's target), or such a forgery looks smoother to it than a photo; then the forger is helped by it.",
            evidence=_keys(context, below),
            caveats=[_NO_GENERATOR, _SAME_PATH],
        )
    yield from _pass_although_ranked(context, params, seen)
    if unsure:
        yield context.finding(
            "not_shown",
            "low",
            f"These faces do not show that the model tells {_listed(unsure)} from the photos they were made of: the "
            f"{'interval reaches' if len(unsure) == 1 else 'intervals reach'} from 0.5, answers at random, to "
            f"{NEAR_CHANCE:g} or more.",
            evidence=_keys(context, unsure),
            caveats=["More people would settle it.", _NO_GENERATOR],
        )


def _pass_although_ranked(
    context: ProbeContext, params: MadeForgeriesParams, seen: Sequence[Measured]
) -> Iterator[Finding]:
    """Yield the kinds that the model ranks above photos, and yet calls genuine, more often than not."""
    passing = [each for each in seen if _low(each.apcer) > 0.5]
    if not passing:
        return
    yield context.finding(
        "pass_at_threshold",
        "high",
        f"The model ranks {_listed(passing)} above the photos they were made of, and yet most of them stay below its "
        f"threshold.{_passing(params, passing)} Whoever relies on its answer is told that they are genuine.",
        evidence=_keys(context, passing),
        caveats=["A lower threshold would let fewer pass; it has to be set on other faces than these.", _NO_GENERATOR],
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
    """Yield that the model gives other answers to the same pixels, which the control shows."""
    apart = np.abs(control.forged - control.plain)
    if not len(apart) or apart.max() <= 1e-3:
        return
    yield context.finding(
        "control_apart",
        "high",
        f"Asked twice about the same pixels, the model gives answers up to {apart.max():.3g} apart: it is not "
        "repeatable, so small differences between a photo and its forgery may be its own.",
        evidence=[format_key(context.probe_id, AUROC, {}, {FORGERY: UNTOUCHED})],
    )


def _listed(kinds: Sequence[Measured]) -> str:
    names = [f"{each.pairs.method} (AUROC {_short(each.auroc)})" for each in kinds]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _short(estimate: Estimate) -> str:
    text = f"{estimate.value:.2f}"
    return text if estimate.low is None else f"{text} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _passing(params: MadeForgeriesParams, kinds: Sequence[Measured]) -> str:
    rates = [each.apcer.value for each in kinds if each.apcer.value is not None]
    if not rates:
        return ""
    least, most = (f"{100 * rate:.0f} %" for rate in (min(rates), max(rates)))
    share = least if least == most else f"{least} to {most}"
    return f" At the threshold {params.threshold:g}, {share} of these forgeries pass as genuine."


def _keys(context: ProbeContext, kinds: Sequence[Measured]) -> list[str]:
    return [
        format_key(context.probe_id, metric, {}, each.pairs.condition) for metric in (AUROC, APCER) for each in kinds
    ]


def _low(estimate: Estimate) -> float:
    return estimate.value or 0.0 if estimate.low is None else estimate.low


def _high(estimate: Estimate) -> float:
    return estimate.value or 0.0 if estimate.high is None else estimate.high
