"""Faces that forgeries are made of, and who is whose partner among them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ....core.faces import Faces
from .catalogue import METHODS, Partner
from .partners import MOST_USES, NOBODY, donors, other_photos
from .photo import ForgeryError, Photo, photo_of
from .photos import Photos

Integers = NDArray[np.int64]
OTHER_PHOTOS = 4
_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Pool:
    """Photos by row of the faces.

    Attributes:
        photos: the photo of each row that could be used; of many, only some are in memory at a time.
        people: the person of every face of the frame, (faces,).
        groups: the group of every face by attribute, (faces, k).
    """

    photos: Photos
    people: Integers
    groups: Integers

    @property
    def skipped(self) -> Mapping[str, int]:
        """How many faces could not be used, by reason."""
        return self.photos.skipped

    def partners(self, kind: Partner, random: np.random.Generator) -> dict[int, int]:
        """Return the row of each face's partner; a face without one is absent.

        No photo is given to more than two faces as another person's, as long as there are others to give: a donor's
        face in many forgeries would make them all alike.

        Args:
            kind: of partner, as a method of forging names it.
            random: the lot between donors that are about equally alike.
        """
        rows = np.array(sorted(self.photos), dtype=np.int64)
        known = [self.photos.known[row] for row in rows.tolist()]
        if kind == "none" or not len(rows):
            return {row: row for row in rows.tolist()}
        if kind == "person":
            looks = np.stack([each.look for each in known])
            places = donors(self.people[rows], self.groups[rows], looks, random, most_uses=MOST_USES)
        else:
            points = np.stack([each.landmarks for each in known])
            places = other_photos(self.people[rows], points, kind)
        pairs = zip(rows.tolist(), places.tolist(), strict=True)
        return {row: int(rows[place]) for row, place in pairs if place != NOBODY}

    def all_partners(
        self, methods: Iterable[str], random: Callable[[str], np.random.Generator]
    ) -> dict[str, dict[int, int]]:
        """Return the partners for each method; methods that need the same kind are given the same ones."""
        kinds: dict[str, dict[int, int]] = {}
        for name in methods:
            kind = METHODS[name].partner
            if kind not in kinds:
                kinds[kind] = self.partners(kind, random(kind))
        return {name: kinds[METHODS[name].partner] for name in methods}


def lot(seed: int, *names: str) -> np.random.Generator:
    """Return a generator that depends on the seed and ``names`` alone."""
    text = "\x1f".join((str(seed), *names))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little"))


def unusable_landmarks(faces: Faces) -> str:
    """Say why no forgery can be made of faces with these landmarks; empty where one can."""
    kind = faces.landmarks_kind
    if kind in ("68", "478"):
        return ""
    if kind == "none":
        return "the faces have no landmarks; forgeries are made with 68 or 478 of them"
    points = "the five points of a template" if kind == "aligned" else "5 landmarks"
    return f"the faces have {points}, and forgeries are made with 68 or 478"


def groups_of(faces: Faces) -> Integers:
    """Return the group of each face by attribute, (faces, k); intersections are left out, which say no more."""
    single = [groups.codes for groups in faces.groupings if len(groups.attributes) == 1]
    return np.stack(single, axis=1).astype(np.int64) if single else np.zeros((len(faces), 0), dtype=np.int64)


def splices(methods: Iterable[str]) -> bool:
    """Return whether one of the methods takes a part of another photo of the same person."""
    return any(METHODS[name].partner in ("mouth", "eyes") for name in methods)


def with_other_photos(
    chosen: Integers, candidates: Integers, people: Integers, random: np.random.Generator
) -> Integers:
    """Return the faces to read, ascending: the chosen ones, and up to four other photos of each of the same people.

    Args:
        chosen: faces to forge.
        candidates: faces that others may be taken from.
        people: the person of every face of the frame, (faces,).
        random: decides which other photos.
    """
    others = np.setdiff1d(candidates, chosen)
    others = others[np.isin(people[others], people[chosen])]
    others = others[random.permutation(len(others))]
    kept: list[int] = []
    seen: Counter[int] = Counter()
    for row in others.tolist():
        person = int(people[row])
        seen[person] += 1
        if seen[person] <= OTHER_PHOTOS:
            kept.append(row)
    return np.union1d(chosen, np.array(kept, dtype=np.int64))


def read_pool(
    faces: Faces, rows: Integers, height_width: tuple[int, int], advance: Callable[[int], None] | None = None
) -> Pool:
    """Read faces as an audit crops them, at any size, with their landmarks; what does not fit is read again later.

    Args:
        faces: of the audit.
        rows: positions to read.
        height_width: size of the photos in pixels.
        advance: told how many more faces were read.

    Raises:
        ForgeryError: where the faces do not have 68 or 478 landmarks.
        AuditError: for an image that became unusable.
    """
    reason = unusable_landmarks(faces)
    if reason:
        raise ForgeryError(f"expected 68 or 478 landmarks of each face, but {reason}")
    photos = Photos(reader_of(faces, height_width))
    photos.meet(np.unique(rows), advance)
    return Pool(photos, faces.subject_codes, groups_of(faces))


def reader_of(faces: Faces, height_width: tuple[int, int]) -> Callable[[Integers], Iterator[tuple[int, Photo | str]]]:
    """Return what reads photos of rows as an audit crops them, or says why a face cannot be used."""
    sized = replace(faces, height_width=height_width)

    def read(rows: Integers) -> Iterator[tuple[int, Photo | str]]:
        for batch in sized.batches(_AT_ONCE, rows, landmarks=True):
            assert batch.landmarks is not None
            pixels = batch.pixels.mul(255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
            for row, picture, points in zip(batch.rows.tolist(), pixels, batch.landmarks, strict=True):
                try:
                    yield row, photo_of(picture.copy(), points)  # a view would hold the whole batch in memory
                except ForgeryError as error:
                    yield row, str(error)

    return read
