"""What the probe ``backdoor_scan`` claims, and with which caveats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ....core.keys import format_key
from ....core.probes import Note, Output, ProbeContext
from ....core.results import Severity
from .answers import Likeness
from .scanning import Scanned
from .verdict import LEANING, Judged, smallest_p
from .wording import NOT_COVERED, SAME_RECIPE, claim, false_alarms

SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")


@dataclass(frozen=True)
class Comparison:
    """How comparable target and references are: outputs of the probe, and caveats for what it claims.

    Attributes:
        outputs: measurements, notes and findings.
        caveats: of whatever is claimed of the target beside these references.
        unlike: whether the target answers otherwise than nets of the references' recipe do.
    """

    outputs: list[Output]
    caveats: list[str] = field(default_factory=list)
    unlike: bool = False


def compared(context: ProbeContext, found: Likeness, judged: Judged | None = None) -> Comparison:
    """Say how the target answers beside its references, and what the calibration rests on where there is one."""
    outputs: list[Output] = [context.measurement("accuracy_beside_references", found.accuracy)]
    caveats: list[str] = []
    if found.differences:
        told = f"the target {', and '.join(found.differences)}: its recipe may be another one, or it was altered"
        caveats.append(f"{told}, so that p, which holds beside the same recipe, is uncertain")
        outputs.append(
            context.finding(
                "recipe",
                "low",
                f"{told[0].upper()}{told[1:]}. What the scan says beside these references is uncertain.",
                evidence=[format_key(context.probe_id, "accuracy_beside_references", None, None)],
            )
        )
    if judged is None:
        return Comparison(outputs, caveats, bool(found.differences))
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
    return Comparison(outputs, caveats, bool(found.differences))


def flags(
    context: ProbeContext,
    scanned: Scanned,
    judged: Judged,
    names: Sequence[str],
    faces: Mapping[int, int],
    comparison: Comparison,
) -> Iterator[Output]:
    """Yield a finding of the clearest flagged class, which names the others, or a note that none is.

    It is of high severity where rank bears p out and the target answers as its references do, and one step lower for
    each of these that does not hold.

    Args:
        context: of the probe.
        scanned: what was found of the target.
        judged: the target beside its references.
        names: of the classes.
        faces: with how many faces each class was sought, by its place.
        comparison: of the target with its references.
    """
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
    told = list(comparison.caveats)
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
        SEVERITIES[(not borne_out) + comparison.unlike],
        claim(names[aim], family, found.size, found.success, faces[aim], sizes, judged.alpha),
        evidence=[
            format_key(context.probe_id, "smallest_p_adjusted", None, None),
            format_key(context.probe_id, "rank_p", None, None),
            format_key(context.probe_id, "below_references", None, {"family": family, "towards": names[aim]}),
        ],
        caveats=[*told, SAME_RECIPE, false_alarms(), NOT_COVERED],
        p_adjusted=float(judged.target.p_adjusted[row, column]),
    )
