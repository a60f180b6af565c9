"""How well outputs fit labels, and whether another reading fits better for people it was not chosen by.

Faces are weighted so that every label counts the same: a reading that turns all answers into the most frequent label
gains nothing. People are split into two halves; what is chosen on one is judged on the other, and the other way
round, so that choosing among many does not look like fitting better. Differences are paired: one sum per person,
Student's t over people.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.stats import t as student

from ...core.results import Estimate
from .material import NO_ANSWER, Bools, Floats, Integers, Material

LEVEL = 0.99
"""Confidence of the one-sided bound that must exceed the margin."""
MARGIN = 0.05
"""Gain in balanced accuracy that must surely be exceeded: better under another brightness is no fault."""
EXCESS = 0.25
"""Share of the way from chance to 1 that the better reading must go."""
FLOOR = -9.21
"""Log probabilities are cut here (1 in 10,000), so that no single face decides."""
METHOD = "t_over_people_cross_fitted"


@dataclass(frozen=True)
class Labelled:
    """The faces whose labels other readings are judged by.

    Attributes:
        places: in the material, shape (m,).
        labels: index of the output that the label goes with, shape (m,).
        weights: of each face, sum 1; each label has the same share, shape (m,).
        person: of each face, 0 to ``people - 1``, shape (m,).
        people: how many.
        second: whether the face is of a person of the second half, shape (m,).
        classes: the labels, as indices into the target's classes.
        left_out: labels that too few people have.
    """

    places: Integers
    labels: Integers
    weights: Floats
    person: Integers
    people: int
    second: Bools
    classes: Integers
    left_out: tuple[str, ...] = ()

    @property
    def chance(self) -> float:
        """Balanced accuracy of answers that have nothing to do with the labels, at most."""
        return 1.0 / len(self.classes)

    def reordered(self, output_of: dict[int, int]) -> Labelled:
        """Return the same with another output for each label."""
        return replace(self, labels=np.array([output_of[int(label)] for label in self.labels], dtype=np.int64))


def labelled(material: Material) -> Labelled | str:
    """Return the labelled faces in two halves of people, or why nothing can be judged by labels."""
    if not material.classified:
        return f"the task {material.target.task} has no classes"
    places = np.flatnonzero(material.labels >= 0).astype(np.int64)
    if not len(places):
        return "the faces have no labels"
    least = max(material.context.rules.min_subjects, 2)
    labels, subjects = material.labels[places], material.subjects[places]
    have = {int(label): len(np.unique(subjects[labels == label])) for label in np.unique(labels)}
    enough = np.array([label for label, people in have.items() if people >= least], dtype=np.int64)
    if len(enough) < 2:
        names = ", ".join(f"{material.target.classes[label]} {people}" for label, people in have.items())
        return f"two labels of {least} people or more are needed, here are {names}"
    kept = np.isin(labels, enough)
    places, labels = places[kept], labels[kept]
    present, person = np.unique(subjects[kept], return_inverse=True)
    people = len(present)
    if people < 2 * least:
        return f"{people} people with labels; {2 * least} are needed, half to choose by and half to judge by"
    counted = np.bincount(labels, minlength=len(material.target.classes))
    second = np.zeros(people, dtype=np.bool_)
    second[material.context.random("halves").permutation(people)[: people // 2]] = True
    person = person.reshape(-1).astype(np.int64)
    return Labelled(
        places,
        labels,
        1.0 / (len(enough) * counted[labels]),
        person,
        people,
        second[person],
        enough,
        tuple(material.target.classes[label] for label in have if label not in enough),
    )


@dataclass(frozen=True)
class Fit:
    """How one reading fits: for each face of :class:`Labelled`, shape (m,).

    Attributes:
        right: whether the answer is the label's.
        log_probability: of the label, cut at :data:`FLOOR`.
        logs: log probabilities of all classes, shape (m, classes).
    """

    right: Floats
    log_probability: Floats
    logs: Floats

    def score(self, which: Bools, weights: Floats) -> float:
        """Return the mean of accuracy and label probability over these faces, 0 to 1: what readings are chosen by."""
        total = max(float(weights[which].sum()), np.finfo(float).tiny)
        each = (self.right + np.exp(self.log_probability)) / 2
        return float((each * weights)[which].sum() / total)

    def accuracy(self, weights: Floats) -> float:
        """Return the balanced accuracy."""
        return float((self.right * weights).sum() / weights.sum())


def fit_of(logs: Floats, labels: Integers) -> Fit:
    """Return how log probabilities (m, classes) fit the outputs that the labels go with, shape (m,)."""
    finite = np.asarray(np.isfinite(logs).all(axis=1))
    safe = np.maximum(np.where(finite[:, None], logs, FLOOR), -1e6)
    answers = np.where(finite, safe.argmax(1), NO_ANSWER)
    own = np.maximum(safe[np.arange(len(labels)), labels], FLOOR)
    return Fit((answers == labels).astype(np.float64), own, safe)


@dataclass(frozen=True)
class Gain:
    """A paired difference over people.

    Attributes:
        value: weighted mean over faces.
        error: its standard error.
        people: how many people.
    """

    value: float
    error: float
    people: int

    def bound(self, level: float) -> float:
        """Return the one-sided lower bound."""
        return self.value - float(student.ppf(level, self.people - 1)) * self.error

    @property
    def p_value(self) -> float:
        """One-sided p of there being no gain."""
        if self.error > 0:
            return float(student.sf(self.value / self.error, self.people - 1))
        return float(0.5**self.people) if self.value > 0 else 1.0

    @property
    def estimate(self) -> Estimate:
        """The gain with its two-sided 95 % interval."""
        half = float(student.ppf(0.975, self.people - 1)) * self.error
        low, high = self.value - half, self.value + half
        return Estimate(value=self.value, low=low, high=high, level=0.95, method=METHOD, subjects=self.people)

    @property
    def words(self) -> str:
        """The gain and its interval."""
        found = self.estimate
        return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def gain_of(difference: Floats, given: Labelled) -> Gain:
    """Return the weighted mean of a difference per face, with its error over people."""
    each = np.bincount(given.person, weights=given.weights * difference, minlength=given.people)
    value = float(each.sum())
    variance = given.people / max(given.people - 1, 1) * float(np.square(each - value / given.people).sum())
    return Gain(value, float(np.sqrt(variance)), given.people)


def information_gain(one: Fit, other: Fit, train: Bools, given: Labelled) -> Floats:
    """Return by how much ``other`` tells more of the labels than ``one``, in nats per face, for faces not in ``train``.

    Before they are compared, both are recalibrated on the faces in ``train``: one temperature and one offset per
    label (Guo et al. 2017, arXiv 1706.04599, vector scaling without scales). What is left is what the outputs tell
    apart and not where the thresholds lie or how sure the net is: a darker picture may move a threshold to advantage,
    but only the right reading brings more information. 0 for the faces in ``train``.
    """
    return np.where(train, 0.0, _recalibrated(other, train, given) - _recalibrated(one, train, given))


def _recalibrated(fit: Fit, train: Bools, given: Labelled) -> Floats:
    """Return each label's log probability after temperature and offsets fitted to the faces in ``train``."""
    classes = np.unique(given.labels)
    logs = fit.logs - fit.logs.max(1, keepdims=True)
    logs = logs / max(float(logs[train].std()), 1e-12)
    own = given.labels
    weights = given.weights[train] / given.weights[train].sum()
    hot = np.zeros((len(own), logs.shape[1]))
    hot[np.arange(len(own)), own] = 1.0

    def scaled(parameters: Floats) -> Floats:
        offsets = np.zeros(logs.shape[1])
        offsets[classes] = parameters[1:]
        found: Floats = parameters[0] * logs + offsets
        found = found - found.max(1, keepdims=True)
        return np.asarray(found - np.log(np.exp(found).sum(1, keepdims=True)))

    def loss(parameters: Floats) -> tuple[float, Floats]:
        found = scaled(parameters)[train]
        apart = (np.exp(found) - hot[train]) * weights[:, None]
        slope = np.concatenate([[(apart * logs[train]).sum()], apart.sum(0)[classes]])
        ridge = 1e-3 * parameters[1:]
        return float(-(weights * found[hot[train] > 0]).sum() + 0.5 * (ridge @ parameters[1:])), np.concatenate(
            [slope[:1], slope[1:] + ridge]
        )

    start = np.concatenate([[1.0], np.zeros(len(classes))])
    bounds = [(0.0, None)] + [(None, None)] * len(classes)
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return np.maximum(scaled(best)[np.arange(len(own)), own], FLOOR)
