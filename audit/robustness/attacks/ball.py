"""The set of perturbed faces an attack may choose from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..noise import CONTROL_STREAM, sign_noise, uniform_noise

Norm = Literal["linf", "l2"]
"""How the size of a change is measured: its largest value, or its Euclidean length over all channel values."""


_SHORT, _LONG = 1e-12, 1e12


class Ball(ABC):
    """Every image within eps of a face, in one norm, with all values within 0..1.

    Attributes:
        norm: the norm's name.
        pixels: the faces in the middle, shape (n, 3, h, w).
        eps: the radius, in units of 0..1.
    """

    norm: ClassVar[Norm]

    def __init__(self, pixels: Tensor, eps: float) -> None:
        self.pixels = pixels
        self.eps = eps

    @abstractmethod
    def at(self, unit: Tensor) -> Tensor:
        """Return the point reached by moving eps times ``unit`` (n, 3, h, w; of norm 1 or less), cut off at 0 and 1."""

    @abstractmethod
    def start(self, seed: int, rows: NDArray[np.int64], stream: int) -> Tensor:
        """Return a uniformly drawn point of the ball, cut off at 0 and 1; it depends on seed, row and stream alone."""

    @abstractmethod
    def control(self, seed: int, rows: NDArray[np.int64]) -> Tensor:
        """Return the faces with plus or minus the same value at random in every channel, as large as eps allows."""

    @abstractmethod
    def step(self, points: Tensor, gradient: Tensor, size: float | Tensor) -> Tensor:
        """Move by ``size`` (one for all, or (n, 1, 1, 1)) in the steepest direction of this norm, and project."""

    @abstractmethod
    def project(self, points: Tensor) -> Tensor:
        """Bring points (n, 3, h, w) back into the ball; ``points`` may be overwritten."""

    @abstractmethod
    def distance(self, points: Tensor) -> Tensor:
        """Return how far points are from the faces, shape (n,)."""

    def subset(self, kept: Tensor) -> Self:
        """Return the ball around the faces at the positions ``kept`` (m,), int64."""
        return type(self)(self.pixels.index_select(0, kept), self.eps)


class LinfBall(Ball):
    """Every image that differs by at most eps in each channel of each pixel and stays within 0..1."""

    norm = "linf"

    def __init__(self, pixels: Tensor, eps: float) -> None:
        super().__init__(pixels, eps)
        self.low = (pixels - eps).clamp_(min=0.0)
        self.high = (pixels + eps).clamp_(max=1.0)

    def at(self, unit: Tensor) -> Tensor:
        """Return the point reached by moving eps times ``unit`` (n, 3, h, w; -1..1), cut off at 0 and 1."""
        return torch.add(self.pixels, unit, alpha=self.eps).clamp_(self.low, self.high)

    def start(self, seed: int, rows: NDArray[np.int64], stream: int) -> Tensor:
        """Return the face with every value moved by its own uniform share of eps, cut off at 0 and 1."""
        return self.at(uniform_noise(seed, rows, self.pixels, stream))

    def control(self, seed: int, rows: NDArray[np.int64]) -> Tensor:
        """Return the faces with plus or minus eps at random in every channel of every pixel."""
        return self.at(sign_noise(seed, rows, self.pixels, CONTROL_STREAM))

    def step(self, points: Tensor, gradient: Tensor, size: float | Tensor) -> Tensor:
        """Move each value by ``size`` along the sign of the gradient and project back into the ball."""
        moved = gradient.sign()
        if isinstance(size, Tensor):
            torch.addcmul(points, moved, size, out=moved)
        else:
            torch.add(points, moved, alpha=size, out=moved)
        return moved.clamp_(self.low, self.high)

    def project(self, points: Tensor) -> Tensor:
        """Cut each value off at eps from the face's, and at 0 and 1."""
        return points.clamp_(self.low, self.high)

    def distance(self, points: Tensor) -> Tensor:
        """Return the largest change of any channel value, shape (n,)."""
        return (points - self.pixels).abs_().amax((1, 2, 3))


class L2Ball(Ball):
    """Every image whose change, taken over all channel values, is at most eps long, and that stays within 0..1."""

    norm = "l2"

    def at(self, unit: Tensor) -> Tensor:
        """Return the point reached by moving eps times ``unit`` (n, 3, h, w; length 1 or less), cut off at 0 and 1."""
        return torch.add(self.pixels, unit, alpha=self.eps).clamp_(0.0, 1.0)

    def start(self, seed: int, rows: NDArray[np.int64], stream: int) -> Tensor:
        """Return a uniform point of the ball, cut off at 0 and 1.

        Of a uniform point on the sphere in d + 2 dimensions, any d coordinates are uniform in the ball.
        """
        values = self.pixels[0].numel()
        uniform = uniform_noise(seed, rows, self.pixels.new_empty((len(rows), values + 2)), stream)
        ends = 1 - torch.finfo(uniform.dtype).eps  # at -1 itself the quantile is infinite
        normal = torch.erfinv(uniform.clamp_(-ends, ends))
        normal /= torch.linalg.vector_norm(normal, dim=1, keepdim=True)
        return self.at(normal[:, :values].reshape(self.pixels.shape))

    def control(self, seed: int, rows: NDArray[np.int64]) -> Tensor:
        """Return the faces with plus or minus eps / sqrt(values) at random in every channel of every pixel."""
        return self.at(sign_noise(seed, rows, self.pixels, CONTROL_STREAM).div_(self.pixels[0].numel() ** 0.5))

    def step(self, points: Tensor, gradient: Tensor, size: float | Tensor) -> Tensor:
        """Move by ``size`` along the gradient and project back into the ball; a gradient of zero moves nothing."""
        length = _length(gradient)
        if not ((length > _SHORT) & (length < _LONG)).all():  # squares may be too small or too large to hold
            largest = gradient.abs().amax((1, 2, 3), keepdim=True)
            gradient = gradient / torch.where(largest > 0, largest, 1)
            length = _length(gradient)
        return self.project(torch.addcmul(points, gradient, size / torch.where(length > 0, length, 1)))

    def project(self, points: Tensor) -> Tensor:
        """Shorten a change that is too long, then cut off at 0 and 1, which shortens it further."""
        change = points.sub_(self.pixels)
        length = _length(change)
        share = torch.where(length > self.eps, self.eps / length, 1)
        return torch.addcmul(self.pixels, change, share).clamp_(0.0, 1.0)

    def distance(self, points: Tensor) -> Tensor:
        """Return the length of the change, shape (n,)."""
        return _length(points - self.pixels).flatten()


def _length(values: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(values, dim=(1, 2, 3), keepdim=True)
    return length


_BALLS: dict[Norm, type[Ball]] = {"linf": LinfBall, "l2": L2Ball}


def pick(chosen: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Return finite ``new`` (n, 3, h, w) where ``chosen`` (n,) bool, else ``old``: torch.where, three times as fast."""
    return torch.lerp(old, new, chosen.to(new.dtype)[:, None, None, None])


def ball(norm: Norm, pixels: Tensor, eps: float) -> Ball:
    """Return the ball of radius ``eps`` in the norm of that name around faces (n, 3, h, w)."""
    return _BALLS[norm](pixels, eps)
