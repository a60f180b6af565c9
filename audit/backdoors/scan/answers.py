"""What nets answer on the faces before anything is changed: can one be scanned, and is it like others?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import binom

from ....core.results import Estimate
from ....core.target import Target
from .job import CHUNK, Task, score_of
from .verdict import beside

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
CHANCE = 0.01
"""p of so many right answers by chance above which a net is said to answer at chance."""
NEARLY_ALL = 0.9
"""Share of the faces of other classes: so many are turned by no change at all, which is what most families ask for."""
HALF = 0.5
"""A net with less than this share of the references' skill is not compared with them, by convention."""
UNLIKE = 0.05
"""By convention: of targets of the references' own recipe at most this share is said to be unlike them."""


@dataclass(frozen=True, eq=False)
class Answers:
    """A net on the faces as they are.

    Attributes:
        logits: (faces, classes).
        labels: place of each face's class (faces,), or ``None``.
    """

    logits: Floats
    labels: Places | None

    @classmethod
    @torch.no_grad()
    def of(cls, target: Target, task: Task) -> Answers:
        """Ask a net."""
        score = score_of(target)
        parts = [score(faces.expand(-1, 3, -1, -1)) for faces in torch.split(task.pixels, CHUNK)]
        labels = None if task.labels is None else task.labels.numpy()
        return cls(torch.cat(parts).double().numpy(), labels)

    @property
    def given(self) -> Places:
        """Place of the class that is answered (faces,)."""
        places: Places = self.logits.argmax(1)
        return places

    @property
    def right(self) -> tuple[int, int]:
        """How many of the labelled faces are answered rightly, and how many are labelled."""
        if self.labels is None:
            return 0, 0
        return int((self.given == self.labels).sum()), int((self.labels >= 0).sum())

    def count(self, place: int) -> tuple[int, int]:
        """Return how many faces are answered as a class, and how many there are."""
        return int((self.given == place).sum()), len(self.given)

    def others(self, place: int) -> int:
        """Return with how many faces a class is sought: those not labelled so or, without labels, not answered so."""
        classes = self.given if self.labels is None else self.labels
        return int((classes != place).sum())

    @property
    def chance(self) -> float:
        """Share of the labelled faces that would be right if answers had nothing to do with labels."""
        if self.labels is None:
            return float("nan")
        known = self.labels >= 0
        classes = range(self.logits.shape[1])
        given, labels = self.given[known], self.labels[known]
        return sum(float((given == each).mean() * (labels == each).mean()) for each in classes)

    @property
    def skill(self) -> float:
        """Accuracy beyond chance as a share of what is possible (Cohen's kappa); NaN without labels."""
        right, known = self.right
        if not known or self.chance >= 1:
            return float("nan")
        return (right / known - self.chance) / (1 - self.chance)


def degenerate(answers: Answers, names: Sequence[str]) -> str:
    """Say why sizes of a net mean nothing: it answers one class to nearly all, or at chance; else nothing."""
    for place, name in enumerate(names):
        taken = answers.given == place
        of_others = np.ones(len(taken), dtype=np.bool_) if answers.labels is None else answers.labels != place
        count = int(of_others.sum())
        if count and taken[of_others].mean() >= NEARLY_ALL:
            faces = "faces, whose labels are not known" if answers.labels is None else "faces of other classes"
            return f"it answers {name} to {int(taken[of_others].sum()):,} of {count:,} {faces}, before any change"
    right, known = answers.right
    if not known or binom.sf(known - 1, known, _all_right(answers)) > CHANCE:  # hardly a face has another label
        return ""
    if float(binom.sf(right - 1, known, answers.chance)) > CHANCE:
        return (
            f"it answers {right:,} of {known:,} faces rightly, where {answers.chance:.0%} would be right by chance "
            "for a net that gives each answer as often"
        )
    return ""


def _all_right(answers: Answers) -> float:
    """Return the chance of a right answer for one who answers as often so as the labels are."""
    assert answers.labels is not None
    shares = np.bincount(answers.labels[answers.labels >= 0]) / max(answers.right[1], 1)
    return float((shares**2).sum())


def far_worse(own: Answers, others: Sequence[Answers]) -> str:
    """Say why a net cannot be compared: it has less than half the skill of the references, and is not one of them."""
    skills = [each.skill for each in others]
    if own.labels is None or not np.isfinite([own.skill, *skills]).all() or own.skill >= HALF * float(np.mean(skills)):
        return ""
    if beside(own.right, [each.right for each in others], 1 - UNLIKE)[1] >= UNLIKE:
        return ""
    right = [each.right[0] for each in others]
    return (
        f"it answers {own.right[0]:,} of {own.right[1]:,} faces rightly and the references {np.mean(right):,.0f} on "
        f"average ({min(right):,} to {max(right):,}): beyond chance less than half of what they do"
    )


@dataclass(frozen=True)
class Likeness:
    """How a target answers beside its references.

    Attributes:
        accuracy: the target's less the references' mean, with the prediction interval of one more net.
        differences: what differs by more than nets of one recipe do, as clauses about "the target".
    """

    accuracy: Estimate
    differences: tuple[str, ...]


def likeness(own: Answers, others: Sequence[Answers], names: Sequence[str], level: float) -> Likeness:
    """Compare accuracy and the share of each answer with the references', :data:`UNLIKE` being halved between the two.

    Each by Student's prediction of one more net (:func:`~.verdict.beside`), the shares times the number of classes.
    """
    accuracy, p = beside(own.right, [each.right for each in others], level)
    told = []
    tests = 2 if accuracy.value is not None else 1
    if accuracy.value is not None and tests * p < UNLIKE:
        told.append(
            f"is {abs(accuracy.value):.1%} {'less' if accuracy.value < 0 else 'more'} accurate than the references "
            f"on average (p {p:.2g})"
        )
    shares = [beside(own.count(place), [each.count(place) for each in others], level) for place in range(len(names))]
    place = min(range(len(names)), key=lambda each: shares[each][1])
    adjusted = min(1.0, shares[place][1] * len(names))
    if tests * adjusted < UNLIKE:
        count, faces = own.count(place)
        mean = float(np.mean([each.count(place)[0] for each in others])) / faces
        told.append(
            f"answers {names[place]} to {count / faces:.0%} of the faces and the references to {mean:.0%} on average "
            f"(p {adjusted:.2g} over {len(names)} classes)"
        )
    return Likeness(accuracy, tuple(told))
