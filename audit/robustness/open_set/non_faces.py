"""Pictures that show no face, made from the faces themselves: no other data are needed.

What is random of a picture hangs on the seed and the face's row alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..noise import uniform_noise

PATCHES = 8
"""Patches to a side of a shuffled face."""
COARSE = 4
"""Pixels to a side that a blurred face is reduced to."""
_NOISE, _PHASE, _ORDER = 1, 2, 3
_Make = Callable[[int, NDArray[np.int64], Tensor], Tensor]


def _noise(seed: int, rows: NDArray[np.int64], pixels: Tensor) -> Tensor:
    return uniform_noise(seed, rows, pixels, _NOISE).add(1).div(2)


def _flat(seed: int, rows: NDArray[np.int64], pixels: Tensor) -> Tensor:
    return pixels.mean((2, 3), keepdim=True).expand_as(pixels).clone()


def _scrambled(seed: int, rows: NDArray[np.int64], pixels: Tensor) -> Tensor:
    """Give every channel the same random phases, which keeps its spectrum and how the colours go together."""
    noise = uniform_noise(seed, rows, pixels[:, :1], _PHASE)
    turn = torch.fft.rfft2(noise)
    turn = turn / turn.abs().clamp_min(1e-12)
    turn[..., 0, 0] = 1  # the mean stays
    made: Tensor = torch.fft.irfft2(torch.fft.rfft2(pixels) * turn, s=pixels.shape[2:])
    return made.clamp(0, 1)


def _shuffled(seed: int, rows: NDArray[np.int64], pixels: Tensor) -> Tensor:
    """Deal out the patches of a grid anew; a rim that fills no patch stays where it is."""
    high, wide = max(1, pixels.shape[2] // PATCHES), max(1, pixels.shape[3] // PATCHES)
    down, across = min(PATCHES, pixels.shape[2]), min(PATCHES, pixels.shape[3])
    made = pixels.clone()
    order = uniform_noise(seed, rows, pixels.new_empty((len(pixels), down * across)), _ORDER).argsort(1)
    count = len(pixels)
    inner = pixels[:, :, : down * high, : across * wide].reshape(count, 3, down, high, across, wide)
    patches = inner.permute(0, 2, 4, 1, 3, 5).reshape(count, down * across, 3, high, wide)
    dealt = patches[torch.arange(count, device=pixels.device)[:, None], order].reshape(
        count, down, across, 3, high, wide
    )
    made[:, :, : down * high, : across * wide] = dealt.permute(0, 3, 1, 4, 2, 5).reshape(
        count, 3, down * high, across * wide
    )
    return made


def _blurred(seed: int, rows: NDArray[np.int64], pixels: Tensor) -> Tensor:
    coarse = functional.adaptive_avg_pool2d(pixels, COARSE)
    return functional.interpolate(coarse, pixels.shape[2:], mode="bilinear", align_corners=False)


NON_FACES: Mapping[str, _Make] = {
    "noise": _noise,
    "flat": _flat,
    "blurred": _blurred,
    "scrambled": _scrambled,
    "shuffled": _shuffled,
}
TITLES: Mapping[str, str] = {
    "noise": "uniform noise",
    "flat": "flat colours",
    "blurred": f"faces of {COARSE} x {COARSE} pixels",
    "scrambled": "faces with scrambled phases",
    "shuffled": "faces with shuffled patches",
}


def make_non_faces(name: str, seed: int, rows: NDArray[np.int64], pixels: Tensor) -> Tensor:
    """Return pictures without a face, one for each face.

    Args:
        name: ``noise`` (uniform), ``flat`` (the mean colour of the face), ``blurred`` (4 x 4 pixels of it, enlarged),
            ``scrambled`` (its amplitude spectrum with random phases, the same for all channels; Oppenheim and Lim 1981)
            or ``shuffled`` (its 8 x 8 patches in random order).
        seed: of the plan.
        rows: of the faces, shape (n,).
        pixels: the faces, shape (n, 3, h, w), 0..1.
    """
    return NON_FACES[name](seed, rows, pixels)
