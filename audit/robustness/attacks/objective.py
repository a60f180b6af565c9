"""What an attack raises, and when a face still counts as answered right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .outcome import Scorer


def log_odds(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the log odds against the true class, ``log((1 - p) / p)``, shape (n,).

    With z the logits and y the true class this is ``logsumexp(z without z_y) - z_y``. Cross-entropy is its
    softplus, ``-log p = log(1 + exp(log odds))``, so both order points alike and their gradients point the
    same way in every face. Cross-entropy's own gradient carries the factor ``1 - p``, which rounds to zero
    for a confident answer (float32: a lead of about 17 in the logits); this one does not, so that large
    logits cannot hide a face.

    Args:
        logits: shape (n, k), k at least 2; minus infinity stands for a probability of zero.
        labels: true classes, shape (n,).
    """
    place = labels[:, None]
    others = logits.scatter(1, place, -torch.inf).logsumexp(1)
    return others - logits.gather(1, place)[:, 0]


def answers_right(logits: Tensor, labels: Tensor) -> Tensor:
    """Return whether each face is answered with its true class, shape (n,), bool.

    Logits with NaN, plus infinity or nothing but minus infinity are no answer, hence not right.
    """
    return has_answer(logits) & (logits.argmax(1) == labels)


def has_answer(logits: Tensor) -> Tensor:
    """Return whether logits (n, k) rank the classes: no NaN, a finite largest value; shape (n,), bool."""
    return torch.isfinite(logits.amax(1))  # amax carries NaN on


@dataclass(frozen=True)
class Look:
    """The model's loss at some points and the way to raise it.

    Attributes:
        loss: log odds against the true class, shape (n,).
        gradient: of the loss by the pixels, shape (n, 3, h, w); zero for a face where it was not finite, since a
            step along NaN would lose the face.
        right: still answered with the true class, shape (n,), bool.
        no_gradient: zero in every pixel, or not finite somewhere, shape (n,), bool.
        not_finite: not finite somewhere, shape (n,), bool.
    """

    loss: Tensor
    gradient: Tensor
    right: Tensor
    no_gradient: Tensor
    not_finite: Tensor


def look(scores: Scorer, points: Tensor, labels: Tensor) -> Look:
    """Ask the model for its answers at ``points`` (n, 3, h, w) and for the gradient of the log odds there."""
    points = points.detach().requires_grad_()
    with torch.enable_grad():
        logits = scores(points)
        loss = log_odds(logits, labels)
        (gradient,) = torch.autograd.grad(loss.sum(), points)
    low, high = gradient.amin((1, 2, 3)), gradient.amax((1, 2, 3))  # both carry NaN on
    not_finite = ~(torch.isfinite(low) & torch.isfinite(high))
    if not_finite.any():
        gradient = torch.where(not_finite[:, None, None, None], 0.0, gradient)
    return Look(
        loss=loss.detach(),
        gradient=gradient,
        right=answers_right(logits.detach(), labels),
        no_gradient=not_finite | ((low == 0) & (high == 0)),
        not_finite=not_finite,
    )
