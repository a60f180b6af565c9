"""How sure is a score of a mean map? Intervals over people, from leaving out one of them and from leaving out half.

The heatmap of an expression is the mean over people of each person's mean map: people are sampled, not pictures. A
score of it, such as an IoU after a threshold, is neither smooth in the people nor unbiased: the mean of few maps is
lumpier than that of many. So three things are taken into account; what that covers is measured by the studies
``heatmaps_london`` and ``heatmaps_drawn`` of ``benchmarks/studies``.

- **Standard error**: the larger of two. Leaving out one person at a time (the jackknife; Efron and Tibshirani 1993, An
  Introduction to the Bootstrap, chapter 11) sees the steps of a score that is not smooth; leaving out half of them (the
  delete-d jackknife; Shao and Wu 1989, Annals of Statistics 17(3), 1176-1197) sees what happens further away.
- **Bias**: what halves score on average tells how the score moves with the number of people, as 1/n. The interval is
  drawn out to the side on which the score of many people is to be expected. The value itself is not corrected.
- **Degrees of freedom**: a quarter of n - 1, since squared standard errors of lumpy maps scatter about so much. The
  quarter was chosen for coverage on drawn maps; on maps of real faces it makes intervals wider than they need be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from ...core.results import Estimate
from ..landmarks import FloatArray
from .heatmap_scores import BOUNDS

METHOD = "jackknife_of_people"
PAIRS = 50
"""How many times people are split into two halves at random."""
SHARE_OF_FREEDOM = 0.25

ScoreMap = Callable[[NDArray[np.float32]], dict[str, float]]


@dataclass(frozen=True)
class Resampled:
    """One score of a mean map, and of the mean maps of some of the people.

    Attributes:
        value: of all people.
        without: ``(people,)`` without each of them.
        halves: ``(pairs, 2)`` of the two halves of a split; the first holds ``people // 2``, the second the others.
    """

    value: float
    without: FloatArray
    halves: FloatArray

    @property
    def people(self) -> int:
        """How many people."""
        return len(self.without)

    @property
    def jackknife_error(self) -> float:
        """Standard error from leaving out one person at a time: sqrt((n - 1) / n * sum (e_i - mean)^2)."""
        scatter = np.sum((self.without - self.without.mean()) ** 2)
        return float(np.sqrt((self.people - 1) / self.people * scatter))

    @property
    def half_error(self) -> float:
        """Standard error from the scatter of halves: of m people, times m / (n - m), the two sizes averaged."""
        return float(np.sqrt(np.mean(self.halves.var(axis=0, ddof=1) * self._odds)))

    @property
    def bias(self) -> float:
        """How far the value lies from that of very many people on average: a bias c/n is c/m for m people."""
        return float(np.mean((self.halves.mean(axis=0) - self.value) * self._odds))

    @property
    def _odds(self) -> FloatArray:
        """People kept over people left out, for each of the two halves."""
        first = self.people // 2
        return np.array([first / (self.people - first), (self.people - first) / first])

    def limits(self, level: float, bounds: tuple[float, float] = (0.0, 1.0)) -> tuple[float, float]:
        """Return the interval's ends.

        Args:
            level: of confidence.
            bounds: smallest and largest value that the score can have.
        """
        quantile = float(student.ppf(0.5 + level / 2, SHARE_OF_FREEDOM * (self.people - 1)))
        reach = quantile * max(self.jackknife_error, self.half_error)
        low, high = sorted((self.value, self.value - self.bias))
        # The value itself lies within its bounds; what is drawn out may leave them.
        return max(bounds[0], low - reach), min(bounds[1], high + reach)


def resample(means: NDArray[np.float32], score: ScoreMap, random: np.random.Generator) -> dict[str, Resampled]:
    """Score the mean of people's maps, of all but one, and of halves.

    Args:
        means: ``(people, height, width)`` the mean map of each person, at least two.
        score: gives a map's scores by name.
        random: splits the people.
    """
    people, *shape = means.shape
    total = means.sum(axis=0, dtype=np.float64)
    whole = score((total / people).astype(np.float32))
    without = [score(((total - one) / (people - 1)).astype(np.float32)) for one in means]
    first = people // 2
    chosen = np.zeros((PAIRS, people), dtype=np.float32)
    for split in chosen:
        split[random.permutation(people)[:first]] = 1
    halves = []
    for half in (chosen @ means.reshape(people, -1)).reshape(PAIRS, *shape):
        rest = (total - half) / (people - first)
        halves.append((score(half / np.float32(first)), score(rest.astype(np.float32))))
    return {
        name: Resampled(
            value,
            np.array([scores[name] for scores in without]),
            np.array([[scores[name] for scores in pair] for pair in halves]),
        )
        for name, value in whole.items()
    }


def people_intervals(
    means: NDArray[np.float32], score: ScoreMap, level: float, faces: int, random: np.random.Generator
) -> dict[str, Estimate]:
    """Score the mean of people's maps, with intervals over people.

    Args:
        means: ``(people, height, width)`` the mean map of each person, at least two.
        score: gives a map's scores by name.
        level: of confidence.
        faces: how many maps the means are made of.
        random: splits the people into halves.
    """
    estimates = {}
    for name, found in resample(means, score, random).items():
        low, high = found.limits(level, BOUNDS.get(name, (0.0, 1.0)))
        estimates[name] = Estimate(
            value=found.value, low=low, high=high, level=level, method=METHOD, n=faces, subjects=found.people
        )
    return estimates
