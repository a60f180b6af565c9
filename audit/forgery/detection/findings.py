"""What is claimed of a detector: a turned sign, a useless threshold, forgeries that it does not see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ....core.keys import format_key
from ....core.probes import ProbeContext
from ....core.results import Estimate, Finding
from ....core.statistics.detection_rates import equal_error
from .losses import Loss
from .material import FORGED, Scored
from .measuring import METHOD, Measuring
from .sign import is_turned, likely_cause
from .tables import ALL, OfMethod

NEAR_CHANCE = 0.65
ACCEPTED = 0.05
NAMED = 4
_OF_THESE = (
    "Forgeries of one name differ from tool to tool and from video to video: this speaks of those in these data."
)


def side_missing(context: ProbeContext, faces: Scored) -> Iterator[Finding]:
    """Yield what cannot be measured because no face is genuine, or none forged."""
    if not faces.lacking:
        return
    there = FORGED if faces.lacking != FORGED else "genuine"
    left = "apcer" if there == FORGED else "bpcer"
    rate = "how many of them pass as genuine" if there == FORGED else "how many of them are called forged"
    yield context.finding(
        "side_missing",
        "medium",
        f"All {len(faces.rows):,} labelled faces are {there}, none is {faces.lacking}: how well the model tells the "
        f"two apart (AUROC, equal error rate, average precision) was not measured. What these faces show is {rate} "
        f"({left.upper()}), and that number alone is met by a model that gives every face the same answer.",
        evidence=[format_key(context.probe_id, left), format_key(context.probe_id, "auroc")],
        caveats=[f"Add {faces.lacking} faces, best of the same people and from the same cameras and codecs."],
    )


def same_scores(context: ProbeContext, faces: Scored) -> Iterator[Finding]:
    """Yield that the model gives every face one and the same score."""
    if len(faces.rows) < 2 or np.ptp(faces.scores) > 0:
        return
    yield context.finding(
        "same_scores",
        "high",
        f"The model gives all {len(faces.rows):,} labelled faces one and the same probability of a forgery, "
        f"{float(faces.scores[0]):.3g}: it tells nothing from nothing. The checkpoint may not have been loaded as it "
        "was trained, or what it is given (size, channels, mean, deviation) may be far from what it was trained on.",
        evidence=[format_key(context.probe_id, "auroc")],
    )


def one_sided(measuring: Measuring, faces: Scored) -> Iterator[Finding]:
    """Yield that every face lies on one side of the threshold although their scores differ."""
    called = faces.scores >= measuring.params.threshold
    if faces.lacking or np.ptp(faces.scores) == 0 or 0 < called.sum() < len(called):
        return
    context, threshold = measuring.context, measuring.params.threshold
    every = FORGED if called.all() else "genuine"
    passed = "no forgery passes, and every genuine face is called one" if called.all() else "every forgery passes"
    found = equal_error(faces.scores, faces.forged)
    yield context.finding(
        "one_sided",
        "high",
        f"At the threshold {threshold:g} the model calls all {len(faces.rows):,} faces {every}: {passed}. Their "
        f"probabilities of a forgery range from {faces.scores.min():.3g} to {faces.scores.max():.3g}; accuracy and "
        "error rates at this threshold say how many faces of each kind there are, and nothing of the model. Both "
        f"errors would be about {found.value:.2f} at {found.threshold:.3g}.",
        evidence=[format_key(context.probe_id, metric) for metric in ("apcer", "bpcer", "eer")],
        caveats=["That other threshold was found on these very faces: it has to be set on others before it is used."],
    )


def sign_turned(context: ProbeContext, estimate: Estimate) -> Iterator[Finding]:
    """Yield that genuine faces score above forged ones."""
    if not is_turned(estimate):
        return
    yield context.finding(
        "sign_turned",
        "high",
        f"The model ranks genuine faces above forged ones: AUROC {estimate}, where answers at random give 0.5. "
        f"{likely_cause(context)}",
        evidence=[format_key(context.probe_id, "auroc")],
        caveats=["A hint: forgeries unlike those the model was made for can be ranked the wrong way too."],
    )


def near_chance(measuring: Measuring, faces: Scored, methods: Sequence[OfMethod], whole: OfMethod) -> Iterator[Finding]:
    """Yield the methods whose forgeries the model does not tell from genuine faces."""
    context = measuring.context
    if is_turned(whole.auroc):
        return
    told = methods or [whole]
    below = [each for each in told if is_turned(each.auroc)]
    near = [each for each in told if each not in below and _high(each) < NEAR_CHANCE and _low(each) <= 0.5]
    open_ = [each for each in told if each not in (*below, *near) and _low(each) <= 0.5]
    if near:
        yield context.finding(
            "near_chance",
            "high",
            f"The model does not tell {_listed(near)} from genuine faces: whether such a forgery scores above a "
            f"genuine face is close to the toss of a coin (AUROC 0.5).{_passing(measuring, near)} It protects nobody "
            "from such forgeries: neither the person whose face or words are forged nor those who are shown the "
            "picture.",
            evidence=_keys(context, near),
            caveats=_caveats(faces),
        )
    if open_:
        one = len(open_) == 1
        yield context.finding(
            "not_shown",
            "medium",
            f"These faces do not show that the model tells {_listed(open_)} from genuine faces: the "
            f"{'interval reaches' if one else 'intervals reach'} from 0.5, answers at random, to {NEAR_CHANCE:g} or "
            "more. More people would settle it.",
            evidence=_keys(context, open_),
            caveats=_caveats(faces),
        )
    if below:
        yield context.finding(
            "ranked_below",
            "high",
            f"The model takes {_listed(below)} for more genuine than genuine faces: the AUROC is far below 0.5, "
            f"answers at random, with its whole interval.{_passing(measuring, below)} Who makes such forgeries is "
            "helped by this detector.",
            evidence=_keys(context, below),
            caveats=_caveats(faces),
        )


def lost_under(context: ProbeContext, losses: Sequence[Loss]) -> Iterator[Finding]:
    """Yield what got surely worse under compression or smallness, by more than is accepted."""
    sure = [each for each in losses if each.surely > ACCEPTED]
    for name, metrics, what in (
        ("ranking_lost", ("auroc",), "tells forged from genuine faces less well"),
        ("threshold_moved", ("apcer", "bpcer"), "errs more often at its threshold"),
    ):
        worse = sorted((each for each in sure if each.metric in metrics), key=lambda each: -(each.estimate.value or 0))
        if not worse:
            continue
        named = "; ".join(_change(each) for each in worse[:NAMED])
        more = f"; and {len(worse) - NAMED} more" if len(worse) > NAMED else ""
        yield context.finding(
            name,
            "medium",
            f"Of pictures that were compressed or made small the model {what}: {named}{more}. "
            f"{'This is' if len(worse) == 1 else 'Each of these is'} surely more than {ACCEPTED:g} worse, over all "
            f"{len(losses)} comparisons together. Pictures sent through a "
            "messenger or cut from a video call are compressed and small.",
            evidence=[each.key for each in worse],
            caveats=["One codec (JPEG) and one way of scaling, of the crop; videos are compressed otherwise."],
        )


def genuine_with_method(context: ProbeContext, faces: Scored, told: Sequence[str]) -> Iterator[Finding]:
    """Yield that faces labelled genuine name a method of forging that forged ones name too.

    Args:
        context: of the probe.
        faces: the labelled faces.
        told: what the column of methods says of each of them.
    """
    known = set(faces.names)
    odd = [name for name, forged in zip(told, faces.forged, strict=True) if not forged and name in known]
    if odd:
        yield context.finding(
            "genuine_with_method",
            "medium",
            f"{len(odd):,} faces are labelled genuine and yet name a method of forging: "
            f"{', '.join(sorted(set(odd)))}. Either their label or their method is wrong. They were measured as "
            "genuine faces.",
            evidence=[format_key(context.probe_id, "bpcer")],
        )


def _change(loss: Loss) -> str:
    of = f" of {loss.method}" if loss.method else ""
    what = {"auroc": "AUROC", "apcer": "the share of forgeries that pass", "bpcer": "the share of genuine faces called "
            "forged"}[loss.metric]  # fmt: skip
    return f"{what}{of} goes from {loss.before:.2f} to {loss.after:.2f} at {loss.rung.title}"


def _listed(methods: Sequence[OfMethod]) -> str:
    names = [f"{'forged' if each.name == ALL else each.name} (AUROC {_short(each.auroc)})" for each in methods]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _short(estimate: Estimate) -> str:
    text = f"{estimate.value:.2f}"
    return text if estimate.low is None else f"{text} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _passing(measuring: Measuring, methods: Sequence[OfMethod]) -> str:
    """Say how many of these forgeries pass at the threshold; empty where that was not measured."""
    rates = [each.apcer.value for each in methods if each.apcer.value is not None]
    if not rates:
        return ""
    least, most = (f"{100 * rate:.0f} %" for rate in (min(rates), max(rates)))
    share = least if least == most else f"{least} to {most}"
    return f" At the threshold {measuring.params.threshold:g}, {share} of these forgeries pass as genuine."


def _keys(context: ProbeContext, methods: Sequence[OfMethod]) -> list[str]:
    places = [{} if each.name == ALL else {METHOD: each.name} for each in methods]
    return [format_key(context.probe_id, metric, place) for metric in ("auroc", "apcer") for place in places]


def _caveats(faces: Scored) -> list[str]:
    told = [_OF_THESE]
    both = np.intersect1d(faces.subjects[faces.forged], faces.subjects[~faces.forged])
    if len(both) > len(np.unique(faces.subjects)) / 2:
        told.append(
            "Most forgeries here are of people who are among the genuine faces too. Where forged and genuine pictures "
            "come from different people, cameras or codecs, a detector can look better for those differences alone."
        )
    return told


def _low(each: OfMethod) -> float:
    return 1.0 if each.auroc.low is None else each.auroc.low


def _high(each: OfMethod) -> float:
    return 1.0 if each.auroc.high is None else each.auroc.high
