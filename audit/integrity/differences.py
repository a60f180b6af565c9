"""How far two ways of asking the model about the same faces lie apart, as measurements and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.probes import Scores
from ...core.results import Estimate, Measurement
from ...core.statistics.slicing import slice_scores
from .material import Bools, Floats, Integers, Material, relative_change

ROUNDING = 1e-3
"""Outputs that move by no more than this share of their size differ by rounding; see docs/integrity.md."""
LEAST_SHARE = 0.05
"""Share of answers that must change, by the lower limit of its interval, for a sensitivity to be told."""


@dataclass(frozen=True)
class Difference:
    """What changed between two ways of asking.

    Attributes:
        share: of the faces whose answer is another one, with its interval.
        faces: how many faces were asked about.
        count: how many answers changed.
        largest: largest change of a probability (or value); infinite where an output is not finite.
        relative: largest change of a raw output relative to the face's largest output.
        measurements: ``answers_changed`` and ``largest_change``.
    """

    share: Estimate
    faces: int
    count: int
    largest: float
    relative: float
    measurements: tuple[Measurement, ...]

    @property
    def beyond_rounding(self) -> bool:
        """Whether the outputs differ by more than rounding."""
        return self.relative > ROUNDING

    @property
    def many(self) -> bool:
        """Whether surely more than :data:`LEAST_SHARE` of the answers change."""
        return self.share.low is not None and self.share.low > LEAST_SHARE

    @property
    def words(self) -> str:
        """The difference in words."""
        if self.relative == 0:
            return f"identical outputs on {self.faces:,} faces"
        changed = f"{self.count:,} of {self.faces:,} answers change"
        if not np.isfinite(self.largest):
            return f"{changed}; some outputs are NaN or infinite"
        return f"{changed}, a probability by at most {_size(self.largest)}"


def measure(material: Material, check: str, places: Integers, before: Floats, after: Floats) -> Difference:
    """Compare raw outputs (m, k) of the faces at ``places`` and measure under ``[check=NAME]``."""
    changed = material.changed(before, after)
    largest = float(material.moved(before, after).max())
    relative = float(relative_change(before, after).max())
    share = share_of(material, places, changed)
    slice_ = {"check": check}
    size = (
        Estimate(value=largest, n=len(places), method="largest")
        if np.isfinite(largest)
        else Estimate.not_measured("an output is NaN or infinite", n=len(places))
    )
    context = material.context
    told = (
        context.measurement("answers_changed", share, slice=slice_, direction="lower"),
        context.measurement("largest_change", size, slice=slice_, direction="lower"),
    )
    return Difference(share, len(places), int(changed.sum()), largest, relative, told)


def share_of(material: Material, places: Integers, marked: Bools) -> Estimate:
    """Return the share of the faces at ``places`` that are marked, with an interval over people."""
    scores = Scores("share", np.arange(len(places)), marked.astype(np.float64), kind="rate", bounds=(0.0, 1.0))
    codes = np.unique(material.subjects[places], return_inverse=True)[1].reshape(-1).astype(np.int64)
    return slice_scores(scores, codes, (), material.context.rules, material.context.probe_id)[0].estimate


def not_measured(material: Material, check: str, why: str) -> tuple[Measurement, ...]:
    """Return the measurement that says why a difference was not measured."""
    estimate = Estimate.not_measured(why)
    return (material.context.measurement("answers_changed", estimate, slice={"check": check}, direction="lower"),)


def _size(value: float) -> str:
    return f"{value:.3f}" if value >= 0.01 else f"{value:.0e}"
