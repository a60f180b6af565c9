"""Every occlusion as a condition: patches at each share, regions and objects, and each of them elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ....core.landmarks import LandmarkKind
from ..conditions import Condition
from .objects import OBJECTS
from .params import OcclusionParams
from .regions import REGION_TITLES

KIND, STRENGTH = "occlusion", "share"
ELSEWHERE = "_elsewhere"
RANDOM, GUIDED, LAST, MOVED = "random", "guided", "guided_last", "guided" + ELSEWHERE
GUIDED_CURVES = (GUIDED, LAST, MOVED)
MOVING_REGIONS = ("brows", "mouth")
"""Regions whose place and size hang on the expression, of which five landmarks tell too little."""
NO_LANDMARKS = (
    "the faces have no landmarks, by which regions are found and things are drawn: name them as data.landmarks"
)
TOO_FEW = "five landmarks do not tell where it lies: brows rise and mouths open with the expression (68 or 478 do)"
_PATCHES = {
    RANDOM: "patches at random",
    GUIDED: "patches, the most important first",
    LAST: "patches, the least important first",
    MOVED: "patches by a map moved elsewhere",
}


@dataclass(frozen=True)
class Catalogue:
    """What is done to the faces.

    Attributes:
        curves: the orders in which patches are hidden.
        shares: of the patches, ascending.
        things: regions, then objects.
    """

    curves: tuple[str, ...]
    shares: tuple[float, ...]
    things: tuple[str, ...]

    @classmethod
    def of(cls, params: OcclusionParams, landmarks: LandmarkKind, *, guided: bool) -> Catalogue:
        """Return what can be done where faces have such landmarks, and where there is a guide, or none."""
        curves = (RANDOM, *(GUIDED_CURVES if guided else ())) if params.shares else ()
        missing = without_landmarks(params, landmarks)
        return cls(curves, params.shares, tuple(name for name in things_of(params) if name not in missing))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Every condition; a thing is followed by itself elsewhere."""
        patches = [patch_condition(name, share) for name in self.curves for share in self.shares]
        things = [thing_condition(name, moved) for name in self.things for moved in (False, True)]
        return (*patches, *things)

    def of_strip(self) -> tuple[Condition, ...]:
        """Return the conditions that are shown: every thing, and three shares of two curves."""
        at = sorted({0, len(self.shares) // 2, len(self.shares) - 1}) if self.shares else []
        names = [name for name in self.curves if name in (RANDOM, GUIDED)]
        shown = [patch_condition(name, self.shares[place]) for name in names for place in at]
        return (*(thing_condition(name, False) for name in self.things), *shown)


def things_of(params: OcclusionParams) -> tuple[str, ...]:
    """Return the regions and objects that were asked for."""
    return (*params.regions, *params.objects)


def without_landmarks(params: OcclusionParams, landmarks: LandmarkKind) -> dict[str, str]:
    """Return the regions and objects that faces with such landmarks cannot have, each with the reason."""
    if landmarks == "none":
        return dict.fromkeys(things_of(params), NO_LANDMARKS)
    few = landmarks in ("5", "aligned")
    return {name: TOO_FEW for name in things_of(params) if few and name in MOVING_REGIONS}


def patch_condition(name: str, share: float) -> Condition:
    """Return a share of the patches hidden in one order."""
    return Condition(KIND, name, STRENGTH, f"{share:g}", f"{100 * share:g} % of the {_PATCHES[name]}")


def thing_condition(name: str, moved: bool) -> Condition:
    """Return a region or an object, where it belongs or elsewhere."""
    title = title_of(name)
    return (
        Condition(KIND, name + ELSEWHERE, title=f"{title}, moved elsewhere")
        if moved
        else Condition(KIND, name, title=title)
    )


def title_of(name: str) -> str:
    """Return an occlusion in words that follow "under"."""
    if name in REGION_TITLES:
        return REGION_TITLES[name]
    return OBJECTS[name].title if name in OBJECTS else f"hidden {_PATCHES[name]}"


def keys(names: Sequence[str]) -> list[dict[str, str]]:
    """Return the condition of the key of each occlusion, without a share."""
    return [{KIND: name} for name in names]
