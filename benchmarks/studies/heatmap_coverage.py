"""What the studies of heatmap intervals share: which scores are judged, and how."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from countenance.explain.face_drawing import face_region
from countenance.explain.heatmaps.heatmap_scores import BOUNDS, HeatmapScorer
from countenance.explain.heatmaps.people_intervals import resample
from countenance.explain.masks import ekman_masks

from .runner import Outcome

PEOPLE = (10, 15, 25, 50)
LEVEL = 0.95
SCORES = {
    "iou": "IoU",
    "specificity": "specificity",
    "margin": "margin",
    "energy_outside_face": "outside the face",
}
ABOUT = (
    "Scores against the happiness mask; columns are people in the sample. Beside this package's intervals those of the "
    "jackknife alone, with Student's t and n - 1 degrees of freedom, and how often this package's lower end lies above "
    "the truth, which is what a false finding takes."
)

Maps = NDArray[np.float32]


def scorer() -> HeatmapScorer:
    """Return what judges a mean map in these studies."""
    return HeatmapScorer(ekman_masks().masks, "happiness", face_region(), "otsu")


def coverage(case: str, sample: Maps, truth: dict[str, float], rng: np.random.Generator) -> dict[Outcome, float]:
    """Return whether the intervals from a sample of people hold the truth, and their widths.

    Args:
        case: name of the design.
        sample: ``(people, height, width)`` the map of each person.
        truth: the score of very many people's mean map, by name.
        rng: splits the people into halves.
    """
    row: dict[Outcome, float] = {}
    quantile = float(student.ppf(0.5 + LEVEL / 2, len(sample) - 1))
    for name, found in resample(sample, scorer(), rng).items():
        if name not in SCORES:
            continue
        bounds = BOUNDS.get(name, (0.0, 1.0))
        reach = quantile * found.jackknife_error
        plain = max(bounds[0], found.value - reach), min(bounds[1], found.value + reach)
        for method, (low, high) in {"": found.limits(LEVEL, bounds), ", jackknife alone": plain}.items():
            cell, column = f"{SCORES[name]}, {case}{method}", f"{len(sample)} people"
            row[Outcome(cell, column)] = float(low <= truth[name] <= high)
            row[Outcome(cell, column, "mean")] = high - low
        row[Outcome(f"{SCORES[name]}, {case}, too high", column)] = float(found.limits(LEVEL, bounds)[0] > truth[name])
    return row
