"""Can the group of a person be read from the embedding of people whom the linear probe has not seen?

People are dealt out to folds, never pictures. Within a training fold ridge regression predicts the groups, its penalty
chosen by leaving out each person; the predictions left out also set where one group ends and another begins, by a
linear discriminant with equal weight for each group (penalised discriminant analysis: Hastie, Buja and Tibshirani 1995,
Annals of Statistics 23:73). So a small group is not drowned, and chance is one over the number of groups.

A permutation deals the people's groups out anew; choice of the penalty, fit and judgement are repeated for each. It
deals them out within the folds. Folds hold the groups evenly, and a labelling that does not is read worse than chance
(a group scarce in training is plentiful in the test): beside such labellings chance would pass for more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from ....core.statistics.sums import Floats, Integers
from .ridge import PENALTIES, Ridge

_AT_ONCE = 6_000_000  # numbers of one array of targets


@dataclass(frozen=True, eq=False)
class Reading:
    """What the probe read, by people it was not trained on.

    Attributes:
        predicted: (n,) group of each face.
        scores: (n, groups) log odds of each group against the others.
        permuted: balanced accuracy of each permuted labelling.
        inflation: by which factor, at least 1, balanced accuracy varies more over permuted labellings than the error by
            person says: folds share the people they are trained on. 1 without permutations.
    """

    predicted: Integers
    scores: Floats
    permuted: Floats
    inflation: float = 1.0


def read_attribute(
    features: Floats, labels: Integers, people: Integers, folds: Integers, permuted: Integers | None = None
) -> Reading:
    """Read the groups of faces, each from a probe trained on the people of the other folds.

    Args:
        features: (n, d).
        labels: (n,) group of each face, 0 to groups - 1, each there.
        people: (n,) person of each face.
        folds: (n,) fold of each face; a person's faces share one.
        permuted: (p, n) groups dealt out anew; none unless given.
    """
    labellings = labels[None, :] if permuted is None else np.concatenate((labels[None, :], permuted))
    groups = int(labels.max()) + 1
    predicted = np.empty(labellings.shape, dtype=np.int64)
    scores = np.empty((len(labels), groups))
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        ridge = Ridge(features[train])
        size = max(1, _AT_ONCE // (int(train.sum()) * max(groups - 1, 1)))
        for start in range(0, len(labellings), size):
            part = labellings[start : start + size]
            left_out, shown = _fitted(ridge, part[:, train], groups, people[train], features[test])
            for place, labelling in enumerate(part[:, train]):
                found = _discriminant(left_out[place], labelling, groups, shown[place])
                predicted[start + place, test] = found.argmax(1)
                if start + place == 0:
                    scores[test] = _odds(found)
    rates = balanced(predicted[1:], labellings[1:], groups)
    return Reading(predicted[0], scores, rates, _inflation(predicted[1:], labellings[1:], people, groups))


def _inflation(predicted: Integers, labellings: Integers, people: Integers, groups: int) -> float:
    """Return the variance of balanced accuracy over labellings (p, n) over its mean variance by person, at least 1."""
    if len(predicted) < 2:
        return 1.0
    order = np.argsort(people, kind="stable")
    starts = np.concatenate(([0], np.flatnonzero(np.diff(people[order])) + 1))
    right = (predicted == labellings).astype(np.float64)
    influence = np.zeros_like(right)
    for group in range(groups):
        there = labellings == group
        count = np.maximum(there.sum(1, keepdims=True), 1)
        rate = (right * there).sum(1, keepdims=True) / count
        influence += there * (right - rate) / (count * groups)
    by_person = np.add.reduceat(influence[:, order], starts, axis=1)
    expected = float(np.square(by_person).sum(1).mean()) * len(starts) / max(len(starts) - 1, 1)
    seen = float(balanced(predicted, labellings, groups).var(ddof=1))
    return max(1.0, seen / expected) if expected > 0 else 1.0


def _fitted(ridge: Ridge, labellings: Integers, groups: int, people: Integers, others: Floats) -> tuple[Floats, Floats]:
    """Return for each labelling the predictions left out (p, n, groups - 1) and those of other faces (p, m, ...)."""
    count, faces = labellings.shape
    marks = (labellings[:, :, None] == np.arange(1, groups)).astype(np.float64)  # the first follows from the others
    targets = np.ascontiguousarray(marks.transpose(1, 0, 2)).reshape(faces, -1)
    spread = np.maximum(targets.var(0), 1e-12)
    best = np.full(count, np.inf)
    chosen = np.zeros((count, faces, groups - 1))
    penalties = np.zeros(count)
    for penalty in PENALTIES:
        fitted = ridge.left_out(targets, penalty, people)
        missed = (np.square(targets - fitted).mean(0) / spread).reshape(count, -1).sum(1)
        better = missed < best
        best[better], penalties[better] = missed[better], penalty
        chosen[better] = fitted.reshape(faces, count, -1).transpose(1, 0, 2)[better]
    shown = np.zeros((count, len(others), groups - 1))
    for penalty in np.unique(penalties):
        places = np.flatnonzero(penalties == penalty)
        of_these = targets.reshape(faces, count, -1)[:, places].reshape(faces, -1)
        predicted = ridge.predict(others, of_these, float(penalty))
        shown[places] = predicted.reshape(len(others), len(places), -1).transpose(1, 0, 2)
    return chosen, shown


def _discriminant(left_out: Floats, labels: Integers, groups: int, shown: Floats) -> Floats:
    """Return the log density of each group (m, groups), up to a constant, for predictions (m, groups - 1)."""
    marks = (labels[:, None] == np.arange(groups)).astype(np.float64)
    counts = marks.sum(0)
    means = (marks.T @ left_out) / np.maximum(counts, 1)[:, None]
    within = left_out - means[labels]
    covariance = within.T @ within / max(len(labels) - groups, 1)
    covariance += np.eye(groups - 1) * (1e-6 * np.trace(covariance) / max(groups - 1, 1) + 1e-300)
    slopes = np.linalg.solve(covariance, means.T)
    density: Floats = shown @ slopes - 0.5 * np.einsum("gk,kg->g", means, slopes)
    density[:, counts == 0] = -np.inf
    return density


def _odds(density: Floats) -> Floats:
    """Return the log odds of each group against all others, (m, groups)."""
    odds = np.empty_like(density)
    for group in range(density.shape[1]):
        odds[:, group] = density[:, group] - logsumexp(np.delete(density, group, axis=1), axis=1)
    return np.clip(np.nan_to_num(odds, neginf=-700.0, posinf=700.0), -700.0, 700.0)


def balanced(predicted: Integers, labels: Integers, groups: int) -> Floats:
    """Return the mean over groups of the share read rightly, for each row of predictions and labels (p, n)."""
    right = predicted == labels
    rates = np.zeros((len(labels), groups))
    for group in range(groups):
        there = labels == group
        rates[:, group] = (right & there).sum(1) / np.maximum(there.sum(1), 1)
    mean: Floats = rates.mean(1)
    return mean


def deal_folds(labels: Integers, people: Integers, folds: int, random: np.random.Generator) -> Integers:
    """Deal people out to folds, each group evenly; a person goes by the group of their first face.

    Returns:
        The fold of each face, (n,).
    """
    first = np.unique(people, return_index=True)[1]
    group_of = labels[first]
    fold_of = np.empty(len(first), dtype=np.int64)
    dealt = 0
    for group in np.unique(group_of):
        members = random.permutation(np.flatnonzero(group_of == group))
        fold_of[members] = (dealt + np.arange(len(members))) % folds
        dealt += len(members)
    return np.asarray(fold_of[np.unique(people, return_inverse=True)[1].reshape(-1)], dtype=np.int64)


def deal_labels(
    labels: Integers, people: Integers, folds: Integers, count: int, random: np.random.Generator
) -> Integers:
    """Give each person the groups of the faces of another person of their fold, ``count`` times: (count, n).

    For an attribute of the person that deals the groups out over people. Where it differs between pictures, a person
    takes over how many faces the other has of each group, repeated or cut to their own number of faces, and pictures
    that were of one group stay together as far as that goes: they may be of one session, and labellings that break
    sessions up vary less than the data.
    """
    order = np.lexsort((labels, people))
    sizes = np.unique(people, return_counts=True)[1]
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    within = np.arange(len(labels)) - np.repeat(starts, sizes)
    sorted_labels, several = labels[order], bool((np.diff(labels[order]) * (np.diff(people[order]) == 0)).any())
    of_person = np.repeat(np.arange(len(sizes)), sizes)
    fold_of = folds[order][starts]
    by_fold = np.argsort(fold_of, kind="stable")
    dealt = np.empty((count, len(labels)), dtype=np.int64)
    for row in range(count):
        shuffled = random.permutation(len(sizes))
        dealt_to = np.empty(len(sizes), dtype=np.int64)
        dealt_to[by_fold] = shuffled[np.argsort(fold_of[shuffled], kind="stable")]
        other, given = np.repeat(dealt_to, sizes), sorted_labels
        if several:  # whose groups come first is drawn for each person
            turn = random.random((len(sizes), int(labels.max()) + 1))
            given = sorted_labels[np.lexsort((turn[of_person, sorted_labels], of_person))]
        dealt[row, order] = given[starts[other] + within % sizes[other]]
    return dealt


def share_right(predicted: Integers, labels: Integers) -> NDArray[np.float64]:
    """Return 1 where a face was read rightly, else 0, (n,)."""
    right: NDArray[np.float64] = (predicted == labels).astype(np.float64)
    return right
