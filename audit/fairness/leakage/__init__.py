"""What a net's embedding tells, by a linear probe, of who somebody is and to which group they belong."""

from __future__ import annotations

from .params import LeakageParams
from .probe import leakage

__all__ = ["LeakageParams", "leakage"]
