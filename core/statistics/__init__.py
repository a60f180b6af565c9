"""Intervals, groups and small-group rules of any per-face score, once for every probe."""
