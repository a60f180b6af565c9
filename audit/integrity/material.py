"""The faces that every check looks at, and how the model is asked about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.probes import CLASSIFICATION, Advance, ProbeContext
from ...core.target import Target
from ..robustness.sample import sample_rows

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]
Change = Callable[[Tensor], Tensor]
NO_ANSWER = -1
ACTIVE = 0.5
VALUE_STEP = 0.1
"""A value (of -1 to 1) counts as another answer when it moves by more than this."""


@dataclass(frozen=True)
class Material:
    """A sample of the faces, held as 8-bit pixels, and what the model says of them.

    Attributes:
        context: of the probe.
        rows: positions of the faces, shape (n,).
        pixels: uint8 (n, 3, h, w), as :meth:`~countenance.core.faces.Faces.batches` gives them times 255.
        subjects: person of each face, shape (n,).
        labels: index of the label, -1 where there is none, shape (n,); all -1 unless the task is classification.
        outputs: the model's raw outputs, shape (n, k).
        advance: tells the progress display that a face was asked about once.
    """

    context: ProbeContext
    rows: Integers
    pixels: Tensor
    subjects: Integers
    labels: Integers
    outputs: Floats = field(repr=False)
    advance: Advance

    @classmethod
    def read(cls, context: ProbeContext, faces: int, advance: Advance) -> Material:
        """Draw at most ``faces`` faces, labelled ones where there are labels, and ask the model about them."""
        classified = context.predictions.task in CLASSIFICATION
        every = np.arange(len(context.faces), dtype=np.int64)
        labels = context.predictions.labels if classified else np.full(len(every), NO_ANSWER, dtype=np.int64)
        candidates = np.flatnonzero(labels >= 0).astype(np.int64)
        if not len(candidates):
            candidates = every
        subjects = context.faces.subject_codes
        rows = sample_rows(candidates, subjects[candidates], faces, context.random("faces"))
        kept = [
            (batch.rows, (batch.pixels * 255).round().to(torch.uint8))
            for batch in context.faces.batches(context.batch_size, rows)
        ]
        rows = np.concatenate([read for read, _ in kept])
        nothing = np.zeros((0, 0))
        material = cls(context, rows, torch.cat([p for _, p in kept]), subjects[rows], labels[rows], nothing, advance)
        return cls(context, rows, material.pixels, subjects[rows], labels[rows], material.ask(), advance)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def target(self) -> Target:
        """The model under audit."""
        return self.context.model

    @property
    def classified(self) -> bool:
        """Whether the model gives one of several classes."""
        return self.target.task in CLASSIFICATION

    def some(self, count: int) -> Integers:
        """Return the places of ``count`` faces of as many people as possible, in order."""
        every = np.arange(len(self), dtype=np.int64)
        return sample_rows(every, self.subjects, count, self.context.random("some", count))

    def floats(self, places: Integers) -> Tensor:
        """Return the pixels of these faces as the target takes them: float32, 0 to 1, shape (m, 3, h, w)."""
        return self.pixels[torch.from_numpy(places)].float().div_(255)

    def ask(
        self,
        places: Integers | None = None,
        change: Change | None = None,
        *,
        target: Target | None = None,
        batch_size: int | None = None,
    ) -> Floats:
        """Return raw outputs (m, k) for the faces at ``places`` (all unless given), in that order.

        Args:
            places: which faces.
            change: applied to the pixels of each batch before the target gets them.
            target: another model to ask.
            batch_size: the run's own unless given.
        """
        asked = target or self.target
        wanted = np.arange(len(self), dtype=np.int64) if places is None else places
        size = batch_size or self.context.batch_size
        found = []
        with torch.no_grad():
            for start in range(0, len(wanted), size):
                chunk = wanted[start : start + size]
                pixels = self.floats(chunk)
                found.append(as_array(asked(change(pixels) if change is not None else pixels)))
                self.advance(len(chunk))
        return np.concatenate(found)

    def probabilities(self, outputs: Floats) -> Floats:
        """Return class or unit probabilities (values, of a target of values) for raw outputs (n, k)."""
        return as_array(self.target.probabilities(torch.from_numpy(outputs)))

    def log_probabilities(self, outputs: Floats) -> Floats:
        """Return the logarithm of the class probabilities (n, classes) for raw outputs; NaN as the target gives it."""
        logits = self.target.logits(torch.from_numpy(outputs))
        return as_array(logits.log_softmax(1))

    def answers(self, outputs: Floats) -> Floats:
        """Return what the model answers, shape (n, a): a class, the active units, or the values themselves.

        Where an output is not finite the class is -1.
        """
        values = self.probabilities(outputs)
        if self.classified:
            finite = np.isfinite(values).all(1)
            return np.where(finite, np.nan_to_num(values).argmax(1), NO_ANSWER)[:, None].astype(np.float64)
        return (values >= ACTIVE).astype(np.float64) if self.target.task == "action_units" else values

    def changed(self, before: Floats, after: Floats) -> Bools:
        """Return for which faces the answer is another one, shape (n,)."""
        one, other = self.answers(before), self.answers(after)
        limit = VALUE_STEP if self.target.task == "valence_arousal" else 0.0
        same = np.abs(one - other) <= limit  # False for NaN
        return np.asarray(~same.all(axis=1), dtype=np.bool_)

    def moved(self, before: Floats, after: Floats) -> Floats:
        """Return by how much the probabilities (or values) of each face moved at most, shape (n,); infinite for NaN."""
        apart = np.abs(self.probabilities(before) - self.probabilities(after)).max(1)
        return np.where(np.isfinite(apart), apart, np.inf)


def relative_change(before: Floats, after: Floats) -> Floats:
    """Return the largest change of an output of each face over its largest output (or 1), shape (n,).

    Raw outputs are compared, not probabilities, which hide a change where they are saturated. Infinite where one of
    the two is not finite and the other is.
    """
    both = np.isfinite(before) & np.isfinite(after)
    same = both | (~np.isfinite(before) & ~np.isfinite(after))
    apart = np.abs(np.where(both, before, 0.0) - np.where(both, after, 0.0)).max(1)
    size = np.maximum(np.abs(np.where(both, before, 0.0)).max(1), 1.0)
    return np.where(same.all(1), apart / size, np.inf)


def as_array(outputs: Tensor) -> Floats:
    """Return a tensor as float64 on the CPU."""
    array: Floats = outputs.detach().double().cpu().numpy()
    return array


def chunks(places: Integers, size: int) -> Iterator[Integers]:
    """Cut places into parts of at most ``size``."""
    for start in range(0, len(places), size):
        yield places[start : start + size]
