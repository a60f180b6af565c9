"""One sequence of permutations of people that all questions of a run share.

Questions about the same people are not independent: who is lucky in accuracy is lucky in recall too. Dealt out with the
same permutations, the questions keep that dependence, and an adjustment over all of them costs no more than it must.
A question in which only some of the people take part (those with a face of its label, in a group large enough) uses the
permutation that the shared one induces on them: from each person one follows the permutation until it comes to one who
takes part. The induced permutation of a uniform one is uniform (Kerov, Olshanski and Vershik 2004, Inventiones
Mathematicae 158:551), so every question is tested exactly as if it had been dealt alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .sums import Integers

LABELS_AT_ONCE = 250_000  # what is summed at once stays in the processor's cache
KEPT = 64_000_000  # numbers of 4 bytes
MOST_SHARED = 64_000_000


class Deals:
    """Permutations of people, the same whenever they are asked for.

    Attributes:
        people: how many people there are.
        times: how many permutations there are.
    """

    def __init__(self, people: int, times: int, seed: int) -> None:
        """Prepare ``times`` permutations of ``people`` that depend on the seed alone."""
        self.people, self.times, self._seed = people, times, seed
        self._size = max(1, LABELS_AT_ONCE // max(people, 1))
        self._kept: dict[int, np.ndarray] = {}

    @property
    def affordable(self) -> bool:
        """Whether the permutations are few enough to be shared; otherwise each question is dealt on its own."""
        return self.people * self.times <= MOST_SHARED

    def donors(self, people: Integers) -> Iterator[Integers]:
        """Yield, some permutations at a time, from whom each of some people gets her group.

        Args:
            people: those who take part, each once, shape (n,).

        Yields:
            Positions in ``people``, shape (permutations, n); every row is a permutation of ``0 .. n - 1``.
        """
        place = np.full(self.people, -1, dtype=np.int32)
        place[people] = np.arange(len(people), dtype=np.int32)
        for start in range(0, self.times, self._size):
            shared = self._part(start)
            row = np.arange(len(shared))[:, None]
            to = shared[:, people]
            donor = place[to]
            away = np.nonzero(donor < 0)
            while len(away[0]):
                to[away] = shared[row[away[0], 0], to[away]]
                found = place[to[away]]
                donor[away] = found
                still = found < 0
                away = (away[0][still], away[1][still])
            yield donor.astype(np.int64)

    def _part(self, start: int) -> np.ndarray:
        if start in self._kept:
            return self._kept[start]
        count = min(self._size, self.times - start)
        random = np.random.default_rng([self._seed, start])
        straight = np.broadcast_to(np.arange(self.people, dtype=np.int32), (count, self.people))
        part: np.ndarray = random.permuted(straight, axis=1)
        if self.people * self.times <= KEPT:
            self._kept[start] = part
        return part
