"""What layers respond to: the mean over the channels of a layer's features, as a map on the crop.

Belharbi et al. (2024, arXiv 2402.00281) call the cosine of this map with that of an expression's action units ATT-COS,
layer by layer. It needs no class: a layer's attention is the same whatever is asked.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.target import Target


class AttentionReader:
    """Reads the attention of layers of a target.

    Args:
        target: the model under audit.
        layer: the layer that is explained by; None if none is.

    Attributes:
        layers: names of the layers that are read.
        reason: why none is, a sentence without a full stop; None if some are.
    """

    def __init__(self, target: Target, layer: str | None) -> None:
        self._target = target
        self.layers: tuple[str, ...] = ()
        self.reason: str | None = None
        net = target.net
        if layer is None:
            self.reason = "the method explains without a layer"
        elif not isinstance(net, nn.Module) or layer not in dict(net.named_modules()):
            self.reason = f"the layer {layer} is no module whose output can be read ({target.format})"
        else:
            self.layers = (layer,)

    def read(self, pixels: Tensor) -> Mapping[str, Tensor]:
        """Return the attention of each layer on faces ``(n, 3, h, w)``, enlarged to ``(n, h, w)`` on the CPU.

        Hooks are gone afterwards, also after an exception.
        """
        if not self.layers:
            return {}
        assert isinstance(self._target.net, nn.Module)
        features: dict[str, Tensor] = {}

        def note(name: str) -> object:
            def hook(module: nn.Module, inputs: object, output: object) -> None:
                if isinstance(output, Tensor) and output.ndim == 4:
                    features[name] = output.detach().float().mean(dim=1, keepdim=True)

            return hook

        handles = [self._target.net.get_submodule(name).register_forward_hook(note(name)) for name in self.layers]  # type: ignore[arg-type]
        try:
            with torch.no_grad():
                self._target(pixels.to(self._target.device))
        finally:
            for handle in handles:
                handle.remove()
        size = (pixels.shape[-2], pixels.shape[-1])
        return {
            name: functional.interpolate(found, size=size, mode="bilinear", align_corners=False)[:, 0].cpu()
            for name, found in features.items()
        }
