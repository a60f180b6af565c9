"""Whose photo each face is forged with, and whose photo its control is forged with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.faces import Faces
from ....core.probes import ProbeContext
from ..making import METHODS, ForgeryError, Photo, donors, look_of, other_photos
from ..making.partners import MOST_USES

MOST_PHOTOS = 4
"""Photos of a person that are looked at for one with another expression, or with the same."""
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Candidates:
    """Genuine faces that forgeries can be made of and with.

    Attributes:
        rows: positions in ``context.faces.frame``, ascending, (m,).
        people: the person of each, (m,).
        groups: the group of each by attribute, (m, k).
        looks: (m, d), as :func:`~countenance.audit.forgery.making.look_of` tells them.
        landmarks: (m, 68, 2).
        labels: place of the label among the classes, -1 without one, (m,).
        answers: place of the model's answer, (m,).
        unusable: how many faces could not be used, by reason.
    """

    rows: Integers
    people: Integers
    groups: Integers
    looks: NDArray[np.float64]
    landmarks: NDArray[np.float32]
    labels: Integers
    answers: Integers
    unusable: Mapping[str, int]

    def partners(self, name: str, random: np.random.Generator) -> dict[int, int]:
        """Return the photo that each face is forged with, by row; a face without one is absent.

        A face is given that of another person as :func:`~countenance.audit.forgery.making.donors` chooses (most groups
        in common, alike in looks, none given to more than two faces where there are others); of that donor's photos one
        with another expression is taken where there is any. A mouth or eyes come from the photo of the same person in
        which they differ most in shape.

        Args:
            name: kind of forgery.
            random: the lot between donors that are about equally alike.
        """
        if not len(self.rows):
            return {}
        kind = METHODS[name].partner
        if kind == "person":
            chosen = self._with_another_expression(
                donors(self.people, self.groups, self.looks, random, most_uses=MOST_USES)
            )
        else:
            assert kind in ("mouth", "eyes")
            chosen = other_photos(self.people, self.landmarks, kind)
        return {int(row): int(self.rows[at]) for row, at in zip(self.rows, chosen, strict=True) if at >= 0}

    def _with_another_expression(self, chosen: Integers) -> Integers:
        """Exchange each donor's photo for one with another expression than the face's, where that person has one."""
        shown = np.where(self.labels >= 0, self.labels, self.answers)
        found = chosen.copy()
        for face, donor in enumerate(chosen.tolist()):
            if donor >= 0 and shown[donor] == shown[face]:
                others = np.flatnonzero((self.people == self.people[donor]) & (shown != shown[face]))
                found[face] = others[0] if len(others) else donor
        return found

    def controls(self, name: str, partners: Mapping[int, int]) -> dict[int, int]:
        """Return for each face a photo to forge it with in the same way that brings in no other expression.

        That is a photo with the face's own label and the face's own answer, and not the one it is forged with. Of a
        face that is given another person's, one of the same donor where there is any; of a mouth or eyes, another one
        of the same person. Failing that anyone's: of the people with the most groups in common the one most alike in
        looks. A face without any is absent.

        Args:
            name: kind of forgery.
            partners: what each face is forged with, by row.
        """
        places = {int(row): at for at, row in enumerate(self.rows)}
        others_only = METHODS[name].partner == "person"
        found = {}
        for row, partner in partners.items():
            face, donor = places[row], places[partner]
            fits = (self.answers == self.answers[face]) & (self.labels == self.labels[face])
            fits[[face, donor]] = False
            if others_only:
                fits &= self.people != self.people[face]
            choice = np.flatnonzero(fits)
            if not len(choice):
                continue
            unlike = (self.groups[choice] != self.groups[face]).sum(axis=1)
            away = np.linalg.norm(self.looks[choice] - self.looks[face], axis=1)
            stranger = self.people[choice] != self.people[donor]
            found[row] = int(self.rows[choice[np.lexsort((away, unlike, stranger))[0]]])
        return found


def candidates(
    context: ProbeContext,
    photos_of: Callable[[Faces, Integers], Mapping[int, Photo | str]],
    faces: Faces,
    rows: Integers,
    at_once: int,
) -> Candidates:
    """Look at photos, a few at a time; a photo that no forgery can be made of is counted with the reason.

    Args:
        context: of the probe.
        photos_of: reads photos.
        faces: at the size of making.
        rows: genuine faces, ascending.
        at_once: how many are read at once.
    """
    looks, landmarks, kept = [], [], []
    unusable: Counter[str] = Counter()
    for start in range(0, len(rows), at_once):
        for row, photo in photos_of(faces, rows[start : start + at_once]).items():
            try:
                look = photo if isinstance(photo, str) else look_of(photo)
            except ForgeryError as error:
                look = str(error)
            if isinstance(photo, str) or isinstance(look, str):
                unusable[str(look)] += 1
                continue
            looks.append(look)
            landmarks.append(photo.landmarks)
            kept.append(row)
    chosen = np.array(kept, dtype=np.int64)
    single = [groups.codes[chosen] for groups in faces.groupings if len(groups.attributes) == 1]
    return Candidates(
        rows=chosen,
        people=faces.subject_codes[chosen],
        groups=np.stack(single, axis=1) if single else np.zeros((len(chosen), 0), dtype=np.int64),
        looks=np.stack(looks) if looks else np.empty((0, 1)),
        landmarks=np.stack(landmarks) if landmarks else np.empty((0, 68, 2), dtype=np.float32),
        labels=context.predictions.labels[chosen].astype(np.int64),
        answers=context.predictions.predicted[chosen].astype(np.int64),
        unusable=dict(unusable),
    )


def with_other_photos(people: Integers, rows: Integers, genuine: Integers) -> Integers:
    """Return the rows and a few more photos of the same people, in order."""
    kept = set(rows.tolist())
    count = {person: int(number) for person, number in zip(*np.unique(people[rows], return_counts=True), strict=True)}
    for row in genuine.tolist():
        person = int(people[row])
        if row not in kept and 0 < count.get(person, 0) < MOST_PHOTOS:
            kept.add(row)
            count[person] += 1
    return np.array(sorted(kept), dtype=np.int64)


def expressions_of(context: ProbeContext, rows: Integers | Sequence[int]) -> Integers:
    """Return the expression of each photo, as a place among the classes: its label, or else the model's answer."""
    labels, answers = context.predictions.labels[rows], context.predictions.predicted[rows]
    return np.where(labels >= 0, labels, answers).astype(np.int64)
