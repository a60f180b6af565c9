"""The probes that measure performance, fairness, robustness and integrity; importing this package registers them."""

from __future__ import annotations

from . import integrity, performance
from .fairness import (
    counterfactual_pairs,
    group_indices,
    group_metrics,
    hidden_slices,
    leakage,
    representation,
    reweighted_gaps,
    skin_tone,
    uncertain_attributes,
)
from .robustness import adversarial

__all__ = [
    "adversarial",
    "counterfactual_pairs",
    "group_indices",
    "group_metrics",
    "hidden_slices",
    "integrity",
    "leakage",
    "performance",
    "representation",
    "reweighted_gaps",
    "skin_tone",
    "uncertain_attributes",
]
