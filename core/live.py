"""A live module as a target for the time of an audit, left afterwards as it was found."""

from __future__ import annotations

import hashlib
import inspect
from types import TracebackType

import torch
from torch import nn

from .errors import TargetError
from .files import sha256_of_bytes
from .plan import TargetSpec
from .target import Target


class LiveModel:
    """Context manager: puts a module into eval mode, freezes it, gives a target, and undoes all of it.

    Args:
        module: takes normalised input (n, c, h, w) and returns (n, k).
        spec: the target block.
        device: where to compute.
    """

    def __init__(self, module: nn.Module, spec: TargetSpec, device: str) -> None:
        if not isinstance(module, nn.Module):
            raise TargetError(f"expected `model` to be a torch.nn.Module, but got {type(module).__name__}")
        self.module = module
        self.spec = spec
        self.device = device

    def __enter__(self) -> Target:
        module = self.module
        self._training = {name: part.training for name, part in module.named_modules()}
        self._gradients = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
        first = next(module.parameters(), None)
        self._home = first.device if first is not None else None
        module.eval()
        try:
            target = Target(
                module,
                self.spec,
                format="module",
                device=self.device,
                sha256=hash_of_weights(module),
                factory_sha256=_hash_of_source(module),
                name=type(module).__name__,
            )
            target.verify()
        except BaseException:
            self._restore()
            raise
        return target

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _restore(self) -> None:
        for name, part in self.module.named_modules():
            part.training = self._training.get(name, part.training)
        for name, parameter in self.module.named_parameters():
            parameter.requires_grad_(self._gradients.get(name, parameter.requires_grad))
        if self._home is not None:
            self.module.to(self._home)


def hash_of_weights(module: nn.Module) -> str:
    """Return one SHA-256 of names, shapes, types and bytes of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _hash_of_source(module: nn.Module) -> str:
    """Return the SHA-256 of the class's source, or an empty text where Python cannot give it (a notebook cell)."""
    try:
        return sha256_of_bytes(inspect.getsource(type(module)).encode())
    except (OSError, TypeError):
        return ""
