"""What is claimed of a detector: a side that is missing, a useless threshold, what compression costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ....core.keys import format_key
from ....core.probes import ProbeContext
from ....core.results import Finding
from ....core.statistics.detection_rates import equal_error
from ..chance import NEAR_CHANCE as NEAR_CHANCE  # kept for those who read it here
from .losses import Loss
from .material import FORGED, Scored
from .measuring import Measuring

ACCEPTED = 0.05
NAMED = 4


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
    one_score = ", where every face gets one and the same score" if loss.one_score else ""
    return f"{what}{of} goes from {loss.before:.2f} to {loss.after:.2f} at {loss.rung.title}{one_score}"
