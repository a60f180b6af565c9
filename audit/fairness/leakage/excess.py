"""How much more one probe reads than another on the same faces, with an interval by person.

A balanced accuracy is the mean over groups of the mean over faces; a difference of two is that of the differences face
by face. Each person's influence on it gives its variance, and the spread between random nets is added where the other
probe is an average over several.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from ....core.results import Estimate
from ....core.statistics.auroc import auroc_influence
from ....core.statistics.intervals import by_person, influence_variance, logit_limits
from ....core.statistics.sums import Floats, Integers

METHOD = "t_of_people"


@dataclass(frozen=True)
class Excess:
    """A mean over groups of means over faces, e.g. of the difference between two probes.

    Attributes:
        estimate: with its interval.
        p: one-sided, that it is not above 0.
    """

    estimate: Estimate
    p: float


def group_mean(
    values: Floats,
    labels: Integers,
    people: Integers,
    level: float,
    *,
    weights: Floats | None = None,
    between: float = 0.0,
    nets: int = 0,
    inflation: float = 1.0,
    bounds: tuple[float, float] = (-1.0, 1.0),
) -> Excess:
    """Return the mean over groups of the (weighted) mean of ``values`` over their faces.

    The t quantile has Welch and Satterthwaite's degrees of freedom, the parts being the groups' people and the nets.

    Args:
        values: (n,), e.g. right by one probe less right by the other.
        labels: (n,) group of each face, 0 to groups - 1.
        people: (n,) person of each face.
        level: of the interval.
        weights: (n,) how much each face counts in its group.
        between: variance that the choice of random nets adds.
        nets: how many there were.
        inflation: factor of the variance over people, for what they have in common through training.
        bounds: smallest and largest possible value.
    """
    weights = np.ones(len(values)) if weights is None else weights
    present = np.unique(labels)
    influence = np.zeros(len(values))
    means, variances, degrees = [], [], []
    for group in present:
        rows = labels == group
        total = weights[rows].sum()
        mean = float((weights[rows] * values[rows]).sum() / total)
        influence[rows] = weights[rows] * (values[rows] - mean) / total / len(present)
        own = by_person(people[rows], influence[rows])
        means.append(mean)
        variances.append(inflation * influence_variance(own))
        degrees.append(max(len(own) - 1, 1))
    value = float(np.mean(means))
    variance = inflation * influence_variance(by_person(people, influence))
    parts, free = [*variances, between], [*degrees, max(nets - 1, 1)]
    below = sum(part**2 / each for part, each in zip(parts, free, strict=True))
    degree = sum(parts) ** 2 / below if below > 0 else float(len(np.unique(people)) - 1)
    error = float(np.sqrt(variance + between))
    count = {"n": len(values), "subjects": len(np.unique(people))}
    if error == 0:  # all alike: a sign test over people is left
        p = 0.5 ** count["subjects"] if value > 0 else 1.0
        return Excess(Estimate(value=value, method="no_variation", n=len(values), subjects=count["subjects"]), p)
    half = float(t.ppf(0.5 + level / 2, degree)) * error
    low, high = max(value - half, min(bounds[0], value)), min(value + half, max(bounds[1], value))
    estimate = Estimate(
        value=value, low=low, high=high, level=level, method=METHOD, n=count["n"], subjects=count["subjects"]
    )
    return Excess(estimate, float(t.sf(value / error, degree)))


def mean_auroc(scores: Floats, labels: Integers, people: Integers, level: float, inflation: float = 1.0) -> Estimate:
    """Return the AUROC of two groups, or of more the mean of each against the others, with limits by person.

    Standard error from the influence of each person (Obuchowski 1997, Biometrics 53:567).

    Args:
        scores: (n, groups) by which faces of a group should come before those of others.
        labels: (n,) group of each face.
        people: (n,).
        level: of the interval.
        inflation: factor of the variance over people, for what they have in common through training.
    """
    groups = scores.shape[1]
    chosen = [1] if groups == 2 else list(range(groups))
    value, influence = 0.0, np.zeros(len(labels))
    for group in chosen:
        own, of_face = auroc_influence(scores[:, group], labels == group)
        value += own / len(chosen)
        influence += of_face / len(chosen)
    subjects = len(np.unique(people))
    value = min(max(value, 0.0), 1.0)
    if not 1e-9 < value < 1 - 1e-9:
        return Estimate(value=value, method="no_variation", n=len(labels), subjects=subjects)
    variance = inflation * influence_variance(by_person(people, influence))
    low, high = logit_limits(value, variance, subjects, level)
    return Estimate(
        value=value, low=low, high=high, level=level, method="cluster_influence_logit", n=len(labels), subjects=subjects
    )
