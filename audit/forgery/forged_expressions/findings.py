"""What is said of forgeries that change the stated expression."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....core.keys import format_key
from ....core.probes import ProbeContext
from ....core.results import Estimate, Finding, Severity
from .forgeries import RESAVED
from .turning import BEYOND, NULL, TURNED, TURNED_CONTROL, TURNED_NULL, Told

MANY, MOST = 0.1, 0.5
_POSED = "Labels are posed or perceived expressions; what is rewritten is what the model states, not what anyone feels."
_WRONG = "People may see the expression that was brought in, too: a changed answer is not always a wrong one."
_TOGETHER = "The limits in this sentence hold for all ways of forging together, and are wider than those in the tables."


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
            f"{each.forgery.words} {_limits(changed[each.forgery.condition.name])}, "
            f"and {_limits(each.estimates[NULL])} {each.forgery.control_words}"
            for each in rest
        )
        yield context.finding(
            "no_more",
            "note",
            f"Of these ways of forging none was shown to change more answers than its control does: {parts}. That is "
            "not to say that the model withstands them: a difference smaller than these faces can show is not seen.",
            evidence=[key for each in rest for key in _keys(context, each, (NULL, BEYOND))],
            caveats=[*dict.fromkeys(caveat for each in rest for caveat in each.forgery.caveats), _TOGETHER],
        )


def _rewritten(context: ProbeContext, told: Told, share: Estimate) -> Finding:
    beyond = told.estimates[BEYOND].low or 0.0
    severity: Severity = "high" if beyond > MOST else "medium" if beyond > MANY else "low"
    claim = (
        f"{told.forgery.words[0].upper()}{told.forgery.words[1:]} changes the expression that the model states for "
        f"{_limits(share)} of the faces, and {_limits(told.estimates[NULL])} {told.forgery.control_words}"
    )
    metrics = [NULL, BEYOND]
    turned = told.estimates.get(TURNED)
    if turned is not None and turned.value is not None:
        claim += (
            f". Where another expression is brought in than was stated, {_limits(turned)} of the answers turn to it"
        )
        metrics.append(TURNED)
        beside = []
        for metric, words in (
            (TURNED_CONTROL, "of those of the control"),
            (TURNED_NULL, "by chance, if donors are exchanged among these forgeries"),
        ):
            null = told.estimates.get(metric)
            if null is not None and null.value is not None:
                beside.append(f"{null.value:.3f} {words}")
                metrics.append(metric)
        claim += f" ({'; '.join(beside)})" if beside else ""
    if told.commonest is not None:
        before, after, faces = told.commonest
        claim += f". Most often {before} becomes {after} ({faces:,} faces)"
    claim += (
        ". Whoever hands in such a picture changes, that often, what the model says of the person: where somebody "
        "gains by an answer, rely on it only if the picture is known to be genuine."
    )
    return context.finding(
        f"rewritten.{told.forgery.condition.name}",
        severity,
        claim,
        evidence=_keys(context, told, metrics),
        caveats=[*told.forgery.caveats, *_any_disturbance(told), _WRONG, _TOGETHER, _POSED],
    )


def _any_disturbance(told: Told) -> Iterator[str]:
    """Say that the expression brought in and a taste for one answer cannot be told apart."""
    turned, null = told.estimates.get(TURNED), told.estimates.get(TURNED_NULL)
    if turned is None or turned.value is None or told.forgery.control != RESAVED:
        return
    if null is None or null.value is None:
        yield (
            "Every photo that was brought in shows the same expression to faces of the same answer: a model that gives "
            "that answer to any disturbed face would look the same."
        )


def _keys(context: ProbeContext, told: Told, metrics: Sequence[str]) -> list[str]:
    key = told.forgery.condition.values
    return [format_key(context.probe_id, metric, None, key) for metric in ("changed", *metrics)]


def _limits(estimate: Estimate) -> str:
    if estimate.value is None:
        return "(not measured)"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
