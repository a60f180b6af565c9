"""What is said of forgeries that change the stated expression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....core.keys import format_key
from ....core.probes import ProbeContext
from ....core.results import Estimate, Finding, Severity
from .turning import BEYOND, NULL, TURNED, TURNED_NULL, Told

MANY, MOST = 0.1, 0.5
_POSED = "Labels are posed or perceived expressions; what is rewritten is what the model states, not what anyone feels."
_WRONG = "A spliced smile may look like one to people, too: a changed answer is not always a wrong one."


def findings_of(context: ProbeContext, told: Sequence[Told], changed: dict[str, Estimate]) -> Iterator[Finding]:
    """Yield a finding for each way of forging that surely changes more answers than its control, and one for the rest.

    Args:
        context: of the probe.
        told: every way of forging.
        changed: the share of answers changed, by name of the condition.
    """
    rest = []
    for each in told:
        name = each.forgery.condition.name
        beyond, share = each.estimates[BEYOND], changed[name]
        if beyond.low is None or share.value is None:
            continue
        if beyond.low > 0:
            yield _rewritten(context, each, share)
        else:
            rest.append(each)
    if rest:
        parts = "; ".join(
            f"{each.forgery.words} {_limits(changed[each.forgery.condition.name])}, its control "
            f"{_limits(each.estimates[NULL])}"
            for each in rest
        )
        yield context.finding(
            "no_more",
            "note",
            f"No more answers were surely changed than by blending and saving alone: {parts}.",
            evidence=[key for each in rest for key in _keys(context, each, (NULL, BEYOND))],
        )


def _rewritten(context: ProbeContext, told: Told, share: Estimate) -> Finding:
    beyond = told.estimates[BEYOND].low or 0.0
    severity: Severity = "high" if beyond > MOST else "medium" if beyond > MANY else "low"
    claim = (
        f"A person's stated expression can be rewritten by {told.forgery.words}: {_limits(share)} of the answers "
        f"change, {_limits(told.estimates[NULL])} {_control(told)}"
    )
    turned, null = told.estimates.get(TURNED), told.estimates.get(TURNED_NULL)
    metrics = [NULL, BEYOND]
    if turned is not None and turned.value is not None and null is not None and null.value is not None:
        claim += (
            f"; {_limits(turned)} turn to the expression of the photo that was brought in ({null.value:.3f} for the "
            "control)"
        )
        metrics += [TURNED, TURNED_NULL]
    if told.commonest is not None:
        before, after, faces = told.commonest
        claim += f". Most often {before} becomes {after} ({faces:,} faces)"
    claim += ". Whoever hands in such a picture changes, that often, what the model says of the person in it."
    return context.finding(
        f"rewritten.{told.forgery.condition.name}",
        severity,
        claim,
        evidence=_keys(context, told, metrics),
        caveats=[_POSED, _WRONG],
    )


def _control(told: Told) -> str:
    if told.forgery.made_here:
        return "when the same is done with the photo itself"
    return "when the genuine photo is merely saved once more"


def _keys(context: ProbeContext, told: Told, metrics: Sequence[str]) -> list[str]:
    key = told.forgery.condition.values
    return [format_key(context.probe_id, metric, None, key) for metric in ("changed", *metrics)]


def _limits(estimate: Estimate) -> str:
    if estimate.value is None:
        return "(not measured)"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
