"""Leave a net's modules as they were: hooks, attributes, and what hooks of a package left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def untouched(net: nn.Module) -> Iterator[None]:
    """Put back every module's attributes and hooks afterwards, also after an exception.

    Captum keeps what it needs during a pass as attributes of the modules (``input``, ``output``, ``rule``,
    ``activations``). Some stay when it is done, and one of the same name that the net had before is deleted.
    Parameters and buffers themselves are not copied: values that were changed in place stay changed.
    """
    modules = list(net.modules())
    attributes = [dict(vars(module)) for module in modules]
    hooks = [
        {name: dict(value) for name, value in found.items() if name.endswith("_hooks") and isinstance(value, dict)}
        for found in attributes
    ]
    try:
        yield
    finally:
        for module, before, hooked in zip(modules, attributes, hooks, strict=True):
            found = vars(module)
            for name in found.keys() - before.keys():
                del found[name]
            found.update(before)
            for name, kept in hooked.items():
                found[name].clear()
                found[name].update(kept)
