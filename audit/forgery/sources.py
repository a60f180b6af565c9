"""Which genuine photo each forgery was made of: the one of the same person that most of the picture is the same as."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core.faces import Faces

SIDE = 32
"""Side of the crops that are compared."""
_AT_ONCE = 256
Integers = NDArray[np.int64]


def small_crops(faces: Faces, rows: Integers) -> dict[int, NDArray[np.uint8]]:
    """Return the crop of each face at 32 x 32 pixels, (32, 32, 3), by row."""
    small = replace(faces, height_width=(SIDE, SIDE))
    found: dict[int, NDArray[np.uint8]] = {}
    for batch in small.batches(_AT_ONCE, np.unique(rows)):
        pixels = batch.pixels.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
        found |= dict(zip(batch.rows.tolist(), pixels, strict=True))
    return found


def source_photos(faces: Faces, forged: Integers, genuine: Integers) -> dict[int, int]:
    """Find the genuine photo that each forgery was made of.

    Of the genuine photos of the same person it is the one whose median absolute difference from the forgery is the
    smallest: what was changed is a part of the picture, which the median does not mind. The first one of equals.

    Args:
        faces: of the audit.
        forged: ``(m,)`` forged faces.
        genuine: ``(k,)`` genuine ones.

    Returns:
        The genuine photo by forged face; a forgery of somebody without a genuine photo is absent.
    """
    people = faces.subject_codes
    photos: dict[int, list[int]] = defaultdict(list)
    for row in np.sort(genuine).tolist():
        photos[int(people[row])].append(row)
    own = {row: photos[int(people[row])] for row in np.asarray(forged).tolist() if int(people[row]) in photos}
    unsure = [row for row, choice in own.items() if len(choice) > 1]
    compared = {other for row in unsure for other in own[row]} | set(unsure)
    crops = small_crops(faces, np.array(sorted(compared), dtype=np.int64))
    found = {row: choice[0] for row, choice in own.items()}
    for row in unsure:
        found[row] = nearest_photo(crops[row], {other: crops[other] for other in own[row]})
    return found


def nearest_photo(
    crop: NDArray[np.uint8], choice: dict[int, NDArray[np.uint8]], inside: NDArray[np.bool_] | None = None
) -> int:
    """Return the key of the picture whose median absolute difference from ``crop`` is the smallest.

    Args:
        crop: ``(h, w, 3)``.
        choice: pictures of that shape, at least one.
        inside: ``(h, w)`` the pixels to compare; all unless given.
    """
    chosen = slice(None) if inside is None else inside

    def away(key: int) -> tuple[float, float]:
        apart = np.abs(choice[key][chosen].astype(np.int16) - crop[chosen].astype(np.int16))
        return float(np.median(apart)), float(apart.mean())  # the mean decides where most of both is one and the same

    return min(choice, key=away)
