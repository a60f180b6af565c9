"""What chance decides about a face: a stream of numbers keyed by seed, row and purpose, never by the batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Draws:
    """Random numbers of some faces, each from a generator of its own; what is drawn next differs.

    Args:
        seed: decides everything together with the row and the stream.
        rows: the faces' positions in the audited data, shape (n,), 0 or more.
        stream: of what the numbers are used for, 0 or more.
    """

    def __init__(self, seed: int, rows: NDArray[np.int64], stream: int) -> None:
        # Philox (Salmon et al. 2011): the key holds seed and row, the last word of the counter the stream.
        self._generators = [
            np.random.Generator(
                np.random.Philox(
                    key=np.array([seed % 2**64, row], dtype=np.uint64),
                    counter=np.array([0, 0, 0, stream], dtype=np.uint64),
                )
            )
            for row in rows.tolist()
        ]

    def __len__(self) -> int:
        return len(self._generators)

    def __iter__(self) -> Iterator[np.random.Generator]:
        return iter(self._generators)

    def normal(self, *shape: int) -> Tensor:
        """Return standard normal numbers, shape (n, ...), float32."""
        drawn = np.empty((len(self), *shape), dtype=np.float32)
        for face, generator in zip(drawn, self, strict=True):
            generator.standard_normal(out=face, dtype=np.float32)
        return torch.from_numpy(drawn)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Return numbers uniform between two bounds, shape (n, ...), float32."""
        drawn = np.empty((len(self), *shape), dtype=np.float32)
        for face, generator in zip(drawn.reshape(len(self), -1), self, strict=True):
            generator.random(out=face, dtype=np.float32)
        return torch.from_numpy(drawn).mul_(high - low).add_(low)

    def below(self, limit: int, *shape: int) -> NDArray[np.int64]:
        """Return whole numbers from 0 to ``limit - 1``, shape (n, ...)."""
        drawn = np.empty((len(self), *shape), dtype=np.int64)
        for place, generator in enumerate(self):
            drawn[place] = generator.integers(limit, size=shape)
        return drawn
