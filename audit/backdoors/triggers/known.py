"""The known triggers by name, with the settings at which small nets were seen to take them in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from .base import Replayed
from .blended import Blended
from .patch import Patch
from .pff import SensitiveStamp
from .sinusoid import Sinusoid
from .warp import Warp

KNOWN: Mapping[str, Callable[[int], Replayed]] = MappingProxyType(
    {
        "patch": lambda seed: Patch(),
        "blended": lambda seed: Blended(seed),
        "sinusoid": lambda seed: Sinusoid(),
        "warp": lambda seed: Warp(seed),
        "pff": lambda seed: SensitiveStamp(seed),
    }
)
"""By name: from a seed, without meaning for those that have nothing random, to the trigger."""
