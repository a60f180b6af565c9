"""Occlusion: how far the score of the class drops while a grey window hides part of the face.

Zeiler and Fergus (2014), Visualizing and Understanding Convolutional Networks, ECCV.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .method import MapBatch, Request
from .perturbation import BlackBox, finished, unusable

GREY = 0.5


def occlusion(box: BlackBox, request: Request, window: float, stride: float) -> MapBatch:
    """Return the map of each face: for each pixel the mean drop over all windows that hide it, where positive.

    Args:
        box: the model.
        request: the faces.
        window: side of the window as a share of the face's, 0..1.
        stride: step of the window as a share of the face's side, at most ``window``.
    """
    pixels = request.pixels
    covered = [cover(side, window, stride).to(pixels.device) for side in pixels.shape[2:]]
    rows, columns = covered
    places = len(rows) * len(columns)
    grey = torch.full((), GREY, dtype=pixels.dtype, device=pixels.device)

    def copies(faces: Tensor, numbers: Tensor) -> Tensor:
        # Number 0 is the face itself, so that it is asked for in the same batches as its copies.
        at = (numbers - 1).clamp_min(0)
        hidden = rows[at // len(columns), :, None] & columns[at % len(columns), None, :]
        return torch.where((hidden & (numbers > 0)[:, None, None])[:, None], grey, pixels[faces])

    answers = box.scores(request.classes, [1 + places] * len(pixels), copies)
    problems = [unusable(scores) for scores in answers]
    drops = torch.from_numpy(np.stack([scores[0] - scores[1:] for scores in answers])).to(pixels)
    drops = drops.reshape(len(pixels), len(rows), len(columns))
    down, across = rows.to(pixels), columns.to(pixels)
    total = torch.einsum("nij,ih,jw->nhw", drops, down, across)
    return finished(total / (down.sum(0)[:, None] * across.sum(0)), problems)


def cover(side: int, window: float, stride: float) -> Tensor:
    """Return which pixels each place of the window hides along a side, ``(places, side)``; each pixel at least once.

    The last window is moved inward so that it ends with the face: all have the same size.
    """
    length = max(1, round(window * side))
    step = min(max(1, round(stride * side)), length)
    starts = [*range(0, side - length, step), side - length]
    pixels = torch.arange(side)
    return torch.stack([(pixels >= start) & (pixels < start + length) for start in starts])
