"""Forgeries among the data: which genuine photo each was made of, and which photo was put in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.faces import FaceBatch, Faces
from ....core.probes import ProbeContext
from ...robustness.conditions import Condition, Perturbed
from ..sources import source_photos
from .choosing import expressions_of
from .forgeries import KIND, ONLY_SAVED, RESAVED, Forgery, column_of
from .saving import saved_otherwise

UNKNOWN = -1
SUFFIX = "_of_the_data"
"""Sets apart in keys what the data call a mouth splice from what is made here under that name."""
_HOW = (
    "How these forgeries were made is not known: the control holds the saving alone, and not seams, warps or matched "
    "colours, which may change answers whatever expression is brought in."
)
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class ReadyForgeries:
    """Shows the model the forgery of a genuine photo in its place.

    Attributes:
        faces: of the audit.
        forged: for each way of forging (its name in keys) the forgery of each genuine photo, by row.
        donors: of each forgery whose donor is named the photos of that person among the data, by row.
        several: forgeries that were not used, since their photo has another of the same kind.
        orphans: forgeries whose person has no genuine photo.
    """

    faces: Faces
    forged: Mapping[str, Mapping[int, int]]
    donors: Mapping[int, Sequence[int]]
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


def ready_forgeries(
    context: ProbeContext, forged: Integers, rows: Integers, genuine: Integers
) -> tuple[ReadyForgeries, list[Forgery]]:
    """Pair the forgeries of the data with the photos they were made of.

    Args:
        context: of the probe.
        forged: rows of forgeries; the manifest says how each was forged.
        rows: genuine photos that the model is asked about, in whose place forgeries stand.
        genuine: every genuine photo; donors are among them.
    """
    faces = context.faces
    methods = column_of(faces, "method")
    assert methods is not None
    sources = source_photos(faces, forged, rows)
    by_method: dict[str, dict[int, int]] = {}
    for row in context.random("one of several").permutation(np.array(sorted(sources), dtype=np.int64)).tolist():
        by_method.setdefault(f"{methods[row]}{SUFFIX}", {}).setdefault(sources[row], row)
    used = sum(map(len, by_method.values()))
    others = _photos_of_donors(faces, by_method, genuine)
    donors = {row: _the_donor(context, choice) for row, choice in others.items()}
    shown = ReadyForgeries(faces, by_method, others, len(sources) - used, len(forged) - len(sources))
    told = []
    for name, of in sorted(by_method.items()):
        kind = name.removesuffix(SUFFIX)
        told.append(
            Forgery(
                Condition(KIND, name, title=f"{kind.replace('_', ' ')}, of the data"),
                RESAVED,
                f"a forgery of the kind {kind} (of the data)",
                ONLY_SAVED,
                {photo: donors.get(row, UNKNOWN) for photo, row in of.items()},
                made_here=False,
                caveats=(_HOW, *_saving(faces, of)),
            )
        )
    return shown, told


def _saving(faces: Faces, of: Mapping[int, int]) -> Iterator[str]:
    """Say that files of forgeries are saved otherwise than those of the photos they were made of."""
    otherwise = saved_otherwise(faces, of.items())
    if otherwise:
        yield (
            f"The files of {otherwise:,} of these {len(of):,} forgeries have another format, size or strength of "
            "compression than those of the genuine photos: part of the change may come of that."
        )


def _photos_of_donors(
    faces: Faces, by_method: Mapping[str, Mapping[int, int]], genuine: Integers
) -> dict[int, list[int]]:
    """Return for each forgery the photos of the named donor, but not the one that the forgery was made of."""
    named = column_of(faces, "donor")
    if named is None:
        return {}
    subjects = faces.frame["subject"].to_numpy(dtype=object)
    photos: dict[str, list[int]] = {}
    for row in genuine.tolist():
        photos.setdefault(str(subjects[row]), []).append(row)
    return {
        row: [other for other in photos.get(named[row], ()) if other != source]
        for of in by_method.values()
        for source, row in of.items()
        if named[row]
    }


def _the_donor(context: ProbeContext, choice: list[int]) -> int:
    """Return the photo that was put in, or -1 where the donor's photos show several expressions.

    Which of them it was cannot be told: of the face swaps among the forged London faces, whose donors have two photos
    each, the one most alike is the neutral one in 56 cases and the smiling one in 46, which is what a coin would give.
    """
    shown = set(expressions_of(context, choice).tolist()) if choice else set()
    return choice[0] if len(shown) == 1 else UNKNOWN
