"""One question, who or which group, put to the embedding and to its controls, as measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ....core.probes import Output, ProbeContext
from ....core.results import Estimate
from ....core.statistics.sums import Floats, Integers
from .excess import Excess, group_mean

RANDOM_NET, PIXELS = "random_net", "pixels"
CONTROLS = {RANDOM_NET: "the same net with random weights", PIXELS: "small pixels"}
NO_MODEL = "there is no model of which a random twin could be made, and no picture"
NO_WEIGHTS = "the weights of the model cannot be replaced"


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of which faces.

    Attributes:
        metric: ``identity_accuracy`` or ``attribute_accuracy``.
        subject: ``identity``, or the attribute's name.
        slice: of its measurements.
        labels: (n,) group of each face; all 0 for identity, where everyone counts alike.
        people: (n,) person of each face.
        weights: (n,) how much a face counts within its group.
        chance: what guessing gives.
        inflation: factor of variances over people, for what they have in common through training.
    """

    metric: str
    subject: str
    slice: dict[str, str]
    labels: Integers
    people: Integers
    weights: Floats
    chance: float
    inflation: float = 1.0


@dataclass(frozen=True)
class Answer:
    """What came of a question.

    Attributes:
        question: what was asked.
        rate: share read rightly.
        shuffled: mean over permuted labellings.
        p: that it is no better than chance, by permutation.
        controls: what is read from each control.
        over: how much more is read than from each control.
        missing: controls that could not be had, with the reason.
    """

    question: Question
    rate: Estimate
    shuffled: float
    p: float
    controls: dict[str, Estimate]
    over: dict[str, Excess]
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def p_beyond(self) -> float | None:
        """p of being no better than chance or than either control: the largest of the three (intersection-union)."""
        if self.missing:
            return None
        return max(self.p, *(excess.p for excess in self.over.values()))


def answer(
    context: ProbeContext,
    question: Question,
    rate: Estimate,
    right: Floats,
    of_nets: Sequence[Floats],
    of_pixels: Floats | None,
    permuted: Floats,
) -> Answer:
    """Compare what was read with the controls.

    Args:
        context: the probe's.
        question: what was asked.
        rate: share read rightly, with its interval.
        right: (n,) 1 where a face was read rightly.
        of_nets: the same for each random net.
        of_pixels: the same for small pixels.
        permuted: the share under each permuted labelling.
    """
    level = context.rules.level
    observed = rate.value if rate.value is not None else 0.0
    reached = int((permuted >= observed - 1e-12).sum())
    controls, over, missing = {}, {}, {}
    if of_nets:
        between = _between(of_nets, question)
        mean = np.mean(of_nets, axis=0)
        controls[RANDOM_NET] = _mean(mean, question, level, between, len(of_nets), (0.0, 1.0)).estimate
        over[RANDOM_NET] = _mean(right - mean, question, level, between, len(of_nets))
    else:
        missing[RANDOM_NET] = NO_MODEL if of_pixels is None else NO_WEIGHTS
    if of_pixels is not None:
        controls[PIXELS] = _mean(of_pixels, question, level, bounds=(0.0, 1.0)).estimate
        over[PIXELS] = _mean(right - of_pixels, question, level)
    else:
        missing[PIXELS] = NO_MODEL
    p = (1 + reached) / (len(permuted) + 1)
    return Answer(question, rate, float(permuted.mean()), p, controls, over, missing)


def _mean(
    values: Floats,
    question: Question,
    level: float,
    between: float = 0.0,
    nets: int = 0,
    bounds: tuple[float, float] = (-1.0, 1.0),
) -> Excess:
    return group_mean(
        values,
        question.labels,
        question.people,
        level,
        weights=question.weights,
        between=between,
        nets=nets,
        inflation=question.inflation,
        bounds=bounds,
    )


def _between(of_nets: Sequence[Floats], question: Question) -> float:
    """Return the variance of the mean over random nets that their choice brings in."""
    rates = [_mean(right, question, 0.95).estimate.value or 0.0 for right in of_nets]
    return float(np.var(rates, ddof=1) / len(rates))


def measurements(context: ProbeContext, found: Answer, permuted: Floats, p_adjusted: float | None) -> Iterator[Output]:
    """Yield the controls of a question and the differences to them."""
    question, metric, slice = found.question, found.question.metric, found.question.slice
    n, subjects, level = len(question.labels), len(np.unique(question.people)), context.rules.level
    low, high = np.quantile(permuted, [0.5 - level / 2, 0.5 + level / 2])
    shuffled = Estimate(
        value=found.shuffled,
        low=float(low),
        high=float(high),
        level=level,
        method="permuted_groups",
        n=n,
        subjects=subjects,
    )
    yield context.measurement(f"{metric}.null_shuffled", shuffled, slice=slice, direction="lower")
    yield context.measurement(f"{metric}.null_chance", Estimate(value=question.chance), slice=slice, direction="lower")
    yield context.measurement(
        f"{metric}.p", Estimate(value=found.p, method="permutation_of_people", n=n, subjects=subjects), slice=slice
    )
    for name in CONTROLS:
        control, excess = found.controls.get(name), found.over.get(name)
        nothing = (
            Estimate.not_measured(found.missing.get(name, ""), n=n, subjects=subjects) if control is None else control
        )
        yield context.measurement(f"{metric}.null_{name}", nothing, slice=slice, direction="lower")
        beyond = nothing if excess is None else excess.estimate
        yield context.measurement(f"{metric}.over_{name}", beyond, slice=slice, direction="lower")
    if p_adjusted is None:
        estimate = Estimate.not_measured("; ".join(dict.fromkeys(found.missing.values())), n=n, subjects=subjects)
    else:
        estimate = Estimate(value=p_adjusted, method="intersection_union_holm", n=n, subjects=subjects)
    yield context.measurement(f"{metric}.over_controls.p_adjusted", estimate, slice=slice)
