"""Noise of a face that depends on the seed and the face's row alone, never on the batch it is in.

Sign noise of size eps is the control of every attack: a search that is worth its name does better.
"""

from __future__ import annotations

from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CONTROL_STREAM = 0
"""Stream of the control; the restarts of an attack use 1, 2, ..."""
_STREAMS = 2**16


def _generator(seed: int, row: int, stream: int) -> np.random.Generator:
    """Return a counter-based generator keyed by the three numbers (Philox, Salmon et al. 2011)."""
    key = np.array([seed % 2**64, row * _STREAMS + stream], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def uniform_noise(seed: int, rows: NDArray[np.int64], like: Tensor, stream: int) -> Tensor:
    """Return noise uniform in -1..1 with the shape (n, ...), dtype and device of ``like``."""
    shape = tuple(like.shape[1:])
    drawn = np.empty((len(rows), *shape), dtype=np.float32)
    for image, row in zip(drawn, rows.tolist(), strict=True):
        _generator(seed, row, stream).random(out=image, dtype=np.float32)
    return torch.from_numpy(drawn).to(like).mul_(2).sub_(1)


def sign_noise(seed: int, rows: NDArray[np.int64], like: Tensor, stream: int = CONTROL_STREAM) -> Tensor:
    """Return noise of -1 or +1 with equal chance, with the shape, dtype and device of ``like``."""
    shape = tuple(like.shape[1:])
    size = prod(shape)
    bits = np.empty((len(rows), size), dtype=np.uint8)
    for image, row in zip(bits, rows.tolist(), strict=True):
        random_bytes = np.frombuffer(_generator(seed, row, stream).bytes(-(-size // 8)), dtype=np.uint8)
        image[:] = np.unpackbits(random_bytes, count=size)
    return torch.from_numpy(bits.reshape(len(rows), *shape)).to(like).mul_(2).sub_(1)
