"""Does the model still answer rightly when something is done to the faces? One pass, any number of conditions.

A condition is one thing done at one strength. What does it is a function from a batch of faces to perturbed ones; what
is counted, for every face and condition, is whether the answer is right and whether it changed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from ...core.faces import FaceBatch
from ...core.predictions import CLASSIFICATION_TASKS
from ...core.probes import ProbeContext, ProbeParams, Scores
from ...core.statistics.slicing import slice_scores
from .quality import Quality, quality_of
from .sample import sample_rows

CONSTANT = 1e-6
"""Outputs that spread less than this over all faces are one and the same."""
NONE = "none"
ALL = "all"


class ConditionParams(ProbeParams):
    """What every probe that perturbs faces lets one set."""

    faces: int | None = Field(default=None, ge=1, description="a sample, spread over people; all unless given")
    tolerance: float = Field(default=0.10, ge=0, lt=1, description="largest gap between groups that is accepted")


@dataclass(frozen=True)
class Condition:
    """One thing done to faces at one strength.

    Attributes:
        kind: name of the kind in measurement keys, e.g. ``corruption``.
        name: what is done, e.g. ``gaussian_noise``.
        strength: name of the strength in keys, e.g. ``severity``; empty when there is none.
        size: the strength as written, e.g. ``3``; empty when there is none.
        title: in words, e.g. ``Gaussian noise, severity 3``.
    """

    kind: str
    name: str
    strength: str = ""
    size: str = ""
    title: str = ""

    @property
    def values(self) -> dict[str, str]:
        """The condition of the measurement key."""
        return {self.kind: self.name, **({self.strength: self.size} if self.strength else {})}


@dataclass(frozen=True)
class Perturbed:
    """Faces after something was done to them.

    Attributes:
        pixels: shape (n, 3, h, w), 0..1.
        possible: whether it could be done to the face, shape (n,); ``None`` when to all.
    """

    pixels: Tensor
    possible: NDArray[np.bool_] | None = None


Perturb = Callable[[Condition, FaceBatch], Perturbed]
Possible = Callable[[Condition, FaceBatch], NDArray[np.bool_]]
"""Whether a condition could be done to each face of a batch, (n,), without doing it."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of every face under every condition.

    Attributes:
        rows: positions of the faces in ``context.faces.frame``, shape (m,).
        conditions: what was done, C of them.
        quality: judges the answers.
        weights: how many answers each face is judged by, shape (m,); 0 without a label.
        before: right answers without perturbation (or the error), shape (m,).
        after: the same under each condition, shape (C, m).
        lost: what was right without and is wrong under each condition (or the rise of the error), shape (C, m).
        changed: share of answers that are others than without (or how far they moved), shape (C, m).
        possible: whether the condition could be done to the face, shape (C, m).
        unanswered: whether the model gave NaN or infinite outputs, shape (C, m).
        answers: place of the class answered, shape (C, m); -1 where there is none or the task has no classes.
    """

    rows: NDArray[np.int64]
    conditions: tuple[Condition, ...]
    quality: Quality
    weights: NDArray[np.float64]
    before: NDArray[np.float64]
    after: NDArray[np.float32] = field(repr=False)
    lost: NDArray[np.float32] = field(repr=False)
    changed: NDArray[np.float32] = field(repr=False)
    possible: NDArray[np.bool_] = field(repr=False)
    unanswered: NDArray[np.bool_] = field(repr=False)
    answers: NDArray[np.int16] = field(repr=False)

    def of(self, **values: str) -> tuple[int, ...]:
        """Return the positions of the conditions whose key has all of these entries."""
        wanted = values.items()
        return tuple(place for place, each in enumerate(self.conditions) if wanted <= each.values.items())


def measured_rows(context: ProbeContext, faces: int | None) -> NDArray[np.int64]:
    """Return the faces to perturb: those with a label where there are labels, or a sample of them spread over people.

    Every probe of a plan is given the same ones for the same number.
    """
    quality = quality_of(context.predictions)
    everyone = np.arange(len(context.predictions), dtype=np.int64)
    rows = everyone[quality.weights(everyone) > 0] if quality.labelled else everyone
    random = replace(context, probe_id="robustness").random("faces")
    return sample_rows(rows, context.faces.subject_codes[rows], faces, random)


def measure(
    context: ProbeContext,
    rows: NDArray[np.int64],
    conditions: Sequence[Condition],
    perturb: Perturb,
    *,
    landmarks: bool = False,
    only_right: bool = False,
    possible_to: Possible | None = None,
) -> Outcomes:
    """Read the faces once and ask the model about each under every condition.

    Args:
        context: of the probe.
        rows: positions of the faces, shape (m,), ascending.
        conditions: what to do.
        perturb: does it; is given pixels on the target's device.
        landmarks: whether it is given landmarks.
        only_right: it is given only faces that are answered rightly as they are (attacks); the others stay as they are.
        possible_to: says of those others whether it could be done to them; all of them unless given. Faces that an
            attack cannot be done to are left out whether they are right or wrong, or accuracy would be of a selection.
    """
    target, quality = context.model, quality_of(context.predictions)
    weights = quality.weights(rows)
    clean = quality.judge(context.predictions.values[rows], rows)
    shape = (len(conditions), len(rows))
    after, lost, changed = (np.zeros(shape, dtype=np.float32) for _ in range(3))
    after[:] = clean.value
    possible, unanswered = np.ones(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
    answers = np.broadcast_to(clean.answer, shape).copy()
    asked = (clean.value >= weights) & (weights > 0) if only_right else np.ones(len(rows), dtype=np.bool_)
    with context.progress("faces", len(rows)) as advance:
        for whole in context.faces.batches(context.batch_size, rows, landmarks=landmarks):
            places = np.searchsorted(rows, whole.rows)
            others = places[~asked[places]]
            if possible_to is not None and len(others):
                rest = _part(whole, ~asked[places], target.device)
                for level, condition in enumerate(conditions):
                    possible[level, others] = possible_to(condition, rest)
            batch = _part(whole, asked[places], target.device)
            places = places[asked[places]]
            for level, condition in enumerate(conditions if len(places) else ()):
                done = perturb(condition, batch)
                with torch.no_grad():
                    values = target.probabilities(target(done.pixels).double()).cpu().numpy()
                judged = quality.judge(values, batch.rows)
                here = (level, places)
                after[here], lost[here], changed[here] = judged.value, judged.lost, judged.changed
                unanswered[here] = ~judged.answered
                answers[here] = judged.answer
                possible[here] = True if done.possible is None else done.possible
                if not quality.counts:  # there is no error to count
                    possible[here] &= judged.answered
            advance(len(whole.rows))
    return Outcomes(
        rows=rows,
        conditions=tuple(conditions),
        quality=quality,
        weights=weights,
        before=clean.value,
        after=after,
        lost=lost,
        changed=changed,
        possible=possible,
        unanswered=unanswered,
        answers=answers,
    )


def _part(batch: FaceBatch, kept: NDArray[np.bool_], device: torch.device) -> FaceBatch:
    pixels = batch.pixels.to(device)
    if kept.all():
        return FaceBatch(batch.rows, pixels, batch.landmarks)
    landmarks = None if batch.landmarks is None else batch.landmarks[kept]
    return FaceBatch(batch.rows[kept], pixels[torch.from_numpy(kept).to(device)], landmarks)


def at_chance(context: ProbeContext, rows: NDArray[np.int64]) -> str:
    """Say why robustness is no question to ask of this model on these faces; empty when it is one.

    A model that answers no better than one whose answers are independent of the labels has nothing to lose. The
    interval of accuracy minus the agreement by chance (the sum over classes of the share of the label times the share
    of the answer, Cohen 1960) must lie above 0. With labels of one class only this cannot be told, and is not; of
    action units and of values only whether the outputs are the same for every face.
    """
    predictions = context.predictions
    if predictions.task not in CLASSIFICATION_TASKS:
        same = len(rows) > 1 and bool((np.ptp(predictions.values[rows], axis=0) < CONSTANT).all())
        return "the model gives every face one and the same answer: there is nothing to change" if same else ""
    answers = predictions.predicted[rows]
    labels = predictions.labels[rows]
    several = len(np.unique(labels[labels >= 0])) > 1 if predictions.labelled else len(rows) > 1
    if several and len(np.unique(answers)) == 1:
        return "the model gives every face one and the same answer: there is nothing to change"
    if not predictions.labelled:
        return ""
    right = (answers == labels) & (labels >= 0)
    if not right.any():
        return f"the model is right on none of the {len(rows)} faces as they are"
    if not several:
        return ""
    shares = np.bincount(labels[labels >= 0], minlength=len(predictions.classes)) / max(int((labels >= 0).sum()), 1)
    score = Scores("above_chance", rows, right - shares[answers], bounds=(-1.0, 1.0))
    found = slice_scores(score, context.faces.subject_codes, (), context.rules, context.probe_id)[0].estimate
    if found.low is not None and found.low <= 0:
        chance = float(shares[answers].mean())
        return (
            f"the model is right on {right.mean():.3f} of the faces as they are, not surely more than the {chance:.3f} "
            "that answers without any relation to the labels would reach: there is nothing to lose"
        )
    return ""
