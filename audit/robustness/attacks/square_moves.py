"""How the Square Attack moves: squares within a box for L-infinity, bumps on a sphere for L2."""

from __future__ import annotations

from functools import cache
from math import sqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

TILES = 5
"""The start of L2 lays this many bumps along the shorter side (Andriushchenko et al. 2020, section 4)."""
_TINY = 1e-12


def side_of(share: float, height: int, width: int) -> int:
    """Return the side of the square that covers ``share`` of an image: at least 1, and no longer than the image."""
    return min(max(round(sqrt(share * height * width)), 1), height, width)


def odd_side_of(share: float, height: int, width: int) -> int:
    """Return the side of a bump that covers ``share``: at least 3 and odd, where the image is that large."""
    side = max(side_of(share, height, width), 3)
    side += side % 2 == 0
    largest = min(height, width)
    return min(side, largest)


def bump(side: int) -> NDArray[np.float64]:
    """Return the pattern of length 1 that L2 adds, shape (side, side): a hill beside a valley, one upon the other.

    The value of each is the sum of ``1 / j**2`` from the Chebyshev distance to its middle, plus 1, up to half the
    side, plus 1 (Andriushchenko et al. 2020, equation 2); both have the same length, as in the authors' code.
    """
    if side == 1:
        return np.ones((1, 1))
    hill, valley = _hill(side, side // 2), _hill(side, side - side // 2)
    both = np.concatenate([hill / np.linalg.norm(hill), -valley / np.linalg.norm(valley)])
    return np.asarray(both / np.linalg.norm(both))


def _hill(long: int, short: int) -> NDArray[np.float64]:
    """Return one half of a bump, shape (short, long)."""
    down = np.abs(np.arange(short) - short // 2)[:, None]
    right = np.abs(np.arange(long) - long // 2)[None, :]
    distance = np.maximum(down, right)
    terms = 1.0 / np.arange(1, long // 2 + 2) ** 2
    below = np.concatenate([[0.0], np.cumsum(terms)])
    return np.asarray(below[-1] - below[np.minimum(distance, len(terms))])


@cache
def _window(channels: int, height: int, width: int, side: int, device: torch.device) -> Tensor:
    """Return where the values of a square at the upper left lie in a flat image, shape (channels * side * side,)."""
    channel = torch.arange(channels, device=device)[:, None, None] * (height * width)
    down = torch.arange(side, device=device)[:, None] * width
    return (channel + down + torch.arange(side, device=device)).reshape(-1)


def _places(numbers: Tensor, side: int, height: int, width: int) -> Tensor:
    """Return the offset of a square's upper left corner in a flat channel, (n, 1), from two uniform numbers each."""
    down = (numbers[:, :1] * (height - side + 1)).long()
    return down * width + (numbers[:, 1:2] * (width - side + 1)).long()


def _bits(pattern: Tensor, channels: int) -> Tensor:
    """Return the bits of whole numbers (n,), one for each channel, shape (n, channels), bool."""
    return (pattern[:, None] >> torch.arange(channels, device=pattern.device)) % 2 == 1


class BoxMoves:
    """Points between ``low`` and ``high`` (n, c, h, w), each value at one or the other; they differ in squares."""

    numbers_of_move = 3

    def __init__(self, low: Tensor, high: Tensor) -> None:
        self.low, self.high = low, high
        self.points = low.clone()
        self.numbers_of_start = low.shape[1] * low.shape[3]
        self._where = self._before = torch.empty(0)

    def start(self, numbers: Tensor) -> None:
        """Set the points to stripes of one pixel's width, each of random sign in each channel."""
        count, channels, _, width = self.points.shape
        self.points = torch.where(numbers.reshape(count, channels, 1, width) < 0.5, self.low, self.high)

    def propose(self, numbers: Tensor, share: float) -> Tensor:
        """Set one square of each face to random edges of the box, one for each channel, never to what it is."""
        count, channels, height, width = self.points.shape
        side = side_of(share, height, width)
        corner = _places(numbers, side, height, width)
        where = corner + _window(channels, height, width, side, self.points.device)
        flat = self.points.view(count, -1)
        before, low, high = (
            each.reshape(count, -1).gather(1, where).view(count, channels, -1) for each in (flat, self.low, self.high)
        )
        is_high, is_low = (before == high).all(2), (before == low).all(2)
        plain = (is_high | is_low).all(1)  # then one of the patterns would change nothing: draw among the others
        patterns = 2**channels
        drawn = (numbers[:, 2] * (patterns - plain.long())).long()
        same = (is_high.long() << torch.arange(channels, device=flat.device)).sum(1)
        pattern = torch.where(plain, (same + 1 + drawn) % patterns, drawn)
        after = torch.where(_bits(pattern, channels)[:, :, None], high, low)
        self._where, self._before = where, before.view(count, -1)
        flat.scatter_(1, where, after.view(count, -1))
        return self.points

    def settle(self, better: Tensor) -> None:
        """Undo the squares of the faces that are not ``better``."""
        flat = self.points.view(len(better), -1)
        now = flat.gather(1, self._where)
        flat.scatter_(1, self._where, torch.where(better[:, None], now, self._before))

    def keep(self, kept: Tensor) -> None:
        """Forget the other faces."""
        self.points, self.low, self.high = self.points[kept], self.low[kept], self.high[kept]


class SphereMoves:
    """Points at the Euclidean distance eps from ``pixels`` (n, c, h, w), cut off at 0 and 1."""

    numbers_of_move = 6

    def __init__(self, pixels: Tensor, eps: float) -> None:
        self.pixels, self.eps = pixels, eps
        self.points = self._proposed = pixels
        height, width = pixels.shape[2:]
        self.tile = max(min(height, width) // TILES, 1)
        self.numbers_of_start = 2 * (height // self.tile) * (width // self.tile)

    def start(self, numbers: Tensor) -> None:
        """Lay bumps side by side, each of random sign in each channel and lying one way or the other."""
        count, channels, height, width = self.pixels.shape
        tile = self.tile
        down, right = height // tile, width // tile
        top, left = (height - down * tile) // 2, (width - right * tile) // 2
        signs = _signs((numbers[:, : down * right] * 2**channels).long().reshape(-1), channels, numbers)
        turned = numbers[:, down * right :].reshape(-1) < 0.5
        tiles = (signs[:, :, None, None] * self._bumps(tile, turned)).view(count, down, right, channels, tile, tile)
        change = torch.zeros_like(self.pixels)
        laid = tiles.permute(0, 3, 1, 4, 2, 5).reshape(count, channels, down * tile, right * tile)
        change[:, :, top : top + down * tile, left : left + right * tile] = laid
        self.points = self._at(change)

    def propose(self, numbers: Tensor, share: float) -> Tensor:
        """Add a bump to one window of each face, at the cost of another window and of length not yet used."""
        count, channels, height, width = self.points.shape
        side = odd_side_of(share, height, width)
        window = _window(channels, height, width, side, self.points.device)
        first = _places(numbers, side, height, width) + window
        second = _places(numbers[:, 2:4], side, height, width) + window
        change = (self.points - self.pixels).view(count, -1)
        unused = (self.eps**2 - change.square().sum(1)).clamp_(min=0.0)
        old = change.gather(1, first).view(count, channels, -1)
        change.scatter_(1, first, 0.0)
        paid = change.gather(1, second).view(count, channels, -1)  # without what both windows share
        change.scatter_(1, second, 0.0)
        length = old.norm(dim=2, keepdim=True)
        available = (length[..., 0].square() + paid.square().sum(2) + unused[:, None] / channels).sqrt()
        signs = _signs((numbers[:, 4] * 2**channels).long(), channels, self.points)
        new = signs[:, :, None] * self._bumps(side, numbers[:, 5] < 0.5).reshape(count, 1, -1)
        new = new + old / (length + _TINY)
        new = new / new.norm(dim=2, keepdim=True).clamp_(min=_TINY) * available[:, :, None]
        change.scatter_(1, first, new.view(count, -1))
        self._proposed = self._at(change.view_as(self.pixels))
        return self._proposed

    def settle(self, better: Tensor) -> None:
        """Go to the proposed points of the faces that are ``better``."""
        self.points = torch.where(better[:, None, None, None], self._proposed, self.points)

    def keep(self, kept: Tensor) -> None:
        """Forget the other faces."""
        self.points, self.pixels = self.points[kept], self.pixels[kept]

    def _bumps(self, side: int, turned: Tensor) -> Tensor:
        """Return a bump for each of ``turned`` (m,), transposed where it is set, shape (m, 1, side, side)."""
        pattern = torch.from_numpy(bump(side)).to(self.pixels)
        return torch.where(turned[:, None, None, None], pattern.T, pattern)

    def _at(self, change: Tensor) -> Tensor:
        length = change.flatten(1).norm(dim=1).clamp_(min=_TINY)
        points: Tensor = self.pixels + change * (self.eps / length)[:, None, None, None]
        return points.clamp_(0.0, 1.0)


def _signs(pattern: Tensor, channels: int, like: Tensor) -> Tensor:
    """Return -1 or 1 for each channel of whole numbers (m,), shape (m, channels)."""
    return _bits(pattern, channels).to(like) * 2 - 1
