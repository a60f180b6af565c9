"""Every kind of forgery by name: what it needs beside the face, and how it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np

from .photo import Forged, ForgeryError, Photo
from .self_blending import EASY, HARD, self_blend
from .splicing import splice
from .swapping import face_swap, morph

Partner = Literal["none", "person", "mouth", "eyes"]
Make = Callable[[Photo, Photo, np.random.Generator], Forged]

UNTOUCHED = "untouched"
"""The control: a face that goes through every step of a forgery but the forging."""


@dataclass(frozen=True)
class Method:
    """One kind of forgery.

    Attributes:
        name: in plans, manifests and measurements.
        title: in sentences.
        partner: whose face it needs: nobody's, another person's, or another photo of the same person, in which mouth
            or eyes differ most.
        make: given the face, its partner (itself where none is needed) and a generator.
    """

    name: str
    title: str
    partner: Partner
    make: Make


# the mask of a forgery that is kept holds every change, so it is the source that is toned
_INSIDE, _EASY_INSIDE = replace(HARD, toned="source"), replace(EASY, toned="source")
_ALL = (
    Method("self_blend", "self-blend", "none", lambda face, _, lot: self_blend(face, lot, _INSIDE)),
    Method("self_blend_easy", "easy self-blend", "none", lambda face, _, lot: self_blend(face, lot, _EASY_INSIDE)),
    Method("face_swap_feather", "face swap, feathered", "person", lambda a, b, lot: face_swap(a, b, lot, "feather")),
    Method("face_swap_poisson", "face swap, Poisson", "person", lambda a, b, lot: face_swap(a, b, lot, "poisson")),
    Method("morph", "morph of two people", "person", lambda a, b, lot: morph(a, b, lot)),
    Method("mouth_splice", "mouth of another photo", "mouth", lambda a, b, lot: splice(a, b, "mouth", lot)),
    Method("eyes_splice", "eyes of another photo", "eyes", lambda a, b, lot: splice(a, b, "eyes", lot)),
)
METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _ALL})
"""The kinds of forgery by name."""
UNCHANGED = "the forgery is the photo itself, to the last pixel (another photo like this one, or a very small face)"
"""Why a forgery that changes nothing is refused."""
USUAL = tuple(name for name in METHODS if name != "self_blend_easy")
"""Those made unless others are asked for."""


def forge(
    name: str, photo: Photo, partner: Photo | None, random: np.random.Generator, *, must_change: bool = False
) -> Forged:
    """Make one forgery, or the control.

    Args:
        name: of :data:`METHODS`, or :data:`UNTOUCHED`.
        photo: the face.
        partner: whose face or which other photo is used; ``None`` where the method needs none.
        random: decides what is drawn; the same state gives the same bytes.
        must_change: refuse a forgery that leaves every pixel of the photo as it was, which is none: the other photo
            may be a copy of this one, or the face too small for its part to hold a pixel. The control is exempt.

    Raises:
        ForgeryError: for an unknown method, one that lacks its partner, a face that it cannot be done to, or a result
            that is the photo.
    """
    if name == UNTOUCHED:
        return Forged(photo.pixels.copy(), np.zeros(photo.pixels.shape[:2], dtype=np.float32), photo.landmarks)
    if name not in METHODS:
        raise ForgeryError(f"expected a kind of forgery ({', '.join(METHODS)}), but got {name!r}")
    method = METHODS[name]
    if partner is None and method.partner != "none":
        needed = "another person" if method.partner == "person" else "another photo of the same person"
        raise ForgeryError(f"a forgery of the kind {name} needs {needed}")
    made = method.make(photo, photo if partner is None else partner, random)
    if must_change and np.array_equal(made.pixels, photo.pixels):
        raise ForgeryError(UNCHANGED)
    return made
