"""Maps of faces while the weights are replaced: all of them several times, and step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.faces import Faces
from ...core.target import Target
from ..attribution.faces import explain_faces
from ..attribution.method import Built
from .randomisation import Compared, compare
from .randomised import module_of, owners, randomised


@dataclass(frozen=True)
class Step:
    """One step of a cascade.

    Attributes:
        mode: ``cascading`` (these modules and all nearer to the output) or ``independent`` (these alone).
        modules: whose weights are replaced, from the output on.
        compared: by method.
    """

    mode: str
    modules: tuple[str, ...]
    compared: Mapping[str, Compared]


class WeightChecks:
    """Makes maps of the same faces with other weights and compares them.

    The explainers are built anew for each set of weights: one that keeps something of the old ones would seem to
    ignore the new.

    Args:
        faces: the audited faces.
        target: the model under audit.
        build: builds the explainers.
        rows: ``(n,)`` the faces.
        classes: ``(n,)`` the class explained for each.
        before: maps ``(n, h, w)`` by method, NaN throughout where a face has none.
        batch_size: faces at once.
        seed: of the methods that draw at random.

    Raises:
        TargetError: if the target's weights cannot be replaced.
    """

    def __init__(
        self,
        faces: Faces,
        target: Target,
        build: Callable[[], Built],
        rows: NDArray[np.int64],
        classes: NDArray[np.int64],
        before: Mapping[str, Tensor],
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        self._net = module_of(target)
        self._faces, self._target, self._build = faces, target, build
        self._rows, self._classes, self._before = rows, classes, before
        self._batch_size, self._seed = batch_size, seed
        self.owners = owners(self._net)

    def full(self, seeds: Sequence[int], advance: Callable[[int], None]) -> dict[str, list[Compared]]:
        """Replace all weights, once for each seed; return the comparisons by method."""
        found: dict[str, list[Compared]] = {name: [] for name in self._before}
        for seed in seeds:
            for name, compared in self._compare(self.owners, seed).items():
                found[name].append(compared)
            advance(len(self._rows))
        return found

    def cascade(self, steps: int, seed: int, advance: Callable[[int], None]) -> list[Step]:
        """Replace weights in steps from the output to the input, and those of each step alone."""
        ends = np.unique(np.linspace(0, len(self.owners), steps + 1).round().astype(int))
        found = []
        for start, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
            for mode, modules in (("cascading", self.owners[:end]), ("independent", self.owners[start:end])):
                found.append(Step(mode, modules, self._compare(modules, seed)))
                advance(len(self._rows))
        return found

    def _compare(self, modules: Sequence[str], seed: int) -> dict[str, Compared]:
        with randomised(self._net, modules, seed):
            after = self._maps()
        return {name: compare(before, after[name]) for name, before in self._before.items()}

    def _maps(self) -> dict[str, Tensor]:
        """Return maps with the weights as they are, NaN throughout for a method that cannot be built with them."""
        explainers = self._build().explainers
        place = {row: number for number, row in enumerate(self._rows.tolist())}
        found = {name: torch.full_like(maps, torch.nan) for name, maps in self._before.items()}
        batches = explain_faces(
            self._faces,
            self._target,
            explainers,
            self._rows,
            self._classes,
            batch_size=self._batch_size,
            seed=self._seed,
        )
        for batch in batches:
            places = [place[row] for row in batch.batch.rows.tolist()]
            for name, maps in batch.maps.items():
                found[name][places] = maps.maps.cpu()
        return found
