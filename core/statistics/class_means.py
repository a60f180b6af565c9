"""Means over the classes: balanced accuracy and macro F1, with intervals that respect people.

Both are means of one ratio per class, ``(1/K) sum over c of X_c / N_c``, where one person adds to several
classes. A standard error of the mean fails when a rare class happened to have no error: it then says that
class is known exactly. So each class gets its own limits first, which exist without errors too, and these
are put together by
MOVER: Zou and Donner (2008), Statistics in Medicine 27:1693, with the correlations of Zou (2007),
Psychological Methods 12:399. Coverage in simulations: ``docs/intervals.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..results import Estimate
from .intervals import clopper_pearson, effective_n
from .rules import StatisticsRules
from .sums import Floats, GroupSums, Integers, total_at

METHOD = "mover_clopper_pearson"


@dataclass(frozen=True, eq=False)
class ClassSums:
    """Numerator and denominator of each class's ratio, one line per person: arrays of shape (people, classes)."""

    x: Floats
    n: Floats

    @property
    def total(self) -> GroupSums:
        """The sums of each class over people."""
        return GroupSums(
            subjects=np.count_nonzero(self.n, axis=0).astype(np.int64),
            faces=self.n.sum(axis=0).astype(np.int64),
            x=self.x.sum(axis=0),
            n=self.n.sum(axis=0),
            xx=np.square(self.x).sum(axis=0),
            xn=(self.x * self.n).sum(axis=0),
            nn=np.square(self.n).sum(axis=0),
        )


def recall_sums(labels: Integers, predicted: Integers, subjects: Integers, classes: int) -> ClassSums:
    """Return right answers over faces of each class, by person."""
    person, people = _people(subjects)
    place, size = person * classes + labels, people * classes
    right = total_at(place, (labels == predicted).astype(np.float64), size)
    return ClassSums(right.reshape(-1, classes), total_at(place, None, size).reshape(-1, classes))


def f1_sums(labels: Integers, predicted: Integers, subjects: Integers, classes: int) -> ClassSums:
    """Return twice the right answers over labelled plus predicted faces of each class, by person."""
    recall = recall_sums(labels, predicted, subjects, classes)
    person, people = _people(subjects)
    called = total_at(person * classes + predicted, None, people * classes).reshape(-1, classes)
    return ClassSums(2 * recall.x, recall.n + called)


def balanced_accuracy(
    labels: Integers, predicted: Integers, subjects: Integers, classes: int, rules: StatisticsRules
) -> Estimate:
    """Return the mean recall (UAR) over the classes that have a labelled face.

    Args:
        labels: class of each face, shape (n,), 0 to ``classes - 1``.
        predicted: class the model gave, shape (n,).
        subjects: person of each face, shape (n,).
        classes: how many classes the model has.
        rules: level and smallest number of people.
    """
    return _mean(recall_sums(labels, predicted, subjects, classes), labels, rules)


def macro_f1(
    labels: Integers, predicted: Integers, subjects: Integers, classes: int, rules: StatisticsRules
) -> Estimate:
    """Return the mean F1 over the classes that have a labelled face; arguments as in :func:`balanced_accuracy`."""
    return _mean(f1_sums(labels, predicted, subjects, classes), labels, rules)


def _mean(sums: ClassSums, labels: Integers, rules: StatisticsRules) -> Estimate:
    people = len(sums.x)
    if people < rules.min_subjects:
        return too_few(people, len(labels), rules)
    present = np.flatnonzero(np.bincount(labels, minlength=sums.x.shape[1]))
    sums = ClassSums(sums.x[:, present], sums.n[:, present])
    value, low, high = mean_of_ratios(sums, rules.level)
    return Estimate(value=value, low=low, high=high, level=rules.level, method=METHOD, n=len(labels), subjects=people)


def mean_of_ratios(sums: ClassSums, level: float) -> tuple[float, float, float]:
    """Return the mean of ``X_c / N_c`` over classes and its limits at ``level``; every ``N_c`` must be above 0.

    Limits of each class: Clopper-Pearson with the effective sample size, classes pooled. Correlations between
    classes: those of the residuals ``x - p n`` of people.
    """
    total = sums.total
    p = total.value
    n = effective_n(total, p * (1 - p))
    low, high = clopper_pearson(p * n, n, level)
    covariance = (residuals := (sums.x - p * sums.n) / total.n).T @ residuals
    spread = np.sqrt(np.diag(covariance))
    scale = np.outer(spread, spread)
    correlation = np.divide(covariance, scale, out=np.eye(len(p)), where=scale > 0)
    down, up = np.maximum(p - low, 0), np.maximum(high - p, 0)
    value = float(p.mean())
    below = float(np.sqrt(max(down @ correlation @ down, 0.0))) / len(p)
    above = float(np.sqrt(max(up @ correlation @ up, 0.0))) / len(p)
    return value, max(value - below, 0.0), min(value + above, 1.0)


def too_few(people: int, faces: int, rules: StatisticsRules) -> Estimate:
    """Return the estimate of data with too few people."""
    have, are = (("person", "people"), ("face", "faces"))[people == faces], "are needed"
    return Estimate.not_measured(f"{people} {have[people != 1]}; {rules.min_subjects} {are}", n=faces, subjects=people)


def _people(subjects: Integers) -> tuple[Integers, int]:
    """Number the people that occur from 0 and count them."""
    present, person = np.unique(subjects, return_inverse=True)
    return person.reshape(-1).astype(np.int64), len(present)
