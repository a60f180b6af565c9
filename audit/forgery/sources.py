"""Which genuine photo each forgery was made of: the one of the same person that most of the picture is the same as."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core.faces import Faces

SIDE = 32
"""Side of the crops that are compared."""
SAME = 2
"""Values of the small crops that differ by less are the same but for the codec."""
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

    Of the genuine photos of the same person it is the one that most of the forgery is the same as: what was changed is
    a part of the picture. On the forged London faces, where everyone has two photos, that is right for all 102 swaps
    and all 102 splices, and for 98 of 102 morphs, in which the whole head is moved a little.

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


def nearest_photo(crop: NDArray[np.uint8], choice: Mapping[int, NDArray[np.uint8]]) -> int:
    """Return the key of the picture that most of ``crop`` is the same as; the mean difference decides among equals.

    Args:
        crop: ``(h, w, 3)``.
        choice: pictures of that shape, at least one.
    """

    def unlike(key: int) -> tuple[float, float]:
        apart = np.abs(choice[key].astype(np.int16) - crop.astype(np.int16))
        return -float((apart < SAME).mean()), float(apart.mean())

    return min(choice, key=unlike)
