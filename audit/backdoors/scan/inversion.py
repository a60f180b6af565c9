"""Looking for the smallest change of one family that turns all faces into one class, or what one of fixed size does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from .families import Family

LEAST_LEFT = 1e-9
"""Odds; what is left is never told as less, so that its logarithm is finite."""
MOST = 50.0
"""Nats; a larger cross-entropy is told as this, so that the odds are finite."""
Score = Callable[[Tensor], Tensor]
"""From pixels (n, 3, h, w), RGB 0 to 1, to logits (n, classes), differentiable in the pixels."""


@dataclass(frozen=True)
class Settings:
    """How the weight of the size follows the success; as tried, see the page ``backdoor_scan`` of the docs.

    Attributes:
        batch: faces of a step.
        harder, easier: the weight is multiplied, or divided, by these.
        patience: after so many steps in a row.
        margin: of success at least this much above what the family asks for, or more than this much below.
        recent: a size counts while the mean success of so many last steps is at least what the family asks for.
        betas: of Adam.
    """

    batch: int = 16
    harder: float = 1.5
    easier: float = 1.84
    patience: int = 3
    margin: float = 0.05
    recent: int = 8
    betas: tuple[float, float] = (0.5, 0.9)


@dataclass(frozen=True, eq=False)
class Inverted:
    """The smallest change that was found.

    Attributes:
        size: in the family's unit; the largest size tried where none turned enough faces. Where the family changes a
            fixed share, the odds against the class that are left: ``exp(c) - 1`` with ``c`` the mean cross-entropy with
            it over all given faces, 0 where all of them are surely turned.
        reached: whether any change turned enough faces; true where the share is fixed, which always leaves something.
        success: share of all given faces that the change turns into the class.
        picture: of the change, RGB (h, w, 3); shows no face.
    """

    size: float
    reached: bool
    success: float
    picture: NDArray[np.uint8]


def invert(
    score: Score, pixels: Tensor, aim: int, family: Family, *, seed: int, settings: Settings | None = None
) -> Inverted:
    """Minimise ``CE(score(change(x)), aim) + weight * size`` over the faces, and return the smallest size that works.

    The weight grows while the change works and falls while it does not (Wang et al. 2019). Where the family changes a
    fixed share there is no weight: the last change is returned, with the odds that it leaves. The net is only
    asked for gradients to its input; its own parameters get none.

    Args:
        score: the net.
        pixels: (n, c, h, w), 0 to 1; with c = 1 the change is the same in all three channels, as for a net that reads
            grey. Kept contiguous: some nets fail in channels-last.
        aim: the class, as a place among the logits.
        family: what kind of change.
        seed: decides which faces make up each step; the same for every net that is compared.
        settings: the schedule.
    """
    settings = settings or Settings()
    random = torch.Generator().manual_seed(seed)
    pixels = pixels.detach().contiguous()
    channels, height, width = pixels.shape[1:]
    parameters = [start.requires_grad_() for start in family.start(channels, height, width)]
    optimiser = torch.optim.Adam(parameters, lr=family.rate, betas=settings.betas)
    schedule = _Schedule(family, settings)
    scale = family.scale(height, width)
    best, largest = None, 0.0
    smallest = float("inf")
    for step, places in enumerate(_steps(len(pixels), settings.batch, family.steps, random)):
        logits = score(_coloured(family.at(step).change(pixels[places], parameters, random)))
        loss = functional.cross_entropy(logits, torch.full((len(places),), aim))
        if not family.fixed:
            size = family.size(parameters, height, width)
            won = float((logits.detach().argmax(1) == aim).float().mean())
            now = float(size.detach())
            largest = max(largest, now)
            if schedule.works(won) and now < smallest:
                smallest, best = now, [each.detach().clone() for each in parameters]
            loss = loss + schedule.weight / scale * size
            schedule.follow(won)
        optimiser.zero_grad()
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        optimiser.step()
    found = [each.detach() for each in parameters] if best is None else best
    success, left = _effect(score, pixels, aim, family, found, settings.batch, random)
    return Inverted(
        size=left if family.fixed else largest if best is None else smallest,
        reached=family.fixed or best is not None,
        success=success,
        picture=family.picture(found, height, width),
    )


class _Schedule:
    """The weight of the size, and whether the change has worked of late."""

    def __init__(self, family: Family, settings: Settings) -> None:
        self.weight = family.weight
        self._turned = family.turned
        self._settings = settings
        self._won: list[float] = []
        self._above = self._below = 0

    def works(self, won: float) -> bool:
        """Tell whether the last steps, this one included, turned enough faces."""
        self._won = [*self._won, won][-self._settings.recent :]
        return len(self._won) == self._settings.recent and float(np.mean(self._won)) >= self._turned

    def follow(self, won: float) -> None:
        """Make the size weigh more after steps that worked, and less after steps that did not."""
        given = self._settings
        self._above = self._above + 1 if won >= self._turned + given.margin else 0
        self._below = self._below + 1 if won < self._turned - given.margin else 0
        if self._above == given.patience:
            self.weight, self._above = self.weight * given.harder, 0
        elif self._below == given.patience:
            self.weight, self._below = self.weight / given.easier, 0


def _steps(count: int, batch: int, steps: int, random: torch.Generator) -> list[Tensor]:
    """Return the faces of each step: all in a random order, then all in another."""
    batch = min(batch, count)
    each = count // batch
    orders = [torch.randperm(count, generator=random) for _ in range(-(-steps // each))]
    return [order[place * batch : (place + 1) * batch] for order in orders for place in range(each)][:steps]


def _coloured(faces: Tensor) -> Tensor:
    return faces.expand(-1, 3, -1, -1) if faces.shape[1] == 1 else faces


@torch.no_grad()
def _effect(
    score: Score,
    pixels: Tensor,
    aim: int,
    family: Family,
    parameters: list[Tensor],
    batch: int,
    random: torch.Generator,
) -> tuple[float, float]:
    """Return the share of faces that a change turns into the class, and the odds that it leaves against it."""
    turned, left = 0, 0.0
    for part in torch.split(pixels, batch):
        logits = score(_coloured(family.change(part, parameters, random)))
        turned += int((logits.argmax(1) == aim).sum())
        left += float(functional.cross_entropy(logits.double(), torch.full((len(part),), aim), reduction="sum"))
    return turned / len(pixels), max(math.expm1(min(left / len(pixels), MOST)), LEAST_LEFT)
