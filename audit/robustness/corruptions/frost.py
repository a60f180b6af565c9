"""Frost: the published blend, with a texture that is made here in place of photographs of frozen panes.

ImageNet-C lays crops of five photographs over the picture. They are not ours to copy. The texture is noise with the
mean colour, the contrast within a crop and the spectrum that were measured on crops of those photographs, made of
needles in several directions, of which the brightest (on panes whose dark cracks stand out: the darkest) shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from .draws import Draws

FROST = ((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))
"""How much of the face stays, and how much of the texture is added."""
BANDS = (1.0, 4.0, 8.0, 16.0, 32.0, 64.0, 160.0)
"""Edges of the bands of frequency, in cycles over the picture; the last is the diagonal's highest at 224 pixels."""
FLATTENING = (0.35, 0.95, 1.0, 1.2, 1.25, 3.0)
"""What taking the brightest needle does to the power of each band, about; it is taken off beforehand."""
DIRECTIONS, TURNS = 5, 4
_SHARPNESS = 14.0
"""How narrow the wedge of the spectrum is that makes a needle."""


@dataclass(frozen=True)
class Pane:
    """What was measured on crops of 224 pixels of one photograph.

    Attributes:
        colour: mean, RGB 0..1.
        contrast: standard deviation within a crop.
        power: shares of the power in each of :data:`BANDS`.
        sign: 1 where bright needles stand out, -1 where dark ones do.
    """

    colour: tuple[float, float, float]
    contrast: float
    power: tuple[float, ...]
    sign: int


_CRACKED = Pane((0.776, 0.793, 0.829), 0.076, (0.307, 0.108, 0.166, 0.161, 0.187, 0.071), -1)
PANES = (
    Pane((0.300, 0.579, 0.644), 0.058, (0.505, 0.081, 0.054, 0.085, 0.183, 0.092), 1),
    _CRACKED,
    _CRACKED,  # the same photograph twice
    Pane((0.568, 0.625, 0.676), 0.101, (0.196, 0.069, 0.125, 0.197, 0.291, 0.122), -1),
    Pane((0.394, 0.439, 0.486), 0.134, (0.224, 0.159, 0.160, 0.173, 0.177, 0.107), 1),
)


def frost(pixels: Tensor, severity: int, draws: Draws) -> Tensor:
    """Lay a frozen pane over the face; each of the five with equal chance."""
    stays, added = FROST[severity - 1]
    panes, turns = draws.below(len(PANES)).tolist(), draws.below(TURNS).tolist()
    height, width = pixels.shape[-2:]
    noise = draws.normal(height, width)
    out = torch.empty_like(pixels)
    for face, place, turn, grains, result in zip(pixels, panes, turns, noise, out, strict=True):
        pane = PANES[place]
        texture = needles(grains, place, turn).mul_(pane.contrast).to(pixels)
        laid = (pixels.new_tensor(pane.colour).view(3, 1, 1) + texture).clamp_(0, 1)
        torch.add(face * stays, laid, alpha=added, out=result)
    return out.clamp_(0, 1)


def needles(noise: Tensor, pane: int, turn: int) -> Tensor:
    """Return a texture of mean 0 and sd 1, shape (h, w), with the spectrum of a pane.

    Args:
        noise: standard normal, shape (h, w).
        pane: place in :data:`PANES`.
        turn: which set of directions, 0 to ``TURNS - 1``.
    """
    height, width = noise.shape
    spectrum = torch.fft.rfft2(noise) * _amplitudes(height, width)[pane]
    parts = torch.fft.irfft2(spectrum * _wedges(height, width)[turn::TURNS], s=(height, width))
    brightest = parts.amax(0)
    brightest -= brightest.mean()
    texture: Tensor = brightest.mul_(PANES[pane].sign / float(brightest.std()))
    return texture


def _frequencies(height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return size (cycles over the picture) and angle of every frequency that ``rfft2`` gives."""
    down = torch.fft.fftfreq(height)[:, None] * height
    right = torch.fft.rfftfreq(width)[None] * width
    return torch.hypot(down, right), torch.atan2(down, right.expand(height, -1))


@lru_cache(maxsize=8)
def _amplitudes(height: int, width: int) -> Tensor:
    """Return each pane's amplitude at each frequency, interpolated between the bands, shape (5, h, w // 2 + 1)."""
    size = _frequencies(height, width)[0].clamp_min(BANDS[0]).numpy()
    edges = np.array(BANDS)
    area = np.diff(edges**2)  # so many frequencies, up to a factor, are in a band
    middles = np.log(np.sqrt(edges[1:] * edges[:-1]))
    found = [np.interp(np.log(size), middles, np.log(np.array(pane.power) / FLATTENING / area)) for pane in PANES]
    return torch.from_numpy(np.exp(np.stack(found) / 2)).float()


@lru_cache(maxsize=8)
def _wedges(height: int, width: int) -> Tensor:
    """Return how much each direction keeps of each frequency, shape (directions times turns, h, w // 2 + 1)."""
    angle = _frequencies(height, width)[1]
    at = torch.arange(DIRECTIONS * TURNS)[:, None, None] * (np.pi / (DIRECTIONS * TURNS))
    return torch.exp(_SHARPNESS * (torch.cos(2 * (angle - at)) - 1) / 2)
