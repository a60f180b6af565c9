"""What is said of what could be read, and what must not be concluded from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....core.keys import format_key
from ....core.probes import Note, Output, ProbeContext
from ....core.results import Estimate, Finding
from .questions import CONTROLS, PIXELS, RANDOM_NET, Answer

ALPHA = 0.05
NOT_USED = (
    "What can be read is there, which does not mean that the model's answers use it: that takes a test of the answers, "
    "such as gaps between groups or counterfactual pairs."
)
ONLY_LINEAR = "A probe that is not linear, or has more people to learn from, may read more."
SHARED = "Parts share most of the people they were trained on, which the rate's own interval does not count."
REACH = {
    "identity": "Whoever holds stored embeddings can recognise people in them, also those who agreed to be read for "
    "their expression only; they need the care of biometric data.",
    "attribute": "Whoever holds stored embeddings can sort people by it, and whatever is trained on them can make use "
    "of it, for people who never stated it.",
}


def findings(
    context: ProbeContext, answers: Sequence[Answer], adjusted: Sequence[float | None], place: str
) -> Iterator[Output]:
    """Yield one finding for each question, and a note where the pictures tell as much as they do.

    Args:
        context: the probe's.
        answers: what came of the questions.
        adjusted: p of reading no more than chance and both controls, adjusted over the questions.
        place: where in the net was read, in words.
    """
    for found, p in zip(answers, adjusted, strict=True):
        yield _finding(context, found, p, place)
        pixels = found.controls.get(PIXELS)
        if found.question.subject == "identity" and pixels is not None and (pixels.value or 0) >= 0.5:
            yield Note(
                f"Small pixels tell {pixels.value:.0%} of the people apart: pictures of one person resemble each other "
                "in clothes, hair, light or background, so these sessions are too alike to show that a model "
                "recognises faces."
            )


def _finding(context: ProbeContext, found: Answer, p: float | None, place: str) -> Finding:
    identity = found.question.subject == "identity"
    metric, slice = found.question.metric, found.question.slice
    suffixes = ["", *(f".over_{name}" for name in found.over), ".p"]
    evidence = [format_key(context.probe_id, metric + suffix, slice) for suffix in suffixes]
    what = "Who somebody is" if identity else f"The {found.question.subject} of people"
    where = "pictures of another session" if identity else "people the probe has not seen"
    told = f"{_number(found.rate)} on {where}; chance is {found.question.chance:.3f}"
    for name, control in found.controls.items():
        told += f", from {CONTROLS[name]} it is {_number(control)}"
    caveats = [NOT_USED, ONLY_LINEAR, SHARED]
    name = "identity" if identity else f"attribute.{found.question.subject}"
    if p is not None and p <= ALPHA:
        claim = (
            f"{what} can be read from {place} by a linear probe, beyond chance and beyond both controls: {told}. "
            f"{REACH['identity' if identity else 'attribute']}"
        )
        return context.finding(name, "medium", claim, evidence=evidence, caveats=caveats, p_adjusted=p)
    if found.p > ALPHA:
        claim = f"{what} could not be read from {place} beyond chance: {told}."
        caveats = [ONLY_LINEAR, f"At this size a rate up to {_upper(found.rate)} would not be ruled out."]
        return context.finding(name, "note", claim, evidence=evidence, caveats=caveats, p_adjusted=p)
    if found.missing:
        lacking = " and ".join(f"{CONTROLS[name]} ({reason})" for name, reason in found.missing.items())
        claim = f"{what} can be read from {place} beyond chance: {told}. There is no control of {lacking}."
    else:
        less = [CONTROLS[each] for each in (RANDOM_NET, PIXELS) if _below(found.over[each].estimate)]
        claim = f"{what} can be read from {place}, but it could not be shown that training put it there: {told}." + (
            f" It is read less well than from {' and '.join(less)}." if less else ""
        )
    return context.finding(name, "note", claim, evidence=evidence, caveats=caveats, p_adjusted=p)


def _below(difference: Estimate) -> bool:
    return difference.high is not None and difference.high < 0


def _upper(rate: Estimate) -> str:
    return f"{rate.high:.2f}" if rate.high is not None else "any"


def _number(estimate: Estimate) -> str:
    if estimate.value is None:
        return "an unknown share"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"
