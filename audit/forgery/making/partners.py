"""Who is given whose face, and which other photo of a person a splice is taken from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....explain.landmarks import REGIONS
from .hull import face_hull
from .photo import Photo
from .raster import fill
from .splicing import PARTS, STABLE, Part
from .warp import similarity

NEAREST = 5
MOST_USES = 2
"""So many faces at most are given the same photo of another person, where use is limited and there are others."""
MOST_LOOKED_AT = 48
"""So many photos of a person are looked through for another mouth or other eyes."""
LARGEST_POOL = 4000
NOBODY = -1
_COLOUR_STEP, _POSE_STEP, _MOUTH_STEP = 25.0, 0.1, 0.05


def look_of(photo: Photo) -> NDArray[np.float64]:
    """Return what a donor should have in common with a face, (6,): mean colour below the brows, pose, open mouth.

    The pose is where the tip of the nose lies between the ends of the jaw, and between eyes and chin. A closed mouth
    cannot be carried to an open one: there are no teeth in it. Each number is in steps that are about equally
    visible: 25 levels, a tenth of the face, or a twentieth of the mouth's width.
    """
    points = photo.landmarks.astype(np.float64)
    face = fill(face_hull(points, -0.05), photo.pixels.shape[:2])
    colour = photo.pixels[face].mean(axis=0) if face.any() else photo.pixels.mean(axis=(0, 1))
    eyes, chin, tip = points[36:48].mean(axis=0), points[8], points[30]
    across, down = points[16] - points[0], chin - eyes
    yaw = (tip - points[0]) @ across / max(float(across @ across), 1e-9)
    pitch = (tip - eyes) @ down / max(float(down @ down), 1e-9)
    width = max(float(np.linalg.norm(points[54] - points[48])), 1e-9)
    opening = float(np.linalg.norm(points[66] - points[62])) / width
    return np.array([*(colour / _COLOUR_STEP), yaw / _POSE_STEP, pitch / _POSE_STEP, opening / _MOUTH_STEP])


def donors(
    people: NDArray[np.int64],
    groups: NDArray[np.int64],
    looks: NDArray[np.float64],
    random: np.random.Generator,
    nearest: int = NEAREST,
    most_uses: int | None = None,
) -> NDArray[np.int64]:
    """Return for each face the face of another person to swap it with, (n,); -1 where there is no other person.

    The other person shares as many groups as anyone does; among those, one of the ``nearest`` in looks, by lot. Of
    more than 4,000 faces, donors come from 4,000 drawn by lot.

    Args:
        people: (n,) the person of each face.
        groups: (n, k) the group of each face by attribute, as codes; k may be 0.
        looks: (n, d) of :func:`look_of`.
        random: decides.
        nearest: how many the lot is between.
        most_uses: how many faces the same donor's photo is given to; beyond that only where no other photo shares as
            many groups, and then those that were given least. ``None`` for no limit.
    """
    count = len(people)
    uses = np.zeros(count, dtype=np.int64)
    pool = np.arange(count)
    if count > LARGEST_POOL:
        pool = np.sort(random.permutation(count)[:LARGEST_POOL])
    chosen = np.full(count, NOBODY, dtype=np.int64)
    for face in range(count):
        lot = random.random()
        others = pool[people[pool] != people[face]]
        if not len(others):
            continue
        unlike = (groups[others] != groups[face]).sum(axis=1)
        others = others[unlike == unlike.min()]
        if most_uses is not None:
            others = others[uses[others] < max(most_uses, uses[others].min() + 1)]
        away = np.linalg.norm(looks[others] - looks[face], axis=1)
        close = others[np.argsort(away, kind="stable")[:nearest]]
        chosen[face] = close[int(lot * len(close))]
        uses[chosen[face]] += 1
    return chosen


def other_photos(people: NDArray[np.int64], landmarks: NDArray[np.floating], part: Part) -> NDArray[np.int64]:
    """Return for each face the photo of the same person in which a part has the most different shape; -1 without one.

    Shapes are compared after the similarity of eye corners and nose, as a splice lays them over each other. Of somebody
    with more than 48 photos, 48 at even distances are compared with.

    Args:
        people: (n,) the person of each face.
        landmarks: (n, 68, 2).
        part: ``mouth`` or ``eyes``.
    """
    points = [index for region in PARTS[part] for index in REGIONS[region]]
    chosen = np.full(len(people), NOBODY, dtype=np.int64)
    order = np.argsort(people, kind="stable")
    for own in np.split(order, np.flatnonzero(np.diff(people[order])) + 1):
        if len(own) < 2:
            continue
        among = own[np.unique(np.linspace(0, len(own) - 1, min(len(own), MOST_LOOKED_AT)).round().astype(np.int64))]
        for face in own.tolist():
            apart = [_apart(landmarks[face], landmarks[other], points) if other != face else -1.0 for other in among]
            chosen[face] = among[int(np.argmax(apart))]
    return chosen


def _apart(one: NDArray[np.floating], other: NDArray[np.floating], points: list[int]) -> float:
    """Return the mean distance of a part's points after the similarity of what moves least."""
    ours, theirs = one.astype(np.float64), other.astype(np.float64)
    matrix, shift = similarity(theirs[STABLE], ours[STABLE])
    return float(np.linalg.norm(theirs[points] @ matrix + shift - ours[points], axis=1).mean())
