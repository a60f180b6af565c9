"""Forgeries among the data: which genuine photo each was made of, and which photo was put in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.faces import FaceBatch, Faces
from ....core.probes import ProbeContext
from ...robustness.conditions import Condition, Perturbed
from ..sources import small_crops, source_photos
from .forgeries import KIND, RESAVED, Forgery

UNKNOWN = -1
SUFFIX = "_of_the_data"
"""Sets apart in keys what the data call a mouth splice from what is made here under that name."""
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class ReadyForgeries:
    """Shows the model the forgery of a genuine photo in its place.

    Attributes:
        faces: of the audit.
        forged: for each way of forging (its name in keys) the forgery of each genuine photo, by row.
        several: forgeries that were not used, since their photo has another of the same kind.
        orphans: forgeries whose person has no genuine photo.
    """

    faces: Faces
    forged: Mapping[str, Mapping[int, int]]
    several: int
    orphans: int

    def __call__(self, condition: Condition, batch: FaceBatch) -> Perturbed:
        """Return the batch with the forgeries of its photos; a photo without one stays as it is."""
        of = self.forged[condition.name]
        possible = np.array([row in of for row in batch.rows.tolist()], dtype=np.bool_)
        pixels = batch.pixels.clone()
        if possible.any():
            rows = np.array([of[row] for row in batch.rows[possible].tolist()], dtype=np.int64)
            read = next(iter(self.faces.batches(len(rows), rows)))
            pixels[torch.from_numpy(possible).to(pixels.device)] = read.pixels.to(pixels)
        return Perturbed(pixels, possible)


def ready_forgeries(context: ProbeContext, forged: Integers, genuine: Integers) -> tuple[ReadyForgeries, list[Forgery]]:
    """Pair the forgeries of the data with the photos they were made of.

    Args:
        context: of the probe.
        forged: rows of forgeries.
        genuine: rows of genuine photos.
    """
    faces = context.faces
    methods = faces.frame["method"].to_numpy(dtype=object)
    sources = source_photos(faces, forged, genuine)
    by_method: dict[str, dict[int, int]] = {}
    for row in context.random("one of several").permutation(np.array(sorted(sources), dtype=np.int64)).tolist():
        by_method.setdefault(f"{methods[row]}{SUFFIX}", {}).setdefault(sources[row], row)
    used = sum(map(len, by_method.values()))
    donors = _donors(faces, by_method, genuine)
    shown = ReadyForgeries(faces, by_method, len(sources) - used, len(forged) - len(sources))
    told = [
        Forgery(
            Condition(KIND, name, title=f"{name.removesuffix(SUFFIX).replace('_', ' ')}, of the data"),
            RESAVED,
            f"a forgery of the kind {name.removesuffix(SUFFIX)} (of the data)",
            {photo: donors.get(row, UNKNOWN) for photo, row in of.items()},
            made_here=False,
        )
        for name, of in sorted(by_method.items())
    ]
    return shown, told


def _donors(faces: Faces, by_method: Mapping[str, Mapping[int, int]], genuine: Integers) -> dict[int, int]:
    """Return for each forgery the photo that was put in: of the named donor's, the one most like the forgery.

    The photo that the forgery was made of is none of them. Only what differs between a donor's photos decides, which
    is the face: hair and background are the same in all of them, or as unlike.
    """
    if "donor" not in faces.frame:
        return {}
    named = faces.frame["donor"].to_numpy(dtype=object)
    subjects = faces.frame["subject"].to_numpy(dtype=object)
    photos: dict[str, list[int]] = {}
    for row in genuine.tolist():
        photos.setdefault(str(subjects[row]), []).append(row)
    choice = {
        row: [other for other in photos.get(str(named[row]), ()) if other != source]
        for of in by_method.values()
        for source, row in of.items()
        if named[row]
    }
    unsure = {row for row, others in choice.items() if len(others) > 1}
    crops = small_crops(faces, np.array(sorted(unsure | {other for row in unsure for other in choice[row]})))
    found = {row: others[0] for row, others in choice.items() if others}
    for row in unsure:
        own = crops[row].astype(np.int16)
        found[row] = min(choice[row], key=lambda other: float(np.abs(crops[other] - own).mean()))
    return found
