"""One way of forging: what it is called, what it is held against, and which expression it brings in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ...robustness.conditions import Condition

KIND = "forgery"
RESAVED = Condition(KIND, "resaved", title="the genuine photo, saved once more")
"""Every picture that is made here is saved once; this is what that alone does."""


@dataclass(frozen=True)
class Forgery:
    """One way of forging.

    Attributes:
        condition: of the measurement keys.
        control: what it is held against: the same forging with the photo itself, or the photo saved once more.
        words: in a sentence, e.g. ``a mouth from another photo of the same person``.
        donors: of each face that it can be done to, the photo that it brings in, by row; a row of -1 where it is not
            known.
        made_here: whether it is made by this audit.
    """

    condition: Condition
    control: Condition
    words: str
    donors: Mapping[int, int]
    made_here: bool
