"""The point of a hyperplane within 0..1 that is nearest to a face, in L-infinity or L2.

With w the plane's normal and c = <w, x> + b, the nearest point moves every value against sign(c) sign(w), by the same
amount in L-infinity and in proportion to ``|w|`` in L2, until it meets 0 or 1 (Croce and Hein 2020, arXiv 1907.02044,
section 2). How far is one number per face: the root of a rising, concave, piecewise linear function, to which Newton's
steps from zero climb without passing it, piece by piece; no values need sorting.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .ball import Norm

_MOST_STEPS = 100
_CLOSE = 1e-6
"""Share of the way to the plane that may be left."""


def nearest_on_plane(norm: Norm, points: Tensor, normal: Tensor, offset: Tensor) -> Tensor:
    """Return the change from ``points`` to the nearest point of ``offset + <normal, z - points> = 0`` in 0..1.

    Where no point of 0..1 lies on the plane, every value is moved towards it as far as 0..1 allows; where the normal
    is zero, nothing moves.

    Args:
        norm: what is nearest.
        points: shape (n, 3, h, w), 0..1.
        normal: shape (n, 3, h, w).
        offset: value of the plane's function at ``points``, shape (n,).
    """
    shape = points.shape
    points, normal = points.flatten(1), normal.flatten(1)
    towards = normal.sign().mul_(-offset.sign()[:, None])
    room = torch.where(towards > 0, 1 - points, points)
    weight = normal.abs()
    largest = weight.amax(1, keepdim=True)
    scale = torch.where(largest > 0, largest, 1)  # squares of the weights as they are may be too small to hold
    weight = weight / scale
    pace = torch.ones_like(weight) if norm == "linf" else weight
    level = _level(weight, pace, room, offset.abs() / scale[:, 0])
    return torch.minimum(pace * level[:, None], room).mul_(towards).reshape(shape)


def _level(weight: Tensor, pace: Tensor, room: Tensor, wanted: Tensor) -> Tensor:
    """Return s with ``sum(weight * min(s * pace, room)) = wanted`` for each row, or the s where all room is used."""
    rate = weight * pace
    most = weight * room
    limit = most.sum(1)
    wanted = torch.minimum(wanted, limit)
    level = torch.zeros_like(wanted)
    for _ in range(_MOST_STEPS):
        reached = level[:, None] * rate
        open_ = reached < most
        missing = wanted - torch.minimum(reached, most).sum(1)
        slope = (rate * open_).sum(1)
        climbs = (missing > _CLOSE * wanted) & (slope > 0)
        if not climbs.any():
            break
        level = level + torch.where(climbs, missing / torch.where(climbs, slope, 1), 0)
    return level
