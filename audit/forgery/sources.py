"""Which genuine photo each forgery was made of: the one of the same person that most of the picture is the same as."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...core.faces import Faces

SIDE = 32
"""Side of the crops that are compared."""
SAME = 2
"""Values of the small crops that differ by less are the same but for the codec."""
LOOKED_AT = 48
"""So many photos of a person are compared with a forgery pixel by pixel; of more, those nearest to it at the edges."""
_AT_ONCE = 256
_EDGE = 6
Integers = NDArray[np.int64]
Crops = NDArray[np.uint8]


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
    and all 102 splices, and for 98 of 102 morphs, in which the whole head is moved a little. Of somebody with more than
    48 photos, those 48 are compared whose edges, which forgeries of a face leave alone, are nearest to the forgery's.

    Args:
        faces: of the audit.
        forged: ``(m,)`` forged faces.
        genuine: ``(k,)`` genuine ones.

    Returns:
        The genuine photo by forged face; a forgery of somebody without a genuine photo is absent.
    """
    people = faces.subject_codes
    photos: dict[int, list[int]] = defaultdict(list)
    made: dict[int, list[int]] = defaultdict(list)
    for row in np.sort(genuine).tolist():
        photos[int(people[row])].append(row)
    for row in np.asarray(forged).tolist():
        made[int(people[row])].append(row)
    found: dict[int, int] = {}
    for person, of_person in made.items():  # crops of one person at a time are in memory
        own = photos.get(person, [])
        if len(own) == 1:
            found |= dict.fromkeys(of_person, own[0])
        elif own:
            crops = small_crops(faces, np.array(sorted({*own, *of_person}), dtype=np.int64))
            choice = np.stack([crops[row] for row in own])
            edges = edges_of(choice)
            squares = np.square(edges).sum(axis=1)
            for row in of_person:
                among = nearest_edges(crops[row], edges, squares)
                found[row] = own[among[nearest_of(crops[row], choice[among])]]
    return {row: found[row] for row in np.asarray(forged).tolist() if row in found}


def edges_of(crops: Crops) -> NDArray[np.float32]:
    """Return the outermost six pixels on every side of crops (n, 32, 32, 3), (n, values)."""
    ring = np.ones(crops.shape[1:3], dtype=np.bool_)
    ring[_EDGE:-_EDGE, _EDGE:-_EDGE] = False
    return crops[:, ring].reshape(len(crops), -1).astype(np.float32)


def nearest_edges(crop: Crops, edges: NDArray[np.float32], squares: NDArray[np.float32]) -> Integers:
    """Return the places of the 48 pictures whose edges are nearest to those of ``crop``, ascending; all if fewer.

    Args:
        crop: (32, 32, 3).
        edges: of :func:`edges_of`.
        squares: the sum of their squares by picture, so that distances are one product of matrices.
    """
    if len(edges) <= LOOKED_AT:
        return np.arange(len(edges), dtype=np.int64)
    away = squares - 2 * (edges @ edges_of(crop[None])[0])
    return np.sort(np.argpartition(away, LOOKED_AT)[:LOOKED_AT]).astype(np.int64)


def nearest_of(crop: Crops, choice: Crops) -> int:
    """Return the place of the picture that most of ``crop`` is the same as; the mean difference decides among equals.

    Args:
        crop: (h, w, 3).
        choice: (n, h, w, 3), at least one.
    """
    apart = np.abs(choice.astype(np.int16) - crop.astype(np.int16)).reshape(len(choice), -1)
    return int(np.lexsort((apart.mean(axis=1), -(apart < SAME).mean(axis=1)))[0])
