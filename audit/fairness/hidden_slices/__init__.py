"""Slices nobody named: searched on half of the people, tested on the other half."""

from .params import HiddenSlicesParams
from .probe import hidden_slices

__all__ = ["HiddenSlicesParams", "hidden_slices"]
