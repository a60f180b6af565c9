"""Agreement between methods: mean correlation of their maps, and which methods are one and the same on this net.

Methods that coincide agree by construction and support each other no more than a picture supports its copy. The usual
case: behind a feature map that is averaged over positions and read by one linear layer, the gradient is the same at
every position, and GradCAM, XGradCAM and HiResCAM are the same sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor

from .similarity import pearson
from .stability import has_map

SAME = 1e-4
"""Largest difference of maps in 0..1 that rounding explains."""


class Agreement:
    """Gathers how alike the maps of several methods are, batch by batch.

    Args:
        methods: names of the methods.
    """

    def __init__(self, methods: Sequence[str]) -> None:
        self.methods = tuple(methods)
        self._correlations: dict[tuple[str, str], list[Tensor]] = {pair: [] for pair in combinations(self.methods, 2)}
        self._largest: dict[tuple[str, str], float] = dict.fromkeys(self._correlations, 0.0)

    def add(self, maps: Mapping[str, Tensor]) -> None:
        """Add maps ``(n, h, w)`` of the same faces by method, NaN throughout where a face has none."""
        for first, second in self._correlations:
            one, two = maps[first], maps[second]
            both = has_map(one) & has_map(two)
            alike = torch.where(both, pearson(one, two), torch.nan)
            self._correlations[first, second].append(alike.cpu())
            if bool((has_map(one) != has_map(two)).any()):
                self._largest[first, second] = 1.0
            elif bool(both.any()):
                difference = float((one[both] - two[both]).abs().max())
                self._largest[first, second] = max(self._largest[first, second], difference)

    def correlations(self, first: str, second: str) -> Tensor:
        """Return the correlation of the two methods' maps face by face, ``(n,)``, NaN where one has no map."""
        pair = (first, second) if (first, second) in self._correlations else (second, first)
        return torch.cat(self._correlations[pair])

    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Return the methods in groups whose maps are the same up to rounding, in the order they were named."""
        group_of = {name: name for name in self.methods}
        for (first, second), values in self._correlations.items():
            compared = bool(values) and bool(torch.isfinite(torch.cat(values)).any())
            if compared and self._largest[first, second] <= SAME and group_of[second] == second:
                group_of[second] = group_of[first]
        leaders = dict.fromkeys(group_of.values())
        return tuple(tuple(name for name in self.methods if group_of[name] == leader) for leader in leaders)
