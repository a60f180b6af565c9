"""What is claimed of methods of forging whose forgeries a detector hardly tells, or ranks the wrong way round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ....core.keys import format_key
from ....core.probes import ProbeContext
from ....core.results import Finding
from ..chance import CHANCE, NEAR_CHANCE, Place, jointly, place_of
from ..wording import listed, passing, ranked
from .material import Scored
from .measuring import METHOD, Measuring
from .sign import is_turned
from .tables import ALL, OfMethod

_OF_THESE = (
    "Forgeries of one name differ from tool to tool and from video to video: this speaks of those in these data."
)


def beside_chance(
    measuring: Measuring, faces: Scored, methods: Sequence[OfMethod], whole: OfMethod
) -> Iterator[Finding]:
    """Yield of which methods a detector's AUROC lies near one half or below it, and where these faces do not say it.

    Intervals are those that hold for all methods together.

    Args:
        measuring: measures.
        faces: the labelled faces.
        methods: what is known of each; none where no forgery says how it was made.
        whole: what is known of all forgeries.
    """
    context = measuring.context
    told = [each for each in methods or [whole] if each.auroc.value is not None]
    rules = jointly(context.rules, len(told))
    found: dict[Place, list[OfMethod]] = {place: [] for place in Place}
    for each in told:
        of = faces if each.name == ALL else faces.of(each.name)
        limits = replace(each, auroc=measuring.ranking("auroc", of, rules))
        found[place_of(limits.auroc)].append(limits)
    caveats = _caveats(faces, len(told), context.rules.level)
    yield from _near(measuring, found[Place.NEAR], found[Place.BARELY_BELOW], caveats)
    yield from _barely(measuring, found[Place.BARELY_ABOVE], caveats)
    yield from _open(context, found[Place.OPEN], caveats)
    if not is_turned(whole.auroc):  # else it is said of all of them
        yield from _below(measuring, found[Place.BELOW], found[Place.FAR_BELOW], caveats)


def _near(
    measuring: Measuring, near: Sequence[OfMethod], below: Sequence[OfMethod], caveats: Sequence[str]
) -> Iterator[Finding]:
    every = [*near, *below]
    if not every:
        return
    under = (
        f" Of {listed(_names(below))} it is surely a little below: such forgeries look slightly more genuine to the "
        "model than genuine faces do."
        if below
        else ""
    )
    yield measuring.context.finding(
        "near_chance",
        "high",
        f"The model does not tell {_listed(every)} from genuine faces: whether such a forgery scores above a genuine "
        f"face is close to the toss of a coin (AUROC {CHANCE:g}).{under}{_passing(measuring, every)} It protects "
        "nobody from such forgeries: neither the person whose face or words are forged nor those who are shown the "
        "picture.",
        evidence=_keys(measuring.context, every),
        caveats=caveats,
    )


def _barely(measuring: Measuring, barely: Sequence[OfMethod], caveats: Sequence[str]) -> Iterator[Finding]:
    if not barely:
        return
    yield measuring.context.finding(
        "barely_above_chance",
        "high",
        f"The model hardly tells {_listed(barely)} from genuine faces: it does better than the toss of a coin (AUROC "
        f"{CHANCE:g}), and yet a genuine face surely outranks such a forgery in {100 * (1 - NEAR_CHANCE):.0f} of 100 "
        f"pairs or more.{_passing(measuring, barely)} Whoever relies on it is hardly better protected from such "
        "forgeries than without it.",
        evidence=_keys(measuring.context, barely),
        caveats=caveats,
    )


def _open(context: ProbeContext, unsure: Sequence[OfMethod], caveats: Sequence[str]) -> Iterator[Finding]:
    if not unsure:
        return
    one = len(unsure) == 1
    yield context.finding(
        "not_shown",
        "medium",
        f"These faces do not show that the model tells {_listed(unsure)} from genuine faces: the "
        f"{'interval holds' if one else 'intervals hold'} {CHANCE:g}, answers at random, and "
        f"{'is' if one else 'are'} too wide to say that it does not. More people would settle it.",
        evidence=_keys(context, unsure),
        caveats=caveats,
    )


def _below(
    measuring: Measuring, below: Sequence[OfMethod], far: Sequence[OfMethod], caveats: Sequence[str]
) -> Iterator[Finding]:
    every = [*below, *far]
    if not every:
        return
    turned = (
        f" Of {listed(_names(far))} it is so far below that the same scores, turned round, would tell these forgeries."
        if far
        else ""
    )
    yield measuring.context.finding(
        "ranked_below",
        "high",
        f"The model takes {_listed(every)} for more genuine than genuine faces, which is worse than chance: the AUROC "
        f"lies below {CHANCE:g}, answers at random, with its whole interval.{turned}{_passing(measuring, every)} Who "
        "makes such forgeries is helped by this detector.",
        evidence=_keys(measuring.context, every),
        caveats=caveats,
    )


def _names(methods: Sequence[OfMethod]) -> list[str]:
    return ["forged" if each.name == ALL else each.name for each in methods]


def _listed(methods: Sequence[OfMethod]) -> str:
    return ranked(_names(methods), [each.auroc for each in methods])


def _passing(measuring: Measuring, methods: Sequence[OfMethod]) -> str:
    return passing([each.apcer for each in methods], measuring.params.threshold)


def _keys(context: ProbeContext, methods: Sequence[OfMethod]) -> list[str]:
    places = [{} if each.name == ALL else {METHOD: each.name} for each in methods]
    return [format_key(context.probe_id, metric, place) for metric in ("auroc", "apcer") for place in places]


def _caveats(faces: Scored, questions: int, level: float) -> list[str]:
    told = [_OF_THESE]
    if questions > 1:
        told.append(
            f"These intervals hold for all {questions} methods together at {100 * level:g} % (Bonferroni), so they are "
            "wider than those of each alone."
        )
    both = np.intersect1d(faces.subjects[faces.forged], faces.subjects[~faces.forged])
    if len(both) > len(np.unique(faces.subjects)) / 2:
        told.append(
            "Most forgeries here are of people who are among the genuine faces too. Where forged and genuine pictures "
            "come from different people, cameras or codecs, a detector can look better for those differences alone."
        )
    return told
