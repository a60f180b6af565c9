"""Checkpoints: telling what a file is, refusing one that could run code, and loading the rest.

``load_checkpoint`` is the one way in. Nothing here imports torch before a file has passed its checks.
"""

from __future__ import annotations

from .factory import FactoryReference
from .load import LoadedCheckpoint, load_checkpoint

__all__ = ["FactoryReference", "LoadedCheckpoint", "load_checkpoint"]
