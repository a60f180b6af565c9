"""The probe ``verification_attacks``: can a photo be changed so that it passes as another person, or as nobody?"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from ....core.errors import AuditError
from ....core.numbers import Fraction
from ....core.portraits import Portraits
from ....core.probe_params import one_or_many
from ....core.probes import Need, Note, Output, ProbeContext, ProbeParams, Scores, TableOutput, probe
from ....core.results import Estimate
from ...pair_gaps import answered
from ...verification import GENUINE, IMPOSTOR, IMPOSTORS_PER_FPR, Comparisons, rates, threshold_at
from .attempts import GOALS, Goal, choose_attempts
from .findings import failures, success_finding
from .measured import PHOTOS, measure
from .search import CosineAscent, Search, SquareSearch
from .successes import Successes, table, unmeasured

_DEFAULT_EPS = tuple(map(Fraction, ("2/255", "4/255", "8/255")))
_OF_ATTACK = {"pgd": frozenset({"steps", "step_size"}), "square": frozenset({"queries"})}


class VerificationAttacksParams(ProbeParams):
    """Settings of the attack; eps and step_size in pixel units 0..1, as numbers or like ``8/255``."""

    attack: Literal["pgd", "square"] = Field(default="pgd", description="square asks for answers only, so ONNX will do")
    eps: tuple[Fraction, ...] = Field(
        default=_DEFAULT_EPS, min_length=1, description="largest change of a pixel's channel, one or several"
    )
    far: float = Field(default=0.01, description="share of the impostor pairs that match at the threshold")
    attempts: int = Field(default=200, ge=1, description="pairs attacked for each goal, spread over people")
    steps: int = Field(default=20, ge=1, le=10_000, description="gradient steps (pgd)")
    step_size: Fraction | None = Field(default=None, description="2.5 eps / steps unless given (pgd)")
    queries: int = Field(default=1000, ge=1, le=100_000, description="answers asked for each photo and eps (square)")
    tolerance: float = Field(default=0.10, ge=0, le=1, description="largest gap in success that is accepted")

    _one_or_many = field_validator("eps", mode="before")(one_or_many)

    @field_validator("eps")
    @classmethod
    def _sorted_within_bounds(cls, value: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
        for eps in value:
            if not 0 < eps <= 1:
                raise ValueError(f"expected each eps above 0 and at most 1 (pixels are 0 to 1), but got {eps}")
        if len({float(eps) for eps in value}) < len(value):
            raise ValueError(f"expected each eps once, but got {', '.join(map(str, value))}")
        return tuple(sorted(value))

    @field_validator("far")
    @classmethod
    def _a_share(cls, value: float) -> float:
        if not 0 < value < 1:
            raise ValueError(f"expected a far above 0 and below 1, a share of the impostor pairs, but got {value:g}")
        return value

    @field_validator("step_size")
    @classmethod
    def _step_within_bounds(cls, value: Fraction | None) -> Fraction | None:
        if value is not None and not 0 < value <= 1:
            raise ValueError(f"expected a step_size above 0 and at most 1, but got {value}")
        return value

    @model_validator(mode="after")
    def _settings_of_the_attack(self) -> VerificationAttacksParams:
        foreign = set().union(*(names for attack, names in _OF_ATTACK.items() if attack != self.attack))
        unused = ", ".join(sorted(self.model_fields_set & foreign))
        if unused:
            raise ValueError(f"{self.attack} has no setting {unused}: leave it out")
        return self

    def further_needs(self) -> frozenset[Need]:
        """Return that pgd needs gradients."""
        return frozenset({"gradients"}) if self.attack == "pgd" else frozenset()

    def without_gradients(self) -> str:
        """Return the attack that needs none."""
        return "`attack: square` asks for answers only"


@probe(
    "verification_attacks",
    version=1,
    title="Impersonation and dodging",
    pillar="robustness",
    params=VerificationAttacksParams,
    needs={"model", "images"},
    tasks={"verification"},
    shows="How often a photo whose pixels are changed by at most eps is taken for another person, or no longer for the "
    "person it shows, at the threshold where a stated share of the data's own impostor pairs match; judged by the "
    "photo the attack was given and by another of the same person; beside the same photos unchanged and under noise.",
    hides="Stronger attacks; changes that are worn, printed or shown to a camera; attackers who do not know the model; "
    "detectors of manipulated or presented pictures that stand before it; search among many people at once.",
    citation="Madry et al. 2018, arXiv 1706.06083; Andriushchenko et al. 2020, arXiv 1912.00049; "
    "Shamshad et al. 2023 (CLIP2Protect), CVPR",
)
def verification_attacks(context: ProbeContext, params: VerificationAttacksParams) -> Iterator[Output]:
    """Success of impersonation and dodging at a threshold set at a FAR on the data's own impostor pairs."""
    portraits = context.portraits
    if portraits is None:
        raise AuditError("verification_attacks is run on a checkpoint with its photos, of which there are none here")
    comparisons = Comparisons.of(context.faces, context.predictions)
    eps = [str(each) for each in params.eps]
    reason = _too_few(comparisons, params.far)
    if reason:
        yield context.measurement("threshold", Estimate.not_measured(reason), condition=_at(params))
        for goal in GOALS:
            yield from unmeasured(context, goal, reason, params.attack, eps)
        return
    threshold = threshold_at(comparisons.similarity[~comparisons.same], params.far)
    yield from _clean(context, comparisons, threshold, params)
    reason = _at_chance(context, comparisons, threshold, params.far)
    done: list[Successes] = []
    for goal in GOALS:
        why = reason or _nothing_to_attack(comparisons, goal)
        if why:
            yield from unmeasured(context, goal, why, params.attack, eps)
            continue
        found = _attacked(context, portraits, comparisons, goal, threshold, params)
        done.append(found)
        yield from found.measurements()
        yield from found.losses()
        yield from _kept(found)
        yield success_finding(found)
        yield from failures(found)
    if done:
        yield Note(_settings(params, done))
        yield TableOutput("success", table(done), "Attempts that succeed, by goal, attack, eps and photo judged by")
    questions = [question for each in done for question in each.questions()]
    people = int(portraits.faces.subject_codes.max()) + 1
    yield from answered(context, questions, people, params.tolerance)


def _attacked(
    context: ProbeContext,
    portraits: Portraits,
    comparisons: Comparisons,
    goal: Goal,
    threshold: float,
    params: VerificationAttacksParams,
) -> Successes:
    attempts = choose_attempts(goal, portraits, comparisons.same, params.attempts, context.random("pairs", goal))
    search = _search(params, int(context.random("starts", goal).integers(2**63)))
    noise_seed = int(context.random("noise", goal).integers(2**63))
    measured = measure(context, portraits, attempts, search, list(map(float, params.eps)), noise_seed)
    return Successes(context, portraits, measured, threshold, params.attack, [str(each) for each in params.eps])


def _search(params: VerificationAttacksParams, seed: int) -> Search:
    if params.attack == "square":
        return SquareSearch(params.queries, seed)
    return CosineAscent(params.steps, None if params.step_size is None else float(params.step_size), seed)


def _at(params: VerificationAttacksParams) -> dict[str, str]:
    return {"far": f"{params.far:g}"}


def _clean(
    context: ProbeContext, comparisons: Comparisons, threshold: float, params: VerificationAttacksParams
) -> Iterator[Output]:
    """Yield the threshold and the error rates of all pairs at it."""
    impostors = int((~comparisons.same).sum())
    yield context.measurement("threshold", Estimate(value=threshold, n=impostors), condition=_at(params))
    matches = comparisons.similarity >= threshold
    for metric, kind, wrong in (("fmr", IMPOSTOR, matches), ("fnmr", GENUINE, ~matches)):
        rows = comparisons.rows(kind)
        nearest = comparisons.similarity[rows] * (1 if kind == IMPOSTOR else -1)
        values = wrong[rows].astype(np.float64)
        found = rates(comparisons.grouped(rows), values, context.rules, kind, overall=True, nearest=nearest)
        yield context.measurement(metric, found.estimates[0], condition=_at(params), direction="lower")


def _too_few(comparisons: Comparisons, far: float) -> str:
    impostors = int((~comparisons.same).sum())
    needed = math.ceil(IMPOSTORS_PER_FPR / far - 1e-9)
    if impostors >= needed:
        return ""
    return f"{impostors:,} impostor pairs; {needed:,} are needed to set a threshold at a FAR of {far:g}"


def _at_chance(context: ProbeContext, comparisons: Comparisons, threshold: float, far: float) -> str:
    """Say that the model does not tell people apart, or return an empty text."""
    rows = comparisons.rows(GENUINE)
    if not len(rows):
        return ""
    similarity = comparisons.similarity[rows]
    matched = (similarity >= threshold).astype(np.float64)
    pairs = comparisons.grouped(rows)
    found = rates(pairs, matched, context.rules, GENUINE, overall=True, nearest=-similarity).estimates[0]
    if found.low is None or found.low > far:
        return ""
    return (
        f"the model is at chance: at the threshold {found.value:.3f} of the pairs of one person match, and {far:g} of "
        "the pairs of two people"
    )


def _nothing_to_attack(comparisons: Comparisons, goal: Goal) -> str:
    if goal == "dodging" and not comparisons.same.any():
        return "there is no pair of one person"
    return ""


def _kept(found: Successes) -> Iterator[Scores]:
    """Keep the similarity of every attempt; it is no score of the model, so nothing is estimated of it."""
    for condition in (found.clean, *found.attacked):
        yield Scores(
            f"{found.attempts.goal}_similarity",
            found.attempts.pairs,
            condition.similarity[0],
            bounds=(-1.0, 1.0),
            condition=condition.key(PHOTOS[0]),
            overall=False,
            by_group=False,
        )


def _settings(params: VerificationAttacksParams, done: list[Successes]) -> str:
    how = f"square: {params.queries:,} queries"
    if params.attack == "pgd":
        size = "2.5 eps / steps" if params.step_size is None else str(params.step_size)
        how = f"pgd: {params.steps} steps of {size} on the cosine from a random start, to the end"
    counts = " and ".join(
        f"{len(each.attempts):,} pairs for {each.attempts.goal}, of which "
        f"{int(np.isfinite(each.clean.similarity[1]).sum()):,} have another photo to be judged by"
        for each in done
    )
    return (
        f"{how}; L-infinity in pixel units 0..1 on the crop at the target's input size; {counts}. Groups are those of "
        "the person to be taken for (impersonation) or of the changed photo (dodging)."
    )
