"""The corruptions called weather in ImageNet-C: snow, fog and brightness; frost is beside."""

from __future__ import annotations

import torch
from torch import Tensor

from ....core.target import LUMA
from .blurs import enlarged, moved
from .draws import Draws
from .lengths import share
from .plasma import plasma

SNOW = (
    (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
    (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
    (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
    (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
)
"""Mean and sd of the noise, size of a flake, threshold, radius and sd of its path, how much of the colour stays."""
FOG = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))
"""Thickness, and the decay of the surface's wobble."""
BRIGHTNESS = (0.1, 0.2, 0.3, 0.4, 0.5)


def snow(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Whiten, and add falling flakes: enlarged noise above a threshold, smeared downwards.

    A flake is at least one pixel large.
    """
    mean, sd, flake, threshold, radius, sigma, stays = SNOW[severity - 1]
    scale = share(pixels)
    height, width = pixels.shape[-2:]
    noise = draws.normal(1, height, width).mul_(sd).add_(mean)
    angles = draws.uniform(low=-135, high=-45)
    layer = enlarged(noise, max(1.0, flake * scale))
    layer = torch.where(layer < threshold, 0.0, layer).clamp_(0, 1)
    layer = moved(layer, radius * scale, sigma * scale, angles)
    layer = layer.mul_(255).round_().div_(255)[..., :height, :width].to(pixels)
    grey = (pixels * pixels.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    whitened = stays * pixels + (1 - stays) * torch.maximum(pixels, grey * 1.5 + 0.5)
    return (whitened + layer + layer.flip(2, 3)).clamp_(0, 1)


def fog(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Add a cloudy surface and compress what results to the face's brightest value."""
    thickness, decay = FOG[severity - 1]
    height, width = pixels.shape[-2:]
    side = 1 << (max(height, width) - 1).bit_length()
    cloud = torch.from_numpy(plasma(draws, side, decay)[:, None, :height, :width]).to(pixels)
    brightest = pixels.amax((1, 2, 3), keepdim=True)
    return (pixels + thickness * cloud).mul_(brightest / (brightest + thickness)).clamp_(0, 1)


def brightness(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Raise the value of the HSV colour; hue and saturation stay, so all channels grow by one factor."""
    value = pixels.amax(1, keepdim=True)
    raised = (value + BRIGHTNESS[severity - 1]).clamp_(0, 1)
    factor = torch.where(value > 0, raised / value.clamp_min(torch.finfo(value.dtype).tiny), 0.0)
    return torch.where(value > 0, pixels * factor, raised).clamp_(0, 1)
