"""Class activation maps of a model, whichever form it comes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from ...core.errors import UsageError, nearest
from .cam import RULES, normalise
from .capture import ModuleSource
from .program import ProgramSource, as_module, is_program
from .source import FeatureSource


@dataclass(frozen=True)
class CamBatch:
    """Maps of a batch of faces.

    Attributes:
        maps: ``(n, h, w)`` at the input's size, in 0..1; NaN throughout where a face has no usable map.
        outputs: ``(n, k)`` the net's raw outputs.
        problems: for each face None, or why it has no usable map.
        peaks: ``(n,)`` how far each rectified map rose above its own lowest value before it was stretched.
    """

    maps: Tensor
    outputs: Tensor
    problems: tuple[str | None, ...]
    peaks: Tensor


class CamEngine:
    """Explains a convolutional net by class activation maps at one layer.

    The net is left as it was: hooks gone, parameters and modes restored, also after an exception.

    Args:
        net: a ``torch.nn.Module``, or the module of an exported program.
        example_input: ``(n, c, h, w)`` normalised as the net wants it; used to find or check the layer.
        layer: dotted name of the layer to explain by, or None to find the last feature map.
        method: name of a rule in :data:`countenance.explain.attribution.cam.RULES`, or several, whose maps
            :meth:`explain_all` makes from one pass.
        scores: turns raw outputs ``(n, k)`` into class scores ``(n, classes)``; if None they are the scores.

    Raises:
        LayerError: if no layer fits, or not the one that was named.
        UsageError: if there is no such method, or none is named.
    """

    def __init__(
        self,
        net: Callable[[Tensor], Tensor],
        example_input: Tensor,
        layer: str | None = None,
        *,
        method: str | Sequence[str] = "gradcam",
        scores: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.methods: tuple[str, ...] = (method,) if isinstance(method, str) else tuple(dict.fromkeys(method))
        for name in self.methods or ("",):
            if name not in RULES:
                raise UsageError(
                    f"expected `method` to be one of {', '.join(RULES)}, but got {name!r}" + nearest(name, RULES)
                )
        self._scores = scores
        self._source: FeatureSource
        if is_program(net):
            assert isinstance(net, fx.GraphModule)
            self._source = ProgramSource(net, layer)
        else:
            self._source = ModuleSource(as_module(net), example_input, layer)

    @property
    def layer_name(self) -> str:
        """Name of the layer whose feature map is used."""
        return self._source.layer_name

    @property
    def layer_layout(self) -> str:
        """What the layer's map is, in words, e.g. ``14 x 14 tokens after 1 class token``."""
        return self._source.layout.text

    def bypassed(self, net_input: Tensor) -> bool:
        """Tell whether part of the answer does not go through the layer, and so is not in its maps.

        Args:
            net_input: ``(n, c, h, w)`` as the net takes it.
        """
        return self._source.bypassed(net_input)

    def maps(self, net_input: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Return maps ``(n, h, w)`` of the first method and raw outputs ``(n, k)``.

        The map of a face without a usable one is NaN throughout; :meth:`explain` also says why.
        """
        batch = self.explain(net_input, classes)
        return batch.maps, batch.outputs

    def explain(self, net_input: Tensor, classes: Tensor) -> CamBatch:
        """Explain why each face's class is scored as it is, by the first method.

        Args:
            net_input: ``(n, c, h, w)`` as the net takes it, that is after ``Target.prepare``.
            classes: ``(n,)`` the class to explain for each face, an index into the scores.

        Raises:
            UsageError: if the shapes do not fit or a class does not exist.
        """
        return self._explain(net_input, classes, self.methods[:1])[0]

    def explain_all(self, net_input: Tensor, classes: Tensor) -> dict[str, CamBatch]:
        """Explain by every method, from one forward and one partial backward pass; as :meth:`explain`."""
        return dict(zip(self.methods, self._explain(net_input, classes, self.methods), strict=True))

    def _explain(self, net_input: Tensor, classes: Tensor, methods: tuple[str, ...]) -> list[CamBatch]:
        if net_input.ndim != 4 or not len(net_input) or classes.shape != net_input.shape[:1]:
            raise UsageError(
                f"expected an input (n, c, h, w) with n at least 1 and n classes, "
                f"but got {tuple(net_input.shape)} and {tuple(classes.shape)}"
            )
        size = self._source.fixed_batch or len(net_input)
        parts = [
            self._pass(net_input[at : at + size], classes[at : at + size], methods)
            for at in range(0, len(net_input), size)
        ]
        return parts[0] if len(parts) == 1 else [_joined(of_method) for of_method in zip(*parts, strict=True)]

    def _pass(self, net_input: Tensor, classes: Tensor, methods: tuple[str, ...]) -> list[CamBatch]:
        count = len(net_input)
        missing = (self._source.fixed_batch or count) - count
        if missing:
            net_input = torch.cat([net_input, net_input[-1:].expand(missing, -1, -1, -1)])
        chosen = classes.long()
        lowest, highest = torch.stack(torch.aminmax(chosen)).tolist()

        def objective(outputs: Tensor) -> Tensor:
            scores = outputs if self._scores is None else self._scores(outputs)
            if lowest < 0 or highest >= scores.shape[1]:
                raise UsageError(f"expected classes from 0 to {scores.shape[1] - 1}, but got {lowest} to {highest}")
            return scores[:count].gather(1, chosen.to(scores.device)[:, None]).sum()

        captured = self._source.capture(net_input, objective)
        height, width = net_input.shape[-2:]
        with torch.no_grad():
            features, gradients = captured.features[:count], captured.gradients[:count]
            raw = torch.cat([RULES[name](features, gradients) for name in methods])
            normal = normalise(raw, (height, width))
        outputs = captured.outputs[:count]
        return [
            CamBatch(
                normal.maps[at : at + count], outputs, normal.problems[at : at + count], normal.peaks[at : at + count]
            )
            for at in range(0, len(raw), count)
        ]


def _joined(parts: Sequence[CamBatch]) -> CamBatch:
    return CamBatch(
        torch.cat([part.maps for part in parts]),
        torch.cat([part.outputs for part in parts]),
        tuple(problem for part in parts for problem in part.problems),
        torch.cat([part.peaks for part in parts]),
    )
