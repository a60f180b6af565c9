"""The auditor's own stamps: translation-sensitive patterns, and what a detector may like without any backdoor.

A detector that has learned "sharp is genuine" scores any sharpened face as more genuine, and many like noise. So the
bank of patterns is set against an unsharp mask and random signs of the same largest change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..triggers.noise import block_noise
from .embedding import embed
from .generator import Scale, sensitive_triggers

BLUR = 1.0
"""Deviation in pixels of the blur of the unsharp mask."""
GENERATORS: tuple[tuple[int, Scale, int], ...] = ((5, 1, 8), (3, 2, 4), (5, 2, 1), (7, 2, 1))
"""Kernel and scale of the generators of the bank, and how many of each, from seeds of their own.

A backdoored net answers to some of them and not to others: of 12 of kernel 5 at 1 pixel, four nets gave 2 to 6 a
BD-AUC above 0.8. Not kernel 3 at 1 pixel: it makes stripes of single pixels, and nets without a backdoor answer to
some of those.
"""
STEPS = 100
"""Of training of each of these generators; their patterns are 95 % as sensitive after it as after twice as many."""
NOISES = 2
"""Draws of each kind of random signs."""
Part = Literal["bank", "control"]
Change = Callable[[Tensor, Tensor, float], Tensor]
"""From pixels (n, 3, h, w), mask (n, 1, h, w) and alpha to changed pixels."""


@dataclass(frozen=True, eq=False)
class Stamp:
    """One way to change faces, in one or several versions.

    Attributes:
        part: ``bank`` for the auditor's triggers, ``control`` for what no backdoor is needed to like.
        name: for tables and keys.
        changes: the versions; a face is measured under each of them.
        kernel: of the generator; ``None`` for a control.
        scale: pixels of a cell of the pattern; ``None`` where there are none.
        counts: whether a control counts in the margin; the others are shown beside it.
    """

    part: Part
    name: str
    changes: tuple[Change, ...]
    kernel: int | None = None
    scale: int | None = None
    counts: bool = True


def stamps(seed: int, side: int, crops: int) -> tuple[Stamp, ...]:
    """Return the bank and its controls.

    Args:
        seed: of generators and noise.
        side: of the patterns in pixels, the longer one of the faces.
        crops: patterns of every generator.
    """
    bank: list[Stamp] = []
    for kernel, scale, number in GENERATORS:
        for letter in ascii_lowercase[:number]:
            patterns = sensitive_triggers(seed + len(bank), crops, side, kernel=kernel, scale=scale, steps=STEPS)
            bank.append(Stamp("bank", f"k{kernel} x{scale} {letter}", tuple(map(_put, patterns)), kernel, scale))
    noises = []
    for scale in (1, 2):
        signs = [
            2 * (block_noise(seed + 100 * scale + crop, side, side, scale, 3) >= 0.5) - 1.0 for crop in range(NOISES)
        ]
        noises.append(Stamp("control", f"random signs x{scale}", tuple(map(_put, signs)), scale=scale))
    normal = torch.randn(3, side, side, generator=torch.Generator().manual_seed(seed + 300)).div(3).clamp(-1, 1)
    return (
        *bank,
        Stamp("control", "unsharp mask", (unsharp_mask,)),
        *noises,
        Stamp("control", "Gaussian noise", (_put(normal),), scale=1, counts=False),
        Stamp("control", "blur", (blur,), counts=False),
    )


def unsharp_mask(pixels: Tensor, mask: Tensor, alpha: float) -> Tensor:
    """Return ``x + (x - blurred x)`` inside the mask, no pixel changed by more than ``alpha`` times itself."""
    return _limited(pixels, pixels - blurred(pixels), mask, alpha)


def blur(pixels: Tensor, mask: Tensor, alpha: float) -> Tensor:
    """Return the blurred face inside the mask, no pixel changed by more than ``alpha`` times itself."""
    return _limited(pixels, blurred(pixels) - pixels, mask, alpha)


def blurred(pixels: Tensor, sigma: float = BLUR) -> Tensor:
    """Return faces (n, 3, h, w) after a Gaussian blur; the edge is mirrored."""
    reach = int(3 * sigma + 0.5)
    weight = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=pixels.dtype) / sigma) ** 2)
    weight = (weight / weight.sum()).to(pixels)
    channels = pixels.shape[1]
    padded = F.pad(pixels, (reach, reach, reach, reach), mode="reflect")
    across = F.conv2d(padded, weight.expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(across, weight[:, None].expand(channels, 1, -1, 1), groups=channels)


def _put(pattern: Tensor) -> Change:
    def change(pixels: Tensor, mask: Tensor, alpha: float) -> Tensor:
        height, width = pixels.shape[-2:]
        return embed(pixels, pattern[:, :height, :width].to(pixels), mask, alpha)

    return change


def _limited(pixels: Tensor, change: Tensor, mask: Tensor, alpha: float) -> Tensor:
    most = alpha * pixels
    return (pixels + mask * change.clamp(-most, most)).clamp(0, 1)
