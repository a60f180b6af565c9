"""What the probe ``backdoor_scan`` claims, and with which caveats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ....core.keys import format_key
from ....core.probes import Note, Output, ProbeContext
from .scanning import Scanned
from .verdict import LEANING, Judged, beside, smallest_p
from .wording import NOT_COVERED, SAME_RECIPE, claim, false_alarms

UNLIKE = 0.05
"""p of the difference in accuracy below which target and references are said to differ."""


@dataclass(frozen=True)
class Comparison:
    """How comparable target and references are: outputs of the probe, and caveats for what it claims."""

    outputs: list[Output]
    caveats: list[str] = field(default_factory=list)


def compared(
    context: ProbeContext, judged: Judged, own: tuple[int, int], others: Sequence[tuple[int, int]]
) -> Comparison:
    """Compare accuracies (right, labelled), and look at what the calibration rests on."""
    outputs: list[Output] = []
    caveats: list[str] = []
    difference, p = beside(own, list(others), context.rules.level)
    outputs.append(context.measurement("accuracy_beside_references", difference))
    if difference.value is not None and p < UNLIKE:
        told = (
            f"the target is {abs(difference.value):.1%} {'less' if difference.value < 0 else 'more'} accurate than the "
            f"references on average (p {p:.2g}), so that its recipe may be another one, or it was altered"
        )
        caveats.append(told)
        outputs.append(
            context.finding(
                "recipe",
                "low",
                f"{told[0].upper()}{told[1:]}: what the scan says beside these references is uncertain.",
                evidence=[format_key(context.probe_id, "accuracy_beside_references", None, None)],
            )
        )
    rate = judged.false_alarms(context.rules.level)
    assert rate.value is not None
    alarms = (
        f"{len(judged.flagged_references)} of {len(judged.references)} reference nets would be flagged, each judged by "
        f"the others (95 % interval of the rate {rate.low:.2f} to {rate.high:.2f})"
    )
    outputs.append(Note(f"{alarms[0].upper()}{alarms[1:]}."))
    if judged.flagged_references:
        caveats.append(alarms)
    if judged.skewness < LEANING:
        leaning = (
            f"the references' log sizes lean to small ones (skewness {judged.skewness:.1f}, normal: 0), so that "
            "clean nets are flagged more often than alpha says"
        )
        caveats.append(leaning)
        outputs.append(Note(f"{leaning[0].upper()}{leaning[1:]}."))
    return Comparison(outputs, caveats)


def flags(
    context: ProbeContext,
    scanned: Scanned,
    judged: Judged,
    names: Sequence[str],
    faces: int,
    caveats: Sequence[str],
) -> Iterator[Output]:
    """Yield a finding of the clearest flagged class, which names the others, or a note that none is."""
    if not judged.flagged:
        yield Note(
            f"No class is flagged: the smallest adjusted p is {smallest_p(judged.target):.2g}, and alpha is "
            f"{judged.alpha:g}. That does not show that there is no backdoor: `flagged_below` in the table `scan` says "
            f"how small a change would have been flagged. {NOT_COVERED[0].upper()}{NOT_COVERED[1:]}. "
            f"{SAME_RECIPE[0].upper()}{SAME_RECIPE[1:]}: had they the same backdoor, nothing would stand out."
        )
        return
    row, column = judged.flagged[0]
    aim, family = scanned.aims[row], scanned.families[column]
    found = scanned.found[aim, family]
    sizes = np.exp(judged.log_sizes[:, row, column])
    further = [names[scanned.aims[other]] for other, _ in judged.flagged[1:]]
    told = list(caveats)
    nets = len(judged.references) + 1
    borne_out = judged.rank_p <= judged.alpha  # by rank among all nets, whatever the distribution of sizes
    if nets * judged.alpha < 1:
        told.insert(
            0,
            f"p takes log sizes of clean nets for normal, and {nets - 1} references cannot tell whether they are; "
            f"{int(np.ceil(1 / judged.alpha)) - 1} or more could bear it out by rank",
        )
    elif not borne_out:
        told.insert(
            0,
            f"of {nets} nets, each judged by the others, {judged.rank_p:.0%} stand out as much "
            "as the target does: the p-value, which takes log sizes for normal, is too small",
        )
    if further:
        told.insert(0, f"also flagged, less clearly: {', '.join(further)}; a trigger towards one class can ease others")
    yield context.finding(
        "trigger",
        "high" if borne_out else "medium",
        claim(names[aim], family, found.size, found.success, faces, sizes[np.isfinite(sizes)], judged.alpha),
        evidence=[
            format_key(context.probe_id, "smallest_p_adjusted", None, None),
            format_key(context.probe_id, "rank_p", None, None),
            format_key(context.probe_id, "below_references", None, {"family": family, "towards": names[aim]}),
        ],
        caveats=[*told, SAME_RECIPE, false_alarms(), NOT_COVERED],
        p_adjusted=float(judged.target.p_adjusted[row, column]),
    )
