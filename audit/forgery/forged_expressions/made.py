"""Forgeries made here of the genuine faces, each beside the same forging that brings in no other expression."""

from __future__ import annotations

from collections import Counter
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
    ForgeryError,
    Photo,
    forge,
    photo_of,
    through_codec,
)
from .choosing import candidates, with_other_photos
from .forgeries import KIND, ONLY_SAVED, RESAVED, Forgery

SIDE = 256
"""Pictures are made with at least so many pixels a side, and reduced to the model's input after the codec."""
ENOUGH = 0.5
"""Share of the forged faces that must have a control that is forged alike."""
_AT_ONCE = 32
MADE, OWN = "made_", "own_"
WORDS: Mapping[str, str] = {
    "face_swap_poisson": "another person's face, swapped in",
    "face_swap_feather": "another person's face, swapped in and feathered",
    "morph": "a morph with another person",
    "mouth_splice": "the mouth of another photo of the same person",
    "eyes_splice": "the eyes of another photo of the same person",
}
OWN_WORDS: Mapping[str, str] = {
    "face_swap_poisson": "another person's face with the same expression",
    "face_swap_feather": "another person's face with the same expression, feathered",
    "morph": "a morph with another person of the same expression",
    "mouth_splice": "another mouth with the same expression",
    "eyes_splice": "another pair of eyes with the same expression",
}
"""What the controls put in: nothing that the face does not show already, by its label and by the model's answer."""
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
        partners: by kind of forgery, of each face the row of the photo it is forged with.
        controls: by kind of forgery, of each face the row of the photo its control is forged with.
        lot: gives the generator of a face and a kind of forgery, by row and name.
        unusable: how many photos no forgery can be made of, by reason.
        failed: how many forgeries could not be made, by reason.
        failed_controls: how many of their controls, by reason.
    """

    faces: Faces
    size: tuple[int, int]
    partners: Mapping[str, Mapping[int, int]]
    controls: Mapping[str, Mapping[int, int]]
    lot: Callable[[int, str], np.random.Generator]
    unusable: Mapping[str, int] = field(default_factory=dict)
    failed: Counter[str] = field(default_factory=Counter)
    failed_controls: Counter[str] = field(default_factory=Counter)
    _photos: dict[int, Photo | str] = field(default_factory=dict)

    def __call__(self, condition: Condition, batch: FaceBatch) -> Perturbed:
        """Return the batch after one kind of forging, or its control; a face it cannot be done to stays as it is.

        A face is forged with the same random draws in both, so that seams lie alike.
        """
        if condition == RESAVED:
            return Perturbed(self._resaved(batch))
        own = condition.name.startswith(OWN)
        name = condition.name.removeprefix(OWN).removeprefix(MADE)
        rows = batch.rows.tolist()
        partners = {row: self._partner(name, row, own=own) for row in rows}
        shown = {row: partner for row, partner in partners.items() if partner is not None}
        self._read(rows, list(shown.values()))
        pixels, possible = batch.pixels.clone(), np.zeros(len(rows), dtype=np.bool_)
        for at, row in enumerate(rows):
            if row not in shown:
                continue
            made = self._make(name, row, shown[row], must_change=not own)
            if isinstance(made, str):
                (self.failed_controls if own else self.failed)[made] += row < FIRST_STAND_IN
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

    def _partner(self, name: str, row: int, *, own: bool) -> int | None:
        if row >= FIRST_STAND_IN:  # among drawn faces the next one gives face, mouth and eyes
            drawn = len(stand_ins(self.size)[0])
            return FIRST_STAND_IN + (row - FIRST_STAND_IN + 1) % drawn
        return (self.controls if own else self.partners)[name].get(row)

    def _make(self, name: str, row: int, other: int, *, must_change: bool) -> NDArray[np.uint8] | str:
        photo, partner = self._photos[row], self._photos[other]
        if isinstance(photo, str) or isinstance(partner, str):
            return photo if isinstance(photo, str) else f"of the other photo: {partner}"
        try:
            return through_codec(forge(name, photo, partner, self.lot(row, name), must_change=must_change).pixels)
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
    """Choose for each face and each kind of forgery what it is forged with, and what its control is forged with.

    The control is the same forging that brings in no other expression (:meth:`.choosing.Candidates.controls`). Where
    fewer than half of the faces can be given one, the kind is held against the photo saved once more, and says so.

    Args:
        context: of the probe.
        names: kinds of forgery.
        rows: genuine faces to forge.
        genuine: every genuine face.
    """
    assert context.faces.height_width is not None
    faces = replace(context.faces, height_width=making_size(context.faces.height_width))
    ids = faces.frame["face_id"].to_numpy(dtype=object)

    def lot(row: int, name: str) -> np.random.Generator:
        return context.random("forge", name, str(ids[row]) if row < len(ids) else f"drawn {row - FIRST_STAND_IN}")

    if not names:
        return MadeForgeries(faces, context.model.size, {}, {}, lot), []
    pool = candidates(context, photos_of, faces, with_other_photos(faces.subject_codes, rows, genuine), _AT_ONCE)
    wanted, people = set(rows.tolist()), faces.subject_codes
    partners: dict[str, dict[int, int]] = {}
    controls: dict[str, dict[int, int]] = {}
    told = []
    for name in names:
        chosen = pool.partners(name, context.random("donors", name))
        partners[name] = {row: other for row, other in chosen.items() if row in wanted}
        found = pool.controls(name, partners[name])
        enough = bool(found) and len(found) >= ENOUGH * len(partners[name])
        controls[name] = found if enough else {}
        control = Condition(KIND, OWN + name, title=f"{OWN_WORDS[name]} (made here)")
        strangers = sum(bool(people[partners[name][row]] != people[other]) for row, other in controls[name].items())
        told.append(
            Forgery(
                Condition(KIND, MADE + name, title=f"{WORDS[name]} (made here)"),
                control if enough else RESAVED,
                f"{WORDS[name]} (made here)",
                f"when it is {OWN_WORDS[name]}, by the same steps" if enough else ONLY_SAVED,
                partners[name],
                made_here=True,
                caveats=_caveats(enough, strangers, len(found)),
            )
        )
    return MadeForgeries(faces, context.model.size, partners, controls, lot, unusable=pool.unusable), told


def _caveats(enough: bool, strangers: int, controls: int) -> tuple[str, ...]:
    if not enough:
        return (
            "The control holds the saving alone: too few photos show the same expression as another face to forge a "
            "control that brings in no other one. Seams, warps and matched colours may change answers, too.",
        )
    if strangers:
        return (
            f"In {strangers:,} of {controls:,} controls what is put in comes from somebody else than in the forgery, "
            "who has no other photo of that expression: such a control brings in another person's features as well.",
        )
    return ()
