"""What layers respond to: the mean over the channels of a layer's features, as a map on the crop.

Belharbi et al. (2024, arXiv 2402.00281) call the cosine of this map with that of an expression's action units ATT-COS,
layer by layer. It needs no class: a layer's attention is the same whatever is asked.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from ...core.target import Target
from ..attribution.source import LayerError
from ..attribution.stages import StageReader, stage_layers


class AttentionReader:
    """Reads the attention of a target's layers: the last of each resolution, and the one that is explained by.

    Args:
        target: the model under audit; left as it was.
        explained: name of the layer that is explained by; None if the method needs none.

    Attributes:
        layers: names of the layers that are read.
        reason: why none is, a sentence without a full stop; None if some are.
    """

    def __init__(self, target: Target, explained: str | None) -> None:
        self._target = target
        self._reader: StageReader | None = None
        self.layers: tuple[str, ...] = ()
        self.reason: str | None = None
        if "layers" not in target.gives:
            self.reason = f"the model gives no layers ({target.format})"
            return
        generator = torch.Generator().manual_seed(0)
        example = target.prepare(torch.rand((target.fixed_batch or 2, 3, *target.size), generator=generator))
        try:
            names = stage_layers(target.net, example)
            names += [explained] if explained is not None and explained not in names else []
            self._reader = StageReader(target.net, example, names)
            self.layers = tuple(names)
        except LayerError as error:
            self.reason = str(error)

    def read(self, pixels: Tensor) -> Mapping[str, Tensor]:
        """Return the attention of each layer on faces ``(n, 3, h, w)``, enlarged to ``(n, h, w)`` on the CPU."""
        if self._reader is None:
            return {}
        size = (pixels.shape[-2], pixels.shape[-1])
        features = self._reader.read(self._target.prepare(pixels))
        return {name: attention(values, size).cpu() for name, values in features.items()}


def attention(features: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the mean over channels of ``(n, c, h, w)`` features, enlarged bilinearly, ``(n, height, width)``."""
    mean = features.float().mean(dim=1, keepdim=True)
    return functional.interpolate(mean, size=size, mode="bilinear", align_corners=False)[:, 0]
