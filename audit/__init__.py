"""The probes of performance, fairness, robustness, integrity, forgeries and backdoors; importing registers them."""

from __future__ import annotations

from . import backdoors, forgery, integrity, performance
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
    "backdoors",
    "corruptions",
    "counterfactual_pairs",
    "forgery",
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
