"""Nets that tell drawn people apart, for audits of verification: trained as they are needed.

A picture's embedding is compared by its cosine. Training is classification of the drawn people by a softmax over
scaled cosines (NormFace; Wang et al. 2017, arXiv 1704.06369), and can resist pixels that are changed on purpose
(adversarial training; Madry et al. 2018, arXiv 1706.06083).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from .dataset import DrawnCrops, draw_crops
from .nets import MEAN, STD, normalise
from .train import augment

EMBEDDING_INPUT = 48
_DRAWN = 128
_BATCH = 48
_SCALE = 16.0
_PEAK_RATE = 4e-3


class EmbeddingNet(nn.Module):
    """Embeds drawn faces: pixels (n, 3, 48, 48), normalised with mean 0.5 and deviation 0.25, to (n, width)."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        for inputs, outputs, stride in ((3, 16, 2), (16, 32, 2), (32, 64, 2)):
            parts += [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        side = EMBEDDING_INPUT // 8
        self.width = width
        self.features = nn.Sequential(*parts, nn.Flatten(), nn.Linear(64 * side * side, width))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return embeddings (n, width), of any length."""
        embedding: Tensor = self.features(pixels)
        return embedding


@dataclass(frozen=True)
class EmbeddingRecipe:
    """What an embedding net is trained on.

    Attributes:
        subjects: drawn people, each a class.
        per_subject: pictures of each.
        epochs: passes over the pictures.
        data_seed: seed of the people.
        train_seed: seed of weights and order.
        resist: train on pixels changed by at most this much, in units of 0..1, so that the net errs; 0 for none.
    """

    subjects: int = 120
    per_subject: int = 7
    epochs: int = 24
    data_seed: int = 700
    train_seed: int = 0
    resist: float = 0.0


def train_embedding(recipe: EmbeddingRecipe, crops: DrawnCrops | None = None) -> EmbeddingNet:
    """Train an embedding net and return it in evaluation mode; ``crops`` saves drawing the recipe's people again."""
    crops = crops or draw_crops(recipe.subjects, recipe.per_subject, recipe.data_seed, EMBEDDING_INPUT, size=_DRAWN)
    torch.manual_seed(recipe.train_seed)
    chance = torch.Generator().manual_seed(recipe.train_seed)
    people = torch.from_numpy(people_of(crops))
    pixels = torch.from_numpy(crops.pixels)
    net = EmbeddingNet()
    centres = nn.Parameter(torch.randn(int(people.max()) + 1, net.width))
    parameters = [*net.parameters(), centres]
    steps = len(people) // _BATCH
    optimiser = torch.optim.AdamW(parameters, lr=_PEAK_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _PEAK_RATE, total_steps=recipe.epochs * steps)
    net.train()
    for epoch in range(recipe.epochs):
        eps = recipe.resist * min(1.0, 2 * epoch / recipe.epochs)  # from easy to hard: all at once may teach nothing
        order = torch.randperm(len(people), generator=chance)
        for step in range(steps):
            chosen = order[step * _BATCH : (step + 1) * _BATCH]
            shown, who = augment(normalise(pixels[chosen]), chance), people[chosen]
            if eps:
                shown = _changed(net, centres, shown, who, eps / STD[0])
            loss = _loss(net(shown), centres, who)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    return net.eval().requires_grad_(False)


def people_of(crops: DrawnCrops) -> NDArray[np.int64]:
    """Return the person of each picture as a number from 0, shape (n,)."""
    names = [face.person.subject for face in crops.faces]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _loss(embeddings: Tensor, centres: Tensor, who: Tensor) -> Tensor:
    cosines = F.normalize(embeddings) @ F.normalize(centres).T
    return F.cross_entropy(_SCALE * cosines, who)


def _changed(net: EmbeddingNet, centres: Tensor, shown: Tensor, who: Tensor, eps: float, steps: int = 3) -> Tensor:
    """Return normalised pixels moved by at most ``eps`` so that the loss rises; black and white bound them."""
    low, high = (0 - MEAN[0]) / STD[0], (1 - MEAN[0]) / STD[0]
    points = shown + eps * (2 * torch.rand_like(shown) - 1)
    for _ in range(steps):
        points = points.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(_loss(net(points), centres, who), points)
        points = (points + 2.5 * eps / steps * gradient.sign()).detach()
        points = torch.maximum(torch.minimum(points, shown + eps), shown - eps).clamp(low, high)
    return points.detach()
