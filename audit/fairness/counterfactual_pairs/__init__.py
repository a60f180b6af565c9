"""Does the answer change when one thing in the picture changes? Pairs of pictures that differ in it alone."""

from __future__ import annotations

from .params import CounterfactualPairsParams
from .probe import counterfactual_pairs

__all__ = ["CounterfactualPairsParams", "counterfactual_pairs"]
