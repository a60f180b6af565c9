"""What every attempt came to, recomputed from the pixels an attack returned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ....core.portraits import Portraits
from ....core.probes import ProbeContext
from ..attacks import LinfBall
from ..ledger import TOLERANCE
from .attempts import NONE, Attempts
from .search import Search

PHOTOS = ("given", "other")
"""Judged on the photo that the attack was given, or on another of the same person."""
UNSTABLE = 1e-4
"""An embedding that moves by more than this in cosine when a photo is asked about again is not the photo's own."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Measured:
    """Similarities of the attempts of one goal; of the photos of :data:`PHOTOS`, NaN where there is no other.

    Attributes:
        attempts: who tries to pass as whom.
        clean: without any change, shape (2, n).
        noise: under random noise of plus or minus eps, shape (levels, 2, n).
        attacked: under the attack, shape (levels, 2, n); without any change where it left the bounds.
        out_of_bounds: the attack left eps, or 0..1, shape (levels, n), bool.
        no_answer: the model gave no similarity (NaN) for the changed photo; ``attacked`` (and ``noise``) hold that
            without any change there, shape (levels, n), bool.
        no_gradient: it had no gradient to follow, shape (levels, n), bool.
        unstable: the model embedded the same photo otherwise when asked again, shape (n,), bool.
    """

    attempts: Attempts
    clean: Floats
    noise: Floats
    attacked: Floats
    out_of_bounds: NDArray[np.bool_]
    no_answer: NDArray[np.bool_]
    no_gradient: NDArray[np.bool_]
    unstable: NDArray[np.bool_]


def measure(
    context: ProbeContext,
    portraits: Portraits,
    attempts: Attempts,
    search: Search,
    eps: Sequence[float],
    noise_seed: int,
) -> Measured:
    """Read the changed photos once, batch by batch, and try every eps on each.

    Args:
        context: the probe's.
        portraits: the single faces.
        attempts: who tries to pass as whom.
        search: the attack.
        eps: largest change of a pixel's channel, one level each.
        noise_seed: decides the noise of the control, together with the pair.
    """
    target = context.model
    levels, count = len(eps), len(attempts)
    found = Measured(
        attempts,
        clean=np.full((2, count), np.nan),
        noise=np.full((levels, 2, count), np.nan),
        attacked=np.full((levels, 2, count), np.nan),
        out_of_bounds=np.zeros((levels, count), dtype=np.bool_),
        no_answer=np.zeros((levels, count), dtype=np.bool_),
        no_gradient=np.zeros((levels, count), dtype=np.bool_),
        unstable=np.zeros(count, dtype=np.bool_),
    )
    units = torch.from_numpy(portraits.embeddings)
    done = 0
    with context.progress(f"pairs, {attempts.goal}", count) as advance:
        for batch in portraits.faces.batches(context.batch_size, attempts.changed):
            here = slice(done, done + len(batch))
            done += len(batch)
            pixels = batch.pixels.to(target.device)
            judge = _Judge(units, attempts, here)
            rows = attempts.pairs[here]
            before = _unit(target(pixels))
            own = (before * units[batch.rows]).sum(1)
            found.unstable[here] = (own < 1 - UNSTABLE).numpy()
            found.clean[:, here] = judge(units[batch.rows])
            found.clean[0, here] = context.predictions.values[rows, 0]  # as the threshold saw them, to the last bit
            reference = units[attempts.shown[here]].to(pixels)
            for level, size in enumerate(eps):
                ball = LinfBall(pixels, size)
                shaken = judge(_unit(target(ball.control(noise_seed, rows))))
                found.noise[level, :, here] = np.where(np.isnan(shaken[0]), found.clean[:, here], shaken)
                moved = search(target, pixels, reference, attempts.sign, rows, size)
                outside = ~_inside(ball, moved.pixels)
                found.out_of_bounds[level, here] = outside
                found.no_gradient[level, here] = moved.no_gradient
                reached = judge(_unit(target(moved.pixels)))
                found.no_answer[level, here] = np.isnan(reached[0]) & ~outside
                found.attacked[level, :, here] = np.where(outside | np.isnan(reached[0]), found.clean[:, here], reached)
            advance(len(batch))
    return found


class _Judge:
    """Compares embeddings with the photo each attempt was given, and with the other one."""

    def __init__(self, units: Tensor, attempts: Attempts, here: slice) -> None:
        self.shown = units[attempts.shown[here]]
        self.known = attempts.other[here] != NONE
        self.other = units[np.where(self.known, attempts.other[here], 0)]

    def __call__(self, embeddings: Tensor) -> Floats:
        """Return the similarities, shape (2, n); NaN where there is no other photo."""
        first, second = ((embeddings * each).sum(1).numpy() for each in (self.shown, self.other))
        similarities: Floats = np.stack([first, np.where(self.known, second, np.nan)])
        return similarities


def _unit(embeddings: Tensor) -> Tensor:
    """Return embeddings at unit length, in double precision and on the CPU."""
    return F.normalize(embeddings.detach().double().cpu())


def _inside(ball: LinfBall, points: Tensor) -> NDArray[np.bool_]:
    """Tell which points are within eps of the photo and within 0..1; False for NaN."""
    low, high = points.amin((1, 2, 3)), points.amax((1, 2, 3))
    inside = (ball.distance(points) <= ball.eps + TOLERANCE) & (low >= -TOLERANCE) & (high <= 1 + TOLERANCE)
    return inside.cpu().numpy().astype(np.bool_)
