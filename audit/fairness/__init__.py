"""Fairness probes: metrics by group and by intersection of groups. Importing registers them."""

from .group_indices import GroupIndicesParams, group_indices
from .group_metrics import GroupMetricsParams, group_metrics
from .hidden_slices import HiddenSlicesParams, hidden_slices
from .representation import RepresentationParams, representation
from .reweighted_gaps import ReweightedGapsParams, reweighted_gaps
from .skin_tone import SkinToneParams, skin_tone
from .uncertain_attributes import UncertainAttributesParams, uncertain_attributes

__all__ = [
    "GroupIndicesParams",
    "GroupMetricsParams",
    "HiddenSlicesParams",
    "RepresentationParams",
    "ReweightedGapsParams",
    "SkinToneParams",
    "UncertainAttributesParams",
    "group_indices",
    "group_metrics",
    "hidden_slices",
    "representation",
    "reweighted_gaps",
    "skin_tone",
    "uncertain_attributes",
]
