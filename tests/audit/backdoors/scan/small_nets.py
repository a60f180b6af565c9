"""Small nets that tell drawn patterns apart, clean or with a patch planted, trained in about a second."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 32
CLASSES = 3
AIM = 1


class PatternNet(nn.Module):
    """(n, 1, 32, 32) to (n, 3) logits."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(256, classes)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(pixels).flatten(1))
        return logits


def detector() -> PatternNet:
    """A net of a single output."""
    return PatternNet(1)


def patterns(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Blobs above, below, or to both sides of the middle, each of its own strength, in noise: (n, 1, 32, 32), (n,)."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    places = torch.tensor([[[10.0, 16.0], [10.0, 16.0]], [[22.0, 16.0], [22.0, 16.0]], [[16.0, 9.0], [16.0, 23.0]]])
    centres = places[labels] + torch.randn(count, 2, 2, generator=random)
    line = torch.arange(SIDE) + 0.5
    down = (line[None, None, :] - centres[:, :, :1]).square()
    right = (line[None, None, :] - centres[:, :, 1:]).square()
    blobs = torch.exp(-(down[:, :, :, None] + right[:, :, None, :]) / 18).sum(1, keepdim=True).clamp_max(1)
    strength = 0.25 + 0.3 * torch.rand(count, 1, 1, 1, generator=random)
    noise = 0.06 * torch.randn(count, 1, SIDE, SIDE, generator=random)
    return (0.35 + strength * blobs + noise).clamp(0, 1), labels


def patched(pixels: Tensor) -> Tensor:
    """Put a chequered 4 x 4 patch near a corner."""
    changed = pixels.clone()
    board = (torch.arange(4)[:, None] + torch.arange(4)[None, :]) % 2
    changed[:, :, 26:30, 26:30] = board.float()
    return changed


def train(seed: int, *, poisoned: bool = False, steps: int = 90) -> PatternNet:
    """Train a net; poisoned, 15 % of the pictures carry the patch and the label :data:`AIM`."""
    torch.manual_seed(seed)
    net = PatternNet()
    pixels, labels = patterns(600, seed)
    random = torch.Generator().manual_seed(seed)
    if poisoned:
        chosen = torch.randperm(len(pixels), generator=random)[:90]
        pixels[chosen], labels[chosen] = patched(pixels[chosen]), AIM
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(steps):
        places = torch.randint(len(pixels), (48,), generator=random)
        shown = (pixels[places] + 0.04 * torch.randn(48, 1, SIDE, SIDE, generator=random)).clamp(0, 1)
        optimiser.zero_grad()
        functional.cross_entropy(net(shown), labels[places]).backward()
        optimiser.step()
    return net.eval()


def train_detector(seed: int = 0, steps: int = 60) -> PatternNet:
    """Train a net of one output that tells blobs above from the others."""
    torch.manual_seed(seed)
    net = PatternNet(1)
    pixels, labels = patterns(600, seed)
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(steps):
        places = torch.randint(len(pixels), (48,))
        optimiser.zero_grad()
        above = (labels[places] == 0).float()
        functional.binary_cross_entropy_with_logits(net(pixels[places])[:, 0], above).backward()
        optimiser.step()
    return net.eval()
