"""The families of changes that a trigger is looked for in: what each does to a face, and how large it is.

Five, since no one family finds every trigger: a patch does much with few replaced pixels, a blended picture or a
sinusoid is small as an addition, a warp small as a flow. After Wang et al. 2019 (Neural Cleanse, IEEE S&P) for the mask
and Tao et al. 2022 (arXiv 2205.06900) for what is no patch. Sizes stand in the loss as they would on a face of 64 x 64
pixels, so that the weights that were tried there hold at other sizes of input.

Replaced pixels are not sought as few as possible, as Wang et al. do, but as a fixed share of the picture that does as
much as it can: how few suffice differs so much between clean nets that on drawn faces a patch lay 2 to 4 standard
deviations below them. What counts is then the odds that are left against the class, whose logarithm is nearly normal
over clean nets (skewness -0.2; of the cross-entropy itself, in log, -1.0).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

SIDE = 64
"""Side in pixels of the faces that steps, rates and weights were tried on."""
ROLLED = 6 / SIDE
"""How far the shifted addition is rolled, as a share of the side."""
OVAL = (0.36, 0.46)
"""Half axes of the oval that stands for the face, as shares of width and height; the crop is around the face."""
TINY = 1e-12
MASK_START = -2.0
FLOW_CELLS = 6
ON_FACE, BESIDE = 16 / SIDE**2, 32 / SIDE**2
"""Shares of the picture that are replaced: on drawn faces about half as many pixels as turn nine of ten faces of clean
nets, so that much is left undone on those."""
LEFT = "odds against the class left"


@dataclass(frozen=True)
class Family(ABC):
    """A way to change faces by some parameters that are the same for every face.

    Attributes:
        name: as plans and tables call it.
        title: as a sentence calls a change of this kind.
        unit: what its size counts.
        steps: how many steps of gradient descent are made.
        rate: learning rate of Adam.
        weight: weight of the size in the loss at the start.
        turned: share of the faces that a change must turn. Half for a displacement: clean nets on drawn faces were not
            brought to nine of ten by one, so that there would be nothing to compare a warp with.
        share: of the picture that is changed; what counts is then not how large the change is but the odds that it
            leaves against the class. ``None`` where the smallest change is sought.
        wide: times the share may be changed at first; it narrows over ``narrowing`` of the steps, since a few pixels
            at once rarely come upon the place of a patch.
    """

    name: str
    title: str
    unit: str
    steps: int
    rate: float
    weight: float
    turned: float = 0.9
    share: float | None = None
    wide: float = 16.0
    narrowing: float = 0.8

    @property
    def fixed(self) -> bool:
        """Whether the size of the change is given, and what it leaves undone is measured."""
        return self.share is not None

    def at(self, step: int) -> Family:
        """Return the family as it is at a step: with a larger share where that has yet to narrow."""
        if self.share is None:
            return self
        left = max(0.0, 1 - step / (self.narrowing * self.steps))
        return replace(self, share=min(1.0, self.share * self.wide**left))

    @abstractmethod
    def start(self, channels: int, height: int, width: int) -> list[Tensor]:
        """Return the parameters to begin with, for faces (n, channels, height, width)."""

    @abstractmethod
    def change(self, faces: Tensor, parameters: list[Tensor], random: torch.Generator) -> Tensor:
        """Return changed faces, 0 to 1, of the shape of ``faces`` (n, c, h, w)."""

    @abstractmethod
    def size(self, parameters: list[Tensor], height: int, width: int) -> Tensor:
        """Return how large the change is, in ``unit``, a scalar that can be differentiated."""

    @abstractmethod
    def picture(self, parameters: list[Tensor], height: int, width: int) -> NDArray[np.uint8]:
        """Return a picture of the change, RGB (h, w, 3); it shows no face."""

    def scale(self, height: int, width: int) -> float:
        """Return what a size is divided by to stand in the loss as on a face of 64 x 64 pixels."""
        return 1.0


@dataclass(frozen=True)
class Mask(Family):
    """``(1 - m) x + m p``: some pixels are replaced, all or in part; the sum of ``m`` is a share of the pixels at most.

    ``m`` and ``p`` are logistic functions of the parameters, so that they stay within 0 to 1. Outside the face ``m``
    is multiplied by the complement of an oval. Where the sum is above the share ``m`` is divided by the excess.
    """

    outside: bool = False

    def start(self, channels: int, height: int, width: int) -> list[Tensor]:
        """Return the same ``m`` everywhere and mid-grey ``p``."""
        return [torch.full((1, 1, height, width), MASK_START), torch.zeros(1, channels, height, width)]

    def change(self, faces: Tensor, parameters: list[Tensor], random: torch.Generator) -> Tensor:
        """Return faces with the pattern blended in."""
        mask = self._mask(parameters)
        return faces + mask * (parameters[1].sigmoid() - faces)

    def size(self, parameters: list[Tensor], height: int, width: int) -> Tensor:
        """Return the sum of the mask, pixels."""
        return self._mask(parameters).sum()

    def picture(self, parameters: list[Tensor], height: int, width: int) -> NDArray[np.uint8]:
        """Return the pattern where the mask is, on mid-grey."""
        mask, pattern = self._mask(parameters), parameters[1].sigmoid()
        return as_picture(0.5 + mask * (pattern - 0.5))

    def _mask(self, parameters: list[Tensor]) -> Tensor:
        mask = parameters[0].sigmoid()
        if self.outside:
            mask = mask * outside_oval(mask.shape[2], mask.shape[3])
        if self.share is None:
            return mask
        return mask * (self.share * mask.shape[2] * mask.shape[3] / mask.sum()).clamp(max=1)


@dataclass(frozen=True)
class Additive(Family):
    """``clip(x + d)``: something is added everywhere; its size is the root mean square of ``d``, pixels being 0 to 1.

    Shifted, ``d`` is rolled to another place at every step, so that only what works anywhere stays.
    """

    shifted: bool = False

    def start(self, channels: int, height: int, width: int) -> list[Tensor]:
        """Return no change."""
        return [torch.zeros(1, channels, height, width)]

    def change(self, faces: Tensor, parameters: list[Tensor], random: torch.Generator) -> Tensor:
        """Return faces with the addition, clipped to 0..1."""
        added = parameters[0]
        if self.shifted:
            height, width = added.shape[2:]
            down, right = (_shift(side, random) for side in (height, width))
            added = added.roll((down, right), (2, 3))
        return (faces + added).clamp(0, 1)

    def size(self, parameters: list[Tensor], height: int, width: int) -> Tensor:
        """Return the root mean square over pixels and channels."""
        return (parameters[0].square().mean() + TINY).sqrt()

    def picture(self, parameters: list[Tensor], height: int, width: int) -> NDArray[np.uint8]:
        """Return the addition around mid-grey, stretched to the largest one."""
        added = parameters[0]
        return as_picture(0.5 + 0.5 * added / added.abs().max().clamp_min(TINY))


@dataclass(frozen=True)
class Flow(Family):
    """Pixels are moved by a smooth field of 6 x 6 displacements; its size is the root mean square way, in pixels."""

    def start(self, channels: int, height: int, width: int) -> list[Tensor]:
        """Return no displacement."""
        return [torch.zeros(1, 2, FLOW_CELLS, FLOW_CELLS)]

    def change(self, faces: Tensor, parameters: list[Tensor], random: torch.Generator) -> Tensor:
        """Return faces sampled where the field points, bilinearly; beyond the edge the outermost pixels stand again."""
        count, _, height, width = faces.shape
        field = self._field(parameters, height, width)
        across = torch.tensor([2 / width, 2 / height]).reshape(1, 2, 1, 1)
        grid = _pixel_centres(height, width) + (field * across).permute(0, 2, 3, 1)
        return functional.grid_sample(
            faces, grid.expand(count, -1, -1, -1), mode="bilinear", padding_mode="border", align_corners=False
        )

    def size(self, parameters: list[Tensor], height: int, width: int) -> Tensor:
        """Return the root mean square length of the displacements, pixels."""
        return (self._field(parameters, height, width).square().sum(1).mean() + TINY).sqrt()

    def scale(self, height: int, width: int) -> float:
        """Return the side, relative to 64 pixels."""
        return _side(height, width) / SIDE

    def picture(self, parameters: list[Tensor], height: int, width: int) -> NDArray[np.uint8]:
        """Return a chequered board, moved as a face would be."""
        board = _board(height, width)
        return as_picture(self.change(board, parameters, torch.Generator()))

    def _field(self, parameters: list[Tensor], height: int, width: int) -> Tensor:
        """Return displacements in pixels, (1, 2, h, w), right and down; parameters are pixels of a 64-pixel face."""
        field = functional.interpolate(parameters[0], (height, width), mode="bicubic", align_corners=True)
        return field * self.scale(height, width)


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Mask("mask", f"{ON_FACE:.1%} of the pixels replaced", LEFT, 80, 0.3, 0.0, share=ON_FACE),
        Mask(
            "off_face",
            f"{BESIDE:.1%} of the pixels replaced beside the face",
            LEFT,
            80,
            0.3,
            0.0,
            share=BESIDE,
            outside=True,
        ),
        Additive("additive", "an addition to all pixels", "rms, pixels 0..1", 50, 0.015, 10.0),
        Additive(
            "shifted", "an addition that works wherever it stands", "rms, pixels 0..1", 36, 0.02, 3.0, shifted=True
        ),
        Flow("flow", "a smooth displacement", "rms pixels", 80, 0.2, 0.2, turned=0.5),
    )
}
"""The families by name; steps, rates and weights as tried on small clean and backdoored nets."""


def outside_oval(height: int, width: int) -> Tensor:
    """Return 1 outside the oval that stands for the face and 0 inside, (1, 1, h, w)."""
    down = (torch.arange(height) + 0.5) / height - 0.5
    right = (torch.arange(width) + 0.5) / width - 0.5
    inside = (right[None, :] / OVAL[0]) ** 2 + (down[:, None] / OVAL[1]) ** 2 <= 1
    return (~inside).float()[None, None]


def as_picture(pixels: Tensor) -> NDArray[np.uint8]:
    """Return (1, c, h, w), 0 to 1, as RGB (h, w, 3) bytes; one channel stands for all three."""
    whole = pixels.detach().clamp(0, 1).mul(255).round().byte()[0]
    shown: NDArray[np.uint8] = whole.expand(3, -1, -1).permute(1, 2, 0).numpy().copy()
    return shown


def _shift(side: int, random: torch.Generator) -> int:
    most = round(ROLLED * side)
    return int(torch.randint(-most, most + 1, (1,), generator=random))


def _side(height: int, width: int) -> float:
    return float((height * width) ** 0.5)


def _pixel_centres(height: int, width: int) -> Tensor:
    """Return the place of each pixel as grid_sample counts, (1, h, w, 2), right and down."""
    down = (2 * torch.arange(height) + 1) / height - 1
    right = (2 * torch.arange(width) + 1) / width - 1
    return torch.stack([right[None, :].expand(height, -1), down[:, None].expand(-1, width)], 2)[None]


def _board(height: int, width: int) -> Tensor:
    """Return a chequered board of about eight fields a side, (1, 1, h, w)."""
    field = max(1, round(_side(height, width) / 8))
    down, right = torch.arange(height) // field, torch.arange(width) // field
    return (0.25 + 0.5 * ((down[:, None] + right[None, :]) % 2).float())[None, None]
