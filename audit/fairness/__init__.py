"""Fairness probes: metrics by group and by intersection of groups. Importing registers them."""

from .group_metrics import GroupMetricsParams, group_metrics

__all__ = ["GroupMetricsParams", "group_metrics"]
