"""From numbers between -1 and 1 to faces: paint, tint, and low frequencies, each within its own bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from ..occlusion.paint import Painting
from .areas import Area


class Surface(Protocol):
    """What may be done to n faces, as a map from settings to pixels."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the settings of a face."""
        ...

    def take(self, places: Tensor) -> Surface:
        """Return the surface of some of the faces."""
        ...

    def render(self, settings: Tensor) -> Tensor:
        """Return pixels (n, 3, h, w), 0..1, of settings (n, *shape), -1..1; differentiable."""
        ...

    def excess(self, pixels: Tensor) -> Tensor:
        """Return by how much pixels (n, 3, h, w) go beyond what may be done, at most, shape (n,); NaN stays NaN."""
        ...


@dataclass(frozen=True, eq=False)
class Paint:
    """Any colours over an area: what is covered no longer shows. Colours vary smoothly between the cells of a grid.

    Attributes:
        pixels: the faces, (n, 3, h, w).
        share: how much of each pixel is covered, (n, 1, h, w), 0..1.
        places: where in the grid each pixel lies, (n, h, w, 2), -1..1.
        cells: rows and columns of the grid.
    """

    pixels: Tensor
    share: Tensor
    places: Tensor
    cells: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the settings of a face."""
        return (self.pixels.shape[1], *self.cells)

    def take(self, places: Tensor) -> Paint:
        """Return the paint of some of the faces."""
        return type(self)(self.pixels[places], self.share[places], self.places[places], self.cells)

    def render(self, settings: Tensor) -> Tensor:
        """Lay the colours over the faces."""
        colours = (self._spread(settings) + 1) / 2
        return (self.pixels + self.share * (colours - self.pixels)).clamp(0.0, 1.0)

    def excess(self, pixels: Tensor) -> Tensor:
        """Outside the area nothing may change; inside the face may be covered by black at the least, white at most."""
        black = self.pixels * (1 - self.share)
        return _largest(torch.maximum(black - pixels, pixels - black - self.share), pixels)

    def _spread(self, settings: Tensor) -> Tensor:
        return grid_sample(settings, self.places, mode="bilinear", padding_mode="border", align_corners=True)


@dataclass(frozen=True, eq=False)
class Tint(Paint):
    """A change of colour of at most eps in an area; the skin shows through."""

    eps: float = 0.0

    def take(self, places: Tensor) -> Tint:
        """Return the tint of some of the faces."""
        return Tint(self.pixels[places], self.share[places], self.places[places], self.cells, self.eps)

    def render(self, settings: Tensor) -> Tensor:
        """Change the colours of the faces."""
        return (self.pixels + self.eps * self.share * self._spread(settings)).clamp(0.0, 1.0)

    def excess(self, pixels: Tensor) -> Tensor:
        """Nothing may change by more than eps times what is covered."""
        return _largest((pixels - self.pixels).abs() - self.eps * self.share, pixels)


@dataclass(frozen=True, eq=False)
class LowFrequency:
    """A change of the whole crop of at most eps, made of its lowest frequencies (of the discrete cosine transform).

    The settings are the change at the middles of ``frequencies`` times ``frequencies`` cells; between them runs the
    sum of as many cosines down and across that passes through all. Where it would rise above eps it is scaled down as
    a whole, which keeps it smooth; being cut off at 0 and 1 is all that adds higher frequencies.
    """

    pixels: Tensor
    eps: float
    frequencies: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the settings of a face."""
        return (self.pixels.shape[1], self.frequencies, self.frequencies)

    def take(self, places: Tensor) -> LowFrequency:
        """Return the change of some of the faces."""
        return LowFrequency(self.pixels[places], self.eps, self.frequencies)

    def render(self, settings: Tensor) -> Tensor:
        """Add the change to the faces."""
        height, width = self.pixels.shape[2:]
        down, right = (cosines(side, self.frequencies).to(settings) for side in (height, width))
        change = down @ settings @ right.T
        change = change / change.abs().amax((1, 2, 3), keepdim=True).clamp(min=1.0)
        return (self.pixels + self.eps * change).clamp(0.0, 1.0)

    def excess(self, pixels: Tensor) -> Tensor:
        """Nothing may change by more than eps."""
        return _largest((pixels - self.pixels).abs() - self.eps, pixels)


def cosines(side: int, frequencies: int) -> Tensor:
    """Return the map from values at the middles of cells to a line of ``side`` pixels, (side, frequencies), float64.

    It is the type II discrete cosine transform of the values, with nothing above them, transformed back.
    """
    fine, coarse = (_transform(count, frequencies) for count in (side, frequencies))
    return torch.from_numpy(np.sqrt(side / frequencies) * fine.T @ coarse)


def _transform(count: int, frequencies: int) -> np.ndarray:
    """Return the lowest rows of the orthonormal type II transform of ``count`` values, (frequencies, count)."""
    middles = (np.arange(count) + 0.5) / count
    rows = np.cos(np.pi * np.arange(frequencies)[:, None] * middles) * np.sqrt(2 / count)
    rows[0] /= np.sqrt(2)
    return np.asarray(rows)


def _largest(beyond: Tensor, pixels: Tensor) -> Tensor:
    outside = torch.maximum(-pixels, pixels - 1)
    return torch.maximum(beyond, outside).flatten(1).amax(1)  # carries NaN on


def paint(pixels: Tensor, area: Area, painting: Painting) -> Paint:
    """Return the paint of an area."""
    return Paint(pixels, *_on(pixels, area, painting), area.cells)


def tint(pixels: Tensor, area: Area, painting: Painting, eps: float) -> Tint:
    """Return the tint of an area."""
    return Tint(pixels, *_on(pixels, area, painting), area.cells, eps)


def _on(pixels: Tensor, area: Area, painting: Painting) -> tuple[Tensor, Tensor]:
    """Return what is covered, (n, 1, h, w), and where in the grid each pixel lies, (n, h, w, 2)."""
    left, upper, right, lower = (each[:, None, None] for each in area.box.T)
    x, y = 2 * (painting.x - left) / (right - left) - 1, 2 * (painting.y - upper) / (lower - upper) - 1
    places = torch.from_numpy(np.stack([x, y], axis=-1)).to(pixels)
    return torch.from_numpy(area.share)[:, None].to(pixels), places
