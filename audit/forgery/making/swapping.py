"""Face swaps and morphs: another person's face carried to the landmarks of this one, and blended in."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ....explain.landmarks import REGIONS
from .hull import LIFT, face_hull, grown, softened, with_lifted_brows
from .photo import Forged, ForgeryError, Photo
from .poisson import poisson_blend, unknown_pixels
from .raster import FloatArray, fill
from .warp import read_at, reduced_to, similarity, sources_of
from .window import Window, around

Blend = Literal["poisson", "feather"]

EDGE = 0.02
"""Blur of a feathered edge, in sides of the face."""
RIM = 0.3
"""Of a Poisson blend's edge, as a share of a feathered one: the rim fits already, but where it meets a fringe."""
MOST_DIFFERENCE = 40.0
_BROWS = [*REGIONS["right_brow"], *REGIONS["left_brow"]]
_CONTRAST = (0.7, 1.4)


def face_swap(
    target: Photo, donor: Photo, random: np.random.Generator, blend: Blend = "poisson", *, largest_lift: float = LIFT
) -> Forged:
    """Put the donor's face on the target's: its shape is the target's, its surface the donor's.

    The donor's colours are brought to the target's first (mean and spread of each channel inside the mask).

    Args:
        target: whose hair, ears, neck and background stay.
        donor: whose face is carried over by a piecewise-affine warp of the landmarks.
        random: draws how far up the forehead the face reaches.
        blend: ``poisson`` solves for the target's colours along the rim, ``feather`` fades.
        largest_lift: of the brows, in distances from the eyes to the chin; at least 0.05 is drawn.
    """
    lift = random.uniform(0.05, largest_lift)
    window, inside = _inner_face(target, lift)
    source = _carried(donor, target.landmarks, lift, window)
    source = matched(source, window.of(target.pixels).astype(np.float32), _below_brows(target, window))
    return blended_in(target, source, inside, window, blend, target.landmarks, EDGE * target.side)


def morph(first: Photo, second: Photo, random: np.random.Generator, share: float = 0.5) -> Forged:
    """Mix two people's faces, in shape and surface, inside the first one's picture.

    Eyes, brows, nose and mouth lie ``share`` of the way from the first person's to the second's; the outline of the
    face, and all that lies outside, stay the first's. The mask is how far the mixed face is faded in.

    Args:
        first: whose picture it is made in.
        second: whose face is mixed in.
        random: draws how far up the forehead the face reaches.
        share: of the second person, 0 to 1.
    """
    lift = random.uniform(0.05, LIFT)
    window, inside = _inner_face(first, lift)
    between = _mixed_landmarks(first, second, share)
    one = _carried(first, between, lift, window, first.landmarks)
    two = matched(_carried(second, between, lift, window, first.landmarks), one, _below_brows(first, window))
    mixed = one + np.float32(share) * (two - one)
    return blended_in(first, mixed, inside, window, "feather", between, EDGE * first.side)


def blended_in(
    target: Photo,
    source: NDArray[np.float32],
    inside: NDArray[np.bool_],
    window: Window,
    blend: Blend,
    landmarks: NDArray[np.float32],
    edge: float,
) -> Forged:
    """Blend what was carried over into the target.

    Args:
        target: the picture.
        source: float32 (height, width, 3) of the window, 0 to 255; valid inside and one pixel around.
        inside: (height, width) where it may be seen at all.
        window: where it lies in the target.
        blend: ``poisson`` or ``feather``.
        landmarks: of the result.
        edge: blur of a feathered edge, in pixels; the fade lies inside.
    """
    here = window.of(target.pixels).astype(np.float32)
    if blend == "poisson":
        inside = unknown_pixels(inside)
        source = poisson_blend(_without_outliers(here, source, inside), source, inside)
        edge *= RIM
    share = faded(inside, edge)
    levels = np.clip(np.rint(source), 0, 255).astype(np.uint8)
    return window.blended(target.pixels, levels, share, landmarks)


def faded(inside: NDArray[np.bool_], edge: float) -> NDArray[np.uint8]:
    """Return a mask, 0 to 255, that fades to nothing within ``inside``, over about five times ``edge`` pixels."""
    region = np.pad(inside.astype(np.uint8) * 255, 1)  # beyond the window there is nothing of it
    shrunk = grown(region, -max(1, round(2 * edge)))
    soft = softened(shrunk, edge)[1:-1, 1:-1]
    return np.where(inside, soft, 0).astype(np.uint8)


def matched(source: NDArray[np.float32], target: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give the source the target's mean and spread of each channel over the pixels inside, (height, width, 3).

    The idea is Reinhard et al.'s (2001, "Color transfer between images"), per RGB channel and with the change of
    spread kept between 0.7 and 1.4.

    Raises:
        ForgeryError: where no pixel is inside.
    """
    if not inside.any():
        raise ForgeryError(
            "expected a face below the brows to compare colours on, but no pixel of it is in the picture"
        )
    weight = inside.astype(np.float32).ravel() / np.float32(inside.sum())
    mean, spread = _mean_and_spread(source, weight)
    goal, wanted = _mean_and_spread(target, weight)
    factor = np.clip(wanted / np.maximum(spread, 1e-3), *_CONTRAST).astype(np.float32)
    return np.asarray(source * factor + (goal - mean * factor), dtype=np.float32)


def _mean_and_spread(
    picture: NDArray[np.float32], weight: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weighted mean and standard deviation of each channel; as products of matrices, which are fast."""
    centred = picture.reshape(-1, 3) - np.float32(128)
    mean, square = weight @ centred, weight @ (centred * centred)
    return mean + np.float32(128), np.sqrt(np.maximum(square - mean * mean, 0))


def _without_outliers(
    target: NDArray[np.float32], source: NDArray[np.float32], inside: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return a target whose difference from the source is nowhere far from what it is along most of the rim.

    Where a fringe or a shadow meets the rim, a membrane would carry its darkness across the face. Differences beyond
    three robust standard deviations of the median, or 40 levels, are cut to that, and the fringe keeps its own edge.
    """
    around_it = grown(inside.astype(np.uint8), 1).astype(np.bool_) & ~inside
    difference = target - source
    rim = difference[around_it]
    if not len(rim):
        return target
    middle = np.median(rim, axis=0)
    reach = np.minimum(3 * 1.4826 * np.median(np.abs(rim - middle), axis=0) + 2, MOST_DIFFERENCE)
    cut = np.clip(difference, (middle - reach).astype(np.float32), (middle + reach).astype(np.float32))
    return np.asarray(source + cut, dtype=np.float32)


def _inner_face(photo: Photo, lift: float) -> tuple[Window, NDArray[np.bool_]]:
    """Return the window around a face's hull and, inside it, the hull less two pixels, so that a rim is left."""
    hull = face_hull(photo.landmarks, lift)
    window = around(hull, 2, photo.pixels.shape[:2])
    inside = fill(hull - window.corner, window.height_width).astype(np.uint8)
    return window, grown(inside, -2).astype(np.bool_)


def _below_brows(photo: Photo, window: Window) -> NDArray[np.bool_]:
    """Return the face below the brows, which colours are compared on: a fringe may hide what is above."""
    return fill(face_hull(photo.landmarks, -0.05) - window.corner, window.height_width)


def _corners(landmarks: NDArray[np.floating], lift: float) -> FloatArray:
    """Return the corners of the mesh, (78, 2): the landmarks, and the brows lifted to the forehead."""
    lifted = with_lifted_brows(landmarks, lift)
    return np.concatenate([np.asarray(landmarks, dtype=np.float64), lifted[_BROWS]])


def _carried(
    photo: Photo,
    landmarks: NDArray[np.float32],
    lift: float,
    window: Window,
    outline: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return a face carried to other landmarks, float32 (height, width, 3) of the window."""
    goal = _corners(landmarks, lift)
    if outline is not None:  # the forehead's edge is the target's, although its brows may move
        goal[68:] = _corners(outline, lift)[68:]
    near = reduced_to(photo, float(np.ptp(landmarks, axis=0).max()))
    positions, _ = sources_of(_corners(near.landmarks, lift), goal, window)
    return read_at(near.pixels, positions)


def _mixed_landmarks(first: Photo, second: Photo, share: float) -> NDArray[np.float32]:
    """Return the first's landmarks, the inner ones moved towards where the second's mesh has them.

    The second's face is laid over the first's by the best similarity of all landmarks.
    """
    one, two = first.landmarks.astype(np.float64), second.landmarks.astype(np.float64)
    matrix, shift = similarity(two, one)
    mixed = one + share * (two @ matrix + shift - one)
    mixed[list(REGIONS["jaw"])] = one[list(REGIONS["jaw"])]
    return mixed.astype(np.float32)
