"""What a statistic of two numbers per face must give, and the error variance of groups under labellings.

The area under the ROC curve, the agreement of two values and the calibration error are no means of something each
face has. But each can be had from sums of every person (or, for a ranking, of the faces sorted once), also when the
groups are dealt out anew, and each has an *influence* of every person: how much she moves it. Its error variance is
``m/(m-1)`` times the sum of squared influences of the ``m`` people of a group.

That variance is noisy in a small group, and one that came out small by chance wins every maximum over groups. So the
variances here are moderated, as those of rates are (``group_tests.py``): of the group's own and one pooled over the
groups the larger is taken, both relative to how the statistic's variance goes with its value (its *unit*, e.g.
``A (1 - A)`` for an AUROC ``A``), and the unit of all groups together makes them variances again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...results import Estimate
from ..permutations import sums_of_people
from ..rules import StatisticsRules
from ..sums import Floats, Integers

UNDEFINED_VARIANCE = 1e6
"""Error variance of a group without a value, of statistics from -1 to 1: no difference to it can be shown."""
UNDEFINED_SHARE = 1e-9  # of the faces of such a group in "all the others": with this variance too, next to nothing
LEAST_VARIANCE = 1e-301  # of a statistic that does not vary; its inverse is a number still
LABELLINGS_AT_ONCE = 30  # a product of so many stays in the processor's cache


class Labelled(NamedTuple):
    """What every group shows under every labelling, arrays of shape (labellings, groups), always finite.

    Attributes:
        value: the statistic. Where a group has none under a labelling (no positive face, say), that of all the
            other groups together.
        variance: moderated error variance; ``LEAST_VARIANCE`` where nothing varies in any group,
            ``UNDEFINED_VARIANCE`` where there is no value.
        weight: faces of the group, its share in "all the others"; next to 0 where there is no value.
    """

    value: Floats
    variance: Floats
    weight: Floats


class PairedStatistic(ABC):
    """A statistic of two numbers per face: of a set of faces, of groups under labellings, and its limits."""

    name: ClassVar[str]
    bounds: ClassVar[tuple[float, float] | None] = None
    """Smallest and largest possible value."""

    @abstractmethod
    def estimate(self, first: Floats, second: Floats, person: Integers, rules: StatisticsRules) -> Estimate:
        """Return the statistic of one set of faces with its interval, or why it was not measured.

        Args:
            first: first number of each face, shape (faces,).
            second: second number, shape (faces,).
            person: person of each face, shape (faces,).
            rules: level and smallest number of people.
        """

    @abstractmethod
    def under_labellings(
        self, first: Floats, second: Floats, person: Integers, labels: Integers, groups: int
    ) -> Labelled:
        """Return the statistic of every group under every labelling.

        Args:
            first: first number of each face, shape (faces,).
            second: second number, shape (faces,).
            person: person of each face, shape (faces,), 0 to ``people - 1``.
            labels: group of each person in each labelling, shape (labellings, people), 0 to ``groups - 1``.
            groups: how many groups there are.
        """

    @abstractmethod
    def limits(self, value: Floats, variance: Floats, quantile: Floats | float) -> tuple[Floats, Floats]:
        """Return the limits of groups that are compared with each other.

        Args:
            value: the statistic of each, shape (..., groups).
            variance: its error variance as :meth:`under_labellings` gives it, the same shape. It is in the unit of
                all groups together; here that of their mean, weighted by ``1 / variance``, is taken for it.
            quantile: how many errors the limits lie away.
        """


def sums_under(labels: Integers, lines: Floats, groups: int) -> Floats:
    """Return the sums of every group under every labelling, shape (labellings, groups, columns).

    Args:
        labels: group of each person in each labelling, shape (labellings, people).
        lines: what each person adds, shape (people, columns).
        groups: how many groups there are.
    """
    sums = np.empty((len(labels), groups, lines.shape[1]))
    for start in range(0, len(labels), LABELLINGS_AT_ONCE):
        part = slice(start, start + LABELLINGS_AT_ONCE)
        sums[part] = sums_of_people(labels[part], lines, groups)
    return sums


def likeness(influence: Floats, of_person: Floats, faces: Floats) -> float:
    """Return the intraclass correlation of influences that faces of one person have, 0 to 1.

    Args:
        influence: of each face on the statistic of all faces, shape (faces,), with sum 0.
        of_person: its sum by person, shape (people,).
        faces: how many faces each person has, shape (people,).
    """
    alone = float(np.square(influence).sum())
    more = float((faces * (faces - 1)).sum())
    if alone <= 0 or more <= 0:
        return 0.0
    together = float(np.square(of_person).sum())
    return min(max((together - alone) / (alone * more / len(influence)), 0.0), 1.0)


def pooled_variance(own: Floats, unit: Floats, faces: Floats, worth: Floats, defined: NDArray[np.bool_]) -> Floats:
    """Return the relative error variance that all groups together let expect of each, shape (labellings, groups).

    Args:
        own: own error variance of each group.
        unit: unit variance at the group's own value.
        faces: faces ``N`` of each group, above 0.
        worth: ``sum over people of n + icc n (n - 1)``, the variance of the sum over a group's faces of a number of
            unit variance and intraclass correlation ``icc``.
        defined: whether the group has a value.
    """
    above = np.where(defined, own * faces**2, 0.0).sum(axis=1, keepdims=True)
    below = np.where(defined, unit * worth, 0.0).sum(axis=1, keepdims=True)
    ratio = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    return np.asarray(ratio * worth / faces**2)


def moderate(
    value: Floats,
    faces: Floats,
    own: Floats,
    pooled: Floats,
    unit: Callable[[Floats], Floats],
    defined: NDArray[np.bool_],
) -> Labelled:
    """Return values with the larger of own and pooled relative variance, in the unit of all groups together.

    Arrays have the shape (labellings, groups) and hold any finite number where a group has no value.

    Args:
        value: the statistic.
        faces: faces of the group.
        own: the group's own error variance.
        pooled: relative error variance from all groups together.
        unit: how the statistic's variance goes with its value, 0 or more.
        defined: whether the group has a value.
    """
    weight = np.where(defined, faces, 0.0)
    total = np.maximum(weight.sum(axis=1, keepdims=True), 1.0)
    together = np.where(defined, value * weight, 0.0).sum(axis=1, keepdims=True) / total
    own_unit, common = unit(value), unit(together)
    relative = np.divide(own, own_unit, out=np.zeros_like(own), where=own_unit > 1e-9 * common)
    variance = np.maximum(common * np.maximum(relative, pooled), LEAST_VARIANCE)
    return Labelled(
        value=np.where(defined, value, together),
        variance=np.where(defined, variance, UNDEFINED_VARIANCE),
        weight=np.where(defined, faces, UNDEFINED_SHARE * np.maximum(faces, 1.0)),
    )


def common_value(value: Floats, variance: Floats) -> Floats:
    """Return the mean of groups that are compared, weighted by ``1 / variance``, shape (..., 1)."""
    weight = 1 / np.maximum(variance, LEAST_VARIANCE)
    return np.asarray((value * weight).sum(axis=-1, keepdims=True) / weight.sum(axis=-1, keepdims=True))
