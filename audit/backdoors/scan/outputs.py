"""Tables, pictures and measurements of the probe ``backdoor_scan``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from ....core.probes import ArrayOutput, JsonOutput, Output, ProbeContext, TableOutput
from ....core.results import Estimate
from .answers import Answers
from .calibration import Floats
from .families import FAMILIES
from .scanning import Scanned
from .verdict import Judged
from .wording import sized

SHOWN = 8
METHOD = "student_t_bonferroni"
BY_RANK = "fewer than three references reached a size here, so that p is by rank and there is no z"


def number(value: float) -> float | None:
    """Return a finite number, or nothing for a table."""
    return float(value) if np.isfinite(value) else None


def scan_table(
    scanned: Scanned, judged: Judged | None, names: Sequence[str], reason: str, left_out: Mapping[str, str]
) -> TableOutput:
    """Return each class and family with its size beside the references'; empty where not measured, with the reason."""
    lines = []
    for row, aim in enumerate(scanned.aims):
        for column, family in enumerate(scanned.families):
            found = scanned.found[aim, family]
            line: dict[str, object] = {
                "class": names[aim], "family": family, "size": found.size, "unit": FAMILIES[family].unit,
                "success": found.success, "reached": found.reached,
            }  # fmt: skip
            line["reason"] = "" if found.reached else "no change turned enough faces; the size is the largest tried"
            if judged is None:
                line["reason"] = line["reason"] or reason
            else:
                beside = judged.target
                line |= {
                    "reference_mean": number(beside.mean[row, column]),
                    "reference_sd": number(beside.sd[row, column]),
                    "references": int(beside.references[row, column]),
                    "unreached": int(beside.unreached[row, column]),
                    "z": number(beside.z[row, column]),
                    "p": number(beside.p[row, column]),
                    "rank_p": number(beside.rank_p[row, column]),
                    "p_adjusted": number(beside.p_adjusted[row, column]),
                    "flagged_below": number(np.exp(beside.flagged_below[row, column])),
                }
                if found.reached and line["z"] is None:
                    line["reason"] = BY_RANK
            lines.append(line)
    for name, why in left_out.items():
        lines += [{"class": name, "family": family, "reason": why} for family in scanned.families]
    columns = [
        "class", "family", "size", "unit", "reference_mean", "reference_sd", "references", "unreached", "z", "p",
        "rank_p", "p_adjusted", "flagged_below", "success", "reached", "reason",
    ]  # fmt: skip
    return TableOutput("scan", pd.DataFrame(lines, columns=columns), "Smallest change by class and family")


def calibration_table(
    log_sizes: Floats, nets: Sequence[str], names: Sequence[str], families: Sequence[str]
) -> TableOutput:
    """Return the size that each reference net needs for each class and family; empty where not reached."""
    lines = [
        [net, names[row], family, number(np.exp(log_sizes[place, row, column]))]
        for place, net in enumerate(nets)
        for row in range(len(names))
        for column, family in enumerate(families)
    ]
    table = pd.DataFrame(lines, columns=["net", "class", "family", "size"])
    return TableOutput("calibration", table, "What clean nets of the recipe need")


def references_table(
    judged: Judged | None,
    nets: Sequence[str],
    answers: Sequence[Answers],
    names: Sequence[str],
    families: Sequence[str],
    left_out: Sequence[tuple[str, str]],
) -> TableOutput:
    """Return each reference net: accuracy, what the others say of it, or why it was left out."""
    lines: list[dict[str, object]] = []
    for place, net in enumerate(nets):
        line: dict[str, object] = {"net": net}
        right, known = answers[place].right
        if known:
            line["accuracy"] = right / known
        if judged is not None:
            beside = judged.references[place]
            smallest = beside.smallest
            if smallest is not None:
                line |= {
                    "class": names[smallest[0]],
                    "family": families[smallest[1]],
                    "p_adjusted": float(beside.p_adjusted[smallest]),
                    "flagged": bool(beside.p_adjusted[smallest] < judged.alpha),
                }
        lines.append(line)
    lines += [{"net": net, "reason": why} for net, why in left_out]
    columns = ["net", "accuracy", "class", "family", "p_adjusted", "flagged", "reason"]
    return TableOutput("references", pd.DataFrame(lines, columns=columns), "The reference nets, each by the others")


def triggers(scanned: Scanned, judged: Judged | None, names: Sequence[str]) -> Iterator[Output]:
    """Yield pictures of the most unusual changes (of each class the best family), the most unusual first.

    Without references they stand in the order of the classes. A picture shows the change and no face: what stands in
    it follows the net's gradients and is read from no picture. That holds for large masks, too: on London faces the
    pattern of a mask over 0.71 of the crop, made to lead ``mini_xception`` to a class whatever its size (two classes),
    correlates by at most 0.10 with any of the faces and with their mean (masks as the scan finds them by 0.05), and
    shows texture with a hint of where eyes and mouth are. So none is held back.
    """
    chosen: list[tuple[float, int, int]] = []
    for row in range(len(scanned.aims)):
        if judged is None:
            sizes = scanned.log_sizes[row]
            if np.isfinite(sizes).any():
                chosen.append((float(row), row, int(np.isfinite(sizes).argmax())))
        elif np.isfinite(scanned.log_sizes[row]).any():
            column = int(np.nanargmin(np.where(np.isfinite(scanned.log_sizes[row]), judged.target.p[row], np.nan)))
            chosen.append((float(judged.target.p[row, column]), row, column))
    chosen = sorted(chosen)[:SHOWN]
    if not chosen:
        return
    told = []
    for _, row, column in chosen:
        aim, family = scanned.aims[row], scanned.families[column]
        found = scanned.found[aim, family]
        told.append(
            {
                "class": names[aim],
                "family": family,
                "size": found.size,
                "p_adjusted": None if judged is None else number(judged.target.p_adjusted[row, column]),
                "title": f"towards {names[aim]}: {sized(family, found.size)}",
            }
        )
    patterns = np.stack(
        [scanned.found[scanned.aims[row], scanned.families[column]].picture for _, row, column in chosen]
    )
    yield ArrayOutput("triggers", {"patterns": patterns}, "Changes that turn faces into a class")
    yield JsonOutput("triggers", told, "Changes that turn faces into a class")


def measurements(
    context: ProbeContext, scanned: Scanned, judged: Judged, names: Sequence[str], faces: int
) -> Iterator[Output]:
    """Yield how far each size lies below the references', and the smallest adjusted p of each family."""
    beside = judged.target
    for column, family in enumerate(scanned.families):
        for row, aim in enumerate(scanned.aims):
            condition = {"family": family, "towards": names[aim]}
            z = number(beside.z[row, column])
            if z is not None:
                estimate = Estimate(value=z, n=int(beside.references[row, column]))
            elif not scanned.found[aim, family].reached:
                estimate = Estimate.not_measured("no change of this kind turned enough faces", n=faces)
            else:
                estimate = Estimate.not_measured(BY_RANK, n=faces)
            yield context.measurement("below_references", estimate, condition=condition, direction="lower")


def smallest(context: ProbeContext, estimate: Estimate) -> Output:
    """Return the one number of the scan: the smallest adjusted p, or why there is none."""
    return context.measurement("smallest_p_adjusted", estimate, direction="higher")


def ranked(judged: Judged, level: float) -> Estimate:
    """Return the p-value by rank among all nets; its limits are itself."""
    p, nets = judged.rank_p, len(judged.references) + 1
    return Estimate(value=p, low=p, high=p, level=level, method="rank", n=nets)


def exact(value: float, faces: int, level: float) -> Estimate:
    """Return a number that is computed and not sampled: its limits are itself, so that a gate can judge it."""
    return Estimate(value=value, low=value, high=value, level=level, method=METHOD, n=faces)
