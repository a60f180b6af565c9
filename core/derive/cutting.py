"""From a number per picture to groups: bands of skin tone, the plan's bins, or thirds of the data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..plan import AttributeSpec
from .regions import Floats
from .skin_tone import BANDS, bands_of

OUTSIDE = "(outside the bins)"


@dataclass(frozen=True, eq=False)
class Cut:
    """Numbers put into groups.

    Attributes:
        names: the groups in their order.
        places: index into ``names`` of each number, shape (n,), -1 for NaN.
        thirds: the two numbers between thirds where the plan gave no bins, else empty.
    """

    names: tuple[str, ...]
    places: NDArray[np.int64]
    thirds: tuple[float, ...] = ()


def cut_by_bins(numbers: Floats, bins: list[float]) -> Cut:
    """Cut numbers by rising edges; a bin holds its lower edge, the last one its upper edge too.

    The last name stands for the numbers outside all bins.
    """
    names = [f"{low:g} to {high:g}" for low, high in pairwise(bins)]
    with np.errstate(invalid="ignore"):
        places = np.searchsorted(bins, numbers, side="right") - 1
        places = np.where(numbers == bins[-1], len(names) - 1, places)
        places = np.where((places < 0) | (places >= len(names)), len(names), places)
    return Cut((*names, OUTSIDE), np.where(np.isfinite(numbers), places, -1).astype(np.int64))


def cut_by_thirds(numbers: Floats) -> Cut:
    """Cut numbers where a third and two thirds of them lie below; equal numbers stay together."""
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return Cut((), np.full(len(numbers), -1, dtype=np.int64))
    first, second = (float(edge) for edge in np.quantile(finite, (1 / 3, 2 / 3)))
    names = (f"low (below {first:.3g})", f"middle ({first:.3g} to {second:.3g})", f"high ({second:.3g} or more)")
    with np.errstate(invalid="ignore"):
        places = (numbers >= first).astype(np.int64) + (numbers >= second)
    return Cut(names, np.where(np.isfinite(numbers), places, -1).astype(np.int64), (first, second))


def cut_derived(numbers: Floats, spec: AttributeSpec) -> Cut:
    """Put derived numbers into the groups of their attribute: its bins, else bands of skin tone, else thirds."""
    if spec.bins is not None:
        return cut_by_bins(numbers, spec.bins)
    if spec.derive == "ita":
        return Cut(BANDS, bands_of(numbers))
    return cut_by_thirds(numbers)
