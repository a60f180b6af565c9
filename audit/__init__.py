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
from .robustness import (
    adversarial,
    corruptions,
    framing,
    generated,
    occlusion,
    open_set,
    reachable,
    verification,
)

__all__ = [
    "adversarial",
    "corruptions",
    "counterfactual_pairs",
    "framing",
    "generated",
    "group_indices",
    "group_metrics",
    "hidden_slices",
    "integrity",
    "leakage",
    "occlusion",
    "open_set",
    "performance",
    "reachable",
    "representation",
    "reweighted_gaps",
    "skin_tone",
    "uncertain_attributes",
    "verification",
]
