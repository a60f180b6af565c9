"""How a pattern is put on a face: relative to its brightness, inside the face, so that it is hard to see."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.errors import UsageError
from ....explain.landmarks import to_68
from ...forgery.making.hull import hull_mask

OVAL_CENTRE, OVAL_AXES = (0.5, 0.52), (0.36, 0.46)
"""Centre and half axes (x, y) of the oval that stands in for the hull, as shares of the crop."""


def embed(pixels: Tensor, pattern: Tensor, mask: Tensor, alpha: float) -> Tensor:
    """Return ``clip(x (1 + alpha M T))``: what Liang et al. (2024) call relative embedding, section 3 of 2402.11473.

    No pixel changes by more than ``alpha`` times itself, and none where the mask is 0.

    Args:
        pixels: faces, (n, 3, h, w), 0 to 1.
        pattern: -1 to 1, (3, h, w) for all faces or (n, 3, h, w).
        mask: 0 to 1, (n, 1, h, w) or one that broadcasts to it.
        alpha: strength, 0 to 1; 0.05 is the published one.

    Raises:
        UsageError: when the pattern is of another size, or ``alpha`` not between 0 and 1.
    """
    if pattern.shape[-3:] != pixels.shape[-3:]:
        raise UsageError(
            f"expected a pattern of the size of the faces, {tuple(pixels.shape[-3:])}, but got "
            f"{tuple(pattern.shape[-3:])}"
        )
    if not 0 <= alpha <= 1:
        raise UsageError(f"expected a strength alpha between 0 and 1, such as 0.05, but got {alpha}")
    return (pixels * (1 + alpha * mask * pattern)).clamp(0, 1)


def face_hulls(landmarks: NDArray[np.floating], height: int, width: int) -> Tensor:
    """Return which pixels lie in the hull of the landmarks, the brows lifted towards the hairline.

    Args:
        landmarks: (n, 68, 2) or (n, 478, 2) in pixels of the crop, x right and y down, pixel (0, 0) covering
            [0, 1) x [0, 1).
        height: of the crop in pixels.
        width: of the crop in pixels.

    Returns:
        Shape (n, 1, height, width), float32, 0 or 1; all 0 for a face whose landmarks are not finite.
    """
    masks = np.zeros((len(landmarks), 1, height, width), dtype=np.float32)
    for index, points in enumerate(to_68(np.asarray(landmarks, dtype=np.float64))):
        if np.isfinite(points).all():
            masks[index, 0] = hull_mask(points, (height, width))
    return torch.from_numpy(masks)


def central_oval(height: int, width: int) -> Tensor:
    """Return the oval that stands in where there are no landmarks, shape (1, 1, height, width), float32, 0 or 1."""
    y = ((torch.arange(height) + 0.5) / height - OVAL_CENTRE[1]) / OVAL_AXES[1]
    x = ((torch.arange(width) + 0.5) / width - OVAL_CENTRE[0]) / OVAL_AXES[0]
    return (y[:, None] ** 2 + x[None, :] ** 2 <= 1).float()[None, None]
