"""Two nets alike but for their training: one on faces as drawn, one on faces perturbed to mislead it.

``resistant`` is trained adversarially (Madry et al. 2018, arXiv 1706.06083): every picture is first changed by at most
eps in each channel, by a few steps up the net's own loss. ``plain`` has the same pictures, epochs, first weights and
order, without the change. So the first must withstand changes that the second does not, which an audit has to show.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .dataset import DrawnCrops, draw_crops
from .expression import EXPRESSIONS
from .nets import MEAN, STD, DrawnFaceNet

NETS: tuple[str, ...] = ("plain", "resistant")
SIZE = 48
"""Side of the crops in pixels."""
_DRAWN_SIZE = 64
_BATCH = 32
_PEAK_RATE = 3e-3
_BEGIN, _FULL = 0.15, 0.6
"""Shares of the epochs at which eps begins to rise from 0 and has its full size; sooner, training may not begin."""


@dataclass(frozen=True)
class Effort:
    """How much goes into the nets of one seed.

    Attributes:
        people: drawn people to train on, seven pictures each.
        held_out: other people, on whom the nets are audited, seven pictures each.
        epochs: passes over the pictures.
        steps: steps up the loss for each batch of the resistant net.
        eps: largest change of any channel in training, in units of 0..1.
    """

    people: int = 120
    held_out: int = 30
    epochs: int = 16
    steps: int = 2
    eps: float = 6 / 255


def train_nets(seed: int, effort: Effort | None = None, only: str | None = None) -> dict[str, DrawnFaceNet]:
    """Draw people and train the two nets on them; everything follows from the seed.

    Args:
        seed: 0 or more.
        effort: how many people, epochs and steps; as the study has it unless given.
        only: the name of a net, to leave the other untrained.

    Returns:
        The nets by name, in evaluation mode; they take pixels normalised with mean 0.5 and deviation 0.25.
    """
    effort = effort or Effort()
    crops = draw_crops(effort.people, len(EXPRESSIONS), 2 * seed, SIZE, size=_DRAWN_SIZE)
    pixels, labels = pixels_of(crops), torch.from_numpy(crops.labels)
    return {name: _train(seed, pixels, labels, effort, name == "resistant") for name in NETS if only in (None, name)}


def held_out(seed: int, effort: Effort | None = None) -> DrawnCrops:
    """Draw the pictures of people whom neither net of the seed has seen."""
    return draw_crops((effort or Effort()).held_out, len(EXPRESSIONS), 2 * seed + 1, SIZE, size=_DRAWN_SIZE)


def pixels_of(crops: DrawnCrops) -> Tensor:
    """Return the pictures as pixels (n, 3, h, w) in 0..1."""
    return torch.from_numpy(crops.pixels).permute(0, 3, 1, 2).float().div(255).contiguous()


def _train(seed: int, pixels: Tensor, labels: Tensor, effort: Effort, resist: bool) -> DrawnFaceNet:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = DrawnFaceNet()
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster
        batches = len(labels) // _BATCH
        optimiser = torch.optim.AdamW(net.parameters(), lr=_PEAK_RATE, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _PEAK_RATE, total_steps=effort.epochs * batches)
        chance = torch.Generator().manual_seed(seed)
        for epoch in range(effort.epochs):
            order = torch.randperm(len(labels), generator=chance)
            for step in range(batches):
                chosen = order[step * _BATCH : (step + 1) * _BATCH]
                shown, wanted = pixels[chosen].contiguous(memory_format=torch.channels_last), labels[chosen]
                if resist:
                    done = (epoch + (step + 1) / batches) / effort.epochs
                    risen = min(1.0, max(0.0, (done - _BEGIN) / (_FULL - _BEGIN)))
                    shown = perturbed(net, shown, wanted, risen * effort.eps, effort.steps)
                loss = F.cross_entropy(_logits(net, shown), wanted)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
    net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return net.eval()


def perturbed(net: nn.Module, pixels: Tensor, labels: Tensor, eps: float, steps: int) -> Tensor:
    """Change pixels (n, 3, h, w) by at most eps, within 0..1, in ``steps`` up the net's loss from a random start."""
    low, high = (pixels - eps).clamp_min(0), (pixels + eps).clamp_max(1)
    points = pixels + eps * (2 * torch.rand_like(pixels) - 1)
    for _ in range(steps):
        points = points.clamp(low, high).requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(_logits(net, points), labels), points)
        points = points.detach() + 1.25 * eps / steps**0.5 * gradient.sign()
    return points.clamp(low, high)


def _logits(net: nn.Module, pixels: Tensor) -> Tensor:
    logits: Tensor = net((pixels - MEAN[0]) / STD[0])
    return logits
