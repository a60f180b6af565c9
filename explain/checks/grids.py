"""One grid of the multigrid solver: Jacobi sweeps, residual, restriction and interpolation over a batch of pictures.

A batch of pictures lies in one flat buffer, each row followed by one zero and each picture by a row of zeros, so that
sums over neighbours are sums of shifted flat buffers and what lies outside the picture adds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

RELAXATION = 1.2
"""Weight of the Jacobi sweeps. The neighbour mean of rough patterns has factors of -1/3 to 1/3, so that more than the
whole step smooths best, and any weight below 1.5 converges."""


class Field:
    """Values ``(n, c, h, w)`` on a grid, zero unless written."""

    def __init__(self, count: int, channels: int, height: int, width: int, like: Tensor) -> None:
        self.shape = (count, channels, height + 1, width + 1)
        self._lead = width + 2
        size = count * channels * (height + 1) * (width + 1)
        self._flat = torch.zeros(size + 2 * self._lead, dtype=like.dtype, device=like.device)
        self.padded = self._flat[self._lead : self._lead + size].view(self.shape)
        self.values = self.padded[..., :height, :width]

    def neighbours(self) -> Tensor:
        """Return the sum over the 3 x 3 neighbourhood weighted 1 2 1, 2 4 2, 1 2 1; as padded, the padding void."""
        flat, step = self._flat, self._lead - 1
        row = flat[:-1] + flat[1:]
        row = row[:-1] + row[1:]
        both = row[:-step] + row[step:]
        return (both[:-step] + both[step:]).view(self.shape)


@dataclass(frozen=True)
class Grid:
    """Which cells are unknown, and what of the equations follows from that.

    With S x the weighted sum over the eight neighbours and s the sum of their weights, the equations are
    ``s x - S x = b`` in unknown cells; x is given in the others.

    Attributes:
        unknown: ``(n, 1, h, w)`` 1 in unknown cells.
        inside: ``(1, 1, h, w)`` 1 in cells of the picture, 0 in cells added to even out its size.
        keep: padded, what a sweep keeps of a value.
        take: padded, what a sweep takes of the 1 2 1 sum.
        total: ``(1, 1, h, w)`` sum of the neighbours' weights.
    """

    unknown: Tensor
    inside: Tensor
    keep: Tensor
    take: Tensor
    total: Tensor

    @classmethod
    def of(cls, unknown: Tensor, inside: Tensor) -> Grid:
        """Prepare a grid."""
        here = Field(1, 1, inside.shape[-2], inside.shape[-1], like=inside)
        here.values.copy_(inside)
        total = ((here.neighbours() - 4 * here.padded) / 12)[..., :-1, :-1].clamp_min(1e-6)
        take = F.pad(unknown * (RELAXATION / 12 / total), (0, 1, 0, 1))
        keep = 1 - F.pad(unknown, (0, 1, 0, 1)) * RELAXATION - 4 * take
        return cls(unknown, inside, keep, take, total)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.unknown.shape[-2], self.unknown.shape[-1]

    def coarser(self) -> Grid:
        """Return the grid of half the size; a cell is unknown if all four of its cells are, or lie outside."""
        inside = sum_of_four(self.inside).clamp_max(1)
        unknown_or_outside = torch.maximum(self.unknown, 1 - self.inside)
        return Grid.of((sum_of_four(unknown_or_outside) == 4) * inside, inside)

    def field(self, channels: int) -> Field:
        """Return a field of zeros."""
        return Field(len(self.unknown), channels, *self.size, like=self.unknown)

    def sweep(self, x: Field, right: Tensor | None) -> None:
        """Do one weighted Jacobi sweep in place; ``right`` is what :meth:`scaled` made of the right-hand side."""
        around = x.neighbours()
        x.padded.mul_(self.keep).addcmul_(self.take, around)
        if right is not None:
            x.padded.add_(right)

    def scaled(self, right: Tensor) -> Tensor:
        """Return a right-hand side ``(n, c, h, w)`` as sweeps add it, padded."""
        return F.pad(right, (0, 1, 0, 1)).mul_(self.take * 12)

    def residual(self, x: Field, right: Tensor | None) -> Tensor:
        """Return what is missing in each equation, ``(n, c, h, w)``, zero in known cells."""
        around = x.neighbours()[..., :-1, :-1]
        left = around.sub_(x.values * (4 + 12 * self.total)).mul_(self.unknown / 12)
        return left if right is None else left.add_(right)


def sum_of_four(values: Tensor) -> Tensor:
    """Sum over the four cells of each coarse one.

    That is also how a residual is carried to the coarse grid: on twice the mesh the equations weigh four times.
    """
    rows = values[..., ::2, :] + values[..., 1::2, :]
    return rows[..., ::2] + rows[..., 1::2]


def interpolate(coarse: Tensor) -> Tensor:
    """Return coarse values ``(n, c, h, w)`` on the grid of twice the size, bilinearly."""
    return F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
