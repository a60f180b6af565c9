"""Gaps at the same mix of labels and controls."""

from .params import ReweightedGapsParams
from .probe import reweighted_gaps

__all__ = ["ReweightedGapsParams", "reweighted_gaps"]
