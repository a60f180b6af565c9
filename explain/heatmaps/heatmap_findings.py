"""What may be said about a mean heatmap, in careful words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations

import numpy as np

from ...core.keys import format_key
from ...core.probes import ProbeContext
from ...core.results import Estimate, Finding, Severity
from ..landmark_fit import MISFITS
from .selection import Select

CONTESTED = (
    "The masks are one contested account of where an expression shows; the evidence that facial movements signal "
    "emotion reliably across people and cultures is weak (Barrett et al. 2019, Psychological Science in the "
    "Public Interest 20(1)). Agreement is no mark of correctness, and disagreement no error."
)
PREDICTED = "Faces were chosen by what the model calls them, so its mistakes are among them."


def mask_finding(
    context: ProbeContext,
    label: str,
    own: str,
    scores: Mapping[str, Estimate],
    mask_area: float,
    select: Select,
) -> Finding | None:
    """Say whether the map of a label lies closer to its own mask than to the others; None without others.

    It is called closer only where the interval of its margin over the best of the others excludes zero: the mean
    of the others is pulled down by regions far from where any model looks.
    """
    specificity, margin, overlap = scores.get("specificity"), scores.get("margin"), scores["iou"]
    if specificity is None or margin is None or specificity.value is None or overlap.value is None:
        return None
    others = {name.rpartition(".")[2]: item.value or 0.0 for name, item in scores.items() if "_with_other." in name}
    best = max(others, key=lambda name: others[name])
    severity: Severity = "low"
    if (margin.low or 0.0) > 0:
        severity = "note"
        claim = f"The map for {label} is closer to the {own} mask than to any other"
    elif (specificity.high or 0.0) < 0:
        claim = f"The map for {label} is closer to the other masks than to the {own} mask"
    else:
        claim = f"The map for {label} is no closer to the {own} mask than to the others"
    claim += (
        f": IoU {overlap.value:.3f} with its own, {others[best]:.3f} with {best}, "
        f"{overlap.value - specificity.value:.3f} on average with the others; a map that is white everywhere has "
        f"{mask_area:.3f}."
    )
    place = {"label": label}
    return context.finding(
        f"masks.{label}",
        severity,
        claim,
        evidence=[
            format_key(context.probe_id, metric, place)
            for metric in ("iou", "margin", "specificity", "iou.null_ones", "iou.null_other_masks")
        ],
        caveats=[CONTESTED, PREDICTED] if select == "predicted" else [CONTESTED],
    )


def outside_finding(context: ProbeContext, label: str, outside: Estimate, area_outside: float) -> Finding | None:
    """Say that more of a map lies outside the face than of a flat map; None where that is not shown."""
    if outside.value is None or outside.low is None or outside.low <= area_outside:
        return None
    return context.finding(
        f"outside.{label}",
        "medium",
        f"Part of the evidence for {label} lies outside the face: {outside.value:.0%} of what the mean map shows above "
        f"its lowest level, where an even spread would have {area_outside:.0%}. Background, hair or a mark in the "
        "picture may decide.",
        evidence=[
            format_key(context.probe_id, metric, {"label": label})
            for metric in ("energy_outside_face", "energy_outside_face.null_ones")
        ],
        caveats=[
            "Maps are coarse: evidence at the edge of the face spreads beyond it. The canonical face ends at the jaw "
            "and the temples; hair and ears count as outside."
        ],
    )


def unusable_finding(context: ProbeContext, label: str, left_out: Counter[str], used: int) -> Finding | None:
    """Say that a twentieth or more of the faces gave no map; None below that."""
    count = left_out.total()
    if count == 0 or count * 20 < count + used:
        return None
    reasons = "; ".join(f"{reason} ({number:,})" for reason, number in left_out.most_common())
    have, are = ("has", "is") if count == 1 else ("have", "are")
    return context.finding(
        f"left_out.{label}",
        "low",
        f"{count:,} of {count + used:,} faces {have} no map for {label} and {are} not in its mean: {reasons}.",
        evidence=[format_key(context.probe_id, "faces_without_map", {"label": label})],
    )


def misfit_finding(context: ProbeContext, left_out: Mapping[str, Counter[str]], faces: int) -> Finding | None:
    """Say that the landmarks of a twentieth or more of the explained faces do not fit; None below that.

    Args:
        context: of the probe.
        left_out: the faces of each class that are left out, by reason.
        faces: how many were explained, left out or not.
    """
    reasons: Counter[str] = Counter()
    for counts in left_out.values():
        reasons.update({reason: number for reason, number in counts.items() if reason in MISFITS})
    count = reasons.total()
    if count == 0 or count * 20 < faces:
        return None
    told = "; ".join(f"{reason} ({number:,})" for reason, number in reasons.most_common())
    return context.finding(
        "landmarks",
        "high",
        f"The landmarks do not fit the faces: {count:,} of {faces:,} explained faces are left out ({told}). Check that "
        "landmarks are in pixels of the whole image and not shares of it, that x comes before y, and that each row "
        "belongs to its image.",
        evidence=[
            format_key(context.probe_id, "faces_without_map", {"label": label})
            for label, counts in left_out.items()
            if MISFITS & set(counts)
        ],
        caveats=["Faces turned far to the side fold too, although their landmarks are right."],
    )


MOST_COUNTED = 8
"""Masks of which every assignment to labels is counted (40,320 at the most)."""

DRAWN = 9_999
"""Assignments drawn at random where there are more masks."""


def by_expression(found: Iterable[tuple[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Put the scores of classes under their expression; two classes that mean one expression count as their mean.

    Args:
        found: of each class its expression and its score with that of every expression.
    """
    gathered: dict[str, list[Mapping[str, float]]] = {}
    for expression, scores in found:
        gathered.setdefault(expression, []).append(scores)
    return {
        expression: {name: float(np.mean([scores[name] for scores in several])) for name in several[0]}
        for expression, several in gathered.items()
    }


def assignment_test(overlaps: Mapping[str, Mapping[str, float]], random: np.random.Generator) -> float | None:
    """Test whether heatmaps overlap their own masks more than masks dealt out at random.

    With up to :data:`MOST_COUNTED` masks every way to give each label another mask is counted, so the p-value is
    exact. With more, :data:`DRAWN` are drawn, and the true one counts among them, so that p is never zero and errs to
    the safe side (Phipson and Smyth 2010, doi:10.2202/1544-6115.1585).

    Args:
        overlaps: label's expression to the IoU of its heatmap with every mask, its own included.
        random: draws the assignments.

    Returns:
        Share of the assignments whose summed IoU is at least that of the true one, 0..1; None with fewer than
        three labels, where no result could be surprising.
    """
    if len(overlaps) < 3:
        return None
    names = list(overlaps)
    masks = list(overlaps[names[0]])
    table = np.array([[overlaps[name][mask] for mask in masks] for name in names])
    rows = np.arange(len(names))
    true = table[rows, [masks.index(name) for name in names]].sum()
    if len(masks) <= MOST_COUNTED:
        sums = [table[rows, list(deal)].sum() for deal in permutations(range(len(masks)), len(names))]
        return float(np.mean(np.array(sums) >= true - 1e-12))
    deals = random.permuted(np.tile(np.arange(len(masks)), (DRAWN, 1)), axis=1)[:, : len(names)]
    reached = np.count_nonzero(table[rows, deals].sum(axis=1) >= true - 1e-12)
    return float((reached + 1) / (DRAWN + 1))


def _p_text(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.0005 else "p < 0.001"


def summary_finding(
    context: ProbeContext, overlaps: Mapping[str, Mapping[str, float]], labels: Sequence[str]
) -> Iterator[Finding]:
    """Say whether the heatmaps together tell their own masks from the others; nothing with fewer than three."""
    p = assignment_test(overlaps, context.random("assignments"))
    if p is None:
        return
    every = len(next(iter(overlaps.values()))) <= MOST_COUNTED
    how = "every assignment counted" if every else f"{DRAWN:,} assignments drawn"
    own = float(np.mean([values[name] for name, values in overlaps.items()]))
    told = "more than" if p <= 0.05 else "no more than"
    yield context.finding(
        "masks",
        "note" if p <= 0.05 else "low",
        f"Over {len(overlaps)} expressions the maps overlap their own masks (mean IoU {own:.3f}) {told} masks dealt "
        f"out at random would be overlapped ({_p_text(p)}, {how}).",
        evidence=[format_key(context.probe_id, "iou", {"label": label}) for label in labels],
        caveats=[CONTESTED],
        p_adjusted=p,
    )
