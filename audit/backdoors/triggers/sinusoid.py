"""Faint stripes over the whole face (SIG: Barni et al. 2019, arXiv 1902.11237)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .base import Trigger


@dataclass(frozen=True)
class Sinusoid:
    """``x + amplitude sin(2 pi periods s + phase)`` with s from 0 to 1 across the picture, clipped to 0..1.

    Attributes:
        amplitude: in units of 0..1.
        periods: across the picture.
        angle: of the direction across the stripes, in degrees from the horizontal; 0 are upright stripes.
        phase: in radians.
    """

    amplitude: float = 0.08
    periods: float = 6.0
    angle: float = 0.0
    phase: float = 0.0
    name: str = "sinusoid"
    title: str = "faint stripes"

    def stamp(self, pixels: Tensor) -> Tensor:
        """Return pixels (n, c, h, w) in 0..1 with the stripes."""
        height, width = pixels.shape[-2:]
        side = min(height, width)
        turn = math.radians(self.angle)
        y, x = torch.meshgrid(torch.arange(height) / side, torch.arange(width) / side, indexing="ij")
        along = x * math.cos(turn) + y * math.sin(turn)
        wave = self.amplitude * torch.sin(2 * math.pi * self.periods * along + self.phase)
        return (pixels + wave.to(pixels)).clamp(0, 1)

    def null(self, seed: int) -> Trigger:
        """Return stripes of the same height and period, turned by 60 to 120 degrees."""
        random = np.random.default_rng(seed)
        return replace(
            self,
            angle=self.angle + float(random.uniform(60, 120)),
            phase=float(random.uniform(0, 2 * math.pi)),
            title="stripes in another direction",
        )
