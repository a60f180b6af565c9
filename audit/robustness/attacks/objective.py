"""What an attack raises, and when a face still counts as answered right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .outcome import Scorer

Objective = Callable[[Tensor], Tensor]
"""Logits (n, k) to what a search raises, shape (n,)."""
_SMALLEST = 1e-12


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


def dlr(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the difference of logits ratio, shape (n,): positive where another class leads.

    With z sorted downwards as z1, z2, ...: ``(largest other z - z_y) / (z1 - z3)`` (Croce and Hein 2020,
    arXiv 2003.01690, equation 6). Neither a shift nor a scale of the logits changes it.

    Args:
        logits: shape (n, k), k at least 3.
        labels: true classes, shape (n,).
    """
    place = labels[:, None]
    others = logits.scatter(1, place, -torch.inf).amax(1)
    top = logits.topk(3, 1).values
    return (others - logits.gather(1, place)[:, 0]) / (top[:, 0] - top[:, 2]).clamp_min(_SMALLEST)


def targeted_dlr(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Return the difference of logits ratio towards one other class, shape (n,).

    ``(z_t - z_y) / (z1 - (z3 + z4) / 2)`` (Croce and Hein 2020, equation 7).

    Args:
        logits: shape (n, k), k at least 4.
        labels: true classes, shape (n,).
        targets: the classes to be answered instead, shape (n,).
    """
    top = logits.topk(4, 1).values
    scale = top[:, 0] - (top[:, 2] + top[:, 3]) / 2
    return margin_to(logits, labels, targets) / scale.clamp_min(_SMALLEST)


def margin_to(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Return ``z_t - z_y``, by how much the target class leads the true one, shape (n,)."""
    chosen = logits.gather(1, torch.stack([targets, labels], 1))
    return chosen[:, 0] - chosen[:, 1]


def likely_others(logits: Tensor, labels: Tensor, most: int) -> Tensor:
    """Return the other classes, most likely first, at most ``most`` of them, shape (n, min(most, k - 1))."""
    ranked = logits.scatter(1, labels[:, None], -torch.inf).argsort(dim=1, descending=True, stable=True)
    others = ranked[ranked != labels[:, None]].reshape(len(logits), -1)  # the label may tie with minus infinity
    chosen: Tensor = others[:, :most]
    return chosen


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
    """The model's answer at some points, and the way to raise an objective there.

    Attributes:
        loss: log odds against the true class, shape (n,).
        value: the objective, shape (n,); the log odds themselves unless another was asked for.
        gradient: of the objective by the pixels, shape (n, 3, h, w); zero for a face where it was not finite, since
            a step along NaN would lose the face.
        right: still answered with the true class, shape (n,), bool.
        no_gradient: zero in every pixel, or not finite somewhere, shape (n,), bool.
        not_finite: not finite somewhere, shape (n,), bool.
    """

    loss: Tensor
    value: Tensor
    gradient: Tensor
    right: Tensor
    no_gradient: Tensor
    not_finite: Tensor


def look(scores: Scorer, points: Tensor, labels: Tensor, objective: Objective | None = None) -> Look:
    """Ask the model for its answers at ``points`` (n, 3, h, w) and for a gradient there.

    Args:
        scores: the model, pixels to logits.
        points: where to look, shape (n, 3, h, w).
        labels: true classes, shape (n,).
        objective: what to differentiate; the log odds against the true class unless given.
    """
    points = points.detach().requires_grad_()
    with torch.enable_grad():
        logits = scores(points)
        value = log_odds(logits, labels) if objective is None else objective(logits)
        (gradient,) = torch.autograd.grad(value.sum(), points)
    logits, value = logits.detach(), value.detach()
    not_finite, zero = _faults(gradient)
    if not_finite.any():
        gradient = torch.where(not_finite[:, None, None, None], 0.0, gradient)
    return Look(
        loss=value if objective is None else log_odds(logits, labels),
        value=value,
        gradient=gradient,
        right=answers_right(logits, labels),
        no_gradient=not_finite | zero,
        not_finite=not_finite,
    )


def _faults(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return which faces have a gradient that is somewhere not finite, and which one that is zero everywhere, (n,)."""
    flat = gradient.flatten(1)
    length = torch.linalg.vector_norm(flat, dim=1)
    sound = torch.isfinite(length) & (length > 0)
    if sound.all():
        return ~sound, ~sound
    # squares may be too large or too small to hold; the extremes, which are slow to find, carry NaN on
    low, high = flat.aminmax(dim=1)
    return ~(torch.isfinite(low) & torch.isfinite(high)), (low == 0) & (high == 0)


def glance(scores: Scorer, points: Tensor) -> Tensor:
    """Return the logits at ``points``, without what a gradient would need."""
    with torch.no_grad():
        return scores(points)
