"""Which corruptions there are, in which families, and one function that applies any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .blurs import defocus_blur, gaussian_blur, motion_blur, zoom_blur
from .capture import colour_cast, low_light, low_resolution, over_exposure
from .digital import contrast, elastic_transform, jpeg_compression, pixelate
from .draws import Draws
from .frost import frost
from .glass import glass_blur
from .noises import gaussian_noise, impulse_noise, shot_noise
from .weather import brightness, fog, snow

SEVERITIES = (1, 2, 3, 4, 5)
FAMILIES = ("noise", "blur", "weather", "digital", "face")
IMAGENET_C = "imagenet_c"
"""The fifteen of ImageNet-C: the families but ``face``."""
ALL = "all"

Apply = Callable[[Tensor, int, Draws], Tensor]


@dataclass(frozen=True)
class Corruption:
    """One way a picture goes bad.

    Attributes:
        name: in plans and measurement keys.
        family: one of :data:`FAMILIES`.
        title: in words.
        apply: pixels (n, 3, h, w) in 0..1, severity 1..5 and the faces' draws to pixels of the same shape.
    """

    name: str
    family: str
    title: str
    apply: Apply


_IN_ORDER = (
    Corruption("gaussian_noise", "noise", "Gaussian noise", gaussian_noise),
    Corruption("shot_noise", "noise", "shot noise", shot_noise),
    Corruption("impulse_noise", "noise", "impulse noise", impulse_noise),
    Corruption("defocus_blur", "blur", "defocus blur", defocus_blur),
    Corruption("glass_blur", "blur", "glass blur", glass_blur),
    Corruption("motion_blur", "blur", "motion blur", motion_blur),
    Corruption("zoom_blur", "blur", "zoom blur", zoom_blur),
    Corruption("snow", "weather", "snow", snow),
    Corruption("frost", "weather", "frost", frost),
    Corruption("fog", "weather", "fog", fog),
    Corruption("brightness", "weather", "brightness", brightness),
    Corruption("contrast", "digital", "low contrast", contrast),
    Corruption("elastic_transform", "digital", "elastic transform", elastic_transform),
    Corruption("pixelate", "digital", "pixelation", pixelate),
    Corruption("jpeg_compression", "digital", "JPEG compression", jpeg_compression),
    Corruption("low_resolution", "face", "low resolution", low_resolution),
    Corruption("gaussian_blur", "face", "Gaussian blur", gaussian_blur),
    Corruption("low_light", "face", "low light", low_light),
    Corruption("over_exposure", "face", "over-exposure", over_exposure),
    Corruption("colour_cast", "face", "colour cast", colour_cast),
)
CORRUPTIONS: Mapping[str, Corruption] = {corruption.name: corruption for corruption in _IN_ORDER}
"""All of them by name, in the order of the tables."""
GROUPS: Mapping[str, tuple[str, ...]] = {
    **{family: tuple(each.name for each in _IN_ORDER if each.family == family) for family in FAMILIES},
    IMAGENET_C: tuple(each.name for each in _IN_ORDER if each.family != "face"),
    ALL: tuple(CORRUPTIONS),
}
"""Names that stand for several corruptions."""


def corrupt(name: str, pixels: Tensor, rows: NDArray[np.int64], severity: int, seed: int) -> Tensor:
    """Return faces after one corruption; what chance decides depends on the seed and each face's row alone.

    The same seed gives a face the same noise, direction and texture at every severity.

    Args:
        name: a key of :data:`CORRUPTIONS`.
        pixels: shape (n, 3, h, w), 0..1; left as they are.
        rows: positions of the faces in the audited data, shape (n,).
        severity: 1 to 5.
        seed: 0 or more.

    Raises:
        ValueError: for another severity.
    """
    if severity not in SEVERITIES:
        raise ValueError(f"expected a severity from 1 to 5, but got {severity}")
    stream = list(CORRUPTIONS).index(name)
    with torch.no_grad():
        return CORRUPTIONS[name].apply(pixels, severity, Draws(seed, rows, stream))
