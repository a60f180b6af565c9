"""What a change does beyond the control, whether its flips go one way, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ....core.keys import format_key
from ....core.probes import Output, ProbeContext
from ....core.results import Estimate, Finding
from ....core.statistics.sums import Floats
from ....explain.units.exchange import holm
from .comparisons import Changed, difference, p_more, p_one_way

ALPHA = 0.05
LARGE = 0.05
NO_CONTROL = "no pairs are marked as a control (control in the plan)"
MADE = (
    "Whoever made the pairs says what was changed and kept; anything else that moved with it is counted as its effect."
)
NOT_RIGHT = "Which of the two answers is right is not judged."


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of one change.

    Attributes:
        changed: its name.
        flips: 1 where the answer flipped.
        drift: share of probability that moved.
        control_flips: the same of the control; ``None`` where there is none, or this is it.
        control_drift: the same of the control.
        steps: (m, classes) +1 where the second picture is called a class and the first is not, -1 for the reverse.
    """

    changed: str
    flips: Changed
    drift: Changed
    control_flips: Changed | None
    control_drift: Changed | None
    steps: Floats


def outcomes(
    context: ProbeContext, found: Sequence[Outcome], measured: Mapping[str, Estimate], control: str | None
) -> Iterator[Output]:
    """Yield differences to the control, tests and findings of every change.

    Args:
        context: the probe's.
        found: what came of each change, the control's too.
        measured: flip rates and the like by key.
        control: which change is the control.
    """
    tested = [each for each in found if each.changed != control]
    beyond = [_p_beyond(each) for each in tested]
    adjusted = _holm([p for p in beyond if p is not None])
    beyond_adjusted = [None if p is None else next(adjusted) for p in beyond]
    one_way = [
        [p_one_way(each.steps[:, place], each.flips.people) for place in range(each.steps.shape[1])] for each in tested
    ]
    flat = _holm([p for each in one_way for p in each])
    one_way_adjusted = [[next(flat) for _ in each] for each in one_way]
    for each, p, p_adjusted, ways, ways_adjusted in zip(
        tested, beyond, beyond_adjusted, one_way, one_way_adjusted, strict=True
    ):
        yield from _measurements(context, each, p, p_adjusted, ways, ways_adjusted)
        yield _flips(context, each, measured, p_adjusted, control)
        yield from _one_way(context, each, measured, ways_adjusted)


def _holm(p_values: Sequence[float]) -> Iterator[float]:
    return iter(holm(np.asarray(p_values, dtype=np.float64)).tolist())


def _p_beyond(each: Outcome) -> float | None:
    return None if each.control_flips is None else p_more(each.flips, each.control_flips)


def _measurements(
    context: ProbeContext,
    each: Outcome,
    p: float | None,
    p_adjusted: float | None,
    ways: Sequence[float],
    ways_adjusted: Sequence[float],
) -> Iterator[Output]:
    slice = {"changed": each.changed}
    n, subjects = len(each.flips.values), len(np.unique(each.flips.people))
    nothing = Estimate.not_measured(NO_CONTROL, n=n, subjects=subjects)
    flips, drift = nothing, nothing
    if each.control_flips is not None and each.control_drift is not None:
        flips = difference(each.flips, each.control_flips, "rate", context.rules)
        drift = difference(each.drift, each.control_drift, "mean", context.rules)
    yield context.measurement("flip_rate.over_control", flips, slice=slice, direction="lower")
    yield context.measurement("drift.over_control", drift, slice=slice, direction="lower")

    def told(value: float | None, method: str) -> Estimate:
        return nothing if value is None else Estimate(value=value, method=method, n=n, subjects=subjects)

    yield context.measurement("flip_rate.over_control.p", told(p, "exact_and_t_of_people"), slice=slice)
    holmed = told(p_adjusted, "exact_and_t_of_people_holm")
    yield context.measurement("flip_rate.over_control.p_adjusted", holmed, slice=slice)
    for name, one, adjusted in zip(context.predictions.classes, ways, ways_adjusted, strict=True):
        of_class = {**slice, "label": name}
        yield context.measurement("selection_change.p", told(one, "sign_test_of_people"), slice=of_class)
        yield context.measurement(
            "selection_change.p_adjusted", told(adjusted, "sign_test_of_people_holm"), slice=of_class
        )


def _flips(
    context: ProbeContext,
    each: Outcome,
    measured: Mapping[str, Estimate],
    p_adjusted: float | None,
    control: str | None,
) -> Finding:
    slice = {"changed": each.changed}
    key = format_key(context.probe_id, "flip_rate", slice)
    evidence = [key]
    count, pairs = int(each.flips.values.sum()), len(each.flips.values)
    told = f"{count:,} of {pairs:,} answers flip, {_number(measured[key])}"
    caveats = [MADE, NOT_RIGHT]
    name = f"flips.{each.changed}"
    if p_adjusted is None or each.control_flips is None:
        claim = (
            f"When {each.changed} is changed, {told}. Without a control it cannot be told how many would flip anyway."
        )
        return context.finding(name, "note", claim, evidence=evidence, caveats=caveats)
    control_key = format_key(context.probe_id, "flip_rate", {"changed": str(control)})
    evidence += [control_key, f"{format_key(context.probe_id, 'flip_rate.over_control', slice)}"]
    beside = f"with {control} alone {_number(measured[control_key])}"
    if p_adjusted <= ALPHA:
        claim = f"When {each.changed} is changed and the rest is kept, {told}; {beside}."
        return context.finding(name, "medium", claim, evidence=evidence, caveats=caveats, p_adjusted=p_adjusted)
    claim = f"It could not be shown that answers flip more when {each.changed} is changed: {told}; {beside}."
    return context.finding(name, "note", claim, evidence=evidence, caveats=caveats, p_adjusted=p_adjusted)


def _one_way(
    context: ProbeContext, each: Outcome, measured: Mapping[str, Estimate], adjusted: Sequence[float]
) -> Iterator[Finding]:
    """Yield a finding where answers of a class come or go with the change more than the reverse."""
    classes = context.predictions.classes
    shown = [place for place, p in enumerate(adjusted) if p <= ALPHA]
    if not shown:
        return
    parts, evidence, large = [], [], False
    for place in sorted(shown, key=lambda place: adjusted[place]):
        key = format_key(context.probe_id, "selection_change", {"changed": each.changed, "label": classes[place]})
        came, went = (int((each.steps[:, place] == step).sum()) for step in (1, -1))
        parts.append(f"{classes[place]} is answered {came:,} times more and {went:,} times less")
        evidence.append(key)
        estimate = measured[key]
        limits = (estimate.low, estimate.high)
        if estimate.value is not None and limits[0] is not None and limits[1] is not None:
            large |= limits[0] >= LARGE or limits[1] <= -LARGE
    yield context.finding(
        f"one_way.{each.changed}",
        "high" if large else "medium",
        f"Flips go one way when {each.changed} is changed from the first picture to the second: {'; '.join(parts)} "
        f"among {len(each.steps):,} pairs.",
        evidence=evidence,
        caveats=[MADE, NOT_RIGHT],
        p_adjusted=min(adjusted[place] for place in shown),
    )


def _number(estimate: Estimate) -> str:
    if estimate.value is None:
        return f"not measured: {estimate.reason}"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
