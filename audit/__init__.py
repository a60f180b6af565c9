"""The probes that measure performance, fairness and robustness; importing this package registers them."""

from __future__ import annotations

from . import performance
from .fairness import group_indices, group_metrics, leakage, skin_tone
from .robustness import adversarial

__all__ = ["adversarial", "group_indices", "group_metrics", "leakage", "performance", "skin_tone"]
