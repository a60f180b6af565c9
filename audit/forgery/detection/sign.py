"""Whether a detector's scores stand with the sign turned, and what in the plan may be the cause."""

from __future__ import annotations

from ....core.keys import format_key
from ....core.plan import FORGED, GENUINE
from ....core.probes import ProbeContext
from ....core.results import Estimate, Finding

TURNED_BELOW = 0.4


def is_turned(estimate: Estimate) -> bool:
    """Return whether an AUROC of forged against genuine faces is far below 0.5 with its whole interval."""
    if estimate.value is None or estimate.high is None:
        return False
    return estimate.value < TURNED_BELOW and estimate.high < 0.5


def turned_finding(context: ProbeContext, estimate: Estimate) -> Finding:
    """Return the finding that genuine faces score above forged ones.

    Args:
        context: of a probe that measures ``auroc``.
        estimate: the AUROC, of which :func:`is_turned` holds.
    """
    return context.finding(
        "sign_turned",
        "high",
        f"The model ranks genuine faces above forged ones: AUROC {estimate}, where answers at random give 0.5. "
        f"{likely_cause(context)}",
        evidence=[format_key(context.probe_id, "auroc")],
        caveats=["A hint: forgeries unlike those the model was made for can be ranked the wrong way too."],
    )


def likely_cause(context: ProbeContext) -> str:
    """Say what in the plan may have turned the sign: the side of the single output, or the order of two."""
    target = context.target
    if target is None:
        return (
            "The column p_forged may hold the probability of a genuine face (then it is one minus that), or the "
            f"labels {FORGED} and {GENUINE} may be exchanged (data.rename_labels)."
        )
    if target.spec.positive is not None:
        other = GENUINE if target.spec.positive == FORGED else FORGED
        return (
            f"The plan says `positive: {target.spec.positive}`; if the output is high for {other} faces it has to be "
            f"`positive: {other}`."
        )
    given = list(target.classes)
    return (
        f"The plan gives `classes: [{', '.join(given)}]`; if the outputs stand in the other order it has to be "
        f"`classes: [{', '.join(reversed(given))}]`."
    )
