"""What may be said about a model's evidence and action units, in careful words: rules of estimates, then sentences."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ...core.keys import format_key
from ...core.probes import ProbeContext
from ...core.results import Estimate, Finding, Severity
from .codebook import Codebook
from .regions import face_parts

CONTESTED = (
    "Which action units make an expression is one contested account; the evidence that facial movements signal emotion "
    "reliably across people and cultures is weak (Barrett et al. 2019, Psychological Science in the Public Interest "
    "20(1)). Nearness to the units is no mark of correctness, and distance no error."
)
UPPER, MOUTH = "upper face", "mouth"
MARGIN = "cam_cos.margin"
SIDES_NULL = "asymmetry.null_mirrored"
SIGNIFICANT = 0.05
LOPSIDED = 0.2
"""Asymmetry from which on it is told: three fifths of the energy on one side."""


def is_closer(margins: Mapping[str, Estimate], p: float | None) -> bool:
    """Tell whether maps are nearer to their own units than to those of any other expression.

    The mean over the others would not do: it is pulled down by expressions whose units lie where no model looks.

    Args:
        margins: likeness to the own units' map less that to another expression's, by the other; every interval must
            lie above 0, so that nothing is gained by there being many.
        p: adjusted p-value of the exchange of labels, at most .05; None where there was nothing to exchange.
    """
    above = all(one.low is not None and one.low > 0 for one in margins.values())
    return bool(margins) and above and p is not None and p <= SIGNIFICANT


def mouth_only(
    asked: Collection[str],
    upper: Mapping[str, Estimate],
    mouth: Mapping[str, Estimate],
    even_upper: float,
    even_mouth: float,
    outside: Collection[str] = (),
) -> bool:
    """Tell whether a model's evidence is on the mouth alone.

    It is strict, so that a model which uses brows or eyes for one class only is not flagged: for *every* class that was
    measured, one without units of the upper face too, the interval of the energy on the upper face must lie below what
    an even map has there; for every class that has such units that of the mouth must lie above. Two classes at least
    must have such units, none of them unmeasured, and the evidence of each must be shown to be on the face: coarse maps
    of a mark beside the chin reach the mouth.

    Args:
        asked: classes whose codebook has units of the upper face.
        upper: energy on the upper face, by class, of all classes that were explained.
        mouth: energy on the mouth, by class.
        even_upper: energy of an even map on the upper face.
        even_mouth: energy of an even map on the mouth.
        outside: classes whose evidence is not :func:`on_the_face`.
    """
    if len(asked) < 2 or not set(asked) <= set(upper) & set(mouth) or set(asked) & set(outside):
        return False
    if not all(one.high is not None and one.high < even_upper for one in upper.values()):
        return False
    limits = [mouth[name].low for name in asked]
    return all(low is not None and low > even_mouth for low in limits)


def on_the_face(outside: Estimate | None, even: Estimate | None) -> bool:
    """Tell whether less of a class's evidence lies outside the face than of a constant map, intervals apart.

    Args:
        outside: share of the maps' energy outside the face.
        even: that of constant maps.
    """
    if outside is None or even is None or outside.high is None:
        return False
    least = even.low if even.low is not None else even.value
    return least is not None and outside.high < least


def has_upper_units(codebook: Codebook, label: str) -> bool:
    """Tell whether a class has units of the upper face (brows and lids)."""
    return bool(set(codebook.units_of(label)) & set(face_parts()[UPPER]))


def closeness_finding(
    context: ProbeContext,
    label: str,
    scores: Mapping[str, Estimate],
    margins: Mapping[str, Estimate],
    p: float | None,
    codebook: Codebook,
) -> Finding | None:
    """Say whether the maps for a label are nearer to its own units than to the others'; None if not measured.

    Args:
        context: of the probe.
        label: of the class.
        scores: ``cam_cos``, ``cam_cos.specificity`` and the nulls of this label.
        margins: likeness to its own units less that to another expression's, by the other.
        p: adjusted p-value of the exchange of labels.
        codebook: names the units.
    """
    found, specificity = scores.get("cam_cos"), scores.get("cam_cos.specificity")
    if found is None or specificity is None or found.value is None or specificity.value is None:
        return None
    severity: Severity = "low"
    if is_closer(margins, p):
        severity = "note"
        claim = f"The map for {label} is closer to the {label} units than to those of any other expression"
    elif specificity.high is not None and specificity.high < 0:
        claim = f"The map for {label} is closer to the units of other expressions than to the {label} units"
    else:
        claim = f"The map for {label} is no closer to the {label} units than to the others"
    nulls = [
        f"{told} {estimate.value:.3f}"
        for metric, told in (
            ("cam_cos.null_other_expressions", "with those of the others on average"),
            ("cam_cos.null_constant", "a constant map has"),
            ("cam_cos.null_centre", "a spot in the middle"),
            ("cam_cos.null_mean_map", "the mean of all expressions' maps"),
        )
        if (estimate := scores.get(metric)) is not None and estimate.value is not None
    ]
    nearest = min(margins, key=lambda name: margins[name].value or 0.0, default="")
    if nearest:
        nulls.insert(0, f"{found.value - (margins[nearest].value or 0.0):.3f} with those of {nearest}")
    if severity != "note" and p is not None and p <= SIGNIFICANT:
        claim += f", though closer to them than the maps for other classes are ({_p_text(p)})"
    claim += f": cosine {found.value:.3f} with its own ({_units(codebook.units_of(label))}), {', '.join(nulls)}."
    metrics = ["cam_cos", "cam_cos.specificity", *(name for name in scores if name.startswith("cam_cos.null_"))]
    return context.finding(
        f"units.{label}",
        severity,
        claim,
        evidence=[format_key(context.probe_id, metric, {"label": label}) for metric in metrics],
        caveats=[CONTESTED],
        p_adjusted=p if severity == "note" else None,
    )


def is_one_sided(sides: Estimate | None, mirrored: Estimate | None) -> bool:
    """Tell whether maps lie on one side of the picture, also when the picture is mirrored.

    Args:
        sides: asymmetry of the maps.
        mirrored: asymmetry of the maps of the mirrored pictures, in those pictures: the intervals of both must lie
            beyond :data:`LOPSIDED`, on one side of 0.
    """
    limits = [limit for one in (sides, mirrored) if one is not None for limit in (one.low, one.high)]
    known = [limit for limit in limits if limit is not None]
    if len(known) < 4:
        return False
    return min(known) >= LOPSIDED or max(known) <= -LOPSIDED


def side_finding(
    context: ProbeContext, sides: Mapping[str, Estimate], mirrored: Mapping[str, Estimate]
) -> Finding | None:
    """Say which classes' maps lie on one side of the picture whichever way the face is turned; None if none do.

    Args:
        context: of the probe.
        sides: asymmetry of the maps, by class.
        mirrored: asymmetry of the maps of the mirrored pictures, by class.
    """
    labels = [name for name, one in sides.items() if is_one_sided(one, mirrored.get(name))]
    if not labels:
        return None
    told = "; ".join(
        f"{name} {sides[name].value or 0.0:+.2f}, mirrored {mirrored[name].value or 0.0:+.2f}" for name in labels
    )
    return context.finding(
        "sides",
        "low",
        f"The maps for {_and(labels)} lie on one side of the picture, whichever way the face is turned (energy on the "
        f"right half of the picture less the left half, over both: {told}). That comes from the net's own grid, not "
        "from the faces, and moves energy from a region towards its neighbours on that side.",
        evidence=[
            format_key(context.probe_id, metric, {"label": name})
            for name in labels
            for metric in ("asymmetry", SIDES_NULL)
        ],
        caveats=["The person's left half lies on the right of the picture."],
    )


def mouth_finding(
    context: ProbeContext, labels: Sequence[str], upper: Mapping[str, Estimate], even_upper: float
) -> Finding:
    """Say that a model shows evidence on the mouth alone, after :func:`mouth_only` found it so."""
    shares = ", ".join(f"{label} {upper[label].value or 0.0:.1%}" for label in labels)
    return context.finding(
        "mouth_only",
        "medium",
        f"Less evidence than an even spread would have lies on the upper face ({_units(face_parts()[UPPER])}) for "
        f"{_and(labels)}, and more on the mouth: the model shows evidence on the mouth only. Share of the map on the "
        f"upper face: {shares}; an even spread has {even_upper:.1%}.",
        evidence=[
            format_key(context.probe_id, "part_energy", {"label": label, "part": part})
            for label in labels
            for part in (UPPER, MOUTH)
        ],
        caveats=[
            "Evidence for a class may be of little use or coarse in a map; that none is shown is not proof that "
            "the model does not use it.",
            CONTESTED,
        ],
    )


def outside_finding(context: ProbeContext, label: str, outside: Estimate, even: Estimate) -> Finding | None:
    """Say that more of the maps lies outside the face than of a constant map; None where that is not shown."""
    if outside.value is None or even.value is None or outside.low is None:
        return None
    if outside.low <= (even.high if even.high is not None else even.value):
        return None
    return context.finding(
        f"outside.{label}",
        "medium",
        f"Part of the evidence for {label} lies outside the face: {outside.value:.0%} of the map on the crop, where an "
        f"even spread would have {even.value:.0%}. Background, hair or a mark in the picture may decide.",
        evidence=[
            format_key(context.probe_id, metric, {"label": label})
            for metric in ("outside_face", "outside_face.null_even")
        ],
        caveats=[
            "Maps are coarse: evidence at the edge of the face spreads beyond it. The forehead is estimated, since the "
            "68 points end at the brows; hair and ears count as outside."
        ],
    )


def _p_text(p: float) -> str:
    return f"p = {p:.3f}" if p >= 0.0005 else "p < 0.001"


def _units(units: Sequence[int]) -> str:
    return ", ".join(f"AU{unit}" for unit in units)


def _and(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def summary_finding(
    context: ProbeContext, table: Mapping[str, Mapping[str, float]], labels: Sequence[str], p: float
) -> Finding:
    """Say whether all labels together come nearer to their own units than to units dealt out at random.

    Args:
        context: of the probe.
        table: label's expression to the mean cosine of its maps with the map of every expression, own included.
        labels: the labels.
        p: of the assignment test.
    """
    own = sum(values[name] for name, values in table.items()) / len(table)
    told = "nearer" if p <= SIGNIFICANT else "no nearer"
    return context.finding(
        "units",
        "note" if p <= SIGNIFICANT else "low",
        f"Over {len(table)} expressions the maps lie {told} to their own action units (mean cosine {own:.3f}) than to "
        f"those dealt out at random ({_p_text(p)}).",
        evidence=[format_key(context.probe_id, "cam_cos", {"label": label}) for label in labels],
        caveats=[CONTESTED],
        p_adjusted=p,
    )
