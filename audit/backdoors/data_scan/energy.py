"""Fine detail of a face: what a translation-sensitive stamp raises, whatever its pattern."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..poisoned_forgery.generator import translation_kernel

OFFSET = 8.0
"""Added to the brightness, in levels of 255, so that the black of a picture does not divide by nothing."""


def fine_detail(pixels: Tensor, mask: Tensor, kernel: int = 5) -> NDArray[np.float64]:
    """Return ``median over the mask of mean_c |K * x| / (mean_c x + 8)``, one number a face.

    ``K`` sums how a pixel differs from its neighbours; the trigger of Liang et al. (2024, arXiv 2402.11473) is made to
    maximise it, and its embedding is relative to the brightness, hence the quotient. The median over the face leaves
    single edges and hairs out. Rims repeat their outermost pixels.

    Args:
        pixels: (n, 3, h, w), 0 to 1.
        mask: which pixels count, (n, 1, h, w) or one that broadcasts to it, 0 or 1.
        kernel: side of ``K``, odd.

    Returns:
        Shape (n,), 0 or more; NaN for a face whose mask is empty.
    """
    levels = 255 * pixels
    weight = translation_kernel(kernel).to(levels).expand(3, 1, kernel, kernel)
    half = kernel // 2
    response = F.conv2d(F.pad(levels, (half,) * 4, mode="replicate"), weight, groups=3).abs().mean(1)
    relative = (response / (levels.mean(1) + OFFSET)).cpu().numpy().astype(np.float64)
    inside = mask.expand(len(pixels), 1, *pixels.shape[2:])[:, 0].cpu().numpy() > 0
    return np.array(
        [np.median(each[where]) if where.any() else np.nan for each, where in zip(relative, inside, strict=True)]
    )
