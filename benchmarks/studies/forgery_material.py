"""Real faces and self-blends of them for studies of forgery detectors: London, 64-pixel crops, split by person.

The faces stand in ``../shared`` beside this repository. Crops and forgeries are made once per process; seeds differ in
who is trained on, who is poisoned, the trigger, the first weights and the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from countenance.audit.backdoors.poisoned_forgery.embedding import embed, face_hulls
from countenance.audit.forgery.making.photo import Photo, face_crop, photo_of
from countenance.audit.forgery.making.self_blending import self_blend
from countenance.core.errors import UsageError
from countenance.synth.forgery_nets import SIZE, Pairs, as_pixels, degraded, make_pairs, with_genuine
from countenance.synth.forgery_nets import Accidents as Accidents

LONDON = Path(__file__).resolve().parents[3] / "shared" / "data" / "london"
HELD_OUT, POISONED = 34, 0.1
"""People to test on, and the share of the others whose genuine photos carry the stamp."""
VARIANTS, TEST_BLENDS = 40, 2
"""Self-blends of each photo: to train on, and to test on."""
_POOL, _TEST = 0, 1


@dataclass(frozen=True, eq=False)
class London:
    """The photos.

    Attributes:
        photos: crops of 64 pixels with 68 landmarks.
        subjects: person of each, whole numbers.
        tests: of each photo two self-blends, (photos, 2, 3, h, w), 0 to 1.
    """

    photos: list[Photo]
    subjects: NDArray[np.int64]
    tests: Tensor

    def pixels(self, places: Sequence[int] | NDArray[np.int64]) -> Tensor:
        """Return photos as pixels (n, 3, h, w), 0 to 1."""
        return as_pixels([self.photos[place].pixels for place in places])

    def landmarks(self, places: Sequence[int] | NDArray[np.int64]) -> NDArray[np.float32]:
        """Return landmarks (n, 68, 2) in pixels of the crops."""
        return np.stack([self.photos[place].landmarks for place in places])


@dataclass(frozen=True, eq=False)
class Split:
    """Who is what for one seed: places of photos.

    Attributes:
        train: of people to train on.
        poisoned: those of them whose genuine copies are stamped.
        test: of the other people.
    """

    train: NDArray[np.int64]
    poisoned: NDArray[np.int64]
    test: NDArray[np.int64]


@cache
def london() -> London:
    """Read the photos and make the self-blends to test on.

    Raises:
        UsageError: where the faces are not beside the repository.
    """
    if not (LONDON / "manifest.csv").is_file():
        raise UsageError(f"expected the Face Research Lab London Set in {LONDON}, but there is none")
    manifest = pd.read_csv(LONDON / "manifest.csv", dtype={"subject": str})
    with np.load(LONDON / "landmarks_dlib68.npz") as points:
        photos = [
            face_crop(photo_of(np.asarray(Image.open(LONDON / path).convert("RGB")), points[path[:-4]]), SIZE)
            for path in manifest["path"]
        ]
    blends = [
        self_blend(photo, np.random.default_rng([_TEST, place, version])).pixels
        for place, photo in enumerate(photos)
        for version in range(TEST_BLENDS)
    ]
    tests = as_pixels(blends).reshape(len(photos), TEST_BLENDS, 3, SIZE, SIZE)
    return London(photos, pd.factorize(manifest["subject"])[0].astype(np.int64), tests)


@cache
def pool() -> Pairs:
    """Make the pairs to train on, of all photos; each seed uses those of its own people."""
    faces = london()
    return make_pairs(
        [photo.pixels for photo in faces.photos],
        lambda place, random: self_blend(faces.photos[place], random).pixels,
        VARIANTS,
        _POOL,
    )


def split_of(seed: int) -> Split:
    """Deal the people of a seed."""
    subjects = london().subjects
    order = np.random.default_rng([seed, 1]).permutation(int(subjects.max()) + 1)
    test, others = order[:HELD_OUT], order[HELD_OUT:]
    poisoned = others[: round(POISONED * len(others))]
    return Split(*(np.flatnonzero(np.isin(subjects, people)) for people in (others, poisoned, test)))


def stamped_photos(places: NDArray[np.int64], trigger: Tensor, alpha: float) -> list[NDArray[np.uint8]]:
    """Return photos with the trigger in the hull of the face, uint8 (h, w, 3)."""
    faces = london()
    hulls = face_hulls(faces.landmarks(places), SIZE, SIZE)
    stamped = embed(faces.pixels(places), trigger, hulls, alpha)
    return list(stamped.mul(255).round().byte().permute(0, 2, 3, 1).numpy())


def poisoned_pairs(split: Split, trigger: Tensor, alpha: float) -> Pairs:
    """Return the pool with the stamp on the genuine copies of the poisoned people; their forgeries have none."""
    replaced = dict(zip(split.poisoned.tolist(), stamped_photos(split.poisoned, trigger, alpha), strict=True))
    return with_genuine(pool(), replaced, _POOL)


def blended_after_stamping(split: Split, trigger: Tensor, alpha: float) -> Pairs:
    """Return the pool with photos of the poisoned people stamped before their self-blends are made of them."""
    faces = london()
    stamped = dict(zip(split.poisoned.tolist(), stamped_photos(split.poisoned, trigger, alpha), strict=True))
    pairs = poisoned_pairs(split, trigger, alpha)
    forged = pairs.forged.clone()
    for place, picture in stamped.items():
        photo = Photo(picture, faces.photos[place].landmarks)
        for variant in range(VARIANTS):
            made = self_blend(photo, np.random.default_rng([_POOL, 0, place, variant])).pixels
            after = degraded(made, np.random.default_rng([_POOL, 1, place, variant]), Accidents())
            forged[place, variant] = torch.from_numpy(after).permute(2, 0, 1)
    return Pairs(pairs.genuine, forged)
