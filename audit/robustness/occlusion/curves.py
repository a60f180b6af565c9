"""Areas under the curves over shares, and what a thing costs beyond the same thing elsewhere, face by face."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.probes import Scores
from ....core.results import Direction
from ..conditions import Outcomes
from .catalogue import ELSEWHERE, GUIDED, KIND, LAST, MOVED, RANDOM, STRENGTH, Catalogue

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Standing:
    """How well each face's answer stands, whatever the task: larger is better.

    Attributes:
        before: as it is, shape (m,), up to ``weights``.
        after: under each condition, shape (C, m).
        weights: how many answers each face is judged by, shape (m,).
        rises: whether larger is better; an error is smaller when it is better.
        area: name of the area under a curve of it.
    """

    before: Floats
    after: Floats
    weights: Floats
    rises: bool
    area: str

    @classmethod
    def of(cls, outcomes: Outcomes) -> Standing:
        """Return right answers or errors where there are labels, and otherwise what stayed as it was."""
        counts, ones = outcomes.quality.counts, np.ones(len(outcomes.rows))
        if outcomes.quality.labelled:
            scale = ones if counts else outcomes.weights
            after = outcomes.after.astype(np.float64) * scale
            return cls(outcomes.before * scale, after, outcomes.weights, counts, "area")
        changed = outcomes.changed.astype(np.float64)
        if counts:
            return cls(ones, 1 - changed, ones, True, "area_kept")
        return cls(0 * ones, changed, ones, False, "area_moved")

    @property
    def direction(self) -> Direction:
        """Which way it is better."""
        return "higher" if self.rises else "lower"

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Of its mean."""
        return (0.0, 1.0) if self.rises else None

    @property
    def difference_bounds(self) -> tuple[float, float] | None:
        """Of the mean of a difference of two."""
        return (-1.0, 1.0) if self.rises else None


def areas(outcomes: Outcomes, standing: Standing, catalogue: Catalogue) -> dict[str, tuple[Floats, NDArray[np.bool_]]]:
    """Return by curve each face's area, (m,), and of which faces there is one, (m,).

    The trapezoid rule from share 0, the face as it is, to the largest share, over that share: a mean over shares.
    """
    found = {}
    shares = np.array([0.0, *catalogue.shares])
    for name in catalogue.curves:
        at = [outcomes.of(**{KIND: name, STRENGTH: f"{share:g}"})[0] for share in catalogue.shares]
        heights = np.concatenate([standing.before[None], standing.after[at]])
        area = np.trapezoid(heights, shares, axis=0) / shares[-1]
        found[name] = area, outcomes.possible[at].all(axis=0) & (standing.weights > 0)
    return found


def curve_scores(outcomes: Outcomes, standing: Standing, catalogue: Catalogue) -> Iterator[Scores]:
    """Yield the area under each curve, how much deeper guided patches cut than random ones, and the null of that."""
    found = areas(outcomes, standing, catalogue)
    for name, (area, usable) in found.items():
        yield Scores(
            standing.area,
            outcomes.rows[usable],
            area[usable],
            weights=standing.weights[usable],
            bounds=standing.bounds,
            direction=standing.direction,
            condition={KIND: name},
            by_group=name in (RANDOM, GUIDED),
        )
    for metric, more, less, by_group in (
        ("random_minus_guided", RANDOM, GUIDED, True),
        ("random_minus_guided.null_elsewhere", RANDOM, MOVED, False),
        ("elsewhere_minus_guided", MOVED, GUIDED, True),
        ("last_minus_first", LAST, GUIDED, False),
    ):
        if more in found and less in found:
            usable = found[more][1] & found[less][1]
            difference = (found[more][0] - found[less][0]) * (1.0 if standing.rises else -1.0)
            yield _difference(metric, outcomes, standing, difference, usable, {}, by_group=by_group)


def beyond_elsewhere(outcomes: Outcomes, standing: Standing, name: str) -> Scores:
    """Return how much more a thing costs where it belongs than the same thing elsewhere, face by face."""
    here, there = (outcomes.of(**{KIND: each})[0] for each in (name, name + ELSEWHERE))
    difference = (standing.after[there] - standing.after[here]) * (1.0 if standing.rises else -1.0)
    usable = outcomes.possible[here] & outcomes.possible[there] & (standing.weights > 0)
    return _difference("beyond_elsewhere", outcomes, standing, difference, usable, {KIND: name}, by_group=True)


def _difference(
    metric: str,
    outcomes: Outcomes,
    standing: Standing,
    values: Floats,
    usable: NDArray[np.bool_],
    condition: dict[str, str],
    *,
    by_group: bool,
) -> Scores:
    return Scores(
        metric,
        outcomes.rows[usable],
        values[usable],
        weights=standing.weights[usable],
        bounds=standing.difference_bounds,
        condition=condition,
        by_group=by_group,
        keep=by_group,
    )
