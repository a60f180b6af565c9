"""What may be said of heatmaps of forged faces, in careful words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from ....core.keys import format_key
from ....core.probes import ProbeContext
from ....core.results import Estimate, Finding, Severity
from .scoring import AUROC, BLANK, CENTRE, GENUINE, HOLDS, IOU, ONES, SHARE

JUDGED: Mapping[str, str] = {
    f"{AUROC}.over_{GENUINE}": "the same detector's maps of genuine photos",
    f"{AUROC}.over_{CENTRE}": "a spot in the middle of the crop",
    f"{IOU}.over_{ONES}": "a map that is white everywhere",
}
"""A map is said to show the changed region only where it surely beats every one of these."""
MOST = 0.5
"""Share of blank maps from which on heatmaps are not said to show anything."""
_HARM = "Someone who checks a flagged photo by its heatmap may be sent to places that were not changed."


HALF = f"{HOLDS}.over_half_{SHARE}"
"""What a mask holds of the change, less half its share of the crop; surely below 0, the mask marks something else.

Half, since a morph moves hair and background a little, too, which no mask of the face holds."""


@dataclass(frozen=True)
class Told:
    """What the maps of one way of forging came to.

    Attributes:
        forged: how the faces were forged, as the manifest has it; empty where it does not say.
        slice: of the measurement keys.
        title: of the method of explanation, e.g. ``GradCAM``.
        scores: estimates by name, at the level that all ways of forging together ask for.
        detection: AUROC of the detector's own scores on these faces.
        wrong: ways of forging of the same data whose masks mark something else than what was changed.
    """

    forged: str
    slice: Mapping[str, str]
    title: str
    scores: Mapping[str, Estimate]
    detection: Estimate
    wrong: Set[str] = frozenset()

    @property
    def faces(self) -> str:
        """What the faces are called in a sentence."""
        return f"{self.forged} faces" if self.forged else "forged faces"


def findings_of(context: ProbeContext, told: Told) -> Iterator[Finding]:
    """Yield what the maps of one way of forging show; nothing where they were not measured.

    All comparisons must hold together, so that none needs a correction for their number (an intersection-union test).
    """
    margins = {name: told.scores[name] for name in JUDGED if name in told.scores}
    known = {name: margin for name, margin in margins.items() if margin.low is not None}
    area, blank = told.scores[AUROC], told.scores[BLANK].value or 0.0
    if area.value is None or area.low is None or area.high is None or not known:
        return
    beaten = [name for name, margin in known.items() if (margin.low or 0.0) > 0]
    compared = f"{AUROC}.over_{GENUINE}" in known
    ahead = len(beaten) == len(known) and area.low > 0.5
    shown = ahead and compared and blank < MOST
    severity: Severity = "note" if shown else "low"
    if shown:
        claim = f"Heatmaps ({told.title}) of {told.faces} show where they were changed"
    elif blank >= MOST:
        some = "All" if blank == 1 else "Most"
        others = "the others lie where they were changed" if ahead else "the others were not shown to tell the place"
        claim = f"{some} heatmaps ({told.title}) of {told.faces} are blank" + ("" if blank == 1 else f"; {others}")
    elif ahead:
        claim = (
            f"Heatmaps ({told.title}) of {told.faces} lie where they were changed, but were not compared with those of "
            "genuine photos, which may be as bright there"
        )
    elif area.high < 0.5:
        claim = f"Heatmaps ({told.title}) of {told.faces} point away from where they were changed"
    elif f"{AUROC}.over_{GENUINE}" in beaten and area.low > 0.5:
        claim = (
            f"Heatmaps ({told.title}) of {told.faces} are brighter where they were changed than those of genuine "
            "photos, but were not shown to tell the place"
        )
    else:
        claim = f"Heatmaps ({told.title}) of {told.faces} were not shown to tell where they were changed"
    claim += f": {_numbers(told)}."
    if not shown:
        failed = [JUDGED[name] for name in known if name not in beaten]
        claim += f" Not surely better than {_and(failed)}." if failed else ""
        claim += f" {_HARM}"
    yield context.finding(
        f"localisation.{told.forged}" if told.forged else "localisation",
        severity,
        claim,
        evidence=[
            format_key(context.probe_id, name, told.slice) for name in (AUROC, IOU, f"{IOU}.null_{ONES}", BLANK, *known)
        ],
        caveats=list(_caveats(told)),
    )


def masks_finding(
    context: ProbeContext, forged: str, slice: Mapping[str, str], told: Mapping[str, Estimate]
) -> Finding | None:
    """Say that masks mark something else than what was changed; None where that is not sure.

    Args:
        context: of the probe.
        forged: how the faces were forged.
        slice: of the measurement keys.
        told: estimates by name.
    """
    held, share = told[HOLDS], told[f"{HOLDS}.null_{SHARE}"]
    below = told[HALF].high
    if below is None or below >= 0 or held.value is None or share.value is None:
        return None
    whose = f"The masks of {forged} faces" if forged else "The masks"
    return context.finding(
        f"masks.{forged}" if forged else "masks",
        "high",
        f"{whose} do not mark what was changed: of the squared difference from the genuine photo of the same person "
        f"{held.value:.1%} lies inside them, where a mask at random would hold {share.value:.1%}. Scores of heatmaps "
        "against these masks say nothing about the detector. Check that the masks are white where the face was "
        "changed, not around it, and that each row names its own mask.",
        evidence=[format_key(context.probe_id, name, slice) for name in (HOLDS, f"{HOLDS}.null_{SHARE}")],
        caveats=["Or the genuine photos of the data are others than those that the forgeries were made of."],
    )


def _numbers(told: Told) -> str:
    scores = told.scores
    parts = [f"a changed pixel is brighter than another with probability {_with_limits(scores[AUROC])}"]
    beside = {GENUINE: "on the genuine photo", CENTRE: "for a spot in the middle"}
    nulls = [
        f"{scores[name].value:.3f} {words}"
        for null, words in beside.items()
        if (name := f"{AUROC}.null_{null}") in scores and scores[name].value is not None
    ]
    if nulls:
        parts[0] += f" ({', '.join(nulls)}, 0.5 by chance)"
    ones = scores.get(f"{IOU}.null_{ONES}")
    if scores[IOU].value is not None and ones is not None and ones.value is not None:
        parts.append(f"IoU {_with_limits(scores[IOU])} where a map that is white everywhere has {ones.value:.3f}")
    blank = scores[BLANK]
    if blank.value:
        parts.append(f"{_with_limits(blank)} of the heatmaps are blank, which count as chance in all of these")
    return "; ".join(parts)


def _caveats(told: Told) -> Iterator[str]:
    if told.wrong:
        yield (
            f"The masks of {_and(sorted(told.wrong))} faces of the same data do not mark what was changed. These may "
            "not either."
        )
    found = told.detection
    if found.value is not None and found.low is not None and found.low <= 0.5:
        yield (
            f"The detector itself hardly tells these faces from genuine ones (AUROC {_with_limits(found)}): where it "
            "sees no forgery, its heatmaps cannot show one."
        )
    yield (
        "A heatmap is coarse, and a method may miss what the detector uses: it is one about the detector and the "
        "method of explanation. Where masks cover much of the crop, hardly any map overlaps them more than a white one."
    )


def _with_limits(estimate: Estimate) -> str:
    assert estimate.value is not None
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
