"""Fairness probes: metrics by group and by intersection of groups."""
