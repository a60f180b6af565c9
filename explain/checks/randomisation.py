"""Model-parameter randomisation: a map that stays when the weights go does not show the model.

Adebayo et al. (2018), Sanity Checks for Saliency Maps, NeurIPS. Maps before and after are compared by rank correlation
(which decides) and by structural similarity (which is high between any two maps that are mostly dark, so it is told and
decides nothing). One random net proves little, since it may look anywhere: several are drawn, as Hedstroem et al.
(2024), Sanity Checks Revisited, arXiv 2401.06465, advise for other reasons.

What is similar by chance has to be taken off. Maps of different faces resemble each other because faces are centred and
methods are coarse, and a random net's map shares that without showing the same picture. So the similarity of a face's
map with the random net's map of the *same* face is set against that with the random net's maps of *other* faces, and

    kept = (same face - other faces) / (1 - other faces)

is the share of what is this picture's own in a map that stays without the model: 1 for an edge detector, about 0 for
a method whose maps come from the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.stats import t as student
from torch import Tensor

from .similarity import correlation, ranks, ssim
from .stability import has_map

Verdict = Literal["fails", "passes", "not measured"]
LARGEST_KEPT = 0.5
"""A method fails that keeps at least half of what is the picture's own."""
UNCHANGED = 0.9
"""Or one whose maps have this rank correlation on average with those of random nets, whatever other faces' have."""
FEWEST_FACES = 4
OTHERS = 4
"""Other faces that each face is compared with, at most."""


@dataclass(frozen=True)
class Compared:
    """Maps of faces before and after the weights were replaced once, averaged over faces.

    Attributes:
        same: mean rank correlation with the map of the same face after.
        other: mean rank correlation with maps of other faces after.
        structure: mean structural similarity with the map of the same face after.
        faces: that have a map before.
        vanished: of these, how many have none after; a map that vanished is similar to nothing (0).
        kept_left: as :attr:`kept`, of those alone that have a map after; None where none has.
    """

    same: float
    other: float
    structure: float
    faces: int
    vanished: int
    kept_left: float | None = None

    @property
    def kept(self) -> float:
        """Share of what is the picture's own that stayed; 0 where maps of all faces are one and the same."""
        return _kept(self.same, self.other)


def _kept(same: float, other: float) -> float:
    return (same - other) / (1 - other) if other < 1 - 1e-6 else 0.0


def compare(before: Tensor, after: Tensor) -> Compared:
    """Compare maps ``(n, h, w)`` of the same faces, NaN throughout where there is none."""
    known = has_map(before)
    before, after = before[known], after[known]
    count = len(before)
    if count == 0:
        return Compared(0.0, 0.0, 0.0, 0, 0)
    vanished = ~has_map(after)
    shifts = range(1, min(OTHERS, count - 1) + 1)
    first, second = ranks(before), ranks(after)
    own = correlation(first, second)
    others = [correlation(first, second.roll(shift, 0)) for shift in shifts]
    left = torch.cat([torch.zeros(0), *others])
    return Compared(
        same=_mean(own),
        other=float(np.mean([_mean(one) for one in others])) if others else 0.0,
        structure=_mean(torch.where(vanished, 0.0, ssim(before, after.nan_to_num()))),
        faces=count,
        vanished=int(vanished.sum()),
        kept_left=None
        if bool(own.isnan().all())
        else _kept(float(own.nanmean()), float(left.nanmean().nan_to_num(0.0))),
    )


def _mean(values: Tensor) -> float:
    return float(values.nan_to_num(0.0).mean())


@dataclass(frozen=True)
class Interval:
    """A mean over random nets with a t interval; no limits from a single net."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Randomisation:
    """What replacing all weights did to a method's maps.

    Attributes:
        verdict: whether the method fails the check.
        reason: of the verdict, a sentence without a full stop.
        same: rank correlation with the same face's map of random nets.
        other: the same with other faces' maps.
        structure: structural similarity with the same face's map.
        kept: share of what is the picture's own that stayed.
        faces: compared.
        nets: random nets drawn.
        vanished: share of maps that random nets did not give at all, 0..1.
    """

    verdict: Verdict
    reason: str
    same: Interval
    other: Interval
    structure: Interval
    kept: Interval
    faces: int
    nets: int
    vanished: float


def judge(draws: Sequence[Compared], level: float = 0.95) -> Randomisation:
    """Judge a method by the same faces before and after several replacements of all weights.

    It fails where the lower limit over random nets of what is kept reaches :data:`LARGEST_KEPT`, or that of the
    similarity reaches :data:`UNCHANGED`; it passes where the upper limit of what is kept, and the similarity, stay
    below. Between the two nothing is said, nor where maps would pass because some vanish, while those that do not
    keep as much as a method that fails.

    Args:
        draws: one for each random net, at least two.
        level: of confidence.
    """
    same, other = _over([one.same for one in draws], level), _over([one.other for one in draws], level)
    structure, kept = _over([one.structure for one in draws], level), _over([one.kept for one in draws], level)
    faces = draws[0].faces
    vanished = sum(one.vanished for one in draws) / max(1, sum(one.faces for one in draws))
    verdict, reason = _verdict(same, kept, faces, len(draws))
    if verdict == "passes" and vanished:
        reason += f"; {vanished:.0%} of the maps vanish with random weights"
        left = [one for one in draws if one.kept_left is not None]
        alike = float(np.mean([one.same * one.faces / (one.faces - one.vanished) for one in left] or [0.0]))
        stays = float(np.mean([one.kept_left for one in left] or [0.0]))
        if stays >= LARGEST_KEPT or alike >= UNCHANGED:
            verdict = "not measured"
            reason += f", and of the others {stays:.2f} stays, their correlation being {alike:.2f}"
    return Randomisation(verdict, reason, same, other, structure, kept, faces, len(draws), vanished)


def _verdict(same: Interval, kept: Interval, faces: int, nets: int) -> tuple[Verdict, str]:
    if faces < FEWEST_FACES:
        return "not measured", f"{faces} faces have a map; {FEWEST_FACES} are needed"
    if kept.low is None or kept.high is None or same.low is None or same.high is None:
        return "not measured", f"{nets} random net was drawn; two are needed"
    told = f"{kept.value:.2f} [{kept.low:.2f}, {kept.high:.2f}] of what is the picture's own in a map stays"
    if same.low >= UNCHANGED:
        return "fails", f"maps of random nets correlate with the model's by {same.value:.2f}"
    if kept.low >= LARGEST_KEPT:
        return "fails", told
    if kept.high < LARGEST_KEPT and same.value < UNCHANGED:
        return "passes", told
    return "not measured", f"{told}, which settles nothing: draw more random nets"


def _over(values: Sequence[float], level: float) -> Interval:
    mean = float(np.mean(values))
    if len(values) < 2:
        return Interval(mean, None, None)
    reach = float(student.ppf(0.5 + level / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return Interval(mean, mean - reach, mean + reach)
