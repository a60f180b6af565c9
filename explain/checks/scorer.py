"""Class scores of perturbed faces, in the planes that a perturbation has to fill: three for colour, one for grey."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...core.target import LUMA, Target


class Scorer:
    """Gives a target's class scores for planes.

    A model that sees grey gets one plane instead of three equal ones, which makes filling in three times cheaper.

    Args:
        target: the model under audit.
        batch_size: faces that it is given at once.

    Attributes:
        unit: ``(c, 1, 1)`` the standard deviation that the model's input is divided by: one unit of its input, in
            pixel values.
    """

    def __init__(self, target: Target, batch_size: int) -> None:
        self._target = target
        self._batch_size = batch_size
        self._grey = target.input.channels == "grey"
        channels = 1 if self._grey else 3
        self.unit = torch.tensor(target.input.std, device=target.device).expand(channels).reshape(-1, 1, 1)
        if target.input.channels == "bgr":
            self.unit = self.unit.flip(0)

    def planes(self, pixels: Tensor) -> Tensor:
        """Return what the model sees of pixels ``(n, 3, h, w)`` as planes ``(n, c, h, w)`` in 0..1."""
        if not self._grey:
            return pixels
        return (pixels * torch.tensor(LUMA, device=pixels.device).reshape(1, 3, 1, 1)).sum(1, keepdim=True)

    def logits(self, planes: Tensor) -> Tensor:
        """Return class logits ``(n, classes)`` of planes ``(n, c, h, w)``."""
        parts = planes.chunk(max(1, math.ceil(len(planes) / self._batch_size)))
        with torch.no_grad():
            return torch.cat([self._target.scores(part.expand(-1, 3, -1, -1)) for part in parts])

    def class_logits(self, planes: Tensor, classes: Tensor) -> Tensor:
        """Return the logit of each picture's class, ``(n,)``."""
        return self.logits(planes).gather(1, classes[:, None])[:, 0]

    def class_probabilities(self, planes: Tensor, classes: Tensor) -> Tensor:
        """Return the probability of each picture's class, ``(n,)``: the softmax of the logits."""
        return self.logits(planes).softmax(1).gather(1, classes[:, None])[:, 0]
