"""One way of forging: what it is called, what it is held against, and which expression it brings in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ....core.faces import Faces
from ...robustness.conditions import Condition

KIND = "forgery"
RESAVED = Condition(KIND, "resaved", title="the genuine photo, saved once more")
"""Every picture that is made here is saved once; this is what that alone does."""
ONLY_SAVED = "when the genuine photo is merely saved once more"


@dataclass(frozen=True)
class Forgery:
    """One way of forging.

    Attributes:
        condition: of the measurement keys.
        control: what it is held against: the same forging that brings in no other expression, or the photo saved once
            more.
        words: in a sentence, e.g. ``a mouth from another photo of the same person``.
        control_words: what the control does, after a number, e.g. ``when the genuine photo is merely saved once more``.
        donors: of each face that it can be done to, the photo that it brings in, by row; a row of -1 where it is not
            known.
        made_here: whether it is made by this audit.
        caveats: what the control does not hold.
    """

    condition: Condition
    control: Condition
    words: str
    control_words: str
    donors: Mapping[int, int]
    made_here: bool
    caveats: tuple[str, ...] = ()


def column_of(faces: Faces, use: str) -> list[str] | None:
    """Return what the manifest tells of each face under ``data.forgeries``; ``None`` where it does not.

    A column that the plan takes for an attribute of the faces makes groups, and tells nothing of forgeries.

    Args:
        faces: of the audit.
        use: ``method``, ``donor`` and so on.
    """
    if use not in faces.frame or use in faces.attributes:
        return None
    return [str(told).strip() for told in faces.frame[use]]
