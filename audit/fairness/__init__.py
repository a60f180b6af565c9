"""Fairness probes: metrics by group and by intersection of groups. Importing registers them."""

from .group_metrics import GroupMetricsParams, group_metrics
from .skin_tone import SkinToneParams, skin_tone

__all__ = ["GroupMetricsParams", "SkinToneParams", "group_metrics", "skin_tone"]
