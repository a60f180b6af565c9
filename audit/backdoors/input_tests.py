"""Tests of single pictures: does a face's answer survive other faces laid over it, as only a trigger's does?

STRIP (Gao et al. 2019, arXiv 1902.06531). A face under test is blended with clean faces; the answer to an ordinary one
then wavers, that to a face with a trigger which outshines every face stays, so that the entropy of its answers is
unusually low. It needs triggered inputs: a checkpoint alone cannot be tested so. On small nets it found patches and
stripes (60 and 90 % at 5 % false alarms), and hardly more than the false alarms of blended noise, warps and the stamp
of Poisoned Forgery Face.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.errors import UsageError
from ...core.target import Target

OVERLAYS = 12
SHARE = 0.5
"""Of the overlaid face."""
Floats = NDArray[np.float64]


def strip_entropies(
    target: Target, pixels: Tensor, overlays: Tensor, random: np.random.Generator, *, count: int = OVERLAYS
) -> Floats:
    """Return the mean entropy in nats of the answers to each face with other faces laid over it, shape (n,).

    Args:
        target: the model.
        pixels: faces under test, (n, 3, h, w), 0 to 1.
        overlays: clean faces, (m, 3, h, w); of a face that is among them itself, the entropy is a little too low.
        random: chooses the overlays of each face.
        count: how many overlays each face is given.

    Raises:
        UsageError: when there are fewer clean faces than overlays.
    """
    if len(overlays) < count:
        raise UsageError(f"expected at least {count} clean faces to lay over others, but got {len(overlays)}")
    found = []
    with torch.no_grad():
        for face in pixels:
            chosen = torch.from_numpy(random.choice(len(overlays), count, replace=False))
            probabilities = target.probabilities(target((1 - SHARE) * face + SHARE * overlays[chosen])).double()
            entropies = -(probabilities * probabilities.clamp_min(1e-12).log()).sum(1)
            found.append(float(entropies.mean()))
    return np.array(found)


@dataclass(frozen=True, eq=False)
class Screened:
    """Faces under test beside clean ones.

    Attributes:
        p: chance that a clean face has an entropy as low, shape (n,): ``(1 + clean ones as low) / (1 + clean ones)``.
        flagged: whether p is at most the rate of false alarms, shape (n,).
    """

    p: Floats
    flagged: NDArray[np.bool_]


def screen(clean: Floats, suspects: Floats, false_alarms: float) -> Screened:
    """Flag suspects of an entropy lower than nearly all clean faces have.

    A clean face that is drawn like the given ones is flagged with at most the chance ``false_alarms``, whatever the
    distribution of entropies is (a conformal p-value). Give one face of each person: pictures of one are no new draws.

    Args:
        clean: entropies of clean faces, shape (m,).
        suspects: entropies of the faces under test, shape (n,).
        false_alarms: share of clean faces that may be flagged.

    Raises:
        UsageError: when so few clean faces can never flag anything.
    """
    needed = int(np.ceil(1 / false_alarms)) - 1
    if len(clean) < needed:
        raise UsageError(
            f"expected at least {needed} clean faces for false alarms of {false_alarms:g}, but got {len(clean)}"
        )
    lower = np.searchsorted(np.sort(clean), suspects, side="right")
    p = (1 + lower) / (1 + len(clean))
    return Screened(p, p <= false_alarms)
