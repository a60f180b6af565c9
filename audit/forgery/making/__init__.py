"""Makers of forgeries from real faces and their landmarks, without a generator; each returns picture and mask."""

from .catalogue import METHODS, UNTOUCHED, USUAL, Method, forge
from .codec import encoded, through_codec
from .hull import LIFT, face_hull, hull_mask
from .partners import donors, look_of, other_photos
from .photo import CROP, Forged, ForgeryError, Photo, face_crop, photo_of
from .self_blending import EASY, HARD, SelfBlend, self_blend
from .splicing import splice
from .swapping import face_swap, morph

__all__ = [
    "CROP",
    "EASY",
    "HARD",
    "LIFT",
    "METHODS",
    "UNTOUCHED",
    "USUAL",
    "Forged",
    "ForgeryError",
    "Method",
    "Photo",
    "SelfBlend",
    "donors",
    "encoded",
    "face_crop",
    "face_hull",
    "face_swap",
    "forge",
    "hull_mask",
    "look_of",
    "morph",
    "other_photos",
    "photo_of",
    "self_blend",
    "splice",
    "through_codec",
]
