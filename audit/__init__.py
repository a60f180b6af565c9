"""The probes that measure performance, fairness and robustness; importing this package registers them."""

from __future__ import annotations

from . import performance
from .fairness import group_metrics, skin_tone
from .robustness import adversarial

__all__ = ["adversarial", "group_metrics", "performance", "skin_tone"]
