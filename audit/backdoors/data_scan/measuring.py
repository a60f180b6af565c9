"""What one method found, how often it is wrong on clean photos, and what it would find of the audit's own stamp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.probes import ProbeContext, Scores
from ....core.results import Estimate
from ....core.statistics.auroc import auroc
from ....core.statistics.slicing import slice_scores
from .calibration import RobustRule, excess_p, one_of_each, right_at_most
from .judging import NO_CLEAN, Judged, by_clusters, by_detail, by_spectrum
from .material import ALL, Images, Material
from .params import DataScanParams, Method

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
CLUSTERED_TURNS = 3
"""Turns of the power of clusters, each of which needs simulations of its own."""
_Judge = Callable[[Floats, Images, Images | None], Judged]


@dataclass(frozen=True, eq=False)
class Outcome:
    """One method on these data.

    Attributes:
        method: its name.
        scanned: what it says of the scanned images.
        share: flagged share of them.
        false_alarms: flagged share of the clean photos, each half of the people against the other half's.
        found: flagged share of images that the audit stamped itself.
        auroc: of stamped against plain images.
        right_at_most: share of flags that are right at the assumed share, if every poisoned image were flagged.
        right: the same with the power measured.
        people_flagged: of one image a person, against one of each clean person, how many are flagged; ``None`` where
            that was not asked: clusters, or no clean photos.
        people: how many people that is of.
        p: chance of so many in clean data; ``None`` without clean photos.
        calibrated: whether clean photos gave the threshold.
    """

    method: Method
    scanned: Judged
    share: Estimate
    false_alarms: Estimate
    found: Estimate
    auroc: Estimate
    right_at_most: Estimate
    right: Estimate
    people_flagged: int | None
    people: int
    p: float | None
    calibrated: bool


def outcome_of(context: ProbeContext, params: DataScanParams, material: Material, method: Method) -> Outcome:
    """Judge the scanned images by a method, and measure the method itself."""
    scanned, clean, rate = material.scanned, material.clean, params.false_alarm_rate
    judge = _judge(context, params, method)
    plain = _points(scanned, method)
    if plain is None:
        return _unmeasured(method, scanned, f"embeddings cannot be read: {material.no_embedding}")
    judged = judge(plain, scanned, clean)
    if not judged.judged.any():
        told = "; ".join(f"{name}: {why}" if name else why for name, why in judged.reasons.items())
        return _unmeasured(method, scanned, told or "no image could be judged")
    found, ranked = _power(context, params, material, method, judge)
    flagged, people, p = _excess(context, material, judged, rate, method, judge)
    most = right_at_most(params.assumed_share, rate)
    right = Estimate.not_measured(f"the power was not measured: {found.reason}")
    if found.value is not None:
        right = _known(right_at_most(params.assumed_share, rate, found.value))
    return Outcome(
        method=method,
        scanned=judged,
        share=_rate(context, judged.flagged, judged.judged, scanned.people),
        false_alarms=_false_alarms(context, params, material, method, judge),
        found=found,
        auroc=ranked,
        right_at_most=_known(most),
        right=right,
        people_flagged=flagged,
        people=people,
        p=p,
        calibrated=clean is not None,
    )


def _judge(context: ProbeContext, params: DataScanParams, method: Method) -> _Judge:
    rate = params.false_alarm_rate
    if method == "laplacian":
        return lambda values, images, clean: by_detail(values, images.people, clean, rate)
    if method == "spectral":
        return lambda values, images, clean: by_spectrum(values, images, clean, rate)
    return lambda values, images, clean: by_clusters(
        values, images, clean, rate, params.draws, context.random("clusters")
    )


def _points(images: Images, method: Method, *, stamped: bool = False) -> Floats | None:
    if method == "laplacian":
        return images.stamped_detail if stamped else images.detail
    return images.stamped_embedding if stamped else images.embedding


def _excess(
    context: ProbeContext, material: Material, judged: Judged, rate: float, method: Method, judge: _Judge
) -> tuple[int | None, int, float | None]:
    """Count flagged people, and say how likely so many are; of clusters the smallest p.

    One image of each person counts, against one of each clean person (and class): then a threshold is a rank among as
    many as there are clean people, however many photos of them there are.
    """
    images, clean = material.scanned, material.clean
    people = len(np.unique(images.people[judged.judged]))
    if method == "clustering":
        return None, people, min(judged.p_values.values())
    if clean is None:  # data that are not normal have more outliers than a nominal rate says, poisoned or not
        return None, people, None
    points = _points(images, method)
    assert points is not None
    by_class = method == "spectral" and not bool((images.classes == ALL).all())
    among = _one_clean_of_each(clean, by_class, context.random("one of each clean", method))
    again = judge(points, images, clean.take(among))
    classes = np.full(len(images), "") if method == "laplacian" else images.classes
    chosen = np.zeros(len(images), dtype=np.bool_)
    places = np.flatnonzero(again.judged)
    chosen[places] = one_of_each(images.people[places], context.random("one of each", method))
    mine = [chosen & (classes == name) for name in again.references]
    flagged = np.array([int(again.flagged[each].sum()) for each in mine])
    counted = np.array([int(each.sum()) for each in mine])
    p = excess_p(flagged, counted, np.array(list(again.references.values())), rate)
    return int(flagged.sum()), int(counted.sum()), p


def _one_clean_of_each(clean: Images, by_class: bool, random: np.random.Generator) -> Flags:
    """Mark one clean image of every person, or of every person and class; one that was measured."""
    chosen = np.zeros(len(clean), dtype=np.bool_)
    usable = np.flatnonzero(np.isfinite(clean.detail))
    names, codes = np.unique(clean.classes, return_inverse=True)
    who = clean.people * len(names) + codes.reshape(-1) if by_class else clean.people
    chosen[usable] = one_of_each(who[usable], random)
    return chosen


def _power(
    context: ProbeContext, params: DataScanParams, material: Material, method: Method, judge: _Judge
) -> tuple[Estimate, Estimate]:
    """Return which share of images stamped here is flagged, and the AUROC of stamped against plain."""
    scanned, clean = material.scanned, material.clean
    if method == "laplacian":
        images = scanned if clean is None else clean
        stamped, plain = images.stamped_detail, images.detail
        if clean is None:  # the rule of the data as they are, which images stamped on top do not move
            known = np.isfinite(plain) & (plain > 0)
            rule = RobustRule.of(np.log(plain[known]))
            flags = np.zeros(len(images), dtype=np.bool_)
            flags[known] = rule.flags(np.log(np.maximum(stamped[known], 1e-9)), params.false_alarm_rate)
        else:
            judged = judge(stamped, images, clean)
            flags, known = judged.flagged, judged.judged
        return _rate(context, flags, known, images.people), _auroc(context, plain, stamped, images.people)
    return _power_of_embeddings(context, params, material, method, judge)


def _power_of_embeddings(
    context: ProbeContext, params: DataScanParams, material: Material, method: Method, judge: _Judge
) -> tuple[Estimate, Estimate]:
    """Stamp the assumed share of the people, judge all again, and so in turn until everyone was stamped once.

    The share of unstamped images that a stamped one outranks is its contribution to the AUROC of its turn.
    """
    images = material.scanned
    plain, stamped = _points(images, method), _points(images, method, stamped=True)
    assert plain is not None
    assert stamped is not None
    people, parts = len(np.unique(images.people)), max(2, round(1 / params.assumed_share))
    codes = np.unique(images.people, return_inverse=True)[1].reshape(-1)
    part = context.random("stamped people").permutation(np.arange(people) % parts)[codes]
    known, flagged = np.zeros(len(images), dtype=np.bool_), np.zeros(len(images), dtype=np.bool_)
    rank = np.full(len(images), np.nan)
    for turn in range(min(parts, CLUSTERED_TURNS) if method == "clustering" else parts):
        moved = part == turn
        judged = judge(np.where(moved[:, None], stamped, plain), images, material.clean)
        mine = moved & judged.judged
        known |= mine
        flagged |= mine & judged.flagged
        others = np.sort(judged.scores[judged.judged & ~moved])
        if method == "spectral" and len(others):
            scores = judged.scores[mine]
            below = np.searchsorted(others, scores, side="left") + np.searchsorted(others, scores, side="right")
            rank[mine] = below / (2 * len(others))
    ranked = Estimate.not_measured("clusters give no score of single images")
    if method == "spectral":
        rows = np.flatnonzero(np.isfinite(rank))
        score = Scores("auroc", rows, rank[rows], bounds=(0.0, 1.0))
        ranked = slice_scores(score, codes, (), context.rules, context.probe_id)[0].estimate
    return _rate(context, flagged, known, images.people), ranked


def _false_alarms(
    context: ProbeContext, params: DataScanParams, material: Material, method: Method, judge: _Judge
) -> Estimate:
    """Return the flagged share of the clean photos, each half of the people judged against the other half's.

    Against all others, a share of about the rate would be flagged whatever the photos are like, since the threshold is
    a rank among them.
    """
    clean = material.clean
    if clean is None:
        return Estimate.not_measured(NO_CLEAN)
    if method == "clustering":
        return Estimate.not_measured("the rate of clusters is that of a whole class, not of an image")
    points = _points(clean, method)
    assert points is not None
    names, codes = np.unique(clean.people, return_inverse=True)
    half = context.random("halves", method).permutation(np.arange(len(names)) % 2)[codes.reshape(-1)]
    flagged, known = np.zeros(len(clean), dtype=np.bool_), np.zeros(len(clean), dtype=np.bool_)
    reasons: list[str] = []
    for part in (0, 1):
        mine = half == part
        if mine.all() or not mine.any():
            return Estimate.not_measured("clean photos of 1 person; halves of the people are judged by each other")
        judged = judge(points[mine], clean.take(mine), clean.take(~mine))
        flagged[mine], known[mine] = judged.flagged, judged.judged
        reasons += judged.reasons.values()
    if not known.any():
        return Estimate.not_measured(
            f"half of the clean people against the other half: {'; '.join(sorted(set(reasons)))}"
        )
    return _rate(context, flagged, known, clean.people)


def _rate(context: ProbeContext, flagged: Flags, known: Flags, people: NDArray[np.int64]) -> Estimate:
    rows = np.flatnonzero(known)
    if not len(rows):
        return Estimate.not_measured("no such image could be judged", n=0)
    score = Scores("rate", rows, flagged[rows].astype(np.float64), kind="rate", bounds=(0.0, 1.0), exact=True)
    codes = np.unique(people, return_inverse=True)[1].reshape(-1)
    return slice_scores(score, codes, (), context.rules, context.probe_id)[0].estimate


def _auroc(context: ProbeContext, plain: Floats, stamped: Floats, people: NDArray[np.int64]) -> Estimate:
    both = np.isfinite(plain) & np.isfinite(stamped)
    scores = np.concatenate([stamped[both], plain[both]])
    positive = np.repeat([True, False], int(both.sum()))
    return auroc(scores, positive, np.tile(people[both], 2), context.rules)


def _known(value: float) -> Estimate:
    """Return a number that follows from assumptions, without an interval."""
    return Estimate(value=value, method="by_bayes")


def _unmeasured(method: Method, scanned: Images, reason: str) -> Outcome:
    none = Estimate.not_measured(reason, n=len(scanned))
    nothing = np.zeros(len(scanned), dtype=np.bool_)
    judged = Judged(nothing, nothing, np.full(len(scanned), np.nan), reasons={"": reason})
    return Outcome(method, judged, none, none, none, none, none, none, None, 0, None, False)
