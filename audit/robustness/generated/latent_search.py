"""Search the vectors of a generator for faces that the model answers wrongly, within a box around where they began."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..attacks import Scorer, answers_right, log_odds
from .generator import Generator, Latents

PULL = 0.0005
"""Weight of the squared distance from the start (the published setting: Shamshad et al. 2023)."""
RATE = 0.1
"""Step of Adam as a share of the box."""
FIRST_STEP, GROW, SHRINK = 0.3, 1.5, 0.9
"""Of the evolution strategy: first step as a share of the box, and its change after a success and a failure."""
HAS_IT = 0.5
AT_ONCE = 16

Judge = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Wanted:
    """What a search is after.

    Attributes:
        models: pixels to logits, the models that should all err.
        judge: how surely faces keep the attribute, or ``None`` where the generator sets it.
        radius: how far each free entry of a vector may move.
        steps: gradient steps, or questions about a face.
        gradients: whether generator and models can be differentiated.
    """

    models: Sequence[Scorer]
    judge: Judge | None
    radius: float
    steps: int
    gradients: bool


def wrong(models: Sequence[Scorer], pixels: Tensor, labels: Tensor) -> NDArray[np.bool_]:
    """Return whether all models answer otherwise than the label, shape (n,)."""
    with torch.no_grad():
        found = torch.stack([~answers_right(scores(pixels), labels) for scores in models]).all(0)
    return np.asarray(found.cpu().numpy(), dtype=np.bool_)


def guided(
    wanted: Wanted, generator: Generator, start: Latents, labels: Tensor, random: np.random.Generator
) -> Latents:
    """Return the vectors (n, d) found: the first that every model errs on, else the one with the highest loss."""
    if wanted.gradients:
        parts = range(0, len(start), AT_ONCE)
        found = [_by_gradient(wanted, generator, start[i : i + AT_ONCE], labels[i : i + AT_ONCE]) for i in parts]
        return np.concatenate(found) if found else start
    return _by_evolution(wanted, generator, start, labels, random)


def at_random(
    wanted: Wanted, generator: Generator, start: Latents, labels: Tensor, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Return whether as many vectors drawn evenly from the box hold one that flips every model, (n,): the null."""
    done = np.zeros(len(start), dtype=np.bool_)
    for _ in range(wanted.steps):
        left = np.flatnonzero(~done)
        if not len(left):
            break
        moved = start[left] + generator.free * wanted.radius * random.uniform(-1, 1, (len(left), generator.size))
        pixels = _faces(generator, moved)
        done[left] = wrong(wanted.models, pixels, labels[left]) & _kept(wanted, pixels)
    return done


def _faces(generator: Generator, latents: Latents) -> Tensor:
    with torch.no_grad():
        return generator(torch.from_numpy(latents))


def _kept(wanted: Wanted, pixels: Tensor) -> NDArray[np.bool_]:
    if wanted.judge is None:
        return np.ones(len(pixels), dtype=np.bool_)
    with torch.no_grad():
        return np.asarray((wanted.judge(pixels) >= HAS_IT).cpu().numpy(), dtype=np.bool_)


def _loss(wanted: Wanted, pixels: Tensor, labels: Tensor) -> Tensor:
    return torch.stack([log_odds(scores(pixels), labels) for scores in wanted.models]).mean(0)


def _by_evolution(
    wanted: Wanted, generator: Generator, start: Latents, labels: Tensor, random: np.random.Generator
) -> Latents:
    """Move each vector at random and keep what raises the loss; longer steps after a success ((1+1) evolution)."""
    best = start.copy()
    with torch.no_grad():
        value = _loss(wanted, _faces(generator, best), labels).cpu().numpy().astype(np.float64)
    step = np.full(len(start), FIRST_STEP * wanted.radius)
    done = np.zeros(len(start), dtype=np.bool_)
    for _ in range(wanted.steps):
        left = np.flatnonzero(~done)
        if not len(left):
            break
        moved = best[left] + generator.free * step[left, None] * random.standard_normal((len(left), generator.size))
        moved = np.clip(moved, start[left] - wanted.radius, start[left] + wanted.radius)
        pixels = _faces(generator, moved)
        with torch.no_grad():
            loss = _loss(wanted, pixels, labels[left]).cpu().numpy().astype(np.float64)
        kept, flipped = _kept(wanted, pixels), wrong(wanted.models, pixels, labels[left])
        better = kept & ((loss > value[left]) | flipped)
        best[left[better]], value[left[better]] = moved[better], loss[better]
        done[left] = kept & flipped
        step[left] = np.minimum(step[left] * np.where(better, GROW, SHRINK), wanted.radius)
    return best


def _by_gradient(wanted: Wanted, generator: Generator, start: Latents, labels: Tensor) -> Latents:
    """Adam on the loss, less a pull back to the start, plus the judge's certainty; cut off at the box."""
    origin = torch.from_numpy(start).float()
    free = torch.from_numpy(generator.free)
    moved = origin.clone().requires_grad_()
    found, value = start.copy(), np.full(len(start), -np.inf)
    done = np.zeros(len(start), dtype=np.bool_)
    optimiser = torch.optim.Adam([moved], lr=RATE * wanted.radius)
    for _ in range(wanted.steps + 1):
        pixels = generator(moved)
        loss = _loss(wanted, pixels, labels)
        goal = loss.cpu() - PULL * (moved - origin).square().sum(1)
        if wanted.judge is not None:
            goal = goal + wanted.judge(pixels).clamp_min(1e-6).log().cpu()
        kept, flipped = _kept(wanted, pixels.detach()), wrong(wanted.models, pixels.detach(), labels)
        reached = loss.detach().cpu().double().numpy()
        better = ~done & kept & ((reached > value) | flipped)
        found[better] = moved.detach().double().numpy()[better]
        value[better] = reached[better]
        done |= kept & flipped
        if done.all():
            break
        optimiser.zero_grad()
        (-goal.sum()).backward()  # type: ignore[no-untyped-call]
        assert moved.grad is not None
        moved.grad[:, ~free] = 0
        optimiser.step()
        with torch.no_grad():
            moved.clamp_(origin - wanted.radius, origin + wanted.radius)
    return found
