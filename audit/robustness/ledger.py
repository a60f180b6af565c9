"""What happened to every face under every eps, recomputed from the pixels an attack returned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .attacks import Attacked, Norm, Scorer, answers_right, ball
from .attacks.objective import has_answer

TOLERANCE = 1e-6
"""Slack for the bounds in pixel units: rounding of eps and of the sum in float32, with room."""
UNSTABLE = 1e-3
"""Two answers to the same pixels differ when a logit moves by more than this share of the largest (or 1)."""


@dataclass(frozen=True)
class Verified:
    """An attack's outcome for a batch as seen from outside; every array bool, shape (n,).

    Attributes:
        right: answered with the true class on the returned pixels; a perturbation out of bounds proves
            nothing and leaves the face right.
        out_of_bounds: returned pixels further than eps from the face, outside 0..1, or not finite.
        unchanged: the face came back as it was given, and still answered right.
        no_answer: the logits on the returned pixels rank no class (NaN or infinite).
        no_gradient: the attack met a gradient that was zero in every pixel, or not finite.
        not_rising: the face stands, and no step raised the loss above where the search started.
        unconfirmed: the attack reported another answer that the returned pixels do not give.
    """

    right: NDArray[np.bool_]
    out_of_bounds: NDArray[np.bool_]
    unchanged: NDArray[np.bool_]
    no_answer: NDArray[np.bool_]
    no_gradient: NDArray[np.bool_]
    not_rising: NDArray[np.bool_]
    unconfirmed: NDArray[np.bool_]


CHECKS = ("out_of_bounds", "unchanged", "no_answer", "no_gradient", "not_rising", "unconfirmed")


def verify(
    scores: Scorer, pixels: Tensor, labels: Tensor, attacked: Attacked, eps: float, norm: Norm = "linf"
) -> Verified:
    """Look at what an attack returned without believing it.

    Args:
        scores: the model, pixels to logits.
        pixels: the faces as given to the attack, shape (n, 3, h, w).
        labels: true classes, shape (n,).
        attacked: what the attack returned.
        eps: the bound it was given.
        norm: in which the bound holds.
    """
    returned = attacked.pixels.detach()
    distance = ball(norm, pixels.double(), eps).distance(returned.double())
    low, high = returned.amin((1, 2, 3)), returned.amax((1, 2, 3))
    slack = TOLERANCE * (pixels[0].numel() ** 0.5 if norm == "l2" else 1)  # each value may be rounded
    inside = (distance <= eps + slack) & (low >= -TOLERANCE) & (high <= 1 + TOLERANCE)  # False for NaN
    with torch.no_grad():
        logits = scores(returned)
    right = answers_right(logits, labels)
    standing = right | ~inside
    return Verified(
        right=_array(standing),
        out_of_bounds=_array(~inside),
        unchanged=_array(right & (distance == 0)),
        no_answer=_array(~has_answer(logits)),
        no_gradient=_array(attacked.no_gradient),
        not_rising=_array(right & ~(attacked.loss_after > attacked.loss_start)),
        unconfirmed=_array(attacked.flipped & right),
    )


def answers_differently(scores: Scorer, pixels: Tensor, logits: Tensor) -> NDArray[np.bool_]:
    """Ask the model again, in smaller batches and another order; mark the faces whose logits moved, (n,).

    A random layer, or normalisation by the batch, makes an answer depend on more than the face; an attack
    against it then fails for reasons that are no robustness.
    """
    with torch.no_grad():
        again = torch.cat([scores(part) for part in pixels.flip(0).chunk(2)]).flip(0)
    both = torch.isfinite(logits) & torch.isfinite(again)
    moved = torch.where(both, (again - logits).abs(), torch.zeros_like(logits)).amax(1)
    largest = torch.where(both, logits.abs(), torch.zeros_like(logits)).amax(1).clamp(min=1)
    infinite = torch.isfinite(logits) != torch.isfinite(again)
    return _array((moved > UNSTABLE * largest) | infinite.any(1))


class Ledger:
    """Per-face outcomes of a run, shape (faces,) or (eps, faces); grows by the faces, never by their pixels.

    Attributes:
        rows: positions of the measured faces, shape (n,).
        answers: class answered without perturbation, -1 where the outputs rank none.
        clean: answered right without perturbation.
        unstable: answered differently when asked again.
        attacked: the attack was tried: all the faces of ``clean``.
        right: for each eps, answered right on the face as it is and under the attack.
        under_noise: for each eps, answered right on the face as it is and under sign noise of the same size.
        checks: for each name of :data:`CHECKS`, (eps, faces); False where the attack was not tried.
        tried: for each eps, whether the attack was tried there: not where a smaller eps had flipped the face
            already, or where the search was stopped since a gate was decided.
        stage: for each eps, which attack of a tier changed the answer; -1 where none did.
        stopped: for each eps, whether the search was stopped before all faces were tried.
    """

    def __init__(self, rows: NDArray[np.int64], levels: int) -> None:
        count = len(rows)
        self.rows = rows
        self.answers = np.full(count, -1, dtype=np.int64)
        self.clean = np.zeros(count, dtype=bool)
        self.unstable = np.zeros(count, dtype=bool)
        self.right = np.zeros((levels, count), dtype=bool)
        self.under_noise = np.zeros((levels, count), dtype=bool)
        self.checks = {name: np.zeros((levels, count), dtype=bool) for name in CHECKS}
        self.tried = np.zeros((levels, count), dtype=bool)
        self.stage = np.full((levels, count), -1, dtype=np.int8)
        self.stopped = np.zeros(levels, dtype=bool)

    @property
    def attacked(self) -> NDArray[np.bool_]:
        """The faces an attack was tried on, shape (n,)."""
        return self.clean

    @property
    def settled(self) -> NDArray[np.bool_]:
        """For each eps the attacked faces whose outcome is known, (eps, faces): not those a stopped search left out."""
        return self.attacked & (self.tried | ~self.right)

    @property
    def classes_answered(self) -> int:
        """How many classes the model answers with, over all faces as they are."""
        return len(np.unique(self.answers[self.answers >= 0]))

    def note(self, level: int, places: NDArray[np.int64], seen: Verified) -> None:
        """Write down the outcome for the faces at ``places`` (positions in ``rows``)."""
        self.tried[level, places] = True
        self.right[level, places] = seen.right
        for name in CHECKS:
            self.checks[name][level, places] = getattr(seen, name)

    def first_flip(self) -> NDArray[np.int64]:
        """Return the lowest level at which each face is wrong: -1 for at once, ``levels`` for never."""
        levels = len(self.right)
        first = np.where(self.right.all(0), levels, np.argmin(self.right, axis=0))
        return np.where(self.clean, first, -1)


def _array(flags: Tensor) -> NDArray[np.bool_]:
    return flags.cpu().numpy().astype(bool)
