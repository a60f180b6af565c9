"""The family ``attention``: which patches a transformer's attention leads back to, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, fx, nn

from ...core.target import Target
from .attention_capture import AttentionPass, capture_attention
from .cam import normalise
from .cams import example_input
from .capture import ModuleSource, see_module
from .graph import ProgramGraph
from .layers import read_tokens
from .method import PEAK, AttributionSettings, Built, MapBatch, MethodInfo, Request
from .pixel_maps import check_request
from .program import ProgramSource, as_module, is_program
from .source import LayerError, evaluating, one_output
from .tokens import Layout

_NEEDS = frozenset({"gradients", "layers"})
_LARGEST_MOVE = 1e-4

METHODS: Mapping[str, MethodInfo] = MappingProxyType(
    {
        "attention_rollout": MethodInfo(
            "attention_rollout",
            "Attention rollout",
            "attention",
            "Abnar and Zuidema 2020, ACL",
            _NEEDS,
            "Attention followed back through all layers to the patches; the class plays no part in it.",
        ),
        "gradient_attention": MethodInfo(
            "gradient_attention",
            "Gradient-weighted attention",
            "attention",
            "Chefer et al. 2021, ICCV",
            _NEEDS,
            "Attention that speaks for the class, followed back through all layers to the patches.",
        ),
    }
)
"""Methods of this family by name."""


def rollout(matrices: Sequence[Tensor]) -> Tensor:
    """Follow attention back: the product over the layers of (A + I) / 2, heads averaged; ``(n, t, t)``.

    Abnar and Zuidema (2020), Quantifying Attention Flow in Transformers, ACL.

    Args:
        matrices: ``(n, heads, t, t)`` of each layer, the first layer first, rows adding up to one.
    """
    identity = _identity(matrices[0])
    flow = identity
    for weights in matrices:
        flow = (weights.mean(dim=1) + identity) / 2 @ flow
    return flow


def gradient_rollout(matrices: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> Tensor:
    """Follow attention times its positive gradient back: R <- R + mean over heads of relu(A dA) R; ``(n, t, t)``.

    Chefer, Gur and Wolf (2021), Generic Attention-model Explainability for Interpreting Bi-Modal and
    Encoder-Decoder Transformers, ICCV. The identity it starts from, what a token sees of itself, is taken off again.

    Args:
        matrices: ``(n, heads, t, t)`` of each layer, the first layer first.
        gradients: of the class score at them; None, where it does not hang on them, counts as zero.
    """
    identity = _identity(matrices[0])
    relevance = identity
    for weights, gradient in zip(matrices, gradients, strict=True):
        if gradient is not None:
            relevance = relevance + (weights * gradient).relu().mean(dim=1) @ relevance
    return relevance - identity


class AttentionExplainer:
    """Makes maps of the patches that a transformer's attention leads back to.

    A map is read from the rows of the tokens that the net's head reads: the class token, with a distillation token
    the mean of both, and without a class token the mean over all that are read. Prefix tokens are dropped.

    Args:
        target: the model under audit.
        methods: of :data:`METHODS`.
        layout: of its tokens.
        read: which tokens the head reads.
        batch_size: faces at once.
    """

    def __init__(
        self, target: Target, methods: Sequence[str], layout: Layout, read: Sequence[int], batch_size: int
    ) -> None:
        self._target = target
        self._net = as_module(target.net)
        self._methods = tuple(methods)
        self._layout = layout
        self._read = list(read)
        self._batch_size = target.fixed_batch or batch_size

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods."""
        return self._methods

    @property
    def layer_name(self) -> str | None:
        """None: all layers with attention take part."""
        return None

    @property
    def read_from(self) -> str:
        """Say where the maps are read, e.g. ``class token; 14 x 14 tokens after 1 class token``."""
        if self._read == [0] and self._layout.prefix:
            rows = "class token"
        elif self._layout.prefix and max(self._read) < self._layout.prefix:
            rows = f"mean of the {len(self._read)} prefix tokens that the head reads"
        else:
            rows = f"mean of the {len(self._read)} tokens that the head reads"
        return f"{rows}; {self._layout.text}"

    def explain(self, request: Request) -> dict[str, MapBatch]:
        """Return the maps by method."""
        check_request(self._target, request)
        prepared = self._target.prepare(request.pixels)
        parts = [
            self._raw(prepared[at : at + self._batch_size], request.classes[at : at + self._batch_size])
            for at in range(0, len(prepared), self._batch_size)
        ]
        height, width = prepared.shape[-2:]
        found = {}
        for name in self._methods:
            normal = normalise(torch.cat([part[name] for part in parts]), (height, width))
            found[name] = MapBatch(normal.maps.float(), normal.problems, {PEAK: normal.peaks})
        return found

    def _raw(self, net_input: Tensor, classes: Tensor) -> dict[str, Tensor]:
        """Return maps ``(n, h, w)`` of the token grid, as the methods give them."""
        count = len(net_input)
        missing = (self._target.fixed_batch or count) - count
        if missing:
            net_input = torch.cat([net_input, net_input[-1:].expand(missing, -1, -1, -1)])

        def objective(outputs: Tensor) -> Tensor:
            scores = self._target.logits(outputs)[:count]
            return scores.gather(1, classes.long().to(scores.device)[:, None]).sum()

        seen = capture_attention(self._net, net_input, objective if "gradient_attention" in self._methods else None)
        matrices = [_by_head(matrix, len(net_input))[:count] for matrix in seen.matrices]
        gradients = [None if g is None else _by_head(g, len(net_input))[:count] for g in seen.gradients]
        maps = {}
        for name in self._methods:
            flow = rollout(matrices) if name == "attention_rollout" else gradient_rollout(matrices, gradients)
            rows = flow[:, self._read].mean(dim=1)
            maps[name] = self._layout.as_map(rows[:, :, None])[:, 0]
        return maps


def build(
    target: Target, methods: Sequence[str], *, layer: str | None, batch_size: int, settings: AttributionSettings
) -> Built:
    """Build one explainer for these methods; a layer named for others is not used."""
    try:
        net, example = as_module(target.net), example_input(target)
        seen = capture_attention(net, example)
        _check_attention(seen, len(example))
        layout, read = _tokens(net, example)
        _check_tokens(seen, len(example), layout, read)
        _check_outputs(target, example, seen.outputs)
    except LayerError as error:
        return Built((), dict.fromkeys(methods, str(error)))
    return Built((AttentionExplainer(target, methods, layout, read, batch_size),), {})


def _check_attention(seen: AttentionPass, count: int) -> None:
    """Check that all attention is between the same tokens of a whole picture.

    Raises:
        LayerError: saying why rollout is not defined.
    """
    if seen.closed:
        raise LayerError(f"attention is computed where its matrix cannot be seen ({seen.closed[0]})")
    if not seen.matrices:
        raise LayerError("the net has no attention between tokens: there is nothing to follow back")
    if not any(matrix.shape[-1] == matrix.shape[-2] > 1 for matrix in seen.matrices):
        raise LayerError("the net has no attention among all of its tokens: there is nothing to follow back")
    windows = next((m for m in seen.matrices if m.ndim == 4 and m.shape[0] != count), None)
    if windows is not None:
        raise LayerError(
            f"attention stays within windows ({windows.shape[0] // count} of {windows.shape[-1]} tokens for one "
            "picture): following it back through all layers is not defined"
        )
    shapes = {tuple(matrix.shape[-2:]) for matrix in seen.matrices}
    if len(shapes) > 1:
        told = ", ".join(f"{rows} to {columns}" for rows, columns in sorted(shapes, reverse=True))
        raise LayerError(
            f"not every layer attends among the same tokens ({told}): following attention back is not defined"
        )


def _check_tokens(seen: AttentionPass, count: int, layout: Layout, read: Sequence[int]) -> None:
    tokens = layout.prefix + layout.grid[0] * layout.grid[1]
    attended = seen.matrices[0].shape[-1]
    if layout.kind != "tokens" or attended != tokens or any(len(matrix) % count for matrix in seen.matrices):
        raise LayerError(f"attention is among {attended} tokens, but the layer found has {layout.text}")
    if not read:
        raise LayerError("the outputs hang on no token of the last layer: there is no row of attention to read")


def _check_outputs(target: Target, example: Tensor, explicit: Tensor) -> None:
    """Check that attention computed step by step leaves the outputs where they were."""
    net = as_module(target.net)
    with torch.inference_mode(False), torch.no_grad(), evaluating(net):
        outputs = one_output(net(example))
    moved = float((explicit - outputs).abs().max())
    if moved > _LARGEST_MOVE * max(1.0, float(outputs.abs().max())):
        raise LayerError(f"computing attention step by step moves the outputs by {moved:.2g}: it is not what it was")


def _tokens(net: nn.Module, example: Tensor) -> tuple[Layout, tuple[int, ...]]:
    """Return the layout of a net's tokens and which of them the head reads.

    Raises:
        LayerError: if they are not found.
    """
    if is_program(net):
        assert isinstance(net, fx.GraphModule)
        layout, seen = ProgramSource(net).layout, ProgramGraph(net).see(example)
    else:
        layout, (seen, _) = ModuleSource(net, example).layout, see_module(net, example)
    return layout, read_tokens(seen, layout)


def _by_head(matrix: Tensor, count: int) -> Tensor:
    """Return a matrix ``(n, t, t)`` or ``(n heads, t, t)`` as ``(n, heads, t, t)``; one of these stays."""
    return matrix if matrix.ndim == 4 else matrix.reshape(count, -1, *matrix.shape[-2:])


def _identity(matrix: Tensor) -> Tensor:
    return torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device).expand(len(matrix), -1, -1)
