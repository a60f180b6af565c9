"""Natural corruptions: the fifteen of ImageNet-C and five that faces meet, at five severities."""

from __future__ import annotations

from .catalogue import CORRUPTIONS, GROUPS, corrupt
from .params import CorruptionParams
from .probe import corruptions

__all__ = ["CORRUPTIONS", "GROUPS", "CorruptionParams", "corrupt", "corruptions"]
