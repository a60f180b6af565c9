"""A net whose weights are replaced by random ones for a while, and then are back bit for bit.

Each tensor of weights gets its own entries in a random order. So its scale, spread and sparsity stay, which keeps the
activations of a deep net in range where drawing afresh may not, and what the net has learnt is gone. Of buffers those
of batch norms (running mean and variance) go with the weights; others may hold what is no weight, such as positions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...core.errors import TargetError
from ...core.target import Target

_LEARNT_BUFFERS = ("running_mean", "running_var")


def module_of(target: Target) -> nn.Module:
    """Return the net of a target as a module whose weights can be replaced.

    Raises:
        TargetError: if it has none, as an ONNX session has none that can be reached.
    """
    if not isinstance(target.net, nn.Module):
        raise TargetError(f"the weights of a model in the format {target.format} cannot be replaced")
    if not owners(target.net):
        raise TargetError("the model has no weights to replace")
    return target.net


def owners(net: nn.Module) -> tuple[str, ...]:
    """Return the modules that own weights by dotted name, from the output to the input.

    The order is that in which they were declared, reversed: the order of execution in nearly every net. In an exported
    program the names are those of the modules it was exported from.
    """
    names = [name.rpartition(".")[0] for name, _ in _weights(net)]
    return tuple(dict.fromkeys(reversed(names)))


@contextmanager
def randomised(net: nn.Module, names: Sequence[str], seed: int) -> Iterator[None]:
    """Shuffle the weights of the named modules in place; they are back bit for bit afterwards, whatever happens.

    Args:
        net: the model, a plain module or that of an exported program.
        names: out of :func:`owners`.
        seed: with the tensor's name it fixes the new order, whatever else is shuffled.
    """
    chosen = set(names)
    found = [(name, tensor) for name, tensor in _weights(net) if name.rpartition(".")[0] in chosen]
    kept = [tensor.detach().clone() for _, tensor in found]
    try:
        with torch.no_grad():
            for name, tensor in found:
                tensor.copy_(_shuffled(tensor, f"{seed}\x1f{name}"))
        yield
    finally:
        with torch.no_grad():
            for (_, tensor), old in zip(found, kept, strict=True):
                tensor.copy_(old)


def _weights(net: nn.Module) -> list[tuple[str, Tensor]]:
    """List floating-point parameters and learnt buffers, module by module, each tensor once."""
    buffers = {name: tensor for name, tensor in net.named_buffers() if name.rpartition(".")[2] in _LEARNT_BUFFERS}
    found: dict[str, list[tuple[str, Tensor]]] = {}
    for name, tensor in [*net.named_parameters(), *buffers.items()]:
        if tensor.is_floating_point():
            found.setdefault(name.rpartition(".")[0], []).append((name, tensor))
    return [pair for pairs in found.values() for pair in pairs]


def _shuffled(tensor: Tensor, text: str) -> Tensor:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1
    order = torch.randperm(tensor.numel(), generator=torch.Generator().manual_seed(seed))
    return tensor.detach().flatten()[order.to(tensor.device)].reshape(tensor.shape)
