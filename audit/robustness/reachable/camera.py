"""What happens to a picture between the face and the model: is the attack still there afterwards?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from io import BytesIO
from types import MappingProxyType

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate, pad

QUALITY = 75
SCALE = 0.75


def jpeg(pixels: Tensor) -> Tensor:
    """Save pixels (n, 3, h, w), 0..1, as JPEG files of quality 75 and read them back."""
    whole = pixels.detach().mul(255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
    read = []
    for picture in whole:
        file = BytesIO()
        Image.fromarray(picture).save(file, format="JPEG", quality=QUALITY)
        read.append(np.asarray(Image.open(file)))
    return torch.from_numpy(np.stack(read)).permute(0, 3, 1, 2).to(pixels).div_(255)


def shift(pixels: Tensor) -> Tensor:
    """Move pixels (n, 3, h, w) one to the right and one down; the edge is repeated."""
    return pad(pixels, (1, 0, 1, 0), mode="replicate")[:, :, :-1, :-1]


def rescale(pixels: Tensor) -> Tensor:
    """Scale pixels (n, 3, h, w) to three quarters and back, bilinearly."""
    height, width = pixels.shape[2:]
    small = (max(1, round(height * SCALE)), max(1, round(width * SCALE)))
    reduced = interpolate(pixels, small, mode="bilinear", antialias=True, align_corners=False)
    return interpolate(reduced, (height, width), mode="bilinear", align_corners=False).clamp(0.0, 1.0)


def every(pixels: Tensor) -> Tensor:
    """Scale, move and save pixels (n, 3, h, w), one after the other."""
    return jpeg(shift(rescale(pixels)))


CAMERAS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {"jpeg": jpeg, "shift": shift, "rescale": rescale, "all": every}
)
"""What may be done to a picture, by name."""
