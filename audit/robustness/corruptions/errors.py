"""Mean corruption error, which corruption costs most, and whether error rises with severity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ....core.keys import format_key
from ....core.probes import ProbeContext, Scores
from ....core.results import Estimate, Finding, Severity
from ....core.statistics.slicing import slice_scores
from ..brief import brief
from ..conditions import NONE, Outcomes
from .catalogue import ALL, CORRUPTIONS
from .told import KIND, STRENGTH, means_over, members_of

_UNCHANGED_TOLD = 4


def mean_errors(outcomes: Outcomes, names: Sequence[str]) -> Iterator[Scores]:
    """Yield ``mce`` and ``relative_mce``, face by face.

    ``mce`` is the mean over corruptions of the mean error over severities, ``relative_mce`` that less the error of the
    faces as they are. Hendrycks and Dietterich 2019 divide each corruption's errors by AlexNet's before they average;
    without AlexNet's errors on the same faces this is not done. Every corruption was tried at the same severities, so
    that the mean of means is the mean over all conditions.
    """
    if not (outcomes.quality.labelled and outcomes.quality.counts):
        return
    used = outcomes.weights > 0
    rows, weights = outcomes.rows[used], outcomes.weights[used]
    for name in means_over(names):
        right = outcomes.after[list(members_of(outcomes, name))].mean(0, dtype=np.float64)[used]
        condition = {KIND: name}
        yield Scores(
            "mce",
            rows,
            weights - right,
            weights=weights,
            bounds=(0.0, 1.0),
            direction="lower",
            condition=condition,
            by_group=False,
            keep=False,
        )
        yield Scores(
            "relative_mce",
            rows,
            outcomes.before[used] - right,
            weights=weights,
            bounds=(-1.0, 1.0),
            direction="lower",
            condition=condition,
            keep=False,
        )


def findings(
    context: ProbeContext, outcomes: Outcomes, names: Sequence[str], severities: Sequence[int]
) -> Iterator[Finding]:
    """Yield which corruption costs most, and whether the error rises from the mildest to the severest."""
    if not outcomes.quality.labelled:
        return
    yield _costliest(context, outcomes, names, severities)
    if len(severities) > 1:
        yield _rises(context, outcomes, names, severities)


def _costliest(context: ProbeContext, outcomes: Outcomes, names: Sequence[str], severities: Sequence[int]) -> Finding:
    """It is ``medium`` when accuracy under that corruption is surely below half of what it is without."""
    quality = outcomes.quality
    clean = _mean(context, outcomes, outcomes.before)
    found = {name: _mean(context, outcomes, _after(outcomes, members_of(outcomes, name))) for name in names}
    sign = 1 if quality.counts else -1
    ranked = sorted(found, key=lambda name: sign * (found[name].value or 0.0))
    worst, best = ranked[0], ranked[-1]
    halved = found[worst].high is not None and (found[worst].high or 0.0) < (clean.value or 0.0) / 2
    severity: Severity = "medium" if quality.counts and halved else "note"
    metric = quality.metric.replace("_", " ")
    claim = (
        f"Under {CORRUPTIONS[worst].title} {metric} was {brief(found[worst])}, mean over {_severities(severities)}, "
        f"against {brief(clean)} without corruption, on {len(outcomes.rows):,} faces"
    )
    if len(names) > 1:
        claim += (
            f"; of {len(names)} corruptions it costs most, and {CORRUPTIONS[best].title} least ({brief(found[best])})"
        )
    keys = [{KIND: worst}, {KIND: NONE, STRENGTH: "0"}, *([{KIND: best}] if len(names) > 1 else [])]
    return context.finding(
        "costliest",
        severity,
        claim,
        evidence=[format_key(context.probe_id, quality.metric, None, key) for key in keys],
        caveats=[
            "Corruptions are made on the crop as the model is given it; how often each is met in use is not known.",
            *(
                [f"The worst of {len(names)} is told with its own interval, which is not widened for the choice."]
                if len(names) > 1
                else []
            ),
        ],
    )


def _rises(context: ProbeContext, outcomes: Outcomes, names: Sequence[str], severities: Sequence[int]) -> Finding:
    """The same faces are compared at the mildest and the severest, and the differences counted by person."""
    low, high = str(severities[0]), str(severities[-1])
    sign = -1 if outcomes.quality.counts else 1
    means = []
    for severity in severities:
        estimate = _mean(context, outcomes, _after(outcomes, outcomes.of(**{STRENGTH: str(severity)})))
        means.append(1 - (estimate.value or 0.0) if outcomes.quality.counts else estimate.value or 0.0)

    def rise(**of: str) -> Estimate:
        first, last = (_after(outcomes, outcomes.of(**of, **{STRENGTH: level})) for level in (low, high))
        return _mean(context, outcomes, sign * (last - first), bounds=(-1.0, 1.0) if sign < 0 else None)

    whole = rise()
    flat = [name for name in names if (rise(**{KIND: name}).low or 0.0) <= 0]
    steadily = all(before <= after for before, after in pairwise(means))
    claim = (
        f"From severity {low} to {high} the error over all corruptions tried rose by {brief(whole)}: "
        f"{', '.join(f'{mean:.3f}' for mean in means)}"
        if (whole.low or 0.0) > 0
        else f"The error is not shown to rise from severity {low} to {high}: it changed by {brief(whole)}"
    )
    if not steadily and (whole.low or 0.0) > 0:
        claim += ", though not at every step"
    if flat and len(names) > 1:
        titles = [CORRUPTIONS[name].title for name in flat]
        listed = ", ".join(titles[:_UNCHANGED_TOLD])
        more = f" and {len(titles) - _UNCHANGED_TOLD} more" if len(titles) > _UNCHANGED_TOLD else ""
        claim += f"; of {len(flat)} of {len(names)} corruptions no rise is shown ({listed}{more})"
    return context.finding(
        "severity",
        "note",
        claim,
        evidence=[
            format_key(context.probe_id, outcomes.quality.metric, None, {KIND: ALL, STRENGTH: str(severity)})
            for severity in severities
        ],
        caveats=["Severities are steps of published tables, not equal steps of anything that is seen."],
    )


def _after(outcomes: Outcomes, members: Sequence[int]) -> NDArray[np.float64]:
    """Return the mean value of each face over some conditions, shape (m,)."""
    mean: NDArray[np.float64] = outcomes.after[list(members)].mean(0, dtype=np.float64)
    return mean


def _mean(
    context: ProbeContext,
    outcomes: Outcomes,
    values: NDArray[np.float64],
    bounds: tuple[float, float] | None = (0.0, 1.0),
) -> Estimate:
    used = outcomes.weights > 0
    weights = outcomes.weights[used]
    scores = Scores(
        "mean",
        outcomes.rows[used],
        values[used] * (1.0 if outcomes.quality.counts else weights),
        weights=weights,
        bounds=bounds if outcomes.quality.counts else None,
    )
    return slice_scores(scores, context.faces.subject_codes, (), context.rules, context.probe_id)[0].estimate


def _severities(severities: Sequence[int]) -> str:
    return f"severities {', '.join(map(str, severities))}" if len(severities) > 1 else f"severity {severities[0]}"
