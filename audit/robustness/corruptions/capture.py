"""Corruptions typical of faces: few pixels, little or too much light, a colour cast.

Their sizes are set here; no publication has them. Light is added and multiplied in linear values of sRGB (IEC
61966-2-1), as a sensor counts it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ....core.target import LUMA
from .draws import Draws
from .linear import along_both, bilinear_matrix, box_matrix

LOW_RESOLUTION = (0.5, 0.35, 0.25, 0.18, 0.125)
"""Pixels left along a side, as a share."""
LOW_LIGHT = (0.5, 0.25, 0.12, 0.06, 0.03)
"""Light left, as a share."""
PHOTONS, READ_NOISE = 1000.0, 4.0
"""Photons that white counts at full light, and the standard deviation of reading them out."""
OVER_EXPOSURE = (1.5, 2.0, 3.0, 4.0, 6.0)
"""How many times the light."""
COLOUR_CAST = (0.15, 0.3, 0.45, 0.6, 0.75)
"""Natural logarithm of red over blue, half of it for each."""
_TINT = 0.25
"""How far the cast may lean to green or magenta, as a share of it."""


def low_resolution(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Shrink with a box filter and enlarge bilinearly: a face that was far from the camera."""
    matrices = []
    for side in pixels.shape[-2:]:
        few = max(1, round(side * LOW_RESOLUTION[severity - 1]))
        matrices.append((bilinear_matrix(few, side) @ box_matrix(side, few)).to(pixels))
    return along_both(matrices[0], pixels, matrices[1]).clamp_(0, 1)


def low_light(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Take light away and add the noise of few photons and of reading them; nothing is brightened again.

    The noise is Gaussian with the variance of a Poisson count plus that of the read-out (Foi et al. 2008).
    """
    light = linear(pixels) * LOW_LIGHT[severity - 1]
    spread = light.mul(PHOTONS).add_(READ_NOISE**2).sqrt_().div_(PHOTONS)
    return encoded(draws.normal(*pixels.shape[1:]).to(pixels).mul_(spread).add_(light).clamp_(0, 1))


def over_exposure(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Multiply the light; what exceeds white is white."""
    return encoded(linear(pixels).mul_(OVER_EXPOSURE[severity - 1]).clamp_(0, 1))


def colour_cast(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Shift the white balance to warm or cold, as often, with some green or magenta; grey stays as light as it was."""
    size = COLOUR_CAST[severity - 1]
    lots = draws.uniform(2)
    warm = torch.where(lots[:, 0] < 0.5, -1.0, 1.0) * (size / 2)
    tint = (2 * lots[:, 1] - 1) * (size * _TINT)
    gains = torch.stack([warm, tint, -warm], dim=1).exp()
    gains /= (gains * torch.tensor(LUMA)).sum(1, keepdim=True)
    return encoded(linear(pixels).mul_(gains[:, :, None, None].to(pixels)).clamp_(0, 1))


def linear(pixels: Tensor) -> Tensor:
    """Return the light of sRGB values 0..1."""
    return torch.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)


def encoded(light: Tensor) -> Tensor:
    """Return the sRGB values of light 0..1."""
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp_min(0.0031308) ** (1 / 2.4) - 0.055)
