"""See the attention matrices of a net, fused or not, module or exported program, without knowing its layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .source import LayerError, Objective, differentiable, evaluating, frozen, one_output, plain

_SOFTMAX = frozenset({"softmax", "_softmax", "_safe_softmax"})
_CLOSED = (
    "_scaled_dot_product_",
    "_native_multi_head_attention",
    "_transformer_encoder_layer_fwd",
    "_transform_bias_rescale_qkv",
)


class AttentionRecorder(TorchFunctionMode):
    """While it is entered, attention is computed step by step, and each of its matrices is kept.

    ``scaled_dot_product_attention`` and ``multi_head_attention_forward`` are replaced by their explicit forms; any
    other softmax over the last axis of a tensor with three or four axes is taken for attention. No hook is set and
    nothing of the net is changed.

    Attributes:
        matrices: each as the net computed it, softmax over the last axis, in order; they require gradients where
            gradients are on.
        closed: names of kernels that do not show their matrix.
    """

    def __init__(self) -> None:
        super().__init__()
        self.matrices: list[Tensor] = []
        self.closed: list[str] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Replace or watch one function call."""
        given = dict(kwargs or {})
        name = getattr(func, "__name__", "").partition(".")[0]
        if name == "scaled_dot_product_attention":
            return self._attend(*args, **given)
        if func is functional.multi_head_attention_forward:
            return self._multi_head(*args, **given)
        result = func(*args, **given)
        if name in _SOFTMAX and isinstance(result, Tensor) and result.ndim in (3, 4):
            axis = given.get("dim", args[1] if len(args) > 1 else None)
            if axis in (-1, result.ndim - 1):
                return self._kept(result)
        elif name.startswith(_CLOSED):
            self.closed.append(name)
        return result

    def _kept(self, weights: Tensor) -> Tensor:
        if torch.is_grad_enabled() and not weights.requires_grad:
            weights.requires_grad_()  # the first of the net: nothing before it is in the graph
        self.matrices.append(weights)
        return weights

    def _attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """Compute softmax(q k' scale + mask) v, as torch documents ``scaled_dot_product_attention``."""
        if enable_gqa:
            key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
            value = value.repeat_interleave(query.shape[-3] // value.shape[-3], -3)
        factor = query.shape[-1] ** -0.5 if scale is None else scale
        scores = (query * factor) @ key.transpose(-2, -1)
        if is_causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
        if attn_mask is not None:
            masked = attn_mask.dtype == torch.bool
            scores = scores.masked_fill(~attn_mask, -torch.inf) if masked else scores + attn_mask
        weights = self._kept(scores.softmax(-1))
        return functional.dropout(weights, dropout_p) @ value if dropout_p > 0 else weights @ value

    def _multi_head(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        embed_dim_to_check: int,
        num_heads: int,
        in_proj_weight: Tensor | None,
        in_proj_bias: Tensor | None,
        bias_k: Tensor | None,
        bias_v: Tensor | None,
        add_zero_attn: bool,
        dropout_p: float,
        out_proj_weight: Tensor,
        out_proj_bias: Tensor | None,
        training: bool = True,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        use_separate_proj_weight: bool = False,
        **others: Any,
    ) -> tuple[Tensor, Tensor | None]:
        """Compute ``torch.nn.MultiheadAttention`` step by step; inputs (tokens, n, width).

        It calls its attention where a mode no longer sees it, hence this.
        """
        unusual = [bias_k, bias_v, key_padding_mask, *[w for w in [in_proj_weight] if use_separate_proj_weight]]
        plain_mask = attn_mask is None or attn_mask.ndim == 2
        if any(part is not None for part in unusual) or add_zero_attn or query.ndim != 3 or not plain_mask:
            self.closed.append("multi_head_attention_forward with padding, added tokens or masks of its own")
            positional = (query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias)
            rest = (bias_k, bias_v, add_zero_attn, dropout_p, out_proj_weight, out_proj_bias)
            return functional.multi_head_attention_forward(
                *positional,
                *rest,
                training=training,
                key_padding_mask=key_padding_mask,
                need_weights=need_weights,
                attn_mask=attn_mask,
                use_separate_proj_weight=use_separate_proj_weight,
                **others,
            )
        if in_proj_weight is None:
            raise LayerError("expected one projection for query, key and value in multi_head_attention_forward")
        biases = in_proj_bias.chunk(3) if in_proj_bias is not None else (None, None, None)
        heads = []
        for source, weight, bias in zip((query, key, value), in_proj_weight.chunk(3), biases, strict=True):
            projected = functional.linear(source, weight, bias)
            tokens, count, width = projected.shape
            heads.append(projected.reshape(tokens, count, num_heads, width // num_heads).permute(1, 2, 0, 3))
        attended = self._attend(heads[0], heads[1], heads[2], attn_mask, dropout_p if training else 0.0)
        joined = attended.permute(2, 0, 1, 3).reshape(query.shape)
        result = functional.linear(joined, out_proj_weight, out_proj_bias)
        if not need_weights:
            return result, None
        weights = self.matrices[-1]
        return result, weights.mean(1) if others.get("average_attn_weights", True) else weights


@dataclass(frozen=True)
class AttentionPass:
    """What was seen of a net's attention in one pass.

    Attributes:
        matrices: as the net computed them, in order.
        gradients: of the objective at each, empty if none was given; None where it does not hang on a matrix.
        outputs: ``(n, k)`` the net's outputs.
        closed: kernels that do not show their matrix.
    """

    matrices: tuple[Tensor, ...]
    gradients: tuple[Tensor | None, ...]
    outputs: Tensor
    closed: tuple[str, ...]


def capture_attention(net: nn.Module, net_input: Tensor, objective: Objective | None = None) -> AttentionPass:
    """Run a net on ``(n, c, h, w)`` once and keep its attention matrices, with gradients if an objective is given.

    Parameters and modes are as they were afterwards, also after an exception.
    """
    with differentiable(), frozen(net), evaluating(net):
        recorder = AttentionRecorder()
        with torch.no_grad() if objective is None else nullcontext(), recorder:
            outputs = one_output(net(plain(net_input)))
        gradients: tuple[Tensor | None, ...] = ()
        if objective is not None and recorder.matrices and outputs.requires_grad:
            gradients = torch.autograd.grad(objective(outputs), recorder.matrices, allow_unused=True)
        kept = tuple(matrix.detach() for matrix in recorder.matrices)
        return AttentionPass(kept, gradients, outputs.detach(), tuple(recorder.closed))
