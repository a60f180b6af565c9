"""Do the intervals of a mean heatmap's scores cover, where half of everyone's evidence is in a place of their own?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from countenance.explain.canonical import CANVAS_HEIGHT, CANVAS_WIDTH

from .heatmap_coverage import ABOUT, PEOPLE, Maps, coverage, scorer
from .runner import Outcome, Row, Study

MIDDLE = 112


@dataclass(frozen=True)
class Design:
    """Two round spots of equal energy, one in a place common to all, one in a place of each person's own.

    Attributes:
        common: height on the canvas and standard deviation of the common spot, in pixels.
        own: mean height and standard deviation of a person's own spot.
        scatter: standard deviation of its place, in both directions.
    """

    common: tuple[float, float]
    own: tuple[float, float]
    scatter: float

    @property
    def weight(self) -> float:
        """Peak of a person's own spot, such that it holds as much as the common one."""
        return (self.common[1] / self.own[1]) ** 2

    def draw(self, people: int, rng: np.random.Generator) -> Maps:
        """Return the maps of people, ``(people, height, width)``."""
        (height, size), (own_height, own_size) = self.common, self.own
        places = rng.normal((MIDDLE, own_height), self.scatter, (people, 2))
        common = spot(MIDDLE, height, size)
        return np.stack([common + np.float32(self.weight) * spot(x, y, own_size) for x, y in places])

    def mean_of_all(self) -> Maps:
        """Return the mean map of infinitely many people: their own spots blur into a wider one."""
        (height, size), (own_height, own_size) = self.common, self.own
        blurred = float(np.hypot(own_size, self.scatter))
        fade = np.float32(self.weight * (own_size / blurred) ** 2)
        return spot(MIDDLE, height, size) + fade * spot(MIDDLE, own_height, blurred)


def spot(x: float, y: float, size: float) -> Maps:
    """Return a Gaussian of this standard deviation on the canvas, 1 at its peak, ``(height, width)``."""
    down = np.exp(-((np.arange(CANVAS_HEIGHT) - y) ** 2) / (2 * size**2))
    across = np.exp(-((np.arange(CANVAS_WIDTH) - x) ** 2) / (2 * size**2))
    return np.outer(down, across).astype(np.float32)


DESIGNS = {
    "wide spots": Design(common=(162, 37), own=(87, 31), scatter=37),
    "narrow spots": Design(common=(162, 25), own=(120, 14), scatter=45),
}


def simulate(seed: int) -> Row:
    """Return coverage and width for one sample of people per design and number of people."""
    row: dict[Outcome, float] = {}
    for number, (name, design) in enumerate(DESIGNS.items()):
        truth = scorer()(design.mean_of_all())
        for people in PEOPLE:
            rng = np.random.default_rng([seed, 5, number, people])
            row |= coverage(name, design.draw(people, rng), truth, rng)
    return row


STUDY = Study(
    name="heatmaps_drawn",
    version=2,
    title="Coverage of 95 % intervals of a mean heatmap's scores: drawn maps, much of them in a place of one's own",
    about="Everyone's map has two round spots of equal energy: one common to all, one in a place of their own (normal "
    "about a common place). Wide spots: standard deviations 37 and 31 px, places scattered by 37 px. Narrow spots: 25 "
    f"and 14 px, scattered by 45 px. The truth is exact. {ABOUT}",
    simulate=simulate,
)
