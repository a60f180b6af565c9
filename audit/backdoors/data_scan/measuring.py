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
from .judging import Judged, by_clusters, by_detail, by_spectrum
from .material import Images, Material
from .params import DataScanParams, Method

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
NO_CLEAN = "no photos known to be clean were named (clean)"
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
        false_alarms: flagged share of the clean photos, each against those of other people.
        found: flagged share of images that the audit stamped itself.
        auroc: of stamped against plain images.
        right_at_most: share of flags that are right at the assumed share, if every poisoned image were flagged.
        right: the same with the power measured.
        people_flagged: of one image a person, how many are flagged; ``None`` where images are not judged singly.
        people: how many people that is of.
        p: chance of so many in clean data.
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
    flagged, people, p = _excess(context, scanned, judged, rate, method)
    if material.clean is None:
        p = None  # data that are not normal have more outliers than a nominal rate says, poisoned or not
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
    context: ProbeContext, images: Images, judged: Judged, rate: float, method: Method
) -> tuple[int | None, int, float | None]:
    """Count flagged people, by one image of each, and say how likely so many are; of clusters the smallest p."""
    if method == "clustering":
        return None, len(np.unique(images.people[judged.judged])), min(judged.p_values.values())
    classes = np.full(len(images), "") if method == "laplacian" else images.classes
    flagged, people = [], []
    chosen = np.zeros(len(images), dtype=np.bool_)
    places = np.flatnonzero(judged.judged)
    chosen[places] = one_of_each(images.people[places], context.random("one of each", method))
    for name in judged.references:
        mine = chosen & (classes == name)
        flagged.append(int(judged.flagged[mine].sum()))
        people.append(int(mine.sum()))
    counts = (np.array(flagged), np.array(people), np.array(list(judged.references.values())))
    return sum(flagged), sum(people), excess_p(*counts, rate)


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
    """Return the flagged share of the clean photos, each judged against those of other people."""
    clean = material.clean
    if clean is None:
        return Estimate.not_measured(NO_CLEAN)
    if method == "clustering":
        return Estimate.not_measured("the rate of clusters is that of a whole class, not of an image")
    points = _points(clean, method)
    assert points is not None
    judged = judge(points, clean, clean)
    if not judged.judged.any():
        return Estimate.not_measured("; ".join(dict.fromkeys(judged.reasons.values())))
    return _rate(context, judged.flagged, judged.judged, clean.people)


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
