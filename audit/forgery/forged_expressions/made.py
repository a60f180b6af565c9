"""Forgeries made here of the genuine faces, each beside the same forging with the face's own photo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ....core.faces import FaceBatch, Faces
from ....core.probes import ProbeContext
from ...robustness.conditions import Condition, Perturbed
from ...robustness.strip import FIRST_STAND_IN, stand_ins
from ..making import (
    METHODS,
    ForgeryError,
    Photo,
    donors,
    forge,
    look_of,
    other_photos,
    photo_of,
    through_codec,
)
from .forgeries import KIND, RESAVED, Forgery

SIDE = 256
"""Pictures are made with at least so many pixels a side, and reduced to the model's input after the codec."""
MOST_PHOTOS = 4
"""Photos of a person that are looked at for one with another expression."""
_AT_ONCE = 32
MADE, OWN = "made_", "own_"
WORDS: Mapping[str, str] = {
    "face_swap_poisson": "another person's face, swapped in",
    "face_swap_feather": "another person's face, swapped in and feathered",
    "morph": "a morph with another person",
    "mouth_splice": "the mouth of another photo of the same person",
    "eyes_splice": "the eyes of another photo of the same person",
}
Integers = NDArray[np.int64]


def making_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size at which pictures are made for a model's input: a whole multiple, 256 a side or more."""
    times = max(1, -(-SIDE // min(size)))
    return size[0] * times, size[1] * times


@dataclass(eq=False)
class MadeForgeries:
    """Makes forgeries of a batch of faces; faces of the data, or drawn ones that stand in for them in the report.

    Attributes:
        faces: of the audit, at the size of making.
        size: (h, w) of the model's input.
        partners: by kind of forgery, of each face the row of its partner.
        lot: gives the generator of a face and a kind of forgery, by row and name.
        failed: how many forgeries could not be made, by reason.
    """

    faces: Faces
    size: tuple[int, int]
    partners: Mapping[str, Mapping[int, int]]
    lot: Callable[[int, str], np.random.Generator]
    failed: dict[str, int] = field(default_factory=dict)
    _photos: dict[int, Photo | str] = field(default_factory=dict)

    def __call__(self, condition: Condition, batch: FaceBatch) -> Perturbed:
        """Return the batch after one kind of forging, or its control; a face it cannot be done to stays as it is."""
        if condition == RESAVED:
            return Perturbed(self._resaved(batch))
        own = condition.name.startswith(OWN)
        name = condition.name.removeprefix(OWN).removeprefix(MADE)
        rows = batch.rows.tolist()
        partners = {row: self._partner(name, row) for row in rows}
        shown = {row: row if own else partner for row, partner in partners.items() if partner is not None}
        self._read(rows, list(shown.values()))
        pixels, possible = batch.pixels.clone(), np.zeros(len(rows), dtype=np.bool_)
        for at, row in enumerate(rows):
            if row not in shown:
                continue
            made = self._make(name, row, shown[row])
            if isinstance(made, str):
                self.failed[made] = self.failed.get(made, 0) + 1
            else:
                pixels[at] = self._reduced(made).to(pixels)
                possible[at] = True
        return Perturbed(pixels, possible)

    def _resaved(self, batch: FaceBatch) -> torch.Tensor:
        """Return the photos after the codec; that takes no landmarks."""
        if batch.rows[0] >= FIRST_STAND_IN:
            pixels = stand_ins(making_size(self.size))[0].pixels
        else:
            pixels = torch.cat([read.pixels for read in self.faces.batches(_AT_ONCE, batch.rows)])
        pictures = pixels.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
        return torch.stack([self._reduced(through_codec(each)) for each in pictures]).to(batch.pixels)

    def _partner(self, name: str, row: int) -> int | None:
        if row >= FIRST_STAND_IN:  # among drawn faces the next one gives face, mouth and eyes
            drawn = len(stand_ins(self.size)[0])
            return FIRST_STAND_IN + (row - FIRST_STAND_IN + 1) % drawn
        return self.partners[name].get(row)

    def _make(self, name: str, row: int, other: int) -> NDArray[np.uint8] | str:
        photo, partner = self._photos[row], self._photos[other]
        if isinstance(photo, str) or isinstance(partner, str):
            return photo if isinstance(photo, str) else f"of the other photo: {partner}"
        try:
            return through_codec(forge(name, photo, partner, self.lot(row, name)).pixels)
        except ForgeryError as error:
            return str(error)

    def _reduced(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        height, width = self.size
        picture = Image.fromarray(pixels)
        if picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float().div_(255)

    def _read(self, rows: Sequence[int], others: Sequence[int]) -> None:
        """Keep the photos of these rows, and no others."""
        wanted = dict.fromkeys([*rows, *others])
        self._photos = {row: photo for row, photo in self._photos.items() if row in wanted}
        missing = np.array([row for row in wanted if row not in self._photos], dtype=np.int64)
        self._photos |= photos_of(self.faces, missing)


def photos_of(faces: Faces, rows: Integers) -> dict[int, Photo | str]:
    """Return the photo of each face, or why there is none; of rows from 2**40 on the drawn faces."""
    found: dict[int, Photo | str] = {}
    if len(rows) and rows[0] >= FIRST_STAND_IN:
        assert faces.height_width is not None
        batches = [stand_ins(faces.height_width, "68")[0]]
    else:
        batches = list(faces.batches(_AT_ONCE, rows, landmarks=True)) if len(rows) else []
    for batch in batches:
        pixels = batch.pixels.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
        assert batch.landmarks is not None
        for row, picture, points in zip(batch.rows.tolist(), pixels, batch.landmarks, strict=True):
            try:
                found[row] = photo_of(picture, points)
            except ForgeryError as error:
                found[row] = str(error)
    return found


def made_forgeries(
    context: ProbeContext, names: Sequence[str], rows: Integers, genuine: Integers
) -> tuple[MadeForgeries, list[Forgery]]:
    """Choose a partner for each face and each kind of forgery.

    A person's face is given to another as :func:`~countenance.audit.forgery.making.donors` chooses (most groups in
    common, alike in looks); of that donor's photos one with another expression is taken where there is any. A mouth or
    eyes come from the photo of the same person in which they differ most in shape.

    Args:
        context: of the probe.
        names: kinds of forgery.
        rows: genuine faces to forge.
        genuine: every genuine face.
    """
    assert context.faces.height_width is not None
    faces = replace(context.faces, height_width=making_size(context.faces.height_width))
    if not names:
        return MadeForgeries(faces, context.model.size, {}, lambda row, name: context.random(name, row)), []
    pool = _with_other_photos(faces.subject_codes, rows, genuine)
    looks, landmarks, kept = _looks(faces, pool)
    people = faces.subject_codes[kept]
    partners: dict[str, dict[int, int]] = {}
    for name in names:
        kind = METHODS[name].partner
        if not len(kept):
            chosen = np.empty(0, dtype=np.int64)
        elif kind == "person":
            codes = [groups.codes[kept] for groups in faces.groupings if len(groups.attributes) == 1]
            together = np.stack(codes, axis=1) if codes else np.zeros((len(kept), 0), dtype=np.int64)
            chosen = donors(people, together, looks, context.random("donors", name))
            chosen = _with_another_expression(context, kept, people, chosen)
        else:
            assert kind in ("mouth", "eyes")
            chosen = other_photos(people, landmarks, kind)
        partners[name] = {int(row): int(kept[other]) for row, other in zip(kept, chosen, strict=True) if other >= 0}
        partners[name] = {row: other for row, other in partners[name].items() if row in set(rows.tolist())}
    ids = faces.frame["face_id"].to_numpy(dtype=object)

    def lot(row: int, name: str) -> np.random.Generator:
        return context.random("forge", name, str(ids[row]) if row < len(ids) else f"drawn {row - FIRST_STAND_IN}")

    told = [
        Forgery(
            Condition(KIND, MADE + name, title=f"{WORDS[name]} (made here)"),
            Condition(KIND, OWN + name, title=f"the same with the photo itself: {METHODS[name].title} (made here)"),
            f"{WORDS[name]} (made here)",
            partners[name],
            made_here=True,
        )
        for name in names
    ]
    return MadeForgeries(faces, context.model.size, partners, lot), told


def _with_other_photos(people: Integers, rows: Integers, genuine: Integers) -> Integers:
    """Return the rows and a few more photos of the same people, in order."""
    kept = set(rows.tolist())
    count = {person: int(number) for person, number in zip(*np.unique(people[rows], return_counts=True), strict=True)}
    for row in genuine.tolist():
        person = int(people[row])
        if row not in kept and 0 < count.get(person, 0) < MOST_PHOTOS:
            kept.add(row)
            count[person] += 1
    return np.array(sorted(kept), dtype=np.int64)


def _looks(faces: Faces, rows: Integers) -> tuple[NDArray[np.float64], NDArray[np.float32], Integers]:
    """Return looks (m, 5) and landmarks (m, 68, 2) of those of the rows that have landmarks, and these rows."""
    looks, landmarks, kept = [], [], []
    for start in range(0, len(rows), _AT_ONCE):
        for row, photo in photos_of(faces, rows[start : start + _AT_ONCE]).items():
            if not isinstance(photo, str):
                looks.append(look_of(photo))
                landmarks.append(photo.landmarks)
                kept.append(row)
    if not kept:
        return np.empty((0, 5)), np.empty((0, 68, 2), dtype=np.float32), np.empty(0, dtype=np.int64)
    return np.stack(looks), np.stack(landmarks), np.array(kept, dtype=np.int64)


def _with_another_expression(context: ProbeContext, kept: Integers, people: Integers, chosen: Integers) -> Integers:
    """Exchange each donor's photo for one with another expression than the face's, where that person has one."""
    shown = expressions_of(context, kept)
    found = chosen.copy()
    for face, donor in enumerate(chosen.tolist()):
        if donor >= 0 and shown[donor] == shown[face]:
            others = np.flatnonzero((people == people[donor]) & (shown != shown[face]))
            found[face] = others[0] if len(others) else donor
    return found


def expressions_of(context: ProbeContext, rows: Integers) -> Integers:
    """Return the expression of each photo, as a place among the classes: its label, or else the model's answer."""
    labels, answers = context.predictions.labels[rows], context.predictions.predicted[rows]
    return np.where(labels >= 0, labels, answers).astype(np.int64)
