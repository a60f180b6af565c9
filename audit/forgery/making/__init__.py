"""Makers of forgeries from real faces and their landmarks, without a generator; each returns picture and mask."""

from .codec import encoded, through_codec
from .hull import LIFT, face_hull, hull_mask
from .photo import CROP, Forged, ForgeryError, Photo, face_crop, photo_of
from .self_blending import EASY, HARD, SelfBlend, self_blend

__all__ = [
    "CROP",
    "EASY",
    "HARD",
    "LIFT",
    "Forged",
    "ForgeryError",
    "Photo",
    "SelfBlend",
    "encoded",
    "face_crop",
    "face_hull",
    "hull_mask",
    "photo_of",
    "self_blend",
    "through_codec",
]
