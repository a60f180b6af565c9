"""A net that reads one patch of the face and nothing else, so that the right map is known."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from countenance.core.plan import InputSpec, TargetSpec
from countenance.core.target import Target

SIDE = 32
PATCH = (slice(18, 28), slice(4, 16))
ELSEWHERE = (slice(2, 12), slice(18, 30))


class PatchNet(nn.Module):
    """Logits (n, 2): how the lower left patch differs from grey, and zero."""

    def __init__(self) -> None:
        super().__init__()
        weights = torch.zeros(1, 3, SIDE, SIDE)
        pattern = torch.randn(10, 12, generator=torch.Generator().manual_seed(0)).sign()
        weights[0, :, PATCH[0], PATCH[1]] = pattern
        self.weights = nn.Parameter(weights)

    def forward(self, x: Tensor) -> Tensor:
        evidence = (x * self.weights).mean((1, 2, 3)) * 200
        return torch.stack([evidence, torch.zeros_like(evidence)], 1)


def target_of(net: nn.Module, size: int = SIDE, channels: str = "rgb", std: float = 0.5) -> Target:
    spec = TargetSpec(
        checkpoint="x.pt2",
        task="expression",
        classes=["happy", "neutral"],
        input=InputSpec(size=size, channels=channels, mean=(0.5,), std=(std,)),
        output="logits",
    )
    return Target(net, spec, format="module")


def faces_with_pattern(count: int) -> Tensor:
    """Return pixels (n, 3, 32, 32) in 0..1 that the net calls happy: its pattern, and noise elsewhere."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.nn.functional.interpolate(torch.rand(count, 3, 8, 8, generator=generator), size=SIDE)
    pattern = torch.randn(10, 12, generator=torch.Generator().manual_seed(0)).sign()
    pixels[:, :, PATCH[0], PATCH[1]] = 0.5 + 0.4 * pattern
    return pixels


def map_of(region: tuple[slice, slice], count: int, seed: int = 0) -> Tensor:
    """Return maps (n, 32, 32) in 0..1 that are high in a region; a little noise breaks ties."""
    maps = 0.05 * torch.rand(count, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    maps[:, region[0], region[1]] += 0.9
    return maps
