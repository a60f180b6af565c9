"""What an attack raises, and when a face still counts as answered right."""

from __future__ import annotations

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


def loss_and_gradient(scores: Scorer, points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return loss, gradient by the pixels, whether each face is still right, and whether gradients failed.

    Gradients that are not finite are returned as zero and marked: a step along NaN would lose the face.

    Returns:
        ``loss`` (n,), ``gradient`` (n, 3, h, w), ``right`` (n,) bool, ``not_finite`` (n,) bool; detached.
    """
    points = points.detach().requires_grad_()
    with torch.enable_grad():
        logits = scores(points)
        loss = log_odds(logits, labels)
        (gradient,) = torch.autograd.grad(loss.sum(), points)
    not_finite = ~torch.isfinite(gradient.abs().amax((1, 2, 3)))
    if not_finite.any():
        gradient = gradient.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    return loss.detach(), gradient, answers_right(logits.detach(), labels), not_finite
