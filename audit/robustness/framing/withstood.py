"""Up to which amount a change is withstood, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ....core.keys import format_key
from ....core.numbers import Fraction
from ....core.probes import Output, ProbeContext, Scores
from ....core.results import Estimate, Finding, Severity
from ....core.statistics.slicing import slice_scores
from ..brief import brief
from ..conditions import Outcomes
from .changes import FAMILIES, IDENTITY, KIND, MIRROR, STRENGTH, title_of

METHOD = "fixed_sequence"
_DETECTORS = "Face detectors, and versions of one detector, place boxes that differ in such ways."
_AS_MEASURED = "What was tried is listed in the plan; amounts between and beyond were not."


@dataclass(frozen=True)
class Loss:
    """What one amount of a family of changes did: share of right answers lost, or of answers changed without labels."""

    amount: Fraction
    estimate: Estimate

    def surely_at_most(self, limit: float) -> bool:
        """Whether the upper limit is at most ``limit``."""
        return self.estimate.high is not None and self.estimate.high <= limit

    def surely_above(self, limit: float) -> bool:
        """Whether the lower limit is above ``limit``."""
        return self.estimate.low is not None and self.estimate.low > limit


def loss_metric(outcomes: Outcomes) -> str:
    """Return what is looked at: answers lost, or without labels answers changed."""
    return outcomes.quality.loss_metric if outcomes.quality.labelled else outcomes.quality.change_metric


def loss_of(context: ProbeContext, outcomes: Outcomes, members: Sequence[int]) -> Estimate:
    """Return the share of right answers lost over these conditions; without labels the share of answers changed."""
    places = list(members)
    possible = outcomes.possible[places]
    times = possible.sum(0).astype(np.float64)
    if outcomes.quality.labelled:
        values, weights = np.where(possible, outcomes.lost[places], 0.0).sum(0), outcomes.before * times
    else:
        values, weights = np.where(possible, outcomes.changed[places], 0.0).sum(0), times
    had = weights > 0
    metric = loss_metric(outcomes)
    if not had.any():
        return Estimate.not_measured("it could be done to none of the faces", n=len(outcomes.rows))
    scores = Scores(
        metric,
        outcomes.rows[had],
        values[had].astype(np.float64),
        weights=weights[had],
        kind="rate" if outcomes.quality.labelled else "mean",
        bounds=(0.0, 1.0),
    )
    return slice_scores(scores, context.faces.subject_codes, (), context.rules, context.probe_id)[0].estimate


def losses_of(context: ProbeContext, outcomes: Outcomes, family: str, amounts: Sequence[Fraction]) -> list[Loss]:
    """Return what each amount of a family did, in ascending order of amounts."""
    found = []
    for amount in amounts:
        members = [place for name in FAMILIES[family] for place in outcomes.of(**{KIND: name, STRENGTH: str(amount)})]
        found.append(Loss(amount, loss_of(context, outcomes, members)))
    return found


def withstood(losses: Sequence[Loss], accepted: float) -> Estimate:
    """Return the largest amount up to which no more than ``accepted`` is lost, 0 when the smallest one loses more.

    The lower limit is the largest amount up to which every upper limit is at most ``accepted``; the upper one the
    smallest from which every lower limit is above it, and is left out where there is none. Amounts are tested in a
    fixed order, each only if all before it were decided, so that no correction for their number is needed (Maurer,
    Hothorn and Lehmacher 1995).
    """
    if any(loss.estimate.value is None for loss in losses):
        return next(loss.estimate for loss in losses if loss.estimate.value is None)
    at_most = [loss.estimate.value is not None and loss.estimate.value <= accepted for loss in losses]
    surely = [loss.surely_at_most(accepted) for loss in losses]
    first_lost = _first_lost(losses, accepted)
    first = losses[0].estimate
    return Estimate(
        value=_amount(losses, _leading(at_most)),
        low=_amount(losses, _leading(surely)),
        high=float(losses[first_lost].amount) if first_lost < len(losses) else None,
        level=first.level,
        method=METHOD,
        n=first.n,
        subjects=first.subjects,
    )


def _first_lost(losses: Sequence[Loss], accepted: float) -> int:
    """Return the place of the smallest amount from which every one surely loses more; their number for none."""
    return len(losses) - _leading([loss.surely_above(accepted) for loss in losses][::-1])


def _leading(flags: Sequence[bool]) -> int:
    return next((place for place, flag in enumerate(flags) if not flag), len(flags))


def _amount(losses: Sequence[Loss], count: int) -> float:
    return float(losses[count - 1].amount) if count else 0.0


def withstood_outputs(
    context: ProbeContext, outcomes: Outcomes, amounts: dict[str, Sequence[Fraction]], accepted: float
) -> Iterator[Output]:
    """Yield for every family up to which amount it is withstood, and a finding where it surely is not."""
    if not outcomes.quality.counts:
        return
    for family, tried in amounts.items():
        if not tried:
            continue
        losses = losses_of(context, outcomes, family, tried)
        estimate = withstood(losses, accepted)
        yield context.measurement("withstood", estimate, condition={KIND: family}, direction="higher")
        if estimate.value is not None:
            yield from _finding(context, outcomes, family, losses, accepted)
    yield from _costliest(context, outcomes)
    yield from _identity(context, outcomes)


def _finding(
    context: ProbeContext, outcomes: Outcomes, family: str, losses: Sequence[Loss], accepted: float
) -> Iterator[Finding]:
    """Yield a finding on the smallest amount from which more than the accepted share is surely lost, if any."""
    lost = _first_lost(losses, accepted)
    if lost == len(losses):
        return
    loss = losses[lost]
    stood = losses[: _leading([each.surely_at_most(accepted) for each in losses])]
    told = f"; with {_titled(family, stood[-1])} surely at most {accepted:g}" if stood else ""
    severity: Severity = "medium" if lost == 0 else "low"
    yield context.finding(
        family,
        severity,
        f"With the {_titled(family, loss)} {_share(outcomes)} was {brief(loss.estimate)}, surely more than {accepted:g}"
        f"{told}",
        evidence=[
            format_key(context.probe_id, loss_metric(outcomes), None, {KIND: family, STRENGTH: str(loss.amount)}),
            format_key(context.probe_id, "withstood", None, {KIND: family}),
        ],
        caveats=[
            _DETECTORS if family not in ("rotation", MIRROR) else "Heads are held askew in such ways.",
            _AS_MEASURED,
        ],
    )


def _titled(family: str, loss: Loss) -> str:
    title = title_of(family, loss.amount)
    return f"face {title}" if family == "rotation" else title


def _share(outcomes: Outcomes) -> str:
    return "the share of right answers lost" if outcomes.quality.labelled else "the share of answers that changed"


def _costliest(context: ProbeContext, outcomes: Outcomes) -> Iterator[Finding]:
    """Yield a note on the one change that costs most of all that were tried."""
    found = [
        (loss_of(context, outcomes, [place]), condition)
        for place, condition in enumerate(outcomes.conditions)
        if condition.name != IDENTITY
    ]
    known = [(estimate, condition) for estimate, condition in found if estimate.value is not None]
    if not known:
        return
    estimate, condition = max(known, key=lambda item: item[0].value or 0.0)
    metric = outcomes.quality.metric if outcomes.quality.labelled else loss_metric(outcomes)
    yield context.finding(
        "costliest",
        "note",
        f"Of the {len(known)} changes tried, {condition.title} cost most: {_share(outcomes)} was {brief(estimate)}",
        evidence=[format_key(context.probe_id, metric, None, condition.values)],
        caveats=[_AS_MEASURED, "The largest of many is by chance larger than it would be alone."],
    )


def _identity(context: ProbeContext, outcomes: Outcomes) -> Iterator[Finding]:
    """Yield a finding when cutting the faces out again, without a change, changes answers: then nothing here holds."""
    places = outcomes.of(**{KIND: IDENTITY})
    count = int((outcomes.changed[list(places)] > 0).sum())
    if count:
        yield context.finding(
            IDENTITY,
            "medium",
            f"Cut out again without any change, {count} of {len(outcomes.rows)} faces were answered otherwise: the "
            "model answers at random or depends on the batch, or the pictures changed meanwhile; losses under changes "
            "of the frame include that",
            evidence=[format_key(context.probe_id, outcomes.quality.change_metric, None, {KIND: IDENTITY})],
        )
